//! Tokens per second on a device: `cargo run --release --features cuda --example gpu_speed -- MODEL DEVICE DTYPE SECONDS MEASURE...`
//!
//! A measure is `p2048` (a prompt of so many tokens) or `d64` (a token for each of so many sequences, after 128). Prints a JSON
//! line for each: the median over repetitions. `scripts/cuda/speed.py` sets it beside transformers.

#![allow(clippy::print_stdout, reason = "a program whose output is data")]

use std::time::{Duration, Instant};

use gac_inference::{
    DeviceList, Dtype, Engine, EngineOptions, Extension, LanguageModel, ModelSource, Named, SequenceId, TokenId, Wanted,
};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failed = Box<dyn std::error::Error>;

/// Tokens before those that are decoded.
const CONTEXT: u32 = 128;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, device, dtype, seconds, measures @ ..] = &arguments[..] else {
        return Err("MODEL DEVICE DTYPE SECONDS MEASURE...".into());
    };
    let options = EngineOptions {
        device: device.parse::<DeviceList>()?,
        dtype: Dtype::of_name(dtype),
        cache_bytes: 4 << 30,
        ..EngineOptions::default()
    };
    let seconds = Duration::from_secs_f64(seconds.parse()?);
    let began = Instant::now();
    let mut engine = Engine::load(&ModelSource::parse(model)?, &options)?;
    println!("{{\"measure\":\"load\",\"seconds\":{:.2}}}", began.elapsed().as_secs_f64());
    for measure in measures {
        let (kind, count) = measure.split_at(1);
        let count: u32 = count.parse()?;
        let median = match kind {
            "p" => prefill(&mut engine, count, seconds)?,
            "d" => decode(&mut engine, count, seconds)?,
            _ => return Err(format!("no measure `{measure}`").into()),
        };
        let rate = f64::from(count) / median.as_secs_f64();
        println!(
            "{{\"measure\":\"{measure}\",\"tokens_per_second\":{rate:.1},\"ms\":{:.3}}}",
            median.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// The median time of a prompt; another one every time.
fn prefill(engine: &mut Engine, count: u32, seconds: Duration) -> Result<Duration, Failed> {
    let vocabulary = engine.limits().vocabulary as u32;
    let mut prompt = 0;
    median(seconds, || {
        prompt += 1;
        let tokens: Vec<TokenId> = (0..count).map(|at| TokenId((at * 31 + prompt * 97) % vocabulary)).collect();
        let sequence = engine.open(&[])?;
        engine.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::Last }])?;
        engine.close(sequence);
        Ok(())
    })
}

/// The median time of a step of `count` sequences.
fn decode(engine: &mut Engine, count: u32, seconds: Duration) -> Result<Duration, Failed> {
    let vocabulary = engine.limits().vocabulary as u32;
    let sequences = (0..count).map(|_| engine.open(&[])).collect::<Result<Vec<SequenceId>, _>>()?;
    let prompts: Vec<Vec<TokenId>> =
        (0..count).map(|index| (0..CONTEXT).map(|at| TokenId((at * 7 + index * 101) % vocabulary)).collect()).collect();
    let batch: Vec<_> = sequences
        .iter()
        .zip(&prompts)
        .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Nothing })
        .collect();
    engine.extend(&batch)?;
    let mut step = 0;
    let middle = median(seconds, || {
        step += 1;
        let tokens = [TokenId(step * 11 % vocabulary)];
        let batch: Vec<_> =
            sequences.iter().map(|&sequence| Extension { sequence, tokens: &tokens, wanted: Wanted::Last }).collect();
        engine.extend(&batch).map(|_| ()).map_err(Failed::from)
    })?;
    for sequence in sequences {
        engine.close(sequence);
    }
    Ok(middle)
}

/// The median time of repetitions within `seconds`, of 3 to 200, after two that count for nothing.
fn median(seconds: Duration, mut work: impl FnMut() -> Result<(), Failed>) -> Result<Duration, Failed> {
    work()?;
    work()?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || (times.len() < 200 && began.elapsed() < seconds) {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
