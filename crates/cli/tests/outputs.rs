//! Where outputs go: files are replaced whole with their permissions, links stay, pipes and devices are written through.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::root;

/// Runs the binary in the repository.
fn gac(args: &[OsString]) -> Output {
    command(args).output().unwrap()
}

fn command(args: &[OsString]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gac"));
    command.args(args).current_dir(root()).env("HF_HUB_OFFLINE", "1");
    command
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Every command that writes a file, but for that file, which comes last.
fn commands(folder: &Path) -> Vec<Vec<OsString>> {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::write(at("texts.jsonl"), "{\"text\": \"one two\"}\n{\"context\": \"one\", \"continuation\": \" two\"}\n")
        .unwrap();
    fs::write(at("prompts.jsonl"), "{\"prompt\": \"one\"}\n{\"prompt\": \"two\"}\n").unwrap();
    let said = r#"{"task": "gsm8k", "subject": null, "doc_id": 0, "response": "The answer is 4."}"#;
    fs::write(at("responses.jsonl"), said).unwrap();
    let data = ["--data-dir", "datasets/mini"];
    vec![
        words(&["score", "-q", "--model", "models/mini-llama", "--input", &at("texts.jsonl"), "--output"]),
        words(&[
            "generate",
            "-q",
            "--model",
            "models/mini-llama",
            "--max-new-tokens",
            "2",
            "--prompts",
            &at("prompts.jsonl"),
            "--output",
        ]),
        words(&["tasks", "render", "gsm8k", "--limit", "2", data[0], data[1], "--output"]),
        words(&["tasks", "score", "gsm8k", "--responses", &at("responses.jsonl"), data[0], data[1], "--output"]),
        words(&["report", "-q", "results/baseline", "-o"]),
        words(&["export", "-q", "--format", "parquet", "results/baseline", "-o"]),
        words(&["compare", "results/baseline", "results/baseline", "--junit"]),
    ]
}

fn with(command: &[OsString], output: &OsStr) -> Vec<OsString> {
    command.iter().cloned().chain([output.to_owned()]).collect()
}

/// What a command writes, without the times in it.
fn told(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(|line| match line.split_once("\"seconds\":") {
        Some((before, after)) => {
            format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

#[test]
fn every_output_goes_where_its_path_leads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for command in commands(folder.path()) {
        let name = format!("{command:?}");
        let plain = at("plain");
        let ran = gac(&with(&command, plain.as_os_str()));
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        let expected = fs::read(&plain).unwrap();
        assert!(!expected.is_empty(), "{name}");
        let only_on_stdout = ran.stdout;

        // A file keeps its permissions, and a link stays one.
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&plain, "old").unwrap();
        let link = at("link");
        symlink("plain", &link).unwrap();
        let ran = gac(&with(&command, link.as_os_str()));
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        assert!(link.is_symlink(), "{name}");
        assert_eq!(plain.metadata().unwrap().mode() & 0o777, 0o600, "{name}");
        assert_eq!(told(&fs::read(&plain).unwrap()), told(&expected), "{name}");

        // A named pipe stays one, and its reader gets everything.
        let pipe = at("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        assert!(gac(&with(&command, pipe.as_os_str())).status.success(), "{name}");
        assert_eq!(told(&reader.join().unwrap()), told(&expected), "{name}");
        assert!(!pipe.metadata().unwrap().is_file(), "{name}");

        // Standard output under its names, beside what the command prints there.
        let on_stdout: Vec<u8> = [&only_on_stdout[..], &expected].concat();
        for stdout in ["-", "/dev/stdout", "/proc/self/fd/1"] {
            let ran = gac(&with(&command, OsStr::new(stdout)));
            assert!(ran.status.success(), "{name} {stdout}");
            assert_eq!(told(&ran.stdout), told(&on_stdout), "{name} {stdout}");
        }

        // A full device is an error, and no file.
        let ran = gac(&with(&command, OsStr::new("/dev/full")));
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{name}");
        assert!(stderr.contains("failed to write `/dev/full`: No space left on device"), "{name}: {stderr}");

        for name in [plain, link, pipe] {
            fs::remove_file(name).unwrap();
        }
        let left: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left.len(), 3, "{name} left something: {left:?}");
    }
}

#[test]
fn a_shell_that_appends_to_a_file_through_standard_output_gets_no_byte_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let command = &commands(folder.path())[0];
    let file = folder.path().join("all");
    let script = r#"out=$1; shift; { echo before; "$@" /dev/stdout; echo after; } > "$out""#;
    let mut shell = Command::new("bash");
    shell.args(["-c", script, "bash"]).arg(&file).arg(env!("CARGO_BIN_EXE_gac")).args(command).current_dir(root());
    assert!(shell.status().unwrap().success());
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[3]), (4, "before", "after"), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    for command in commands(folder.path()).iter().filter(|command| command[0] != "compare") {
        let mut child = self::command(&with(command, OsStr::new("-")));
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = child.wait_with_output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
        assert!(ran.stderr.is_empty(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn paths_need_not_be_utf_8() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join(OsStr::from_bytes(b"d\xff"));
    fs::create_dir(&inside).unwrap();
    let data = inside.join("data");
    symlink(root().join("datasets/mini"), &data).unwrap();
    let succeeds = |args: &[OsString]| {
        let ran = gac(args);
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    let flag = |name: &str, path: &Path| {
        let mut flag = OsString::from(format!("{name}="));
        flag.push(path);
        flag
    };
    for (place, command) in commands(folder.path()).into_iter().enumerate() {
        succeeds(&with(&command, inside.join(format!("out-{place}")).as_os_str()));
    }
    let (run, again) = (inside.join("run"), inside.join("again"));
    let eval = words(&["eval", "-q", "--model", "models/mini-llama", "--tasks", "gsm8k", "--limit", "1"]);
    let folders = [flag("--data_dir", &data), flag("--output_path", &run)];
    succeeds(&[&eval[..], &folders].concat());
    let run = run.into_os_string();
    succeeds(&["rerun".into(), "-q".into(), run.clone(), flag("--output-path", &again)]);
    for command in [
        &["compare"][..],
        &["leaderboard"],
        &["report"],
        &["export", "--format", "lm-eval"],
        &["export", "--format", "parquet"],
    ] {
        let runs = if command[0] == "compare" { vec![run.clone(), again.clone().into()] } else { vec![run.clone()] };
        succeeds(&[words(command), runs].concat());
    }
    // A recipe and everything that it names by its own folder, a chat template among it.
    symlink(root().join("models/mini-llama"), inside.join("model")).unwrap();
    fs::write(inside.join("mine.jinja"), "{% for message in messages %}{{ message.content }}{% endfor %}").unwrap();
    let recipe = "data-dir = 'data'\ntasks = ['gsm8k']\nlimit = 1\n\
        [models]\nm = { path = 'model', chat-template = 'mine.jinja' }\n\
        [[systems]]\nname = 'm'\nmembers = ['m']\nchat-template = true\n";
    fs::write(inside.join("recipe.toml"), recipe).unwrap();
    let own = inside.join("own");
    for _ in ["a new run", "the same again"] {
        succeeds(&["run".into(), "-q".into(), inside.join("recipe.toml").into(), flag("--output-path", &own)]);
    }
    succeeds(&["rerun".into(), "-q".into(), own.into(), flag("--output-path", &inside.join("own-again"))]);
    let sweep = words(&["sweep", "-q", "--model", "models/mini-llama", "--model", "models/mini-qwen", "--limit", "1"]);
    let sweep = [sweep, words(&["--gate", "models/mini-llama", "--thresholds", "0.5", "--tasks", "gsm8k"])].concat();
    let swept = inside.join("swept");
    succeeds(&[&sweep[..], &[flag("--data-dir", &data), flag("--output-path", &swept)]].concat());
    let trace = inside.join("trace.jsonl");
    let generate = [&commands(folder.path())[1][..], &["".into()]].concat();
    let generate = [&generate[..generate.len() - 2], &words(&["--trace", "--output"])].concat();
    succeeds(&with(&generate, trace.as_os_str()));
    succeeds(&["explain".into(), trace.into()]);
    let tasks = inside.join("tasks");
    fs::create_dir(&tasks).unwrap();
    succeeds(&["tasks".into(), "list".into(), flag("--include-path", &tasks)]);
    let plots = inside.join("plots");
    succeeds(&["report".into(), "-q".into(), run.clone(), flag("--plots", &plots)]);
    let manifest = fs::read_to_string(Path::new(&run).join("manifest.json")).unwrap();
    assert!(manifest.contains("\"bytes\""), "the folder of the data is kept byte for byte");
}

#[test]
fn what_has_to_be_text_and_is_none_is_named() {
    let odd = OsStr::from_bytes(b"zorb\xff");
    let output = tempfile::tempdir().unwrap().path().join(odd);
    for flags in [&["score", "--input", "in", "--model"][..], &["generate", "--prompts", "in", "--model"], &["vocab"]] {
        let mut args = words(flags);
        args.push(OsStr::from_bytes(b"models/m\xfe").to_owned());
        if flags[0] != "vocab" {
            args.extend(["--output".into(), output.clone().into()]);
        }
        let ran = gac(&args);
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("error: the argument `models/m\u{fffd}` is not UTF-8\nhint: "), "{stderr}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let folder = tempfile::tempdir().unwrap();
    for (place, command) in commands(folder.path()).iter().take(4).enumerate() {
        let input = command.iter().map(PathBuf::from).find(|word| word.extension().is_some_and(|e| e == "jsonl"));
        let output = folder.path().join(format!("out-{place}"));
        assert!(gac(&with(command, output.as_os_str())).status.success());
        let expected = fs::read(&output).unwrap();
        let Some(input) = input else { continue };
        let text = fs::read_to_string(&input).unwrap();
        fs::write(&input, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
        let ran = gac(&with(command, output.as_os_str()));
        assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(told(&fs::read(&output).unwrap()), told(&expected));
    }
}

#[test]
fn lines_are_not_written_over_those_that_they_follow_from() {
    let folder = tempfile::tempdir().unwrap();
    for command in &commands(folder.path())[..2] {
        let input = command.iter().map(PathBuf::from).find(|word| word.extension().is_some_and(|e| e == "jsonl"));
        let input = input.unwrap();
        let before = fs::read(&input).unwrap();
        let link = folder.path().join("same");
        symlink(&input, &link).unwrap();
        let ran = gac(&with(command, link.as_os_str()));
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("is the input, which has to be there until all is written"), "{stderr}");
        assert_eq!(fs::read(&input).unwrap(), before);
        fs::remove_file(link).unwrap();
    }
}
