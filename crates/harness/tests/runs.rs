//! Runs, from a plan to files, with systems that need no weights.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use gac_harness::report::Leaderboard;
use gac_harness::results::{
    LatencyBasis, Manifest, ResponseRecord, RunStatus, SampleRecord, TaskResults, read_samples,
};
use gac_harness::{Outcome, RunError, Silent, run};
use gac_systems::{OpenSystems, System, SystemError, SystemPlan};
use support::{Fake, Listener, choice, echo, opener, plan};

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn three_systems() -> [Fake; 3] {
    [Fake::new("one", 1, 2), Fake::new("two", 1, 3), Fake::new("both of them", 2, 10)]
}

#[test]
fn results_on_disk_are_complete_and_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results/first");
    let fakes = three_systems();
    let tasks = [echo("gsm8k", 30), choice("arc_easy", 20)];
    let summary = run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap();
    assert_eq!(summary.folder, output);

    let samples = read_samples(&output.join("two/gsm8k/samples.jsonl")).unwrap();
    assert_eq!(samples.len(), 30);
    let mut documents: Vec<usize> = samples.iter().map(|sample| sample.doc_id).collect();
    documents.sort_unstable();
    assert_eq!(documents, (0..30).collect::<Vec<_>>());
    let third: &SampleRecord = samples.iter().find(|sample| sample.doc_id == 3).unwrap();
    assert_eq!((third.system.as_str(), third.task.as_str()), ("two", "gsm8k"));
    assert_eq!((&third.outcome, third.doc_hash.as_str()), (&Outcome::Wrong, "gsm8k 3"));
    assert_eq!(
        third.response,
        ResponseRecord::Generated { text: "not 3".into(), finish: "stop".into(), thinking: None }
    );
    assert_eq!((third.tokens, third.ensembled, &third.member_tokens[..]), (4, 0, &[4][..]));
    assert_eq!((third.seconds, third.prompt.as_ref()), (Some(0.04), None));

    let choices = read_samples(&output.join("both-of-them/arc_easy/samples.jsonl")).unwrap();
    assert_eq!(choices.len(), 20);
    assert!(matches!(&choices[0].response, ResponseRecord::Choices(choices) if choices.len() == 3));

    let results: TaskResults = json(&output.join("both-of-them/gsm8k/results.json"));
    assert_eq!((results.documents, results.outcomes.correct, results.outcomes.wrong), (30, 27, 3));
    assert!((results.value - 0.9).abs() < 1e-12);
    assert_eq!(results.timing.latency_basis, Some(LatencyBasis::Request));
    assert!((results.timing.ms_per_token.unwrap() - 10.0).abs() < 1e-9);
    assert_eq!(results.timing.ensembled_share, Some(0.25));
    let scored: TaskResults = json(&output.join("one/arc_easy/results.json"));
    assert_eq!(scored.timing.ms_per_token, None);

    let manifest: Manifest = json(&output.join("manifest.json"));
    assert_eq!(manifest.status, RunStatus::Finished);
    let machine = manifest.machine().unwrap();
    assert!(manifest.ended.is_some() && machine.cores > 0 && machine.threads > 0);
    assert_eq!(manifest.plan, plan(&output, &fakes));
    assert_eq!(manifest.systems[2].folder, "both-of-them");
    assert_eq!((manifest.tasks[1].folder.as_str(), manifest.tasks[1].documents), ("arc_easy", 20));

    let leaderboard: Leaderboard = json(&output.join("leaderboard.json"));
    assert_eq!(leaderboard, summary.leaderboard);
    assert_eq!(leaderboard.best_single().unwrap().system, "two");
    let comparison = &leaderboard.comparisons[0];
    assert_eq!((comparison.system.as_str(), comparison.baseline.as_str()), ("both of them", "two"));
    let [two, both] = [1, 2].map(|row| leaderboard.rows[row].average.unwrap().value);
    assert!((comparison.paired.difference - (both - two)).abs() < 1e-12);
    assert!(fs::read_to_string(output.join("leaderboard.md")).unwrap().contains("both of them against two"));
    assert_eq!(fs::read_to_string(output.join("leaderboard.csv")).unwrap().lines().count(), 1 + 3 * 3);
    let mut left: Vec<_> = fs::read_dir(&output).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let names = [
        ".lock",
        "both-of-them",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.md",
        "manifest.json",
        "one",
        "two",
    ];
    assert_eq!(left, names);
}

#[test]
fn batched_runs_say_that_their_latency_is_a_throughput() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("one", 1, 0)];
    let mut plan = plan(&folder.path().join("r"), &fakes);
    plan.batch_size = 8;
    let summary = run(&plan, &[echo("gsm8k", 4)], &mut opener(&fakes), &mut Silent).unwrap();
    assert_eq!(summary.leaderboard.rows[0].timing.latency_basis, Some(LatencyBasis::Throughput));
}

