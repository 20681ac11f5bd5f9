//! `gac export` to inspect_ai, MLflow, W&B and run cards. Their own readers open the same files in `scripts/export`.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
#[path = "support/hostile_run.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod hostile_run;
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use hostile_run::{HOSTILE, run_with};
use serde_json::{Value, json};
use support::{Ran, gac};

/// Exports `run` beside it; every file by its place.
fn export(run: &Path, format: &str) -> (BTreeMap<String, Vec<u8>>, Ran) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let ran = gac(&["export", run.to_str().unwrap(), "--format", format, "-o", output.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let mut files = BTreeMap::new();
    let mut paths = vec![output.clone()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let place = path.strip_prefix(&output).unwrap().to_str().unwrap().to_owned();
            files.insert(place, fs::read(&path).unwrap());
        }
    }
    (files, ran)
}

/// The JSON files of a log.
fn log(bytes: &[u8]) -> BTreeMap<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.eval");
    fs::write(&path, bytes).unwrap();
    let mut archive = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let read = |name: String| (name.clone(), serde_json::from_reader(archive.by_name(&name).unwrap()).unwrap());
    names.into_iter().map(read).collect()
}

/// All logs, by system and task.
fn logs(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<(String, String), BTreeMap<String, Value>> {
    let logs = files.values().map(|bytes| log(bytes));
    let said =
        |log: &BTreeMap<String, Value>, field: &str| log["header.json"]["eval"][field].as_str().unwrap().to_owned();
    logs.map(|log| ((said(&log, "model"), said(&log, "task")), log)).collect()
}

/// Evaluates miniature models.
fn evaluated(folder: &Path, arguments: &[&str]) -> PathBuf {
    let run = folder.join("run");
    let base = ["eval", "--model", "models/mini-llama", "--data-dir", "datasets/mini", "--quiet"];
    let ran = gac(&[&base[..], arguments, &["--output-path", run.to_str().unwrap()]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    run
}

/// Rewrites the samples of a task under a system.
fn rewrite(run: &Path, place: &str, change: impl Fn(&mut Value)) {
    let path = run.join(place).join("samples.jsonl");
    let mut samples = support::lines(path.to_str().unwrap());
    samples.iter_mut().for_each(change);
    fs::write(path, samples.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

#[test]
fn a_log_of_inspect_has_every_sample_with_its_prompt_response_steps_and_scores() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    let (files, ran) = export(&run, "inspect");
    assert!(ran.stderr.contains("8 files in "), "{}", ran.stderr);
    let logs = logs(&files);
    assert_eq!(logs.len(), 8);
    let log = &logs[&("gac/GaC 0.3".to_owned(), "gsm8k".to_owned())];

    let header = &log["header.json"];
    assert_eq!((&header["version"], &header["status"]), (&2.into(), &"success".into()));
    assert_eq!(header["eval"], log["_journal/start.json"]["eval"]);
    assert_eq!(header["eval"]["dataset"]["sample_ids"], json!([0, 1, 2, 3, 4, 5]));
    assert_eq!(header["eval"]["model_args"]["system"]["gate"]["threshold"], 0.3);
    let results: Value = serde_json::from_slice(&fs::read(run.join("GaC-0.3/gsm8k/results.json")).unwrap()).unwrap();
    let score = &header["results"]["scores"][0];
    assert_eq!((&score["name"], &score["scored_samples"]), (&"acc,none".into(), &6.into()));
    assert_eq!(score["metrics"]["mean"]["value"], results["value"]);
    assert_eq!(score["metrics"]["stderr"]["value"], results["stderr"]);
    assert_eq!(header["results"]["headline"], json!({"scorer": "acc,none", "score": "acc,none", "metric": "mean"}));

    let sample = &log["samples/1_epoch_1.json"];
    assert_eq!((&sample["input"], &sample["target"]), (&HOSTILE.into(), &HOSTILE.into()));
    assert_eq!(sample["output"]["completion"], HOSTILE);
    assert_eq!(sample["output"]["choices"][0]["logprobs"]["content"][0]["token"], HOSTILE);
    assert_eq!(sample["messages"][1]["content"], HOSTILE);
    assert_eq!(sample["scores"]["acc,none"]["answer"], HOSTILE);
    let values: Vec<f64> = (0..6)
        .map(|id| log[&format!("samples/{id}_epoch_1.json")]["scores"]["acc,none"]["value"].as_f64().unwrap())
        .collect();
    let mean = values.iter().sum::<f64>() / 6.0;
    assert!((mean - results["value"].as_f64().unwrap()).abs() < 1e-12, "{values:?}");
    let summaries = log["summaries.json"].as_array().unwrap();
    assert_eq!(summaries.len(), 6);
    assert_eq!((&summaries[2]["id"], &summaries[2]["scores"]), (&2.into(), &log["samples/2_epoch_1.json"]["scores"]));

    let choices = &logs[&("gac/GaC 0.3".to_owned(), "arc_easy".to_owned())]["samples/0_epoch_1.json"];
    let log_likelihoods = choices["metadata"]["log_likelihoods"].as_array().unwrap();
    let ours = &support::lines(run.join("GaC-0.3/arc_easy/samples.jsonl").to_str().unwrap())[0];
    let sums = ours["response"]["choices"].as_array().unwrap();
    assert_eq!(log_likelihoods.len(), sums.len());
    assert!(log_likelihoods.iter().zip(sums).all(|(log, ours)| log["log_likelihood"] == ours["sum"]), "{choices}");
    // The second one is right.
    assert_eq!((&choices["target"], &ours["target"]), (&"B".into(), &1.into()));
    assert_eq!(choices["model_usage"], json!({}));
}

#[test]
fn the_same_run_is_the_same_bytes_in_every_format_whenever_it_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 4);
    for format in ["inspect", "wandb", "card"] {
        assert_eq!(export(&run, format).0, export(&run, format).0, "{format}");
    }
}

#[test]
fn documents_that_failed_are_samples_with_errors_and_no_scores() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    rewrite(&run, "GaC-0.3/gsm8k", |sample| {
        if sample["doc_id"] == 3 {
            let fields = sample.as_object_mut().unwrap();
            fields.insert("outcome".into(), "failed".into());
            fields.insert("error".into(), "the prompt has 9000 tokens".into());
            fields.insert("response".into(), "none".into());
            fields.insert("filters".into(), json!([]));
        }
    });
    let results = run.join("GaC-0.3/gsm8k/results.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    record["outcomes"]["failed"] = 1.into();
    fs::write(&results, record.to_string()).unwrap();
    let logs = logs(&export(&run, "inspect").0);
    let log = &logs[&("gac/GaC 0.3".to_owned(), "gsm8k".to_owned())];
    let sample = &log["samples/3_epoch_1.json"];
    assert_eq!((&sample["error"]["message"], &sample["scores"]), (&"the prompt has 9000 tokens".into(), &Value::Null));
    assert_eq!(sample["output"]["choices"], json!([]));
    let results = &log["header.json"]["results"];
    assert_eq!((&results["total_samples"], &results["completed_samples"]), (&6.into(), &5.into()));
    assert_eq!(results["scores"][0]["unscored_samples"], 1);
}

#[test]
fn prompts_come_from_the_data_where_the_run_did_not_log_them() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = ["--tasks", "gsm8k,arc_easy,mmlu_stem", "--limit", "2", "--num-fewshot", "1"];
    let run = evaluated(folder.path(), &tasks);
    let (files, ran) = export(&run, "inspect");
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let logs = logs(&files);
    let log = |task: &str| &logs[&("gac/mini-llama".to_owned(), task.to_owned())];

    let sample = &log("gsm8k")["samples/0_epoch_1.json"];
    assert!(sample["input"].as_str().unwrap().ends_with("\nAnswer:"), "{}", sample["input"]);
    assert!(sample["metadata"]["doc"]["question"].is_string(), "{}", sample["metadata"]);
    let config = &log("gsm8k")["header.json"]["plan"]["config"];
    assert!(
        config["max_tokens"].is_u64() && config["stop_seqs"].is_array() && config["temperature"] == 0.0,
        "{config}"
    );

    let sample = &log("arc_easy")["samples/1_epoch_1.json"];
    let choices = sample["choices"].as_array().unwrap();
    assert!(choices.len() > 2 && choices.iter().all(|choice| choice.as_str().unwrap().starts_with(' ')), "{sample}");
    assert_eq!(sample["metadata"]["log_likelihoods"][0]["text"], choices[0]);

    // Subjects are part of ids and of files' names, and their figures stand beside the task's.
    let stem = log("mmlu_stem");
    let sample = &stem["samples/conceptual_physics-0_epoch_1.json"];
    assert_eq!((&sample["id"], &sample["epoch"]), (&"conceptual_physics-0".into(), &1.into()));
    let metrics = &stem["header.json"]["results"]["scores"][0]["metrics"];
    assert_eq!(metrics["mmlu_conceptual_physics"]["group"], "subtasks", "{metrics}");

    let other = tempfile::tempdir().unwrap();
    let mut manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    manifest["plan"]["data_dir"] = other.path().to_str().unwrap().into();
    fs::write(run.join("manifest.json"), manifest.to_string()).unwrap();
    let (files, ran) = export(&run, "inspect");
    assert!(ran.stderr.contains("prompts of 2 samples of `gsm8k` are left out"), "{}", ran.stderr);
    let logs = self::logs(&files);
    let sample = &logs[&("gac/mini-llama".to_owned(), "gsm8k".to_owned())]["samples/0_epoch_1.json"];
    assert_eq!((&sample["input"], sample["metadata"]["doc"].is_null()), (&"".into(), true));
}

#[test]
fn chats_are_messages_and_times_that_a_document_was_asked_are_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("chat.jinja");
    let text = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:";
    fs::write(&template, text).unwrap();
    let chat = ["--apply-chat-template", "--chat-template", template.to_str().unwrap()];
    let asked = ["--tasks", "gsm8k", "--limit", "2", "--num-fewshot", "1"];
    let asked = [&asked[..], &chat].concat();
    let drawn = ["--system-instruction", "Be brief.", "--repeats", "2", "--gen-kwargs"];
    let drawn = [&drawn[..], &["do_sample=True,temperature=1.5,seed=5"]].concat();
    let run = evaluated(folder.path(), &[&asked[..], &drawn].concat());
    let logs = logs(&export(&run, "inspect").0);
    let log = logs.values().next().unwrap();
    let sample = &log["samples/1_epoch_2.json"];
    let roles: Vec<&str> =
        sample["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant"]);
    assert_eq!(sample["input"].as_array().unwrap().len(), 4);
    assert!(sample["input"][0]["content"].as_str().unwrap().starts_with("Be brief."));
    let header = &log["header.json"];
    assert_eq!((&header["eval"]["config"]["epochs"], &header["eval"]["dataset"]["samples"]), (&2.into(), &2.into()));
    let temperature = &header["plan"]["config"]["temperature"];
    assert_eq!((temperature, &header["plan"]["config"]["seed"]), (&1.5.into(), &5.into()));
    let metrics = &header["results"]["scores"][0]["metrics"];
    assert!(metrics["pass@2"]["value"].is_number() && metrics["mean"]["value"].is_number(), "{metrics}");
    let reduced = &log["reductions.json"][0];
    assert_eq!((&reduced["reducer"], reduced["samples"].as_array().unwrap().len()), (&"mean".into(), 2));
    let value = |epoch: usize| {
        let scores = &log[&format!("samples/1_epoch_{epoch}.json")]["scores"];
        scores[reduced["scorer"].as_str().unwrap()]["value"].as_f64().unwrap()
    };
    assert_eq!(reduced["samples"][1]["value"], f64::midpoint(value(1), value(2)));
}

