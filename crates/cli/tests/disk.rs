//! Disks that are really full, and really read-only: file systems of our own, in a namespace of our own.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::fs;
use std::path::Path;
use std::process::Command;

use gac_needs::needs;
use undisturbed::{assert_same, finish, recipe, said, start};

/// Documents per task: some forty kilobytes of samples.
const LIMIT: usize = 8;
/// Kilobytes of the file system; all of them but some are taken by another file.
const SIZE: usize = 1024;

/// Runs a script as the root of a namespace with mounts of its own.
fn in_namespace(script: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("unshare");
    command.args(["-rm", "bash", "-euc", script, "bash"]).args(arguments);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

/// Arguments: the binary, the recipe, the mount point, where copies go, kilobytes to leave free.
const FULL: &str = r#"
gac=$1; recipe=$2; disk=$3; copies=$4; free=$5
export GAC_CACHE=$copies/cache
mount -t tmpfs -o size=SIZEk,nr_inodes=1000 tmpfs "$disk"
head -c $(((SIZE - free) * 1024)) /dev/zero > "$disk/filler"
code=0
"$gac" run "$recipe" --output-path "$disk/run" > "$copies/stdout" 2> "$copies/stderr" || code=$?
echo $code > "$copies/code"
if [ -e "$disk/run" ]; then cp -r "$disk/run" "$copies/cut-short"; fi
rm "$disk/filler"
"$gac" run "$recipe" --output-path "$disk/run" > "$copies/stdout-2" 2> "$copies/stderr-2"
cp -r "$disk/run" "$copies/finished"
"#;

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_gac")
}

/// Every whole line that the run had written when the disk was full.
fn finished_samples(run: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for system in ["a", "both", "gated"] {
        for task in ["gsm8k", "arc_easy"] {
            let path = format!("{system}/{task}/samples.jsonl");
            let text = fs::read_to_string(run.join(&path)).unwrap_or_default();
            assert!(text.is_empty() || text.ends_with('\n'), "{path} ends in a torn line");
            found.extend(text.lines().map(|line| (path.clone(), line.to_owned())));
        }
    }
    found
}

#[needs(namespaces)]
#[test]
fn a_disk_that_fills_up_costs_no_finished_sample_and_the_run_goes_on_when_there_is_room() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), LIMIT);
    let undisturbed = scratch.path().join("undisturbed");
    finish(start(&recipe, &undisturbed));
    let expected = said(&undisturbed, LIMIT);
    let disk = scratch.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = FULL.replace("SIZE", &SIZE.to_string());
    let mut kept = Vec::new();
    // From no room for the manifest to almost enough for everything.
    for free in [0, 8, 16, 32, 48, 64, 96] {
        let copies = scratch.path().join(format!("free-{free}"));
        fs::create_dir(&copies).unwrap();
        let arguments = [binary(), &recipe, disk.to_str().unwrap(), copies.to_str().unwrap(), &free.to_string()];
        in_namespace(&script, &arguments);
        let stderr = fs::read_to_string(copies.join("stderr")).unwrap();
        assert_eq!(fs::read_to_string(copies.join("code")).unwrap().trim(), "2", "{free} kB free: {stderr}");
        let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.contains('`') && error.contains("/disk/run"), "no file is named: {error}");
        assert!(error.contains("No space left on device"), "{error}");
        assert!(stderr.contains("\nhint: make room and run the same command again"), "{stderr}");
        let before = finished_samples(&copies.join("cut-short"));
        let after = finished_samples(&copies.join("finished"));
        assert!(before.iter().all(|sample| after.contains(sample)), "a finished sample was lost");
        kept.push(before.len());
        let found = said(&copies.join("finished"), LIMIT);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (key, value) in &found {
            assert_same(value, &expected[key], key);
        }
    }
    assert!(kept.windows(2).all(|pair| pair[0] <= pair[1]) && kept[0] == 0 && kept.last() > Some(&0), "{kept:?}");
    eprintln!("samples that were kept: {kept:?} of {}", 6 * LIMIT);
}

/// Arguments: the binary, the recipe, the mount point, where copies go.
const READ_ONLY: &str = r#"
gac=$1; recipe=$2; disk=$3; copies=$4
export GAC_CACHE=$copies/cache
mount -t tmpfs tmpfs "$disk"
"$gac" run "$recipe" --output-path "$disk/run" > /dev/null 2>&1
cp -r "$disk/run" "$copies/before"
mount -o remount,ro "$disk"
try() { code=0; "$gac" "$@" > /dev/null 2> "$copies/stderr" || code=$?; echo "code $code"; cat "$copies/stderr"; }
echo "== new"; try run "$recipe" --output-path "$disk/new"
echo "== old"; try run "$recipe" --limit 9 --output-path "$disk/run"
echo "== report"; try report "$disk/run"
echo "== plots"; try report "$disk/run" -o "$copies/report.html" --plots "$disk/plots"
echo "== elsewhere"; try report "$disk/run" -o "$copies/report.html"
echo "== end"
diff -r "$disk/run" "$copies/before"
"#;

#[needs(namespaces)]
#[test]
fn a_read_only_disk_is_said_so_and_what_is_on_it_stays_and_can_be_read() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), LIMIT);
    let disk = scratch.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let arguments = [binary(), &recipe, disk.to_str().unwrap(), scratch.path().to_str().unwrap()];
    let said = in_namespace(READ_ONLY, &arguments);
    let part = |name: &str| {
        let (_, rest) = said.split_once(&format!("== {name}\n")).unwrap();
        rest.split("== ").next().unwrap()
    };
    for (name, file, hint) in [
        ("new", "/disk/new`", "\nhint: choose "),
        ("old", "/disk/run/", "\nhint: choose "),
        ("report", "/disk/run/report.html`", "\nhint: name another file with `-o FILE.html`"),
        ("plots", "/disk/plots`", "\nhint: name another folder with `--plots`"),
    ] {
        let part = part(name);
        assert!(part.starts_with("code 2\n") && part.contains(file), "{name}: {part}");
        assert!(part.contains("Read-only file system"), "{name}: {part}");
        assert!(part.contains(hint), "{name}: {part}");
    }
    assert!(part("elsewhere").starts_with("code 0\n"), "{said}");
}
