//! Runs the binary as a user does.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "test code: a panic is a failure, not every file uses every helper"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of the binary came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs `gac` in the repository with `args`, offline and with an empty hub cache.
pub fn gac(args: &[&str]) -> Ran {
    gac_with(args, &[])
}

/// [`gac`] with these variables set.
pub fn gac_with(args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_gac"))
        .args(args)
        .current_dir(root())
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", std::env::temp_dir().join("gac-no-such-cache"))
        .env_remove("GAC_LOG")
        .env_remove("GITHUB_STEP_SUMMARY")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A scratch folder with a file of `text` in it.
pub fn file(text: &str) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, text).unwrap();
    let output = folder.path().join("out.jsonl");
    let (input, output) = (input.to_str().unwrap().to_owned(), output.to_str().unwrap().to_owned());
    (folder, input, output)
}

/// The lines of a JSON lines file.
pub fn lines(path: &str) -> Vec<serde_json::Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