#[test]
fn mlflow_finds_a_run_per_system_with_metrics_parameters_tags_and_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    let (files, _) = export(&run, "mlflow");
    let yaml = |place: &str| -> Value { serde_norway::from_slice(&files[place]).unwrap() };
    let experiments: Vec<&String> = files.keys().filter(|place| place.matches('/').count() == 1).collect();
    let [experiment] = experiments[..] else { panic!("{experiments:?}") };
    let meta = yaml(experiment);
    let id = meta["experiment_id"].as_str().unwrap();
    assert!(meta["artifact_location"].as_str().unwrap().starts_with("file:///"), "{meta}");
    let runs: Vec<&String> =
        files.keys().filter(|place| place.ends_with("/meta.yaml") && place.matches('/').count() == 2).collect();
    assert_eq!(runs.len(), 4);
    let of =
        |name: &str| runs.iter().find(|place| yaml(place)["run_name"] == name).unwrap().trim_end_matches("/meta.yaml");
    let place = of("GaC 0.3");
    let meta = yaml(&format!("{place}/meta.yaml"));
    assert_eq!(
        (&meta["experiment_id"], &meta["status"], &meta["lifecycle_stage"]),
        (&id.into(), &3.into(), &"active".into())
    );
    assert_eq!(place, format!("{id}/{}", meta["run_id"].as_str().unwrap()));

    let text = |place: &str| std::str::from_utf8(&files[place]).unwrap();
    let results: Value = serde_json::from_slice(&fs::read(run.join("GaC-0.3/gsm8k/results.json")).unwrap()).unwrap();
    let metric = text(&format!("{place}/metrics/gsm8k/acc.none"));
    let words: Vec<&str> = metric.trim_end().split(' ').collect();
    assert_eq!((words.len(), words[1].parse::<f64>().unwrap(), words[2]), (3, results["value"].as_f64().unwrap(), "0"));
    assert_eq!(text(&format!("{place}/params/system.gate.threshold")), "0.3");
    assert_eq!(text(&format!("{place}/tags/mlflow.runName")), "GaC 0.3");
    assert_eq!(text(&format!("{}/tags/mlflow.runName", of("model <b>alone</b>"))), "model <b>alone</b>");
    let card: Value = serde_json::from_slice(&files[&format!("{place}/artifacts/run-card.json")]).unwrap();
    assert_eq!(card["@type"], "sc:Dataset");
}

