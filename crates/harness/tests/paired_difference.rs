//! The paired difference against values that `scripts/fixtures/paired_difference.py` recorded, and what it refuses.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use gac_harness::stats::{Bootstrap, DocumentScore, PairedDifference, Side, StatsError, TaskScores, paired_difference};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    tasks: BTreeMap<String, Pair>,
    task_differences: BTreeMap<String, f64>,
    difference: f64,
    stderr: f64,
    analytic: [f64; 2],
    percentile: [f64; 2],
}

#[derive(Deserialize)]
struct Pair {
    base: Vec<f64>,
    new: Vec<f64>,
}

fn scores(task: &str, values: &[f64]) -> TaskScores {
    let documents = values.iter().enumerate().map(|(doc_id, &value)| DocumentScore {
        subject: None,
        doc_id,
        doc_hash: format!("hash {doc_id}"),
        value: Some(value),
    });
    TaskScores { task: task.to_owned(), version: "1".to_owned(), documents: documents.collect() }
}

fn fixture() -> (Fixture, Vec<TaskScores>, Vec<TaskScores>) {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/paired_difference.json")).unwrap();
    let base = fixture.tasks.iter().map(|(task, pair)| scores(task, &pair.base)).collect();
    let new = fixture.tasks.iter().map(|(task, pair)| scores(task, &pair.new)).collect();
    (fixture, base, new)
}

fn compare(base: &[TaskScores], new: &[TaskScores]) -> Result<PairedDifference, StatsError> {
    paired_difference(base, new, Bootstrap::default())
}

#[test]
fn the_interval_is_numpys_and_the_analytic_one() {
    let (fixture, base, new) = fixture();
    let found = compare(&base, &new).unwrap();
    assert!((found.difference - fixture.difference).abs() < 1e-12);
    for task in &found.tasks {
        assert!((task.difference - fixture.task_differences[&task.task]).abs() < 1e-12);
    }
    // The 2.5% quantile of 10,000 resamples has a standard error of 0.027 of theirs.
    for expected in [fixture.percentile, fixture.analytic] {
        assert!((found.low - expected[0]).abs() < 0.1 * fixture.stderr, "{} {}", found.low, expected[0]);
        assert!((found.high - expected[1]).abs() < 0.1 * fixture.stderr, "{} {}", found.high, expected[1]);
    }
    assert!(found.is_significant());
    assert_eq!(found.documents, 500);
}

#[test]
fn the_order_of_tasks_and_documents_does_not_matter_and_the_seed_does() {
    let (_, base, new) = fixture();
    let found = compare(&base, &new).unwrap();
    let mut shuffled = new.clone();
    shuffled.reverse();
    for task in &mut shuffled {
        task.documents.reverse();
    }
    assert_eq!(compare(&base, &shuffled).unwrap(), found);
    let other = paired_difference(&base, &new, Bootstrap { seed: 1, ..Bootstrap::default() }).unwrap();
    assert_ne!((other.low, other.high), (found.low, found.high));
}

#[test]
fn swapping_the_systems_turns_the_interval_around() {
    let (_, base, new) = fixture();
    let (there, back) = (compare(&base, &new).unwrap(), compare(&new, &base).unwrap());
    assert!((there.difference + back.difference).abs() < 1e-12);
    assert!((there.low + back.high).abs() < 1e-9);
}

#[test]
fn a_system_does_not_differ_from_itself() {
    let (_, base, _) = fixture();
    let found = compare(&base, &base).unwrap();
    assert_eq!([found.difference, found.low, found.high].map(f64::to_bits), [0.0_f64; 3].map(f64::to_bits));
    assert!(!found.is_significant());
}

#[test]
fn tasks_count_alike_whatever_their_size() {
    let base = [scores("large", &[0.0; 1000]), scores("small", &[0.0; 10])];
    let new = [scores("large", &[0.0; 1000]), scores("small", &[1.0; 10])];
    assert!((compare(&base, &new).unwrap().difference - 0.5).abs() < 1e-12);
}

#[test]
fn results_of_different_documents_are_refused() {
    let base = [scores("gsm8k", &[0.0, 1.0, 1.0])];
    let task = || "gsm8k".to_owned();

    let shorter = [scores("gsm8k", &[0.0, 1.0])];
    let missing = StatsError::MissingDocument { task: task(), document: "2".into(), missing_in: Side::New };
    assert_eq!(missing.to_string(), "document 2 of task `gsm8k` is missing in the new results");
    assert_eq!(compare(&base, &shorter), Err(missing));
    assert_eq!(
        compare(&shorter, &base),
        Err(StatsError::MissingDocument { task: task(), document: "2".into(), missing_in: Side::Base })
    );

    let mut changed = base.clone();
    changed[0].documents[1].doc_hash = "other".into();
    assert_eq!(compare(&base, &changed), Err(StatsError::Changed { task: task(), document: "1".into() }));

    let mut subject = base.clone();
    subject[0].documents[0].subject = Some("anatomy".into());
    assert!(matches!(compare(&base, &subject), Err(StatsError::MissingDocument { .. })));

    let mut version = base.clone();
    version[0].version = "2".into();
    assert!(matches!(compare(&base, &version), Err(StatsError::Version { .. })));

    let mut twice = base.clone();
    twice[0].documents[1] = twice[0].documents[0].clone();
    assert_eq!(compare(&base, &twice), Err(StatsError::Twice { task: task(), document: "0".into() }));

    let other = [scores("piqa", &[0.0, 1.0, 1.0])];
    assert_eq!(compare(&base, &other), Err(StatsError::MissingTask { task: task(), missing_in: Side::New }));

    let nan = [scores("gsm8k", &[0.0, f64::NAN, 1.0])];
    assert!(matches!(compare(&base, &nan), Err(StatsError::Value { .. })));
    assert_eq!(compare(&[], &[]), Err(StatsError::Empty));
    assert_eq!(compare(&[scores("gsm8k", &[])], &base), Err(StatsError::EmptyTask { task: task() }));
}
