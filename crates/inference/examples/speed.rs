//! Tokens per second of a checkpoint: `cargo run --release --example speed -- MODEL [stored|f32|bf16|f16|q8_0|q4_k] [SECONDS [prefill|decode|all [COMPUTE [BATCH...]]]]`.
//!
//! Prints one JSON line per measurement: prefill of 512 tokens, and decoding in batches of 1 and 16, or
//! of the sizes that are given, after 64 tokens.
//! `scripts/bench/compare.py` sets it beside PyTorch.

#![allow(clippy::print_stdout, reason = "a program whose output is data")]

use std::time::{Duration, Instant};

use gac_inference::{
    ComputeType, Dtype, Engine, EngineOptions, Extension, LanguageModel, ModelSource, Named, TokenId, Wanted,
};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("which model folder?")?;
    let weights = arguments.next().unwrap_or_else(|| "stored".to_owned());
    let dtype = match weights.as_str() {
        "stored" => None,
        name => Some(Dtype::of_name(name).ok_or_else(|| format!("no dtype: {name}"))?),
    };
    let seconds = Duration::from_secs_f64(arguments.next().as_deref().unwrap_or("3").parse()?);
    let only = arguments.next().filter(|only| only != "all");
    let wanted = |measure: &str| only.as_deref().is_none_or(|only| only == measure);
    let compute = arguments.next().unwrap_or_else(|| "f32".to_owned());
    let compute = ComputeType::of_name(&compute).ok_or_else(|| format!("no compute type: {compute}"))?;
    let sizes = arguments.map(|size| size.parse()).collect::<Result<Vec<u32>, _>>()?;
    let sizes = if sizes.is_empty() { vec![1, 16] } else { sizes };
    let options = EngineOptions { dtype, compute, ..EngineOptions::default() };
    let mut engine = Engine::load(&ModelSource::parse(&model)?, &options)?;
    let vocabulary = engine.limits().vocabulary as u32;

    let mut prompt = 0;
    let prefill_seconds = if wanted("prefill") { seconds } else { Duration::ZERO };
    let rate = best_rate(prefill_seconds, || {
        prompt += 1;
        // Another beginning every time: nothing is found again.
        let tokens: Vec<TokenId> = (0..512).map(|at| TokenId((at * 31 + prompt * 97) % vocabulary)).collect();
        let sequence = engine.open(&[])?;
        engine.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::Last }])?;
        engine.close(sequence);
        Ok(512)
    })?;
    if wanted("prefill") {
        println!("{{\"measure\":\"prefill 512\",\"tokens_per_second\":{rate:.1}}}");
    }

    for size in sizes.into_iter().filter(|_| wanted("decode")) {
        let rate = best_rate(seconds, || {
            prompt += 1;
            let sequences = (0..size)
                .map(|index| {
                    let sequence = engine.open(&[])?;
                    let tokens: Vec<TokenId> =
                        (0..64).map(|at| TokenId((at * 7 + prompt * 13 + index * 101) % vocabulary)).collect();
                    engine.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::Nothing }])?;
                    Ok(sequence)
                })
                .collect::<Result<Vec<_>, gac_inference::ModelError>>()?;
            let began = Instant::now();
            let steps = 16u32;
            for step in 0..steps {
                let token = [TokenId(step * 11 % vocabulary)];
                let batch: Vec<_> = sequences
                    .iter()
                    .map(|&sequence| Extension { sequence, tokens: &token, wanted: Wanted::Last })
                    .collect();
                engine.extend(&batch)?;
            }
            let elapsed = began.elapsed();
            for sequence in sequences {
                engine.close(sequence);
            }
            Ok((f64::from(steps * size), elapsed))
        })?;
        println!("{{\"measure\":\"decode x{size}\",\"tokens_per_second\":{rate:.1}}}");
    }
    Ok(())
}

/// What a repetition did, and how long that took.
trait Work {
    fn rate(self, elapsed: Duration) -> f64;
}

impl Work for i32 {
    fn rate(self, elapsed: Duration) -> f64 {
        f64::from(self) / elapsed.as_secs_f64()
    }
}

impl Work for (f64, Duration) {
    fn rate(self, _: Duration) -> f64 {
        self.0 / self.1.as_secs_f64()
    }
}

/// The best rate of repetitions within `seconds`: what the machine does when nothing disturbs it.
fn best_rate<W: Work>(
    seconds: Duration,
    mut work: impl FnMut() -> Result<W, gac_inference::ModelError>,
) -> Result<f64, gac_inference::ModelError> {
    let began = Instant::now();
    let mut best = 0f64;
    while began.elapsed() < seconds {
        let start = Instant::now();
        let done = work()?;
        best = best.max(done.rate(start.elapsed()));
    }
    Ok(best)
}