#[test]
fn wandb_gets_an_offline_run_per_system() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    let (files, _) = export(&run, "wandb");
    assert_eq!(files.len(), 4);
    for (place, bytes) in &files {
        let (run, file) = place.split_once('/').unwrap();
        let id = run.rsplit('-').next().unwrap();
        assert_eq!(file, format!("run-{id}.wandb"));
        assert!(bytes.starts_with(b":W&B\xe1\xbe\0"), "{place}");
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has("average") && has("gsm8k/acc,none") && has("_timestamp"), "{place}");
    }
}

#[test]
fn a_card_says_what_was_run_on_what_and_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = evaluated(folder.path(), &["--tasks", "arc_easy", "--limit", "3", "--num-fewshot", "0"]);
    let output = folder.path().join("card.json");
    let ran = gac(&["export", run.to_str().unwrap(), "--format", "card", "-o", output.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let card: Value = serde_json::from_slice(&fs::read(&output).unwrap()).unwrap();
    let keys: Vec<&str> = card.as_object().unwrap().keys().map(String::as_str).collect();
    let known =
        ["@context", "@type", "name", "description", "dateCreated", "dateModified", "software", "recipe", "machine"];
    let more = ["models", "isBasedOn", "systems", "tasks", "seeds", "batch_size", "scores", "distribution"];
    let all: Vec<&str> = known.into_iter().chain(more).collect();
    // A run of flags has no recipe, and so no repository.
    assert!(all.iter().filter(|key| **key != "recipe").all(|key| keys.contains(key)), "{keys:?}");
    assert!(keys.iter().all(|key| all.contains(key)), "{keys:?}");

    let manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    let weights = card["models"][0]["distribution"].as_array().unwrap();
    let weights = weights.iter().find(|file| file["description"] == "weights").unwrap();
    let hashed = manifest["models"][0]["files"].as_array().unwrap().iter().find(|file| file["role"] == "weights");
    assert_eq!(weights["sha256"], hashed.unwrap()["sha256"]);
    assert_eq!(card["isBasedOn"][0]["distribution"][0]["sha256"], manifest["data"][0]["files"][0]["sha256"]);
    assert_eq!(card["isBasedOn"][0]["version"], manifest["data"][0]["revision"]);
    let task = &card["tasks"][0];
    assert_eq!((&task["name"], &task["num_fewshot"], &task["limit"]), (&"arc_easy".into(), &0.into(), &3.into()));
    let files = card["distribution"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let place = run.join(file["contentUrl"].as_str().unwrap());
        let (bytes, sha256) = gac_systems::sha256::of_file(&place).unwrap();
        assert_eq!((&file["contentSize"], &file["sha256"]), (&format!("{bytes} B").into(), &sha256.into()));
    }
    let average = card["scores"].as_array().unwrap().last().unwrap();
    let results: Value =
        serde_json::from_slice(&fs::read(run.join("mini-llama/arc_easy/results.json")).unwrap()).unwrap();
    assert_eq!((&average["task"], &average["value"]), (&"average".into(), &results["value"]));
}

#[test]
fn no_export_tells_the_host_or_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 2);
    let path = run.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let session = &mut manifest["sessions"][0];
    session["machine"]["host"] = "private-host".into();
    session["command"] = json!(["gac", "run", "--some-key", "private-command"]);
    session["folder"] = "/home/private-folder".into();
    fs::write(&path, manifest.to_string()).unwrap();
    for format in ["inspect", "mlflow", "wandb", "lm-eval"] {
        for (place, bytes) in export(&run, format).0 {
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            let private = ["private-host", "private-command", "private-folder"];
            assert!(private.iter().all(|text| !has(text)), "{format}: {place}");
        }
    }
}

#[test]
fn a_run_that_is_not_finished_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 2);
    let path = run.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["status"] = "running".into();
    fs::write(&path, manifest.to_string()).unwrap();
    for format in ["inspect", "mlflow", "wandb", "card"] {
        let output = folder.path().join(format);
        let ran = gac(&["export", run.to_str().unwrap(), "--format", format, "-o", output.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("is not finished") && !output.exists(), "{}", ran.stderr);
    }
}