#[test]
fn prompts_are_recorded_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("one", 1, 0)];
    let mut plan = plan(&folder.path().join("r"), &fakes);
    plan.log_samples = true;
    run(&plan, &[echo("gsm8k", 4), choice("piqa", 2)], &mut opener(&fakes), &mut Silent).unwrap();
    for task in ["gsm8k", "piqa"] {
        let samples = read_samples(&folder.path().join("r/one").join(task).join("samples.jsonl")).unwrap();
        assert!(samples.iter().all(|sample| sample.prompt == Some(sample.doc_id.to_string())));
    }
}

#[test]
fn events_come_in_order_and_each_sample_is_on_disk_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    let looked = output.clone();
    let look = move |system: &str, task: &str, finished: usize| {
        let samples = read_samples(&looked.join(system).join(task).join("samples.jsonl")).unwrap();
        assert_eq!(samples.len(), finished);
        assert!(!looked.join(system).join(task).join("results.json").exists());
        assert_eq!(json::<Manifest>(&looked.join("manifest.json")).status, RunStatus::Running);
    };
    let mut listener = Listener { at_sample: Some(Rc::new(look)), ..Listener::default() };
    let tasks = [echo("gsm8k", 3), choice("piqa", 2)];
    run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut listener).unwrap();
    assert_eq!(
        *listener.heard.borrow(),
        [
            "run 1 2 5",
            "system 0 one",
            "opened one",
            "task one gsm8k 0 of 3",
            "sample 1 1",
            "sample 2 0",
            "sample 3 2",
            "task over gsm8k 0.3333333333333333",
            "task one piqa 0 of 2",
            // Choices 1, 3, 5 come first, then 0, 2, 4: document 0 has 0..=2, document 1 has 3..=5.
            "sample 1 0",
            "sample 2 1",
            "task over piqa 0.5",
            "system over one",
            "run over 1",
        ]
    );
}

#[test]
fn a_failing_system_leaves_what_it_finished_and_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("good", 1, 2), Fake { fail_at: Some(5), ..Fake::new("bad", 1, 2) }];
    let tasks = [echo("gsm8k", 9), echo("nq_open", 3)];
    let error = run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap_err();
    assert_eq!(error.to_string(), "system `bad` failed on task `gsm8k` after 5 of 9 documents");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "out of blocks");

    assert_eq!(read_samples(&output.join("bad/gsm8k/samples.jsonl")).unwrap().len(), 5);
    assert!(!output.join("bad/gsm8k/results.json").exists());
    assert_eq!(read_samples(&output.join("good/nq_open/samples.jsonl")).unwrap().len(), 3);
    assert_eq!(json::<Leaderboard>(&output.join("leaderboard.json")).rows.len(), 1);
    let RunStatus::Failed { error } = json::<Manifest>(&output.join("manifest.json")).status else {
        panic!("the manifest does not say that the run failed")
    };
    assert_eq!(error, "system `bad` failed on task `gsm8k` after 5 of 9 documents: out of blocks");
}

#[test]
fn a_system_that_answers_otherwise_than_asked_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let complain = |name: &str, fake: Fake, task| {
        let fakes = [fake];
        let plan = plan(&folder.path().join(name), &fakes);
        run(&plan, &[task], &mut opener(&fakes), &mut Silent).unwrap_err().to_string()
    };
    let said = "system `s` did not answer task `t` as asked:";
    let fake = || Fake::new("s", 1, 0);
    let left_out = complain("a", Fake { skip: Some(2), ..fake() }, echo("t", 4));
    assert_eq!(left_out, format!("{said} document 2 left without an answer"));
    let left_out = complain("b", Fake { skip: Some(2), ..fake() }, choice("t", 4));
    assert_eq!(left_out, format!("{said} document 0 left without an answer"));
    let twice = complain("c", Fake { twice: Some(1), ..fake() }, echo("t", 4));
    assert_eq!(twice, format!("{said} document 1 answered twice"));
    let twice = complain("d", Fake { twice: Some(1), ..fake() }, choice("t", 4));
    assert_eq!(twice, format!("{said} choice 1 of document 0 answered twice"));
}

#[test]
fn truncated_prompts_are_one_warning_per_task() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake { truncated: 3, ..Fake::new("one", 1, 2) }];
    let mut listener = Listener::default();
    let tasks = [echo("gsm8k", 9), choice("piqa", 9)];
    run(&plan(&folder.path().join("r"), &fakes), &tasks, &mut opener(&fakes), &mut listener).unwrap();
    let heard = listener.heard.borrow();
    let warnings: Vec<&String> = heard.iter().filter(|line| line.starts_with("warning")).collect();
    let end = "did not fit the context of system `one` and were cut from the left";
    // Three choices are one document.
    assert_eq!(
        warnings,
        [
            &format!("warning 3 of 9 prompts of task `gsm8k` {end}"),
            &format!("warning 1 of 9 prompts of task `piqa` {end}")
        ]
    );
}

