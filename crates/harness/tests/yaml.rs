//! Tasks of one's own in lm-evaluation-harness's YAML form.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;

use gac_ensemble::LogLikelihood;
use gac_harness::{Answer, DataSource, LoadedTask, Outcome, Request, TaskError, TaskOptions, TaskRegistry};
use gac_systems::ChatPlan;

const ROWS: &str = r#"{"q": "what floats?", "options": ["stone", "cork"], "key": "B"}
{"q": "what sinks?", "options": ["stone", "cork"], "key": "A"}
{"q": "what burns?", "options": ["water", "coal"], "key": "B"}
"#;

/// A folder with tasks over `rows.jsonl` in it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    fs::write(&rows, ROWS).unwrap();
    let base = format!(
        "dataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {0}\n    train: {0}\ntest_split: test\n\
         fewshot_split: train\noutput_type: multiple_choice\ndoc_to_text: \"Q: {{{{q}}}}\\nA:\"\n\
         doc_to_choice: options\ndoc_to_target: \"{{{{['A', 'B'].index(key)}}}}\"\n\
         fewshot_config:\n  sampler: first_n\nmetadata:\n  version: 1.5\n",
        rows.display()
    );
    fs::write(folder.path().join("_base_yaml"), base).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn registry(folder: &Path) -> TaskRegistry {
    TaskRegistry::with_folders(&[folder.to_owned()]).unwrap()
}

fn load(registry: &TaskRegistry, name: &str) -> Result<LoadedTask, TaskError> {
    registry.load(name, &DataSource::new(Some("/nowhere".into())), &TaskOptions::default())
}

fn names(registry: &TaskRegistry, group: &str) -> Vec<String> {
    match registry.outline(group).unwrap_err() {
        TaskError::Several { names, .. } => names,
        other => panic!("{other}"),
    }
}

#[test]
fn a_task_over_files_of_ones_own_is_asked_and_scored() {
    let folder = folder(&[("zorb.yaml", "include: _base_yaml\ntask: zorb\nnum_fewshot: 1\n")]);
    let task = load(&registry(folder.path()), "zorb").unwrap();
    assert_eq!((task.version.as_str(), task.num_fewshot, task.documents.len()), ("1.5", 1, 3));
    let Request::Choose { context, continuations } = &task.documents[1].request else { panic!("choices") };
    assert_eq!(context, "Q: what floats?\nA: cork\n\nQ: what sinks?\nA:");
    assert_eq!(continuations, &[" stone", " cork"]);
    let scores = |sums: [f64; 2]| {
        let score = |sum| LogLikelihood { sum, greedy: false, tokens: Vec::new(), truncated: false };
        Answer::Scores(sums.map(score).to_vec())
    };
    assert_eq!(task.scorer.score(&task.documents[1], &scores([-1.0, -2.0])).outcome, Outcome::Correct);
    assert_eq!(task.scorer.score(&task.documents[0], &scores([-1.0, -2.0])).outcome, Outcome::Wrong);
}

#[test]
fn groups_and_tags_stand_for_their_tasks() {
    let folder = folder(&[
        ("a.yaml", "include: _base_yaml\ntask: zorb_a\ntag: [zorbs]\n"),
        ("deep/b.yaml", "include: ../_base_yaml\ntask: zorb_b\ntag: zorbs\n"),
        ("g.yaml", "group: zorb_all\ntask:\n  - zorb_b\n  - task: zorb_a\n    num_fewshot: 2\n  - gsm8k\n"),
        ("h.yaml", "group: zorb_more\nnum_fewshot: 1\ntask: [zorb_a, {group: inner, task: [zorb_b]}]\n"),
        ("i.yaml", "group: zorb_round\ntask: [zorb_round]\n"),
    ]);
    let registry = registry(folder.path());
    assert_eq!(names(&registry, "zorbs"), ["zorb_a", "zorb_b"]);
    assert_eq!(names(&registry, "zorb_all"), ["zorb_b", "zorb_all::zorb_a", "gsm8k"]);
    assert_eq!(load(&registry, "zorb_all::zorb_a").unwrap().num_fewshot, 2);
    assert_eq!(names(&registry, "zorb_more"), ["zorb_more::zorb_a", "zorb_more::inner::zorb_b"]);
    assert_eq!(load(&registry, "zorb_more::inner::zorb_b").unwrap().num_fewshot, 1);
    assert!(matches!(registry.outline("zorb_round").unwrap_err(), TaskError::GroupInItself { .. }));
}

