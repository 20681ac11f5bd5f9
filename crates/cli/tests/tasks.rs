//! `gac tasks` on the miniature data and on tasks of a user's own.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{file, gac, lines};

const DATA: &str = "datasets/mini";

fn render(task: &str, more: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.jsonl");
    let output = output.to_str().unwrap();
    let ran = gac(&[&["tasks", "render", task, "--data-dir", DATA, "--output", output], more].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    lines(output)
}

fn score(task: &str, input: &str) -> Result<Vec<Value>, String> {
    let (_folder, input, output) = file(input);
    let args = ["tasks", "score", task, "--data-dir", DATA, "--responses", &input, "--output", &output];
    let ran = gac(&args);
    if ran.code == 0 { Ok(lines(&output)) } else { Err(format!("{} {}", ran.code, ran.stderr)) }
}

#[test]
fn a_rendered_generation_is_one_request_without_a_continuation() {
    let rendered = render("gsm8k", &["--num-fewshot", "1", "--limit", "2"]);
    assert_eq!(rendered.len(), 2);
    let line = &rendered[1];
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["doc_id", "subject", "requests", "until"]);
    assert_eq!((&line["doc_id"], &line["subject"]), (&json!(1), &Value::Null));
    assert_eq!(line["until"], json!(["Question:", "</s>", "<|im_end|>"]));
    let requests = line["requests"].as_array().unwrap();
    assert_eq!((requests.len(), &requests[0]["continuation"]), (1, &Value::Null));
    let context = requests[0]["context"].as_str().unwrap();
    assert_eq!(context.matches("Question: ").count(), 2, "{context}");
}

#[test]
fn a_rendered_choice_has_a_request_per_continuation_and_subjects_in_order() {
    let rendered = render("mmlu", &["--limit", "1"]);
    let subjects: Vec<&str> = rendered.iter().map(|line| line["subject"].as_str().unwrap()).collect();
    assert!(subjects.is_sorted() && !subjects.is_empty(), "{subjects:?}");
    for line in &rendered {
        let continuations: Vec<&Value> =
            line["requests"].as_array().unwrap().iter().map(|request| &request["continuation"]).collect();
        assert_eq!(continuations, [" A", " B", " C", " D"]);
        assert_eq!(line["until"], json!([]));
    }
}

#[test]
fn a_suffix_picks_a_protocol() {
    let context = |task: &str| {
        let rendered = render(task, &["--num-fewshot", "0", "--limit", "1"]);
        rendered[0]["requests"][0]["context"].as_str().unwrap().to_owned()
    };
    assert!(context("mmlu_flan_n_shot_generative").ends_with("\nA:"));
    assert!(context("mmlu_flan_n_shot_generative@9e6e240").ends_with("\nA: "));
    assert!(context("piqa@deepen").contains("\nA. ") && context("piqa@deepen").ends_with("\nAnswer:"));
    assert!(context("piqa@unite").starts_with("Answer the question by replying A or B.\nQuestion: "));
}

#[test]
fn saved_responses_are_scored_in_their_order_and_then_aggregated() {
    let input = "{\"type\": \"response\", \"task\": \"gsm8k\", \"doc_id\": 1, \"response\": \"no idea\", \"kind\": 1}\n\
                 {\"task\": \"gsm8k\", \"doc_id\": 0, \"response\": \"#### 1,000.\"}\n\
                 {\"type\": \"aggregate\", \"name\": \"gsm8k\", \"n\": 2}\n";
    let scored = score("gsm8k@9e6e240", input).unwrap();
    assert_eq!(scored.len(), 3);
    assert_eq!((&scored[0]["doc_id"], &scored[0]["outcome"]), (&json!(1), &json!("no_answer")));
    let invalid = json!({"filtered": "[invalid]", "exact_match": 0.0});
    assert_eq!(scored[0]["filters"], json!({"strict-match": invalid, "flexible-extract": invalid}));
    assert_eq!(scored[0]["robust"], json!({"filtered": null, "exact_match": 0.0}));
    assert_eq!(scored[1]["filters"]["strict-match"]["filtered"], "1,000.");
    assert_eq!(scored[1]["robust"]["filtered"], "1000");
    let aggregate = &scored[2];
    assert_eq!(
        (&aggregate["type"], &aggregate["name"], &aggregate["n"]),
        (&json!("aggregate"), &json!("gsm8k"), &json!(2))
    );
    let keys: Vec<&String> = aggregate["metrics"].as_object().unwrap().keys().collect();
    let harness = ["strict-match", "flexible-extract"]
        .map(|filter| [format!("exact_match,{filter}"), format!("exact_match_stderr,{filter}")])
        .concat();
    assert_eq!(keys, harness.iter().collect::<Vec<_>>(), "ours is not among lm-evaluation-harness's");
    assert!(aggregate["robust"]["exact_match,robust"].is_number());
}