#[test]
fn a_folder_that_holds_something_else_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("one", 1, 2)];
    let attempt = |output: &Path| {
        let opened = Cell::new(false);
        let mut open = |system: &SystemPlan| {
            opened.set(true);
            opener(&fakes)(system)
        };
        let result = run(&plan(output, &fakes), &[echo("gsm8k", 2)], &mut open, &mut Silent);
        (result, opened.get())
    };
    let first = folder.path().join("r");
    // An empty folder is as good as none.
    fs::create_dir(&first).unwrap();
    assert!(attempt(&first).0.is_ok());

    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("diary.txt"), "").unwrap();
    let (result, opened) = attempt(&other);
    assert_eq!(result.unwrap_err().to_string(), format!("`{}` is not empty", other.display()));
    assert!(!opened);
    let file = other.join("diary.txt");
    assert_eq!(attempt(&file).0.unwrap_err().to_string(), format!("`{}` is not a folder", file.display()));
}

#[test]
fn nothing_is_written_when_the_first_system_cannot_be_opened_or_a_check_fails() {
    struct Broken {
        check: bool,
    }

    fn failure(system: &SystemPlan) -> SystemError {
        SystemError { system: system.name.clone(), source: "truncated safetensors".into() }
    }

    impl OpenSystems for Broken {
        fn check(&mut self, system: &SystemPlan) -> Result<(), SystemError> {
            if self.check && system.name == "two" { Err(failure(system)) } else { Ok(()) }
        }

        fn open(&mut self, system: &SystemPlan, _thresholds: &[f64]) -> Result<Box<dyn System + '_>, SystemError> {
            Err(failure(system))
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let plan = plan(&output, &[Fake::new("one", 1, 0), Fake::new("two", 1, 0)]);
    let tasks = [echo("gsm8k", 2)];
    for (check, culprit) in [(false, "one"), (true, "two")] {
        let error = run(&plan, &tasks, &mut Broken { check }, &mut Silent).unwrap_err();
        assert_eq!(error.to_string(), format!("failed to open system `{culprit}`"));
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "truncated safetensors");
        assert!(!output.exists());
    }
}

#[test]
fn there_must_be_something_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("one", 1, 0)];
    let output = folder.path().join("r");
    let attempt = |fakes: &[Fake], tasks: &[_]| {
        run(&plan(&output, fakes), tasks, &mut opener(fakes), &mut Silent).unwrap_err().to_string()
    };
    assert_eq!(attempt(&fakes, &[]), "there are no tasks to run");
    assert_eq!(attempt(&fakes, &[echo("gsm8k", 2), echo("piqa", 0)]), "task `piqa` has no documents");
    assert_eq!(attempt(&[], &[echo("gsm8k", 2)]), "there are no systems to run");
    assert!(!output.exists());
}

#[test]
fn one_system_is_open_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = three_systems();
    let token = Rc::new(());
    let mut open = |system: &SystemPlan| -> Result<Box<dyn System>, SystemError> {
        assert_eq!(Rc::strong_count(&token), 1, "the system before is still alive");
        let fake = fakes.iter().find(|fake| fake.name == system.name).unwrap();
        Ok(Box::new(Fake { alive: Some(Rc::clone(&token)), ..fake.clone() }))
    };
    run(&plan(&folder.path().join("r"), &fakes), &[echo("gsm8k", 2)], &mut open, &mut Silent).unwrap();
}

#[test]
fn systems_with_like_or_hostile_names_have_folders_of_their_own_inside() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let names = ["GaC(a, b)", "gac-a-b", "../x", "/etc", "..", "manifest.json", "leaderboard.md"];
    let fakes: Vec<Fake> = names.iter().map(|name| Fake::new(name, 1, 2)).collect();
    run(&plan(&output, &fakes), &[echo("../../t", 2)], &mut opener(&fakes), &mut Silent).unwrap();

    let manifest: Manifest = json(&output.join("manifest.json"));
    let task = &manifest.tasks[0];
    assert_eq!((task.name.as_str(), task.folder.as_str()), ("../../t", "t"));
    for (entry, name) in manifest.systems.iter().zip(names) {
        assert_eq!(entry.name, name);
        let samples = read_samples(&output.join(&entry.folder).join(&task.folder).join("samples.jsonl")).unwrap();
        assert!(samples.len() == 2 && samples.iter().all(|sample| sample.system == name));
    }
    // Nothing beside the run's folder.
    let outside: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["r"]);
}

#[test]
fn a_listener_that_fails_ends_the_run_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    let mut listener = Listener { fail_at: Some(5), ..Listener::default() };
    let error = run(&plan(&output, &fakes), &[echo("gsm8k", 9)], &mut opener(&fakes), &mut listener).unwrap_err();
    assert!(matches!(error, RunError::Report(_)));
    assert_eq!(read_samples(&output.join("one/gsm8k/samples.jsonl")).unwrap().len(), 2);
}

#[test]
fn a_torn_line_and_another_version_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    run(&plan(&output, &fakes), &[echo("gsm8k", 3)], &mut opener(&fakes), &mut Silent).unwrap();
    let path = output.join("one/gsm8k/samples.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let error = read_samples(&path).unwrap_err().to_string();
    assert_eq!(error, format!("line 3 of `{}` is not a sample record", path.display()));
    fs::write(&path, whole.replacen("\"version\":1", "\"version\":9", 1)).unwrap();
    let error = read_samples(&path).unwrap_err().to_string();
    assert!(error.starts_with("line 1 of") && error.contains("record version 9"), "{error}");
}
