//! `gac report` and `gac export`: the page in a browser, and the other formats.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "support/browser.rs"]
mod browser;
#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use browser::Browser;
use fakes::{Fake, choice, echo, opener, plan};
use gac_harness::results::{ResponseRecord, SampleRecord};
use gac_harness::{Silent, run};
use gac_needs::needs;
use gac_systems::GatePlan;
use gac_systems::{MemberStep, StepRecord};
use serde_json::Value;
use support::gac;

const HOSTILE: &str =
    "</script><script>window.hacked = 1; alert(1)</script><img src=x onerror=\"window.hacked = 2\">\u{2028}]]>&lt;";

/// A run of one model and of an ensemble at three thresholds, with prompts, steps and hostile texts everywhere.
fn run_with(folder: &Path, documents: usize) -> PathBuf {
    let output = folder.join("run");
    let thresholds = [0.3, 0.6, 0.9];
    let mut fakes = vec![Fake::new("model <b>alone</b>", 1, 3)];
    for (index, threshold) in thresholds.iter().enumerate() {
        fakes.push(Fake::new(&format!("GaC {threshold}"), 2, 4 + 2 * index));
    }
    let mut plan = plan(&output, &fakes);
    for (system, threshold) in plan.systems.iter_mut().skip(1).zip(thresholds) {
        system.gate = Some(GatePlan { member: system.members[0].clone(), threshold });
    }
    plan.log_samples = true;
    plan.trace = true;
    let tasks = [echo("gsm8k", documents), choice("arc_easy", documents / 2)];
    run(&plan, &tasks, &mut opener(&fakes), &mut Silent).unwrap();
    for system in ["model-b-alone-b", "GaC-0.3", "GaC-0.6", "GaC-0.9"] {
        let path = output.join(system).join("gsm8k/samples.jsonl");
        let records = support::lines(path.to_str().unwrap())
            .into_iter()
            .map(|line| hostile(serde_json::from_value(line).unwrap()));
        let lines = records.map(|record| serde_json::to_string(&record).unwrap() + "\n");
        fs::write(&path, lines.collect::<String>()).unwrap();
    }
    output
}

/// The second document's sample gets hostile texts; all of them get views of two members.
fn hostile(mut sample: SampleRecord) -> SampleRecord {
    let view = |token: &str, other: &str| {
        Some(MemberStep { top: vec![(token.to_owned(), 0.6), (other.to_owned(), 0.2)], share: 0.5, unmapped: 0.0 })
    };
    let is_ensemble = sample.ensembled > 0;
    for (index, step) in sample.trace.iter_mut().flatten().enumerate() {
        step.ensembled = is_ensemble && index > 0;
        step.proposed = is_ensemble.then(|| if index == 1 { "?".to_owned() } else { step.text.clone() });
        step.members = vec![view(&step.text, "?"), if step.ensembled { view("?", &step.text) } else { None }];
    }
    if sample.doc_id == 1 {
        sample.response = ResponseRecord::Generated { text: HOSTILE.into(), finish: "stop".into(), thinking: None };
        sample.prompt = Some(HOSTILE.into());
        sample.target = HOSTILE.into();
        sample.filters[0].extracted = HOSTILE.into();
        let step = StepRecord {
            text: HOSTILE.into(),
            ensembled: true,
            proposed: Some(HOSTILE.into()),
            ..StepRecord::default()
        };
        sample.trace = Some(vec![step]);
    }
    sample
}

