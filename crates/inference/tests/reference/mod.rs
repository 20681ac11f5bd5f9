//! Fixtures with transformers' own log-probabilities, as `scripts/fixtures` makes them.

use std::path::{Path, PathBuf};

use gac_inference::{Distribution, TokenId};
use serde::Deserialize;

/// Natural-log units by which a log-probability may differ from transformers' in f32.
pub(crate) const TOLERANCE: f64 = 2e-3;

/// What transformers says of one sequence.
#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) tokens: Vec<TokenId>,
    logprobs: Vec<f64>,
    argmax: Vec<u32>,
    last: Vec<f64>,
}

impl Reference {
    /// Fails where scores of its tokens but the first are others than transformers'.
    #[allow(dead_code, reason = "not every test scores")]
    pub(crate) fn assert_scores(&self, logprobs: &[f64]) {
        assert_eq!(logprobs.len(), self.logprobs.len());
        for (found, expected) in logprobs.iter().zip(&self.logprobs) {
            assert!((found - expected).abs() < TOLERANCE, "{found} for {expected}");
        }
    }
}

/// The fixtures in `tests/<folder>`.
#[allow(dead_code, reason = "not every test reads several")]
pub(crate) fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 5);
    folders
}

/// The sequences of a fixture, the longest last.
#[allow(dead_code, reason = "not every test reads several")]
pub(crate) fn references(folder: &Path) -> Vec<Reference> {
    serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

/// A copy of a fixture whose configuration is in the style of transformers 4.
#[allow(dead_code, reason = "not every test reads several")]
pub(crate) fn in_old_style(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match name.as_str() {
            "config.json" => continue,
            "config_v4.json" => std::fs::copy(&path, copy.path().join("config.json")).unwrap(),
            _ => std::fs::copy(&path, copy.path().join(name)).unwrap(),
        };
    }
    copy
}

/// By how much the distributions after every token of a sequence differ from transformers'.
pub(crate) fn largest_error(reference: &Reference, distributions: &[Distribution]) -> f64 {
    assert_eq!(distributions.len(), reference.tokens.len());
    let following = reference.tokens.iter().skip(1).zip(&reference.logprobs).zip(distributions);
    let next = following.map(|((&token, expected), d)| (d.log_prob(token) - expected).abs());
    let last = distributions.last().unwrap();
    let whole = (0..).zip(&reference.last).map(|(id, expected)| (last.log_prob(TokenId(id)) - expected).abs());
    for (argmax, distribution) in reference.argmax.iter().zip(distributions) {
        let (top, best) = distribution.top();
        assert!(top.0 == *argmax || best.ln() - distribution.log_prob(TokenId(*argmax)) < TOLERANCE);
    }
    next.chain(whole).fold(0.0, f64::max)
}
