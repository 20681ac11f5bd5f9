//! Runs that were cut short, and what becomes of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::cell::Cell;
use std::fs;
use std::path::Path;

use gac_harness::results::{
    Manifest, ResponseRecord, RunLock, RunStatus, SampleRecord, TaskResults, read_samples, unfinished_run,
};
use gac_harness::{LoadedTask, Silent, run};
use gac_systems::SystemPlan;
use support::{Fake, Listener, choice, echo, opener, plan};

fn samples(folder: &Path) -> Vec<SampleRecord> {
    let mut samples = read_samples(&folder.join("samples.jsonl")).unwrap();
    samples.sort_by_key(|sample| sample.doc_id);
    samples
}

/// A sample without what no two runs have in common: its times.
fn timeless(folder: &Path) -> Vec<SampleRecord> {
    samples(folder).into_iter().map(|sample| SampleRecord { seconds: None, elapsed: 0.0, ..sample }).collect()
}

fn results(folder: &Path) -> TaskResults {
    let mut results: TaskResults = serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap();
    results.timing.wall_seconds = 0.0;
    results
}

/// Runs, counting how often a system is opened.
fn count(output: &Path, fakes: &[Fake], tasks: &[LoadedTask]) -> (Vec<String>, usize) {
    let opened = Cell::new(0);
    let mut open = |system: &SystemPlan| {
        opened.set(opened.get() + 1);
        opener(fakes)(system)
    };
    let mut listener = Listener::default();
    run(&plan(output, fakes), tasks, &mut open, &mut listener).unwrap();
    let heard = listener.heard.borrow().clone();
    (heard, opened.get())
}

#[test]
fn a_run_that_failed_goes_on_where_it_was_and_ends_as_if_it_had_not() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = [echo("gsm8k", 9), choice("arc_easy", 5)];
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let whole = [Fake::new("one", 1, 2), Fake::new("two", 1, 3)];
    count(&first, &whole, &tasks);

    let broken = [whole[0].clone(), Fake { fail_at: Some(5), ..whole[1].clone() }];
    run(&plan(&second, &broken), &tasks, &mut opener(&broken), &mut Silent).unwrap_err();
    let (heard, opened) = count(&second, &whole, &tasks);
    // The first system has nothing left to do and is not even opened.
    assert_eq!(opened, 1);
    let started: Vec<&String> =
        heard.iter().filter(|line| line.starts_with("task ") && line.contains(" of ")).collect();
    assert_eq!(
        started,
        ["task one gsm8k 9 of 9", "task one arc_easy 5 of 5", "task two gsm8k 5 of 9", "task two arc_easy 0 of 5"]
    );
    for task in ["one/gsm8k", "one/arc_easy", "two/gsm8k", "two/arc_easy"] {
        assert_eq!(timeless(&first.join(task)), timeless(&second.join(task)), "{task}");
        assert_eq!(results(&first.join(task)), results(&second.join(task)), "{task}");
    }
    let manifest = Manifest::read(&second).unwrap();
    assert_eq!((manifest.status, manifest.sessions.len()), (RunStatus::Finished, 2));
    assert_eq!(manifest.started, manifest.sessions[0].started);
}

#[test]
fn a_file_cut_anywhere_loses_the_torn_sample_alone() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    let tasks = [echo("gsm8k", 3)];
    count(&output, &fakes, &tasks);
    let path = output.join("one/gsm8k/samples.jsonl");
    let whole = fs::read(&path).unwrap();
    let undisturbed = timeless(path.parent().unwrap());
    // Every place around the ends of lines, and some between them.
    let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').collect();
    let near = |length: usize| ends.iter().any(|end| length.abs_diff(*end) <= 2);
    for length in (0..=whole.len()).filter(|&length| near(length) || length % 211 == 0) {
        fs::write(&path, &whole[..length]).unwrap();
        let (heard, _) = count(&output, &fakes, &tasks);
        let kept = whole[..length].split(|&byte| byte == b'\n').count() - 1;
        let is_torn = length > 0 && whole[length - 1] != b'\n';
        assert!(heard.contains(&format!("task one gsm8k {kept} of 3")), "{length}: {heard:?}");
        let notice = heard.iter().any(|line| line.starts_with("warning the last line of") && line.contains("torn"));
        assert_eq!(notice, is_torn, "{length}");
        assert_eq!(timeless(path.parent().unwrap()), undisturbed, "{length}");
    }
}