#[test]
fn saved_log_likelihoods_are_scored_and_a_single_one_has_no_standard_error() {
    let scored = score("piqa", "{\"task\": \"piqa\", \"doc_id\": 0, \"lls\": [-1.5, -2.5]}\n").unwrap();
    assert_eq!(scored[0]["metrics"].as_object().unwrap().keys().collect::<Vec<_>>(), ["acc", "acc_norm"]);
    assert!(scored[0].get("filters").is_none() && scored[0].get("robust").is_none());
    assert_eq!(scored[1]["metrics"]["acc_stderr,none"], "N/A");
}

#[test]
fn responses_that_fit_no_document_are_refused_with_their_line() {
    let refused = |task: &str, input: &str| score(task, input).unwrap_err();
    let one = "{\"doc_id\": 0, \"response\": \"x\"}\n";
    let said = refused("gsm8k", &format!("{one}{{\"doc_id\": 99999, \"response\": \"x\"}}\n"));
    assert!(said.starts_with("2 error: line 2 of"), "{said}");
    assert!(said.contains("has no document 99999") && said.contains("hint: each line"), "{said}");
    let said = refused("gsm8k", "{\"task\": \"piqa\", \"doc_id\": 0, \"response\": \"x\"}\n");
    assert!(said.contains("its task is `piqa`, not `gsm8k`"), "{said}");
    assert!(refused("piqa", one).contains("needs log-likelihoods"));
    assert!(refused("piqa", "{\"doc_id\": 0, \"lls\": [-1.0]}\n").contains("1 scores for 2 choices"));
    assert!(refused("gsm8k", "{\"doc_id\": 0}\n").contains("either a `response` or `lls`"));
}

#[test]
fn a_shown_definition_can_be_included_under_another_name() {
    let ran = gac(&["tasks", "show", "gsm8k@9e6e240"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("rules = \"9e6e240\"") && ran.stdout.contains("[[filters]]"), "{}", ran.stdout);

    let folder = tempfile::tempdir().unwrap();
    let own = ran.stdout.replace("name = \"gsm8k@9e6e240\"", "name = \"mine\"");
    fs::write(folder.path().join("mine.toml"), own).unwrap();
    let include = ["--include-path", folder.path().to_str().unwrap()];
    assert_eq!(render("mine", &[&["--limit", "2"][..], &include].concat()), render("gsm8k@9e6e240", &["--limit", "2"]));
    let ran = gac(&[&["tasks", "list"][..], &include].concat());
    assert!(ran.stdout.lines().any(|line| line.starts_with("mine ")), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_shown_or_included_is_explained() {
    let ran = gac(&["tasks", "show", "gsm9k"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("unknown task `gsm9k`") && ran.stderr.contains("did you mean"), "{}", ran.stderr);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.toml"), "name = \"bad\"\nextends = \"gsm8k\"\nkind = \"guess\"\n").unwrap();
    let ran = gac(&["tasks", "list", "--include-path", folder.path().to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("bad.toml") && ran.stderr.contains("guess"), "{}", ran.stderr);
}

#[test]
fn tasks_with_shots_of_lm_evaluation_harness_say_how_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.jsonl");
    let ran = gac(&["tasks", "render", "gsm8k_cot", "--data-dir", DATA, "--output", output.to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("gsm8k-cot.yaml") && ran.stderr.contains("gac data fetch gsm8k_cot"), "{}", ran.stderr);
    assert!(!output.exists());
}

#[test]
fn generation_settings_are_overridden_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let eval = |settings: &str| {
        let base =
            ["eval", "--model", "models/mini-llama", "--tasks", "gsm8k,piqa", "--data-dir", DATA, "--limit", "2"];
        gac(&[&base[..], &["--num-fewshot", "0", "--gen-kwargs", settings, "--output-path", run.to_str().unwrap()]]
            .concat())
    };
    let ran = eval("repetition_penalty=2");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no setting `repetition_penalty`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: valid are `until`"), "{}", ran.stderr);
    let ran = eval("do_sample=True");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("task `gsm8k`") && ran.stderr.contains("temperature=0.7"), "{}", ran.stderr);
    let ran = eval("max_gen_toks=3");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["plan"]["tasks"][0]["gen_kwargs"], json!({"max_gen_toks": 3}));
    let samples = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path().join("gsm8k/samples.jsonl"));
    let samples: Vec<Value> =
        samples.filter(|path| path.is_file()).flat_map(|path| lines(path.to_str().unwrap())).collect();
    assert_eq!(samples.len(), 2);
    assert!(samples.iter().all(|sample| sample["tokens"].as_u64().unwrap() <= 3), "{samples:?}");
    assert!(samples[0]["filters"].as_array().unwrap().iter().any(|filter| filter["filter"] == "robust"));
}

