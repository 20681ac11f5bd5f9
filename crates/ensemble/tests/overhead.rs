//! What a vote costs beside the models' forwards, with the real Llama-3.2 and Qwen2.5 vocabularies.
//!
//! `cargo test --release --workspace --test overhead -- --ignored --nocapture` prints the table. It measures time, so
//! it is not part of the suite.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gac_ensemble::{Fused, MemberId, Segmentation, UnionVocabulary, Weights};
use gac_inference::{Distribution, ModelSource, TokenId, Tokenizer};
use gac_needs::folder;

const ROUNDS: usize = 200;

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    /// Logits of `rows` tokens, about normal with a spread of 3 as those of trained models are, and `peak` at `top`.
    fn logits(&mut self, rows: usize, top: TokenId, peak: f32) -> Vec<f32> {
        let mut logits: Vec<f32> = (0..rows).map(|_| 3.0 * (0..4).map(|_| self.next() - 0.5).sum::<f32>()).collect();
        logits[top.index()] = peak;
        logits
    }
}

/// The median of what `work` takes.
fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

#[test]
#[ignore = "measures time: run it alone, with --nocapture"]
fn a_vote_takes_less_than_a_millisecond_with_real_vocabularies() {
    let load = |name: &str, rows| {
        let source = ModelSource::Folder(folder!(shared).join("tokenizers").join(name));
        Arc::new(Tokenizer::load(&source, Some(rows)).unwrap())
    };
    let rows = [128_256, 152_064];
    let tokenizers = [load("llama-3.2-3b-instruct", rows[0]), load("qwen2.5-7b-instruct", rows[1])];
    let started = Instant::now();
    let union = Arc::new(UnionVocabulary::new(&[tokenizers[0].vocabulary(), tokenizers[1].vocabulary()]));
    let mut segmentation = Segmentation::new(Arc::clone(&union), &tokenizers);
    let built = started.elapsed();
    println!("union of {} tokens and segmentation: {built:?}", union.len());
    assert!(built < Duration::from_secs(1), "{built:?}");

    let weights = Weights::uniform(2);
    let id = |member: usize, text: &str| {
        union.projection(MemberId(member)).ids(union.find(text.as_bytes()).unwrap()).first().copied().unwrap()
    };
    let mut noise = Noise(1);
    let scenes = [
        ("sure, agreed", " the", " the", 20.0),
        ("unsure, agreed", " the", " the", 9.0),
        ("sure, disagreed", " the", " a", 20.0),
        ("unsure, disagreed", " the", " a", 9.0),
        ("nearly flat", " the", " a", 6.5),
    ];
    for (what, first, second, peak) in scenes {
        let logits = [noise.logits(rows[0], id(0, first), peak), noise.logits(rows[1], id(1, second), peak)];
        let normalised = median(|| {
            for logits in &logits {
                black_box(Distribution::dense(logits.clone()));
            }
        });
        let copied = median(|| {
            black_box(logits.clone());
        });
        let views = logits.map(Distribution::dense);
        let members = [&views[0], &views[1]];
        let picked = median(|| {
            let fused = Fused::new(&union, &weights, &members);
            let (token, _) = fused.winner().unwrap();
            for member in 0..2 {
                black_box(segmentation.segment(token, MemberId(member)).unwrap());
            }
        });
        let mut q = Vec::new();
        let whole = median(|| {
            black_box(Fused::new(&union, &weights, &members).fill(&mut q));
        });
        let normalised = normalised.saturating_sub(copied);
        println!("{what:<18} normalisers {normalised:?}, fuse and pick {picked:?} (the whole sum: {whole:?})");
        let together = normalised + picked;
        assert!(together < Duration::from_millis(1), "{what}: {together:?}");
    }
}