#[test]
fn a_damaged_line_before_whole_ones_is_an_error_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    let tasks = [echo("gsm8k", 3)];
    count(&output, &fakes, &tasks);
    let path = output.join("one/gsm8k/samples.jsonl");
    let damaged = fs::read_to_string(&path).unwrap().replacen('{', "[", 1);
    fs::write(&path, &damaged).unwrap();
    let error = run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap_err();
    assert_eq!(error.to_string(), format!("line 1 of `{}` is not a sample record", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
}

#[test]
fn a_changed_system_reuses_nothing_and_gets_its_samples_back_when_changed_back() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("both", 2, 2)];
    let tasks = [echo("gsm8k", 4)];
    count(&output, &fakes, &tasks);
    let path = output.join("both/gsm8k");
    let before = timeless(&path);

    let mut other = plan(&output, &fakes);
    other.systems[0].weights = vec![0.75, 0.25];
    let mut listener = Listener::default();
    run(&other, &tasks, &mut opener(&fakes), &mut listener).unwrap();
    let heard = listener.heard.borrow().clone();
    let set_aside = format!(
        "warning 4 samples of system `both` on task `gsm8k` are not what the recipe asks for now; set aside in `{}`",
        path.join("superseded.jsonl").display()
    );
    assert!(heard.contains(&set_aside) && heard.contains(&"task both gsm8k 0 of 4".to_owned()), "{heard:?}");
    let after = timeless(&path);
    assert!(before.iter().zip(&after).all(|(before, after)| before.identity != after.identity));
    assert_eq!(Manifest::read(&output).unwrap().plan, other);

    let (heard, opened) = count(&output, &fakes, &tasks);
    assert!(heard.contains(&"task both gsm8k 4 of 4".to_owned()), "{heard:?}");
    assert_eq!((opened, timeless(&path)), (0, before));
}

#[test]
fn more_documents_keep_the_samples_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    count(&output, &fakes, &[echo("gsm8k", 3)]);
    let (heard, _) = count(&output, &fakes, &[echo("gsm8k", 7), echo("nq_open", 2)]);
    assert!(heard.contains(&"task one gsm8k 3 of 7".to_owned()), "{heard:?}");
    assert_eq!(samples(&output.join("one/gsm8k")).len(), 7);
}

/// Changes something of a task.
type Change = fn(&mut LoadedTask);

#[test]
fn a_changed_document_prompt_or_version_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("one", 1, 2)];
    let changes: [(&str, Change); 4] = [
        ("hash", |task| task.documents[1].hash = "other".into()),
        ("target", |task| task.documents[1].target = "7".into()),
        ("version", |task| task.version = "2".into()),
        ("stop", |task| {
            if let gac_harness::Request::Generate { stop, .. } = &mut task.documents[1].request {
                stop.push("!".into());
            }
        }),
    ];
    for (name, change) in changes {
        let output = folder.path().join(name);
        count(&output, &fakes, &[echo("gsm8k", 3)]);
        let mut task = echo("gsm8k", 3);
        change(&mut task);
        let (heard, _) = count(&output, &fakes, &[task]);
        let kept = if name == "version" { 0 } else { 2 };
        assert!(heard.contains(&format!("task one gsm8k {kept} of 3")), "{name}: {heard:?}");
    }
}