fn report(run: &Path) -> PathBuf {
    let page = run.with_extension("html");
    let ran = gac(&["report", run.to_str().unwrap(), "-o", page.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    page
}

/// Chooses from a list, or types, and waits for the list of samples to follow.
fn set(browser: &mut Browser, id: &str, value: &str) -> String {
    let change = format!(
        "(async () => {{ const e = document.getElementById('{id}'); e.value = {}; e.dispatchEvent(new Event('input', \
         {{ bubbles: true }})); await new Promise(r => setTimeout(r, 300)); return document.getElementById('count').textContent; }})()",
        Value::from(value)
    );
    browser.value(&change).as_str().unwrap().to_owned()
}

#[needs(browser)]
#[test]
fn the_page_opens_filters_and_shows_samples() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 60));
    browser.resize(1200, 900);
    browser.open(&page);
    assert_eq!(browser.value("document.getElementById('count').textContent"), "360 of 360 samples, page 1 of 8");
    // Leaderboard, four charts with their points, and nobody wrote markup into a name.
    assert_eq!(browser.value("document.querySelectorAll('#leaderboard tbody tr').length"), 4);
    assert_eq!(browser.value("document.querySelectorAll('#charts figure').length"), 4);
    assert_eq!(browser.value("document.querySelectorAll('#charts circle').length"), 3 + 3 + 4 + 4);
    assert_eq!(browser.value("document.querySelector('#leaderboard tbody th').textContent"), "model <b>alone</b>");

    assert_eq!(set(&mut browser, "system", "1"), "90 of 360 samples, page 1 of 2");
    assert_eq!(set(&mut browser, "outcome", "wrong"), "23 of 360 samples, page 1 of 1");
    assert_eq!(set(&mut browser, "task", "0"), "15 of 360 samples, page 1 of 1");
    assert_eq!(set(&mut browser, "search", "not 12"), "1 of 360 samples, page 1 of 1");
    set(&mut browser, "search", "");
    set(&mut browser, "outcome", "");
    set(&mut browser, "split", "differ");
    browser.picture("light-top");

    // By keyboard alone: open a sample, walk along its tokens.
    set(&mut browser, "search", "not 12");
    browser.value("document.querySelector('button.sample').focus()");
    browser.press("Enter");
    assert_eq!(browser.value("document.querySelector('button.sample').getAttribute('aria-expanded')"), "true");
    let detail = browser.value("document.querySelector('.detail').textContent");
    for part in ["Prompt", "12", "Extraction", "Gold", "token by token"] {
        assert!(detail.as_str().unwrap().contains(part), "{part}: {detail}");
    }
    browser.value("document.querySelector('.tokens span').focus()");
    browser.press("ArrowRight");
    let told = browser.value("document.querySelector('.token-detail').textContent");
    assert!(
        told.as_str().unwrap().contains("the ensemble overruled")
            && told.as_str().unwrap().contains("the gate proposed \"?\""),
        "{told}"
    );
    assert_eq!(browser.value("document.querySelectorAll('.tokens .overruled').length"), 1);
    assert_eq!(browser.value("document.querySelectorAll('.tokens .alone').length"), 1);
    browser.value("document.querySelector('#explorer').scrollIntoView()");
    browser.picture("light-sample");
    browser.prefer("dark");
    browser.picture("dark-sample");
    browser.value("window.scrollTo(0, 0)");
    browser.picture("dark-top");
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[needs(browser)]
#[test]
fn texts_from_models_and_data_do_nothing() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 4));
    browser.open(&page);
    set(&mut browser, "search", "window.hacked");
    let opened = browser.value("(() => { const all = document.querySelectorAll('button.sample'); all.forEach(b => b.click()); return all.length; })()");
    assert_eq!(opened, 4);
    browser.value("document.querySelectorAll('.tokens span').forEach(token => token.click())");
    browser.value("new Promise(done => setTimeout(done, 300))");
    assert_eq!(browser.value("typeof window.hacked"), "undefined");
    assert_eq!(browser.value("document.querySelectorAll('img, iframe, object, embed').length"), 0);
    assert_eq!(browser.value("document.scripts.length"), 2);
    // It is all there, as text.
    let shown = browser.value("document.querySelector('.detail pre').textContent");
    assert_eq!(shown, HOSTILE);
    assert_eq!(browser.problems(), Vec::<String>::new());
    // And the policy would stop what got through.
    browser.value("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 3'; document.body.append(s); })()");
    assert_eq!(browser.value("typeof window.hacked"), "undefined");
}

#[needs(browser)]
#[test]
fn the_page_fits_a_phone_and_follows_the_theme() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 12));
    browser.resize(375, 740);
    browser.open(&page);
    browser.value("document.querySelector('button.sample').click()");
    assert_eq!(browser.value("document.documentElement.scrollWidth <= window.innerWidth"), true);
    browser.picture("phone-light");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(ground);
    browser.prefer("dark");
    let dark = browser.value(ground);
    assert_ne!(light, dark);
    browser.value("document.querySelector('#explorer').scrollIntoView()");
    browser.picture("phone-dark");
    // The reader's choice goes before the system's.
    browser.value("document.getElementById('theme').click()");
    assert_eq!(browser.value(ground), light);
    browser.value("document.getElementById('theme').click()");
    browser.prefer("light");
    assert_eq!(browser.value(ground), dark);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[needs(browser)]
#[test]
fn no_table_of_the_baselines_report_is_cut_at_1280_pixels() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("baseline.html");
    let ran = gac(&["report", "results/baseline", "-o", page.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    browser.resize(1280, 900);
    browser.open(&page);
    browser.value("document.querySelectorAll('details').forEach(details => { details.open = true; })");
    let cut = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).map(box => box.getAttribute('aria-label')).join()";
    assert_eq!(browser.value(cut), "");
    assert_eq!(browser.value("document.querySelectorAll('.scroll').length"), 2);
}

/// `cargo test --release --workspace --test report -- --ignored --nocapture` measures.
#[test]
#[ignore = "a measurement: size and load time on 14,000 samples"]
fn a_report_of_14_000_samples_loads() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 2334));
    let bytes = page.metadata().unwrap().len();
    let time = browser.open(&page);
    let count = browser.value("document.getElementById('count').textContent");
    eprintln!("{count}; {bytes} bytes; loaded in {time:?}");
    assert!(count.as_str().unwrap().starts_with("14004 of 14004"));
}

#[test]
fn charts_are_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 12);
    let plots = folder.path().join("plots");
    let page = folder.path().join("page.html");
    let args = ["report", run.to_str().unwrap(), "-o", page.to_str().unwrap(), "--plots", plots.to_str().unwrap()];
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut names: Vec<String> =
        fs::read_dir(&plots).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let titles = [
        "accuracy-against-latency",
        "accuracy-against-threshold",
        "cost-against-share-of-ensembled-steps",
        "share-of-ensembled-steps-against-threshold",
    ];
    let endings = |title: &&str| ["csv", "png", "svg"].map(|ending| format!("{title}.{ending}"));
    let expected: Vec<String> = titles.iter().flat_map(endings).collect();
    assert_eq!(names, expected);
    if let Some(pictures) = std::env::var_os("GAC_SCREENSHOTS") {
        fs::copy(plots.join(&names[4]), Path::new(&pictures).join("plot.png")).unwrap();
    }
}

#[test]
fn a_page_needs_nothing_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(report(&run_with(folder.path(), 4))).unwrap();
    for word in ["http://", "https://", "@import", "url("] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(text.matches("<script").count(), 2);
}

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
