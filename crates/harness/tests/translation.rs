//! BLEU, chrF and TER against sacrebleu, on made-up texts (`scripts/fixtures/translation.py`).

use gac_harness::metrics::{MetricDefinition, over_texts};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    corpora: Vec<Corpus>,
}

#[derive(Deserialize)]
struct Corpus {
    references: Vec<String>,
    written: Vec<String>,
    bleu: f64,
    chrf: f64,
    ter: f64,
}

#[test]
fn corpora_are_scored_as_sacrebleu_scores_them() {
    let recorded: Recorded = serde_json::from_str(include_str!("fixtures/translation.json")).unwrap();
    for (number, corpus) in recorded.corpora.iter().enumerate() {
        let pairs =
            || corpus.references.iter().zip(&corpus.written).map(|(reference, written)| (&**reference, &**written));
        for (metric, expected) in [
            (MetricDefinition::Bleu, corpus.bleu),
            (MetricDefinition::Chrf, corpus.chrf),
            (MetricDefinition::Ter, corpus.ter),
        ] {
            let found = over_texts(&metric, pairs()).unwrap();
            assert!((found - expected).abs() < 1e-9, "{metric:?} of corpus {number}: {found}, not {expected}");
        }
    }
    assert!(recorded.corpora.len() > 100);
}