#[test]
fn what_needs_python_is_refused_by_name_and_only_when_asked_for() {
    let folder = folder(&[
        ("a.yaml", "include: _base_yaml\ntask: zorb_py\ndoc_to_text: !function utils.text\ntag: zorbs\n"),
        ("b.yaml", "include: _base_yaml\ntask: zorb_bleu\nmetric_list: [{metric: bleu}]\n"),
        ("c.yaml", "include: _base_yaml\ntask: zorb_odd\nnum_fewshots: 2\n"),
        ("d.yaml", "include: _base_yaml\ntask: zorb\ntag: zorbs\n"),
        ("e.yaml", "just: settings\n"),
        ("f.yaml", ": no [yaml\n"),
    ]);
    let registry = registry(folder.path());
    load(&registry, "zorb").unwrap();
    for (name, reason) in [
        ("zorb_py", "it needs Python: `doc_to_text` has `!function utils.text`"),
        ("zorb_bleu", "its metric `bleu` is not known here"),
        ("zorb_odd", "it has a setting `num_fewshots`, which is not known here"),
    ] {
        let Err(error) = load(&registry, name) else { panic!("{name} is loaded") };
        assert!(error.to_string().ends_with(&format!("cannot be evaluated: {reason}")), "{error}");
    }
    let error = registry.outline("zorbs").unwrap_err().to_string();
    assert!(error.starts_with("`zorbs` has 1 of 2 parts that cannot be evaluated; the first is `zorb_py`"), "{error}");
}

#[test]
fn a_definition_that_is_shown_defines_the_same_task() {
    let text = "include: _base_yaml\ntask: zorb\ndoc_to_choice: [\"it's\", \"{{x}}\"]\nfewshot_config:\n  sampler: \
                first_n\n  samples: [{q: why, key: A}]\nfewshot_split: null\ngen_prefix: \"So\"\n";
    let folder = folder(&[("zorb.yaml", text)]);
    let yaml = registry(folder.path());
    let shown = yaml.definition("zorb").unwrap().to_toml().unwrap();
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("mine.toml"), shown.replace("name = \"zorb\"", "name = \"mine\"")).unwrap();
    let toml = registry(own.path());
    let asked = |registry: &TaskRegistry, name| {
        let options = TaskOptions { num_fewshot: Some(1), ..TaskOptions::default() };
        let task = registry.load(name, &DataSource::new(Some("/nowhere".into())), &options).unwrap();
        task.documents.into_iter().map(|document| document.request).collect::<Vec<_>>()
    };
    let found = asked(&yaml, "zorb");
    assert_eq!(asked(&toml, "mine"), found);
    let Request::Choose { context, continuations } = &found[0] else { panic!("choices") };
    assert_eq!(context, "Q: why\nA: So it's\n\nQ: what floats?\nA: So");
    assert_eq!(continuations, &[" it's", " {{x}}"]);
}

#[test]
fn a_task_of_the_folder_goes_before_the_built_in_one_of_its_name() {
    let folder = folder(&[("piqa.yaml", "include: _base_yaml\ntask: piqa\n")]);
    let registry = registry(folder.path());
    assert_eq!(load(&registry, "piqa").unwrap().version, "1.5");
    assert_eq!(registry.list().iter().filter(|task| task.name == "piqa").count(), 1);
}

#[test]
fn a_file_that_is_missing_is_named() {
    let text = "include: _base_yaml\ntask: zorb\ndataset_kwargs: {data_files: {test: /nowhere/rows.jsonl}}\n";
    let folder = folder(&[("zorb.yaml", text)]);
    let Err(TaskError::Data { source, .. }) = load(&registry(folder.path()), "zorb") else { panic!("it is loaded") };
    assert_eq!(source.to_string(), "split `test` is read from /nowhere/rows.jsonl, which is not there");
}

#[test]
fn a_target_that_is_scored_as_it_is_loses_nothing_in_a_chat() {
    let text = "include: _base_yaml\ntask: zorb\noutput_type: loglikelihood\ndoc_to_target: \"\u{e9}{{q}}\"\n";
    let folder = folder(&[("zorb.yaml", text)]);
    let task = load(&registry(folder.path()), "zorb").unwrap();
    let request = task.documents[0].choice_requests(Some(&ChatPlan::default())).remove(0);
    assert_eq!(request.continuation, "\u{e9}what floats?");
}