#[test]
fn prompts_that_are_to_be_logged_now_are_reason_to_ask_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    let tasks = [echo("gsm8k", 2)];
    count(&output, &fakes, &tasks);
    let mut logging = plan(&output, &fakes);
    logging.log_samples = true;
    run(&logging, &tasks, &mut opener(&fakes), &mut Silent).unwrap();
    assert!(samples(&output.join("one/gsm8k")).iter().all(|sample| sample.prompt.is_some()));
    // And what has prompts serves a run that does not need them.
    assert_eq!(count(&output, &fakes, &tasks).1, 0);
}

#[test]
fn a_second_process_is_refused_while_the_first_works() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    let tasks = [echo("gsm8k", 3)];
    count(&output, &fakes, &tasks);
    let before = fs::read(output.join("manifest.json")).unwrap();
    let lock = RunLock::take(&output).unwrap();
    let error = run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap_err();
    assert!(error.to_string().starts_with(&format!("`{}` is in use by another gac", output.display())), "{error}");
    assert_eq!(fs::read(output.join("manifest.json")).unwrap(), before);
    drop(lock);
    count(&output, &fakes, &tasks);
}

#[test]
fn what_a_kill_before_the_manifest_leaves_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    fs::create_dir(&output).unwrap();
    fs::write(output.join(".lock"), "").unwrap();
    fs::write(output.join(".gac-manifest.json.17.tmp"), "{").unwrap();
    let fakes = [Fake::new("one", 1, 2)];
    count(&output, &fakes, &[echo("gsm8k", 3)]);
    assert!(!output.join(".gac-manifest.json.17.tmp").exists());
}

#[test]
fn a_full_disk_is_said_so_and_finished_samples_are_whole() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("r");
    let fakes = [Fake::new("one", 1, 2)];
    count(&output, &fakes, &[echo("gsm8k", 3)]);
    let nq = output.join("one/nq_open");
    fs::create_dir(&nq).unwrap();
    std::os::unix::fs::symlink("/dev/full", nq.join("samples.jsonl")).unwrap();
    let tasks = [echo("gsm8k", 3), echo("nq_open", 3)];
    // The device is read as endless zeros; what is written to it fails.
    let error = gac_harness::results::SampleLog::open(&nq.join("samples.jsonl"))
        .unwrap()
        .append(&samples(&output.join("one/gsm8k"))[0])
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    fs::remove_dir_all(&nq).unwrap();
    count(&output, &fakes, &tasks);
}

#[test]
fn an_unfinished_run_of_the_same_plan_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake { fail_at: Some(1), ..Fake::new("one", 1, 2) }];
    let tasks = [echo("gsm8k", 3)];
    let [a, b, next] = ["test-1", "test-2", "test-3"].map(|name| folder.path().join(name));
    for output in [&a, &b] {
        run(&plan(output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap_err();
    }
    let wanted = plan(&next, &fakes);
    assert_eq!(unfinished_run(&wanted), Some(b.clone()));
    let mut other = wanted.clone();
    other.batch_size = 7;
    assert_eq!(unfinished_run(&other), None);
    let lock = RunLock::take(&b).unwrap();
    assert_eq!(unfinished_run(&wanted), Some(a.clone()));
    drop(lock);
    count(&b, &[Fake::new("one", 1, 2)], &tasks);
    assert_eq!(unfinished_run(&wanted), Some(a));
}

#[test]
fn a_trace_is_written_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("both", 2, 0)];
    let mut plan = plan(&folder.path().join("r"), &fakes);
    plan.trace = true;
    run(&plan, &[echo("gsm8k", 2), choice("piqa", 2)], &mut opener(&fakes), &mut Silent).unwrap();
    let generated = samples(&folder.path().join("r/both/gsm8k"));
    for sample in &generated {
        let steps = sample.trace.as_ref().unwrap();
        let ResponseRecord::Generated { text, .. } = &sample.response else { panic!("not generated") };
        assert_eq!(&steps.iter().map(|step| step.text.as_str()).collect::<String>(), text);
    }
    assert!(samples(&folder.path().join("r/both/piqa")).iter().all(|sample| sample.trace.is_none()));
}
