//! McNemar's exact test, Holm's adjustment and the bootstrap against what `scripts/fixtures/mcnemar.py` recorded from
//! `SciPy` and statsmodels.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use gac_harness::stats::{Bootstrap, Discordant, DocumentScore, TaskScores, holm, paired_difference};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    mcnemar: Vec<Test>,
    holm: Vec<Family>,
    bootstrap: Resampled,
}

#[derive(Deserialize)]
struct Test {
    better: u64,
    worse: u64,
    p: f64,
}

#[derive(Deserialize)]
struct Family {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Resampled {
    base: Vec<f64>,
    new: Vec<f64>,
    difference: f64,
    stderr: f64,
    low: f64,
    high: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/mcnemar.json")).unwrap()
}

#[test]
fn mcnemars_p_values_are_scipys() {
    let tests = fixture().mcnemar;
    assert!(tests.len() > 10);
    for Test { better, worse, p } in tests {
        let found = Discordant { better, worse }.p_value();
        assert!((found - p).abs() <= 1e-9 * p + 1e-300, "{better} {worse}: {found} {p}");
    }
}

#[test]
fn holms_adjustment_is_statsmodels() {
    for Family { p, adjusted } in fixture().holm {
        for (found, expected) in holm(&p).into_iter().zip(adjusted) {
            assert!((found - expected).abs() < 1e-12, "{p:?}");
        }
    }
}

#[test]
fn the_interval_of_one_task_is_scipys() {
    let Resampled { base, new, difference, stderr, low, high } = fixture().bootstrap;
    let scores = |values: &[f64]| {
        let documents = values.iter().enumerate().map(|(doc_id, &value)| DocumentScore {
            subject: None,
            doc_id,
            doc_hash: doc_id.to_string(),
            value: Some(value),
        });
        vec![TaskScores { task: "t".into(), version: "1".into(), documents: documents.collect() }]
    };
    let found = paired_difference(&scores(&base), &scores(&new), Bootstrap::default()).unwrap();
    assert!((found.difference - difference).abs() < 1e-12);
    // Both intervals are drawn at random; means of 300 documents come in steps of 1/300.
    let close = 0.1 * stderr + 1.0 / 300.0;
    assert!((found.low - low).abs() < close && (found.high - high).abs() < close, "{} {}", found.low, found.high);
}
