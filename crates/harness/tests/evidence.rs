//! The bounds that a gate decides by, against what `scripts/fixtures/evidence.py` recorded from `SciPy` and statsmodels.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use gac_harness::stats::{Evidence, PairedScores, PairedVerdicts, Proportion, SubsetMeans};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    differences: Vec<Difference>,
    shares: Vec<Share>,
    clusters: Vec<Clustered>,
    flips: Vec<Flipped>,
}

#[derive(Deserialize)]
struct Difference {
    better: u64,
    worse: u64,
    documents: u64,
    alpha: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Share {
    hits: u64,
    documents: u64,
    alpha: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Clustered {
    values: Vec<f64>,
    groups: Vec<usize>,
    mean: f64,
    stderr: f64,
}

#[derive(Deserialize)]
struct Flipped {
    values: Vec<f64>,
    below: Vec<Below>,
}

#[derive(Deserialize)]
struct Below {
    limit: f64,
    p: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/evidence.json")).unwrap()
}

#[test]
fn bounds_of_differences_are_those_of_the_maximised_likelihood() {
    let differences = fixture().differences;
    assert!(differences.len() > 10);
    for Difference { better, worse, documents, alpha, low, high } in differences {
        let verdicts = PairedVerdicts { better, worse, documents };
        let found = (verdicts.lower(alpha), verdicts.upper(alpha));
        assert!((found.0 - low).abs() < 1e-6 && (found.1 - high).abs() < 1e-6, "{verdicts:?} {found:?} {low} {high}");
    }
}

#[test]
fn bounds_of_shares_are_statsmodels() {
    for Share { hits, documents, alpha, low, high } in fixture().shares {
        let share = Proportion { hits, documents };
        let found = (share.lower(alpha), share.upper(alpha));
        assert!((found.0 - low).abs() < 1e-9 && (found.1 - high).abs() < 1e-9, "{share:?} {found:?} {low} {high}");
    }
}

#[test]
fn standard_errors_of_documents_in_groups_are_statsmodels() {
    for Clustered { values, groups, mean, stderr } in fixture().clusters {
        let found = SubsetMeans::new(&values, Some(&groups));
        assert!((found.value() - mean).abs() < 1e-12, "{} {mean}", found.value());
        assert!((found.standard_error() - stderr).abs() < 1e-12, "{} {stderr}", found.standard_error());
    }
}

#[test]
fn p_values_of_sign_flips_are_scipys() {
    let mut tested = 0;
    for Flipped { values, below } in fixture().flips {
        let evidence = Evidence::Mean(SubsetMeans::new(&values, None));
        for Below { limit, p } in below.into_iter().filter(|below| below.limit > evidence.value()) {
            let found = evidence.p_below(limit);
            assert!((found - p).abs() < 1e-9, "{limit}: {found} {p}");
            tested += 1;
        }
    }
    assert!(tested >= 4, "{tested}");
}

#[test]
fn bounds_of_a_sum_are_recovered_from_its_parts() {
    let scores = |better: usize, worse: usize, documents: usize| PairedScores {
        base: (0..documents).map(|document| f64::from(u8::from(document >= better))).collect(),
        new: (0..documents).map(|document| f64::from(u8::from(document < documents - worse))).collect(),
        groups: None,
    };
    let parts = [scores(4, 9, 200).difference(), scores(20, 10, 500).difference()];
    let [one, other] = &parts;
    let average = Evidence::average(parts.clone());
    assert!((average.value() - f64::midpoint(-5.0 / 200.0, 10.0 / 500.0)).abs() < 1e-12);
    let below = |part: &Evidence| part.value() - part.lower(0.05);
    let expected = average.value() - below(one).hypot(below(other)) / 2.0;
    assert!((average.lower(0.05) - expected).abs() < 1e-12);
}

#[test]
fn documents_in_groups_that_never_differ_count_as_documents() {
    let groups = Some((0..100).map(|document| document / 20).collect());
    let scores = PairedScores { base: vec![1.0; 100], new: vec![1.0; 100], groups };
    let alone = PairedVerdicts { better: 0, worse: 0, documents: 100 };
    assert!((scores.difference().lower(0.05) - alone.lower(0.05)).abs() < 1e-12);
    // As soon as one differs, groups count.
    let new = (0..100).map(|document| f64::from(u8::from(document > 0))).collect();
    let one = PairedScores { new, ..scores };
    assert!(one.difference().lower(0.05) < -0.009, "{}", one.difference().lower(0.05));
}
