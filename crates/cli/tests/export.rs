//! `gac export`: what other tools read.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
#[path = "support/hostile_run.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod hostile_run;
mod support;

use std::fs;
use std::path::PathBuf;

use hostile_run::run_with;
use serde_json::Value;
use support::gac;

#[test]
fn a_run_is_exported_as_lm_eval_would_have_written_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    let output = folder.path().join("out");
    let ran = gac(&["export", "--format", "lm-eval", run.to_str().unwrap(), "-o", output.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut names: Vec<String> = fs::read_dir(output.join("GaC-0.3"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3);
    let results: Value = serde_json::from_slice(&fs::read(output.join("GaC-0.3").join(&names[0])).unwrap()).unwrap();
    assert!(
        results["results"]["gsm8k"]["acc,none"].is_number()
            && results["results"]["gsm8k"]["acc_stderr,none"].is_number()
    );
    assert_eq!((&results["n-samples"]["gsm8k"]["effective"], &results["n-shot"]["arc_easy"]), (&6.into(), &0.into()));
    let samples = support::lines(output.join("GaC-0.3").join(&names[2]).to_str().unwrap());
    assert_eq!(samples.len(), 6);
    assert_eq!(
        (&samples[2]["doc_id"], &samples[2]["resps"][0][0], &samples[2]["filter"]),
        (&2.into(), &" 2".into(), &"none".into())
    );
    assert_eq!((&samples[2]["acc"], &samples[2]["metrics"][0]), (&1.0.into(), &"acc".into()));
    assert!(results["date"].as_f64().is_some_and(|seconds| seconds > 1.7e9), "{}", results["date"]);
    // These documents are in no data.
    assert_eq!(samples[2]["doc"], serde_json::json!({ "doc_id": 2, "subject": null }));
    assert!(ran.stderr.contains("warning: `doc` has no fields of the documents of `arc_easy`"), "{}", ran.stderr);
}

#[test]
fn exported_documents_have_every_column_of_their_data_as_long_as_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run, output) = (folder.path().join("data"), folder.path().join("run"), folder.path().join("out"));
    let split = "allenai/ai2_arc/ARC-Easy/test-00000-of-00001.parquet";
    let subjects = "cais/mmlu/all/test-00000-of-00001.parquet";
    for file in [split, subjects] {
        fs::create_dir_all(data.join(file).parent().unwrap()).unwrap();
        fs::copy(support::root().join("datasets/mini").join(file), data.join(file)).unwrap();
    }
    let [data_dir, run_dir, out_dir] = [&data, &run, &output].map(|path| path.to_str().unwrap());
    let tasks = "arc_easy,mmlu_flan_n_shot_generative";
    let base = ["eval", "--model", "models/mini-llama", "--tasks", tasks, "--limit", "2", "--num-fewshot", "0"];
    let ran = gac(&[&base[..], &["--data-dir", data_dir, "--output-path", run_dir]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let export = || {
        let _ = fs::remove_dir_all(&output);
        let ran = gac(&["export", "--format", "lm-eval", run_dir, "-o", out_dir]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let system = fs::read_dir(&output).unwrap().next().unwrap().unwrap().path();
        let files = fs::read_dir(system).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.to_str().unwrap().contains("/samples_")).collect();
        files.sort();
        let docs = |name: &str| -> Vec<Value> {
            let of_task = files.iter().filter(|path| path.to_str().unwrap().contains(name));
            of_task.flat_map(|path| support::lines(path.to_str().unwrap())).map(|line| line["doc"].clone()).collect()
        };
        (docs("samples_arc_easy"), docs("samples_mmlu"), ran.stderr)
    };
    let rows = |file: &str, columns: &[&str]| {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let rows = gac_harness::data::read_parquet(&data.join(file), &columns).unwrap();
        rows.into_iter().map(Value::Object).collect::<Vec<_>>()
    };
    let (arc, mmlu, stderr) = export();
    assert_eq!(arc, rows(split, &["id", "question", "choices", "answerKey"])[..2]);
    let all = rows(subjects, &["question", "subject", "choices", "answer"]);
    assert!(mmlu.len() > 2 && mmlu.iter().all(|doc| all.contains(doc)), "{mmlu:?}");
    assert!(!stderr.contains("warning"), "{stderr}");

    let other = support::root().join("datasets/mini/allenai/ai2_arc/ARC-Challenge/test-00000-of-00001.parquet");
    fs::copy(other, data.join(split)).unwrap();
    fs::remove_file(data.join(subjects)).unwrap();
    let (arc, mmlu, stderr) = export();
    assert_eq!(arc[1], serde_json::json!({ "doc_id": 1, "subject": null }));
    assert!(mmlu[0]["subject"].is_string() && mmlu[0].get("question").is_none(), "{mmlu:?}");
    assert!(stderr.contains("for 2 samples of `arc_easy`: the data hold other documents now"), "{stderr}");
    assert!(stderr.contains("the documents of `mmlu_flan_n_shot_generative`: "), "{stderr}");
}

#[test]
fn all_samples_are_one_table_in_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    let output = folder.path().join("samples.parquet");
    let ran = gac(&["export", "--format", "parquet", run.to_str().unwrap(), "-o", output.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let bytes = fs::read(&output).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let columns: Vec<String> = ["system", "doc_id", "outcome", "value", "response"].map(str::to_owned).to_vec();
    let rows = gac_harness::data::read_parquet(&output, &columns).unwrap();
    assert_eq!(rows.len(), 4 * 9);
    assert_eq!((&rows[2]["doc_id"], &rows[2]["response"], &rows[2]["value"]), (&2.into(), &" 2".into(), &1.0.into()));
}

#[test]
fn a_run_is_three_frames_for_notebooks() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 6);
    let ran = gac(&["export", "--format", "frames", run.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let read = |file: &str, columns: &[&str]| {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        gac_harness::data::read_parquet(&run.join("frames").join(file), &columns).unwrap()
    };
    assert_eq!(read("samples.parquet", &["system"]).len(), 4 * 9);
    let scores = read("scores.parquet", &["system", "task", "value", "version"]);
    // Per system every task, then the average, which has no version.
    let average = scores.iter().find(|row| row["task"] == "average").unwrap();
    assert_eq!(average["version"], Value::Null);
    let leaderboard = gac(&["leaderboard", run.to_str().unwrap(), "--format", "csv"]).stdout;
    assert_eq!(scores.len(), leaderboard.lines().count() - 1);
    let subjects = read("subjects.parquet", &["system", "task", "name", "is_group", "documents", "value"]);
    assert!(subjects.iter().all(|row| row["is_group"] == false && row["documents"].is_number()), "{subjects:?}");
}

/// The keys of `results_*.json` and of a line of `samples_*.jsonl` as lm-evaluation-harness 0.4.13 writes them;
/// `scripts/lm_eval/compare_export.py` compares files.
const RESULTS: [&str; 30] = [
    "results",
    "groups",
    "group_subtasks",
    "configs",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
    "config",
    "git_hash",
    "date",
    "pretty_env_info",
    "transformers_version",
    "lm_eval_version",
    "upper_git_hash",
    "tokenizer_pad_token",
    "tokenizer_eos_token",
    "tokenizer_bos_token",
    "eot_token_id",
    "max_length",
    "task_hashes",
    "model_source",
    "model_name",
    "model_name_sanitized",
    "system_instruction",
    "system_instruction_sha",
    "fewshot_as_multiturn",
    "chat_template",
    "chat_template_sha",
    "total_evaluation_time_seconds",
];

#[test]
fn an_export_has_every_key_of_lm_eval_with_what_data_and_models_say() {
    let folder = tempfile::tempdir().unwrap();
    let (run, output) = (folder.path().join("run"), folder.path().join("out"));
    let [run_dir, out_dir] = [&run, &output].map(|path| path.to_str().unwrap());
    let tasks = ["--tasks", "mmlu_stem,triviaqa,piqa", "--limit", "2", "--num-fewshot", "1", "--seed", "7"];
    let base = ["eval", "--model", "models/mini-qwen", "--data-dir", "datasets/mini", "--gen-kwargs", "max_gen_toks=9"];
    let ran = gac(&[&base[..], &tasks, &["--output-path", run_dir]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = gac(&["export", "--format", "lm-eval", run_dir, "-o", out_dir]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let file = |part: &str| {
        let mut files = fs::read_dir(output.join("mini-qwen")).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.to_str().unwrap().contains(part)).unwrap()
    };

    let results: Value = serde_json::from_slice(&fs::read(file("/results_")).unwrap()).unwrap();
    assert_eq!(results.as_object().unwrap().keys().collect::<Vec<_>>(), RESULTS);
    let group = &results["groups"]["mmlu_stem"];
    assert_eq!(
        (&group["alias"], &group["sample_len"], &group["sample_count"]["acc,none"]),
        (&"stem".into(), &6.into(), &6.into())
    );
    assert_eq!(results["results"]["mmlu_stem"], *group);
    let subtasks = ["mmlu_conceptual_physics", "mmlu_high_school_biology", "mmlu_high_school_chemistry"];
    assert_eq!(results["group_subtasks"], serde_json::json!({ "mmlu_stem": subtasks }));
    let biology = &results["results"]["mmlu_high_school_biology"];
    assert_eq!((&biology["alias"], &biology["sample_len"]), (&"high_school_biology".into(), &2.into()));
    assert_eq!(results["n-samples"]["piqa"], serde_json::json!({ "original": 300, "effective": 2 }));
    assert_eq!((&results["versions"]["mmlu_stem"], &results["versions"]["piqa"]), (&"2".into(), &1.0.into()));
    assert_eq!(
        (&results["n-shot"]["mmlu_stem"], &results["higher_is_better"]["mmlu_stem"]["acc"]),
        (&1.into(), &true.into())
    );
    let config = &results["config"];
    assert_eq!((&config["gen_kwargs"]["max_gen_toks"], &config["limit"]), (&9.into(), &2.into()));
    assert!(config["model_num_parameters"].as_u64().unwrap() > 1_000_000, "{config}");
    // `tokenizer_config.json` and `tokenizer.json` of the model.
    assert_eq!(results["tokenizer_eos_token"], serde_json::json!(["<|endoftext|>", "1280"]));
    assert!(results["max_length"].is_u64() && results["eot_token_id"] == 1280, "{}", results["eot_token_id"]);
    let task = &results["configs"]["triviaqa"];
    assert_eq!(
        (&task["generation_kwargs"]["max_gen_toks"], &task["output_type"]),
        (&9.into(), &"generate_until".into())
    );
    assert_eq!(task["fewshot_config"]["sampler"], "default");

    let line = &support::lines(file("/samples_triviaqa").to_str().unwrap())[0];
    let keys = ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash"];
    let more = ["prompt_hash", "target_hash", "exact_match"];
    assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), [&keys[..], &more].concat());
    assert!(line["target"].as_str().unwrap().starts_with("['"), "as Python writes a list: {}", line["target"]);
    let arguments = &line["arguments"]["gen_args_0"];
    assert!(arguments["arg_0"].as_str().unwrap().starts_with("Question: "), "{arguments}");
    let kwargs =
        serde_json::json!({"until": ["\n", ".", ","], "do_sample": false, "temperature": 0.0, "max_gen_toks": 9});
    assert_eq!(arguments["arg_1"], kwargs);
    let line = &support::lines(file("/samples_piqa").to_str().unwrap())[0];
    assert!(line["arguments"]["gen_args_1"]["arg_1"].as_str().unwrap().starts_with(' '), "{}", line["arguments"]);
}