#[test]
fn files_that_shots_are_read_from_are_in_the_manifest_and_a_changed_one_is_no_rerun() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let questions = "openai/gsm8k/main/test-00000-of-00001.parquet";
    fs::create_dir_all(data.join(questions).parent().unwrap()).unwrap();
    fs::copy(support::root().join(DATA).join(questions), data.join(questions)).unwrap();
    let shots = "fewshot_config:\n  samples:\n  - question: What is 1 plus 1?\n    target: It is 2. The answer is 2.\n";
    fs::write(data.join("shots.yaml"), shots).unwrap();
    let own = "name = \"mine\"\nextends = \"gsm8k_cot\"\n[harness_file]\npath = \"shots.yaml\"\ntake = [\"shots\"]\n";
    fs::write(folder.path().join("mine.toml"), own).unwrap();
    let run = folder.path().join("run");
    let [include, data_dir, output] = [folder.path(), &data, &run].map(|path| path.to_str().unwrap());
    let base = ["eval", "--model", "models/mini-llama", "--tasks", "mine,gsm8k", "--limit", "1", "--num-fewshot", "1"];
    // gsm8k has its shots from its data.
    let train = "openai/gsm8k/main/train-00000-of-00001.parquet";
    fs::copy(support::root().join(DATA).join(train), data.join(train)).unwrap();
    let ran = gac(&[&base[..], &["--include-path", include, "--data-dir", data_dir, "--output-path", output]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    // `sha256sum` of the file's text.
    let sha256 = "1ed54bdb5c3eb45a15e40ac3d80d2cb204ee835c019758fa78d6c154a8a9560c";
    assert_eq!(manifest["task_files"], json!([{ "place": "shots.yaml", "bytes": shots.len(), "sha256": sha256 }]));

    fs::write(data.join("shots.yaml"), shots.replace("1 plus 1", "one plus one")).unwrap();
    let again = folder.path().join("again");
    let ran = gac(&["rerun", output, "--output-path", again.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("task file `shots.yaml`") && !again.exists(), "{}", ran.stderr);
}

fn eval(tasks: &[&str], more: &[&str]) -> (support::Ran, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let base = ["eval", "--model", "models/mini-llama", "--data-dir", DATA, "--json", "--tasks"];
    let ran = gac(&[&base[..], tasks, more, &["--output-path", run.to_str().unwrap()]].concat());
    let samples = fs::read_dir(run.join("mini-llama")).into_iter().flatten();
    let samples = samples.flat_map(|task| lines(task.unwrap().path().join("samples.jsonl").to_str().unwrap()));
    let samples: Vec<Value> = samples.collect();
    (ran, samples)
}

fn columns(ran: &support::Ran) -> Vec<String> {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let leaderboard: Value = serde_json::from_str(&ran.stdout).unwrap();
    let columns = leaderboard["columns"].as_array().unwrap().iter();
    columns.map(|column| column["task"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn groups_subtasks_and_patterns_are_evaluated_under_their_names_and_nothing_twice() {
    // Not `mmlu_pro`, whose rows are not in datasets/mini.
    let (ran, samples) = eval(&["mmlu_[!p]*,mmlu_stem", "mmlu_miscellaneous"], &["--limit", "1"]);
    let groups = ["mmlu_humanities", "mmlu_other", "mmlu_social_sciences", "mmlu_stem"];
    assert_eq!(columns(&ran), [&["mmlu_flan_n_shot_generative"], &groups[..]].concat());
    // Six subjects, under two tasks.
    assert_eq!(samples.len(), 12);
    let (ran, samples) = eval(&["mmlu_high_school_biology"], &["--limit", "0.1"]);
    assert_eq!(columns(&ran), ["mmlu_high_school_biology"]);
    assert!(samples.iter().all(|sample| sample["subject"] == "high_school_biology"));
    assert_eq!(samples.len(), 5, "a tenth of 50");
}

#[test]
fn samples_are_picked_by_number_in_a_text_or_a_file() {
    let picked = |samples: &[Value]| -> Vec<(String, u64)> {
        let key =
            |sample: &Value| (sample["subject"].as_str().unwrap_or("").to_owned(), sample["doc_id"].as_u64().unwrap());
        let mut keys: Vec<_> = samples.iter().map(key).collect();
        keys.sort();
        keys
    };
    let (ran, samples) = eval(&["piqa"], &["--samples", r#"{"piqa": [7, 3, 7]}"#]);
    assert_eq!((ran.code, picked(&samples)), (0, vec![(String::new(), 3), (String::new(), 7)]), "{}", ran.stderr);
    let (_folder, path, _) = file(r#"{"mmlu_conceptual_physics": [49], "mmlu_high_school_biology": [0]}"#);
    let (ran, samples) = eval(&["mmlu_stem"], &["--samples", &path]);
    let physics_and_biology = [("conceptual_physics", 49), ("high_school_biology", 0)];
    let (named, others) = samples.into_iter().partition::<Vec<Value>, _>(|s| s["subject"] != "high_school_chemistry");
    let expected: Vec<_> = physics_and_biology.iter().map(|(subject, id)| ((*subject).to_owned(), *id)).collect();
    assert_eq!(picked(&named), expected);
    assert_eq!(others.len(), 50, "as in lm-evaluation-harness, what is not named is evaluated whole");
    assert!(ran.stderr.contains("picks no documents of"), "{}", ran.stderr);
}

#[test]
fn picked_documents_that_are_not_there_are_named() {
    let refused = |tasks: &str, more: &[&str], parts: &[&str]| {
        let (ran, _) = eval(&[tasks], more);
        assert_eq!(ran.code, 2);
        for part in parts {
            assert!(ran.stderr.contains(part), "no `{part}` in {}", ran.stderr);
        }
    };
    refused("piqa", &["--samples", r#"{"piqa": [300]}"#], &["document 300 of `piqa`", "0 to 299"]);
    refused(
        "piqa",
        &["--samples", r#"{"gsm8k": [3]}"#],
        &["documents of `gsm8k` are picked", "hint: valid are `piqa`"],
    );
    refused("piqa", &["--samples", "nowhere.json"], &["failed to read `nowhere.json`", "hint: `--samples` takes"]);
    refused("piqa", &["--samples", "{'piqa': [3]}"], &["`--samples` picks no documents", "hint: `--samples` takes"]);
    refused("piqa", &["--samples", "{}", "--limit", "3"], &["cannot be used with"]);
    refused(
        "mmlu_abstract_algebra",
        &[],
        &["none of `abstract_algebra`", "hint: its subjects are `conceptual_physics`"],
    );
    refused("gsm9*", &[], &["no task's name fits `gsm9*`", "`gsm8k`"]);
}

#[test]
fn groups_and_subtasks_are_listed_and_scored_too() {
    let ran = gac(&["tasks", "list", "--subtasks"]);
    assert!(ran.stdout.contains("\n  mmlu_stem\n") && ran.stdout.contains("\n  bbh_cot_fewshot_snarks\n"));
    let line = r#"{"task": "mmlu", "subject": "miscellaneous", "doc_id": 0, "lls": [-1, -2, -3, -4]}"#;
    let scored = score("mmlu_other", line).unwrap();
    let named: Vec<&str> = scored[1..].iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["mmlu_miscellaneous", "mmlu_other"]);
}

/// A response of mmlu's to document 0 of a subject whose right answer is `gold`, with the wrong one in its reasoning.
fn reasoned(response: &str) -> (String, char) {
    let rendered = render("mmlu_flan_n_shot_generative", &["--limit", "1", "--num-fewshot", "0"]);
    let subject = rendered[0]["subject"].as_str().unwrap();
    let score_one = |letter: char| {
        let line = json!({"subject": subject, "doc_id": 0, "response": format!("({letter})")});
        score("mmlu_flan_n_shot_generative", &line.to_string()).unwrap()[0]["outcome"] == "correct"
    };
    let gold = ['A', 'B', 'C', 'D'].into_iter().find(|letter| score_one(*letter)).unwrap();
    let wrong = if gold == 'A' { 'B' } else { 'A' };
    let response = response.replace("GOLD", &format!("({gold})")).replace("WRONG", &format!("({wrong})"));
    (json!({"subject": subject, "doc_id": 0, "response": response}).to_string(), gold)
}

#[test]
fn saved_reasoning_is_not_scored() {
    let task = "mmlu_flan_n_shot_generative";
    let scored = |response: &str, end: Option<&str>| {
        let (line, gold) = reasoned(response);
        let (_folder, input, output) = file(&line);
        let base = ["tasks", "score", task, "--data-dir", DATA, "--responses", &input, "--output", &output];
        let more: Vec<&str> = end.map_or(Vec::new(), |end| vec!["--think-end-token", end]);
        let ran = gac(&[&base[..], &more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (lines(&output).remove(0), gold)
    };
    let reasoning = "<think>\nIs it WRONG? No, it is GOLD.\n</think>\n\nGOLD\nQ: WRONG";
    let (line, _) = scored(reasoning, None);
    assert_eq!(line["outcome"], "wrong", "{line}");
    let (line, gold) = scored(reasoning, Some("</think>"));
    assert_eq!((&line["outcome"], &line["filters"]["strict-match"]["exact_match"]), (&json!("correct"), &json!(1.0)));
    assert_eq!(line["thinking"], json!({"closed": true, "scored": format!("({gold})")}));
    let (line, _) = scored("<think>\nIt is GOLD", Some("</think>"));
    assert_eq!((&line["outcome"], &line["robust"]["exact_match"]), (&json!("no_answer"), &json!(0.0)));
    assert_eq!(line["thinking"], json!({"closed": false, "scored": ""}));
    let (line, _) = scored("a</think> WRONG b</think> GOLD", Some("</think>"));
    assert_eq!(line["outcome"], "correct", "behind the last one");
}

#[test]
fn a_run_keeps_reasoning_and_scores_what_is_behind_it() {
    // The miniature models reason nowhere: a token of their answers stands for the end of it.
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let base = ["eval", "--model", "models/mini-llama", "--data-dir", DATA, "--tasks", "gsm8k,piqa", "--limit", "4"];
    let more = ["--num-fewshot", "0", "--think-end-token", "####", "--output-path", run.to_str().unwrap()];
    let ran = gac(&[&base[..], &more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("task `piqa` scores choices"), "{}", ran.stderr);
    let path = run.join("mini-llama/gsm8k/samples.jsonl");
    let path = path.to_str().unwrap();
    let mut closed = 0;
    for sample in lines(path) {
        let response = &sample["response"]["generated"];
        let text = response["text"].as_str().unwrap();
        match text.split_once("####") {
            Some((_, answer)) => {
                closed += 1;
                assert_eq!(response["thinking"], json!({"closed": true, "scored": answer.trim_start()}));
                assert_eq!(sample["filters"][0]["extracted"], "[invalid]", "what strict-match looks for is reasoning");
            }
            None => assert_eq!(response["thinking"], json!({"closed": false, "scored": ""})),
        }
    }
    assert!(closed > 0);
    // Samples are scored again as they are.
    let output = folder.path().join("out.jsonl");
    let args = ["tasks", "score", "gsm8k", "--data-dir", DATA, "--responses", path, "--output"];
    let ran = gac(&[&args[..], &[output.to_str().unwrap()]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let again = lines(output.to_str().unwrap());
    for (sample, line) in lines(path).iter().zip(&again) {
        assert_eq!(line["outcome"], sample["outcome"]);
        assert_eq!(line["thinking"], sample["response"]["generated"]["thinking"]);
    }
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["plan"]["models"][0]["think_end_token"], "####");
    let ran = gac(&[&base[..], &["--think-end-token", "99999999", "--output-path", path]].concat());
    assert_eq!(ran.code, 2);
}
