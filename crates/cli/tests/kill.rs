//! A run whose process is killed at random moments ends with the results of one that was left alone.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::fs;
use std::process::Command;
use std::thread::sleep;

use gac_harness::stats::Xoshiro256;
use serde_json::Value;
use undisturbed::{assert_same, finish, recipe, said, start};

/// Processes to kill.
const KILLS: usize = 50;
const SEED: u64 = 17;

#[test]
fn a_run_killed_at_random_moments_ends_as_an_undisturbed_one() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), 8);
    let undisturbed = scratch.path().join("undisturbed");
    let whole = finish(start(&recipe, &undisturbed));
    let expected = said(&undisturbed, 8);

    let mut random = Xoshiro256::new(SEED);
    let (mut kills, mut torn, mut runs) = (0, 0, 0);
    while kills < KILLS {
        let output = scratch.path().join(format!("run-{runs}"));
        runs += 1;
        loop {
            let mut child = start(&recipe, &output);
            let moment = whole.mul_f64(random.index(1000) as f64 / 1000.0);
            sleep(moment);
            if kills == KILLS || child.try_wait().unwrap().is_some() {
                finish(child);
                break;
            }
            child.kill().unwrap();
            let stderr = child.wait_with_output().unwrap().stderr;
            torn += usize::from(String::from_utf8_lossy(&stderr).contains("was torn"));
            kills += 1;
        }
        let found = said(&output, 8);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (key, value) in &found {
            assert_same(value, &expected[key], key);
        }
        let manifest: Value = serde_json::from_slice(&fs::read(output.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["status"], "finished");
    }
    eprintln!("{kills} kills over {runs} runs of {whole:?} each; {torn} torn lines dropped; all ended the same");
}

#[test]
fn a_file_that_may_not_grow_is_said_so_and_the_run_goes_on_later() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), 24);
    let output = scratch.path().join("run");
    let gac = env!("CARGO_BIN_EXE_gac");
    // 8 blocks of 1,024 bytes; without the signal, writing past that is an error.
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {gac} run {recipe} --output-path {}", output.display());
    let ran = Command::new("bash").args(["-c", &script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("failed to write") && stderr.contains("hint: make room and run the same command again"),
        "{stderr}"
    );
    let path = output.join("a/gsm8k/samples.jsonl");
    let before = support::lines(path.to_str().unwrap());
    assert!(!before.is_empty() && before.len() < 24);
    finish(start(&recipe, &output));
    assert_eq!(support::lines(path.to_str().unwrap())[..before.len()], before);
    said(&output, 24);
}

#[test]
fn a_folder_that_cannot_be_made_is_said_so() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), 8);
    let ran = support::gac(&["run", &recipe, "--limit", "1", "--output-path", "/proc/gac/run"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("error: failed to write `/proc/gac/run`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: choose an `--output-path` that can be written to"), "{}", ran.stderr);
}

/// Starts `gac` in the repository.
fn start_gac(args: &[&str]) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gac"));
    command.args(args).current_dir(support::root()).stderr(std::process::Stdio::piped()).spawn().unwrap()
}

/// Lines without the times in them.
fn without_times(path: &str) -> Vec<Value> {
    let mut lines = support::lines(path);
    lines.iter_mut().filter_map(Value::as_object_mut).for_each(|line| drop(line.remove("seconds")));
    lines
}

/// Every whole line of an output that was cut short is one of the finished output, in its place.
fn assert_prefix(output: &str, expected: &[Value]) -> usize {
    let text = fs::read(output).unwrap_or_default();
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let lines = std::str::from_utf8(&text[..whole]).unwrap().lines();
    let mut count = 0;
    for (line, expected) in lines.zip(expected) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("seconds");
        assert_eq!(&line, expected);
        count += 1;
    }
    count
}

