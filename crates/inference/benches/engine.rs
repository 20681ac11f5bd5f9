//! The kernels, and a step of decoding with the miniature model: `cargo bench --workspace --bench engine`.
#![allow(clippy::unwrap_used, missing_docs, reason = "measurements")]

use std::path::Path;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use gac_inference::bench::{AttentionBench, ProductBench};
use gac_inference::{Engine, EngineOptions, Extension, LanguageModel, ModelSource, TokenId, Wanted};
use half::bf16;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// The MLP's first product of SmolLM2-135M, gate and up together: weights `(N, K)`.
const N: usize = 3072;
const K: usize = 576;

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0).collect()
}

#[divan::bench(args = [1, 4, 16, 512])]
fn product_of_bf16_weights(bencher: Bencher<'_, '_>, rows: usize) {
    let stored: Vec<bf16> = values(N * K).into_iter().map(bf16::from_f32).collect();
    let (x, weights) = (values(rows * K), ProductBench::of_bf16(&stored, K));
    // Multiplications and additions.
    bencher.counter(ItemsCount::new(2 * rows * N * K)).bench(|| weights.product(black_box(&x)));
}

#[divan::bench(args = [1, 16, 512])]
fn product_of_f32_weights(bencher: Bencher<'_, '_>, rows: usize) {
    let (x, weights) = (values(rows * K), ProductBench::of_f32(&values(N * K), K));
    bencher.counter(ItemsCount::new(2 * rows * N * K)).bench(|| weights.product(black_box(&x)));
}

#[divan::bench(args = [64, 512, 4096])]
fn attention_of_four_queries(bencher: Bencher<'_, '_>, positions: usize) {
    let mut attention = AttentionBench::in_f32(positions, 64);
    bencher.counter(BytesCount::new(2 * positions * 64 * size_of::<f32>())).bench_local(|| {
        black_box(attention.attend());
    });
}

#[divan::bench(args = [64, 512, 4096])]
fn attention_of_four_queries_in_bf16(bencher: Bencher<'_, '_>, positions: usize) {
    let mut attention = AttentionBench::in_bf16(positions, 64);
    bencher.counter(BytesCount::new(2 * positions * 64 * size_of::<bf16>())).bench_local(|| {
        black_box(attention.attend());
    });
}

#[divan::bench(args = [1, 16])]
fn step_of_decoding(bencher: Bencher<'_, '_>, sequences: usize) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama");
    let mut engine = Engine::load(&ModelSource::Folder(model), &EngineOptions::default()).unwrap();
    let prompt: Vec<TokenId> = (0..64).map(|at| TokenId(at % 100 + 5)).collect();
    let open: Vec<_> = (0..sequences)
        .map(|_| {
            let sequence = engine.open(&[]).unwrap();
            engine.extend(&[Extension { sequence, tokens: &prompt, wanted: Wanted::Nothing }]).unwrap();
            sequence
        })
        .collect();
    let batch: Vec<_> =
        open.iter().map(|&sequence| Extension { sequence, tokens: &[TokenId(7)], wanted: Wanted::Last }).collect();
    bencher.counter(ItemsCount::new(sequences)).bench_local(|| {
        let distributions = engine.extend(&batch).unwrap();
        // The same step again, whatever the number of samples.
        for &sequence in &open {
            engine.truncate(sequence, prompt.len()).unwrap();
        }
        distributions
    });
}
