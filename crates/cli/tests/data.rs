//! `gac data` on the miniature data, and against a server on this machine.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use gac_needs::{folder, needs};
use support::{gac, root};

const COT: &str = "EleutherAI/lm-evaluation-harness/0.4.13/lm_eval/tasks/gsm8k/gsm8k-cot.yaml";

fn verify(folder: &Path, task: &str) -> support::Ran {
    gac(&["data", "verify", task, "--data-dir", folder.to_str().unwrap()])
}

#[test]
fn files_of_ones_own_are_told_apart_and_missing_ones_named() {
    let ran = gac(&["data", "verify", "piqa", "--data-dir", "datasets/mini"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.lines().filter(|line| line.starts_with("other ")).count(), 2, "{}", ran.stdout);

    let ran = gac(&["data", "verify", "gsm8k_cot", "--data-dir", "datasets/mini"]);
    assert_eq!(ran.code, 1, "a named task's file is missing");
    assert!(ran.stdout.contains(&format!("missing   {COT}")), "{}", ran.stdout);
    assert_eq!(gac(&["data", "verify", "--data-dir", "datasets/mini"]).code, 0, "not everything need be there");
    assert_eq!(gac(&["data", "verify", "gsm9k"]).code, 2);
}

#[test]
fn a_file_of_a_known_size_with_other_content_is_refused_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openai/gsm8k/main/test-00000-of-00001.parquet");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // The size of the known file.
    fs::write(&path, vec![0; 412_879]).unwrap();
    let ran = verify(folder.path(), "gsm8k");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.lines().any(|line| line.starts_with("refused ")), "{}", ran.stdout);
    let output = folder.path().join("out.jsonl");
    let (folder, output) = (folder.path().to_str().unwrap(), output.to_str().unwrap());
    let ran = gac(&["tasks", "render", "gsm8k", "--num-fewshot", "0", "--data-dir", folder, "--output", output]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("is refused: its SHA-256 is") && ran.stderr.contains("hint: delete it"),
        "{}",
        ran.stderr
    );
}

/// Answers every request with `body`; gives the address and stops with the test.
fn server(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

fn fetch(folder: &Path, endpoint: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gac"))
        .args(["data", "fetch", "gsm8k_cot", "--data-dir", folder.to_str().unwrap()])
        .current_dir(root())
        .env("GAC_GITHUB_ENDPOINT", endpoint)
        .env_remove("HF_HUB_OFFLINE")
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", folder.join("cache"))
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn with_questions(folder: &Path) {
    let from = root().join("datasets/mini/openai/gsm8k/main/test-00000-of-00001.parquet");
    let to = folder.join("openai/gsm8k/main/test-00000-of-00001.parquet");
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

#[test]
fn a_fetched_file_with_another_checksum_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    with_questions(folder.path());
    let (code, stderr) = fetch(folder.path(), &server(b"fewshot_config: {}\n".to_vec()));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("/EleutherAI/lm-evaluation-harness/v0.4.13/") && stderr.contains("is refused"), "{stderr}");
    assert!(!folder.path().join(COT).exists());
}

#[needs(shared)]
#[test]
fn a_file_is_fetched_once_into_the_data_folder() {
    let body = fs::read(folder!(shared).join("datasets").join(COT)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    with_questions(folder.path());
    let address = server(body.clone());
    let (code, stderr) = fetch(folder.path(), &address);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("1 of 2 files fetched"), "{stderr}");
    assert_eq!(fs::read(folder.path().join(COT)).unwrap(), body);
    let (code, stderr) = fetch(folder.path(), "http://127.0.0.1:1");
    assert_eq!(code, 0, "offline afterwards: {stderr}");
    assert!(stderr.contains("0 of 2 files fetched"), "{stderr}");
    assert_eq!(verify(folder.path(), "gsm8k_cot").code, 0);
}