#[test]
fn generate_and_score_that_are_killed_go_on_behind_their_last_line_and_end_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let prompt = |n| format!("{{\"prompt\": \"Question: what is {n} plus {n}?\\nAnswer:\"}}\n");
    let text = |n: usize| match n % 3 {
        0 => format!("{{\"id\": {n}, \"text\": \"{}\"}}\n", "what is it that a zorb has? ".repeat(1 + n)),
        1 => format!("{{\"id\": {n}, \"context\": \"number {n}\", \"continuation\": \" and {}\"}}\n", n + 1),
        _ => format!("{{\"id\": {n}, \"tokens\": [1, 2, {}]}}\n", 3 + n),
    };
    let prompts = (0..60).map(prompt).collect::<Vec<_>>().concat();
    let texts = (0..60).map(text).collect::<Vec<_>>().concat();
    fs::write(at("prompts"), prompts).unwrap();
    fs::write(at("texts"), texts).unwrap();
    // Few at a time, so that lines come all along.
    let model = ["--model", "models/mini-llama", "--batch-size", "4"];
    let generate = ["generate", "-q", "--prompts", &at("prompts"), "--max-new-tokens", "40", "--until", "\n\n"];
    let score = ["score", "-q", "--input", &at("texts")];
    let mut random = Xoshiro256::new(SEED);
    for command in [[&generate[..], &model].concat(), [&score[..], &model].concat()] {
        let whole = at("whole");
        let took = finish(start_gac(&[&command[..], &["--output", &whole]].concat()));
        let expected = without_times(&whole);
        assert_eq!(expected.len(), 60);
        let (mut kills, mut kept, mut runs) = (0, 0, 0);
        while kills < KILLS / 2 {
            let output = at(&format!("{}-{runs}", command[0]));
            runs += 1;
            let mut before = 0;
            loop {
                let mut child = start_gac(&[&command[..], &["--output", &output]].concat());
                sleep(took.mul_f64(0.3 + 0.7 * random.index(1000) as f64 / 1000.0));
                if kills == KILLS / 2 || child.try_wait().unwrap().is_some() {
                    finish(child);
                    break;
                }
                child.kill().unwrap();
                child.wait().unwrap();
                let now = assert_prefix(&output, &expected);
                assert!(now >= before, "lines that were there are gone: {now} of {before}");
                kept += now - before;
                before = now;
                kills += 1;
                if now == expected.len() && !fs::exists(format!("{output}.resume")).unwrap() {
                    // It had ended, but for its process.
                    break;
                }
            }
            assert_eq!(without_times(&output), expected);
            assert!(!fs::exists(format!("{output}.resume")).unwrap());
        }
        assert!(kept > 0, "no kill left a line");
        eprintln!("{}: {kills} kills over {runs} outputs of {took:?} each kept {kept} lines", command[0]);
    }
}

