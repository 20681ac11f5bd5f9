//! `gac run --dry-run`, completions, the manual page, and what goes to which stream.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;

use serde_json::Value;
use support::{gac, gac_with};

#[test]
fn a_dry_run_tells_documents_tokens_memory_union_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    let args = [
        "run",
        "recipes/mini.toml",
        "--dry-run",
        "--probe",
        "2",
        "--limit",
        "3",
        "--output-path",
        output.to_str().unwrap(),
    ];
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        "gsm8k: 3 documents, 3 requests, at most",
        "tokens of prompts and choices",
        "union tokens of which",
        "cpu: weights",
        ": fits",
        "missing\n  nothing",
        "together about",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!output.exists());

    let json = gac(&[&args[..], &["--json"]].concat());
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["models"].as_array().unwrap().len(), 2);
    // Six tasks of three documents; multiple choice asks once per choice.
    let tasks = plan["tasks"].as_array().unwrap();
    assert_eq!(tasks.iter().find(|task| task["task"] == "piqa").unwrap()["requests"], 6);
    assert!(tasks.iter().all(|task| task["prompts"].as_array().unwrap().len() == 2));
    let bytes = plan["models"][0]["weight_bytes"].as_u64().unwrap();
    let file = support::root().join("models/mini-llama/model.safetensors").metadata().unwrap().len();
    assert!(bytes < file && bytes > file - 100_000, "{bytes} {file}");
    assert_eq!(plan["estimate"].as_array().unwrap().len(), 4);
    assert!(plan["estimate"][0]["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_dry_run_tells_which_layers_would_go_to_which_device() {
    let dry = ["run", "recipes/mini.toml", "--dry-run", "--probe", "0", "--limit", "1", "--max-memory", "1GiB"];
    let ran = gac(&[&dry[..], &["--device", "cuda:0,cuda:1"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in ["on cuda:0 (layers 0 to ", ", cuda:1 (layers ", "  cuda:0: weights ", "  cuda:1: weights "] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let json = gac(&[&dry[..], &["--device", "cpu,cpu", "--json"]].concat());
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    let model = &plan["models"][0];
    assert_eq!(model["device"], "cpu,cpu");
    let shares = model["shares"].as_array().unwrap();
    assert_eq!((shares.len(), &shares[0]["layers"][0]), (2, &Value::from(0)));
    assert_eq!(shares[1]["layers"][0].as_u64(), shares[0]["layers"][1].as_u64().map(|last| last + 1));
    // Both models on both, keys and values in at most what was allowed.
    assert_eq!(plan["devices"].as_array().unwrap().len(), 1);
    let cache = plan["devices"][0]["cache"].as_u64().unwrap();
    assert!(cache <= 1 << 30 && cache > 1 << 29, "{cache}");
    assert_eq!(plan["devices"][0]["used"], cache, "a limit that was chosen is used");

    // Without one, as much as one document can use.
    let json = gac(&["run", "recipes/mini.toml", "--dry-run", "--probe", "0", "--limit", "1", "--json"]);
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    let [used, cache] = ["used", "cache"].map(|bytes| plan["devices"][0][bytes].as_u64().unwrap());
    assert!(used > 0 && used < 100 << 20 && used < cache, "{used} of {cache}");
}

#[test]
fn a_run_over_several_devices_records_them_and_gives_what_one_gives() {
    let folder = tempfile::tempdir().unwrap();
    let run = |device: &str| {
        let output = folder.path().join(device.replace(',', "-"));
        let output_text = output.to_str().unwrap();
        let ran = gac(&["run", "recipes/mini.toml", "--limit", "2", "--device", device, "--output-path", output_text]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let manifest: Value = serde_json::from_slice(&fs::read(output.join("manifest.json")).unwrap()).unwrap();
        let leaderboard: Value = serde_json::from_slice(&fs::read(output.join("leaderboard.json")).unwrap()).unwrap();
        let scores: Vec<Value> =
            leaderboard["rows"].as_array().unwrap().iter().map(|row| row["scores"].clone()).collect();
        (manifest["sessions"][0]["device"].clone(), scores)
    };
    let (one, several) = (run("cpu"), run("cpu,cpu"));
    assert_eq!((one.0, several.0), ("cpu".into(), "cpu,cpu".into()));
    assert!(!one.1.is_empty() && one.1 == several.1, "{:?} {:?}", one.1, several.1);
}

#[test]
fn a_dry_run_names_what_is_missing_and_fetches_nothing() {
    let ran = gac(&["run", "recipes/paper/gac-qwen2-llama-3.toml", "--dry-run", "--data-dir", "datasets/mini"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let missing = "model Qwen2-72B-Instruct: config.json, tokenizer.json, model.safetensors";
    for part in [missing, "cuda:3: weights unknown", "no estimate: something is missing"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn shells_get_completions_and_readers_a_manual() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = gac(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("leaderboard"), "{shell}");
    }
    assert!(gac(&["man"]).stdout.contains(".TH gac 1"));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(gac(&["man", "--output", folder.path().to_str().unwrap()]).code, 0);
    assert!(fs::read_to_string(folder.path().join("gac-compare.1")).unwrap().contains("max\\-drop"));
}

#[test]
fn quiet_is_quiet_verbose_tells_more_and_nothing_is_coloured() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, flags: &[&str]| {
        let output = folder.path().join(name).to_str().unwrap().to_owned();
        let args = ["run", "recipes/mini.toml", "--limit", "1", "--json", "--output-path", &output];
        // Hashes of files are told where they are not remembered.
        let cache = folder.path().join(format!("{name}-cache"));
        gac_with(&[&args[..], flags].concat(), &[("GAC_CACHE", cache.to_str().unwrap()), ("NO_COLOR", "1")])
    };
    let quiet = run("quiet", &["--quiet"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    let leaderboard: Value = serde_json::from_str(&quiet.stdout).unwrap();
    assert_eq!(leaderboard["rows"].as_array().unwrap().len(), 4);
    let verbose = run("verbose", &["-v"]);
    assert!(verbose.stderr.contains("hashing") && !verbose.stderr.contains('\u{1b}'), "{}", verbose.stderr);
}
