//! The same answer whatever the batch: probabilities have the same bits alone and among neighbours, with and without
//! shared prefixes, on one thread and on two.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::Path;

use gac_inference::{ComputeType, Engine, EngineOptions, Extension, LanguageModel, ModelSource, TokenId, Wanted};

/// Prompts of 3 to 90 tokens; many begin alike.
fn prompts(vocabulary: u32) -> Vec<Vec<TokenId>> {
    (0..70u32)
        .map(|index| {
            let shared = (0..(index % 5) * 16).map(|at| at * 7 + index % 3);
            let own = (0..3 + index % 23).map(|at| at * 13 + index * 5);
            shared.chain(own).map(|id| TokenId(id % vocabulary)).collect()
        })
        .collect()
}

/// Three steps of every prompt, `size` of them at a time: the bits of all log-probabilities after each.
fn run(model: &Path, compute: ComputeType, size: usize, threads: usize) -> Vec<Vec<u64>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut engine = Engine::load(
            &ModelSource::Folder(model.to_owned()),
            &EngineOptions { compute, ..EngineOptions::default() },
        )
        .unwrap();
        let vocabulary = engine.limits().vocabulary as u32;
        let mut all = Vec::new();
        for prompts in prompts(vocabulary).chunks(size) {
            let sequences: Vec<_> = prompts.iter().map(|prompt| engine.open(prompt).unwrap()).collect();
            let mut owed: Vec<Vec<TokenId>> = prompts
                .iter()
                .zip(&sequences)
                .map(|(prompt, &sequence)| prompt[engine.length(sequence)..].to_vec())
                .collect();
            let mut bits: Vec<Vec<u64>> = vec![Vec::new(); prompts.len()];
            for _ in 0..3 {
                let batch: Vec<_> = sequences
                    .iter()
                    .zip(&owed)
                    .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Last })
                    .collect();
                let views = engine.extend(&batch).unwrap();
                for ((view, bits), owed) in views.iter().zip(&mut bits).zip(&mut owed) {
                    bits.extend((0..vocabulary).map(|id| view[0].log_prob(TokenId(id)).to_bits()));
                    *owed = vec![view[0].top().0];
                }
            }
            for sequence in sequences {
                engine.close(sequence);
            }
            all.extend(bits);
        }
        all
    })
}

#[test]
fn probabilities_have_the_same_bits_in_any_batch_and_on_any_number_of_threads() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let names = ["llama-llama3-rope-f32-sharded", "qwen2-bf16", "mixtral-bf16", "gemma3-bf16", "cohere-norms-bf16"];
    for name in names {
        let model = fixtures.join(name);
        let [exact, short] = [ComputeType::F32, ComputeType::Bf16].map(|compute| {
            let alone = run(&model, compute, 1, 1);
            for (size, threads) in [(1, 2), (7, 1), (7, 2), (64, 2)] {
                let same = run(&model, compute, size, threads) == alone;
                assert!(same, "{name} in {compute:?}, {size} at a time on {threads} threads");
            }
            alone
        });
        // The first step has the same tokens: rounded inputs change it, a little.
        let vocabulary = exact[0].len() / 3;
        let pairs = exact.iter().zip(&short).flat_map(|(a, b)| a.iter().zip(b).take(vocabulary));
        let changes: Vec<f64> = pairs.map(|(&a, &b)| (f64::from_bits(a) - f64::from_bits(b)).abs()).collect();
        let mean = changes.iter().sum::<f64>() / changes.len() as f64;
        println!("{name}: {mean:.4} on average, {:.4} at most", changes.iter().copied().fold(0.0, f64::max));
        assert!(mean > 1e-5 && mean < 0.05, "{name}: {mean}");
    }
}