/// Leaves an output that was cut short, with at least one line.
fn cut_short(args: &[&str], output: &str) {
    loop {
        let mut child = start_gac(&[args, &["--output", output]].concat());
        while !fs::read(output).is_ok_and(|text| text.contains(&b'\n')) && child.try_wait().unwrap().is_none() {
            sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if fs::exists(format!("{output}.resume")).unwrap() {
            return;
        }
        fs::remove_file(output).unwrap();
    }
}

#[test]
fn chats_that_are_written_down_otherwise_are_begun_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let prompt = |n| format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"what is {n} plus {n}?\"}}]}}\n");
    fs::write(at("prompts"), (0..80).map(prompt).collect::<Vec<_>>().concat()).unwrap();
    let (prompts, output) = (at("prompts"), at("output"));
    let (template, other) = (at("mine.jinja"), at("other.jinja"));
    let write = |file: &str, before: &str| {
        let text = "{% for message in messages %}{{ message.content }}{% endfor %}";
        fs::write(file, format!("{before}{text}")).unwrap();
    };
    write(&template, "");
    write(&other, "Be long.\n");
    let generate = ["generate", "--prompts", &prompts, "--max-new-tokens", "30", "--model", "models/mini-llama"];
    let chats = [&generate[..], &["--chat-template", &template]].concat();
    let again = |args: &[&str]| {
        let ran = support::gac(&[args, &["--output", &output]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(support::lines(&output).len(), 80);
        fs::remove_file(&output).unwrap();
        ran.stderr
    };
    let anew = "was cut short with another model";
    cut_short(&chats, &output);
    assert!(again(&[&generate[..], &["--chat-template", &other]].concat()).contains(anew), "another template");
    cut_short(&chats, &output);
    assert!(again(&[&chats[..], &["--chat-template-args", "{\"short\": true}"]].concat()).contains(anew), "arguments");
    cut_short(&chats, &output);
    write(&template, "Be brief.\n");
    assert!(again(&chats).contains(anew), "the same file with another template in it");
    cut_short(&chats, &output);
    assert!(again(&chats).contains("going on with"));
}

#[test]
fn scores_that_were_cut_short_with_other_settings_are_begun_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let text =
        |n: usize| format!("{{\"id\": {n}, \"text\": \"{}\"}}\n", "what is it that a zorb has? ".repeat(1 + n % 30));
    fs::write(at("texts"), (0..200).map(text).collect::<Vec<_>>().concat()).unwrap();
    let (texts, output, whole) = (at("texts"), at("output"), at("whole"));
    let score = ["score", "--input", &texts, "--batch-size", "4", "--model", "models/mini-llama"];
    for change in [&["--add-bos", "false"][..], &["--dtype", "bf16"]] {
        cut_short(&score, &output);
        let changed = [&score[..], change].concat();
        finish(start_gac(&[&changed[..], &["--output", &whole]].concat()));
        let ran = support::gac(&[&changed[..], &["--output", &output]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("was cut short with another model"), "{change:?}: {}", ran.stderr);
        assert_eq!(support::lines(&output), support::lines(&whole), "{change:?}");
        fs::remove_file(&output).unwrap();
    }
}

#[test]
fn what_was_cut_short_with_other_settings_is_begun_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let prompt = |n| format!("{{\"prompt\": \"what is {n} plus {n}?\"}}\n");
    let prompts = (0..80).map(prompt).collect::<Vec<_>>().concat();
    fs::write(at("prompts"), &prompts).unwrap();
    fs::write(at("others"), prompts.replace("{\"prompt\": \"what is 79", "{\"prompt\": \"what was 79")).unwrap();
    let (prompts, others, output) = (at("prompts"), at("others"), at("output"));
    let generate = ["generate", "--prompts", &prompts, "--max-new-tokens", "30", "--model", "models/mini-llama"];
    for (place, change) in [
        (0, &["--until", " "][..]),
        (0, &["--temperature", "0.5"]),
        (0, &["--dtype", "f32"]),
        (0, &["--model", "models/mini-qwen"]),
        (0, &["--add-bos", "false"]),
        (0, &["--think-end-token", "answer"]),
        (2, &[&others]),
        (4, &["31"]),
        (6, &["models/mini-qwen"]),
    ] {
        cut_short(&generate, &output);
        let changed = match place {
            0 => [&generate[..], change].concat(),
            place => [&generate[..place], change, &generate[place + 1..]].concat(),
        };
        let whole = at("whole");
        finish(start_gac(&[&changed[..], &["--output", &whole]].concat()));
        let ran = support::gac(&[&changed[..], &["--output", &output]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("was cut short with another model"), "{change:?}: {}", ran.stderr);
        assert_eq!(without_times(&output), without_times(&whole), "{change:?}");
        fs::remove_file(&output).unwrap();
    }
    // The same settings in another order, and another batch size, are the same request.
    cut_short(&generate, &output);
    let same = [&generate[..1], &["--batch-size", "3"], &generate[1..], &["--output", &output]].concat();
    let ran = support::gac(&same);
    assert!(ran.stderr.contains("going on with"), "{}", ran.stderr);
    assert_eq!(support::lines(&output).len(), 80);
}
