//! What a GPU computes is what the CPU and transformers do: on a card (`GAC_GPU=yes`), or the same kernels on an emulated one.
//!
//! `scripts/cuda/emulator/run.sh FOLDER cargo test --release --workspace --features cuda --test cuda`

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::{Path, PathBuf};

use gac_inference::{
    DeviceList, DeviceSpec, Distribution, Dtype, Engine, EngineOptions, Extension, Handover, LanguageModel,
    ModelSource, Named, StepLaunch, TokenId, Wanted,
};
use gac_needs::needs;

mod reference;

use reference::{Reference, TOLERANCE, fixtures, largest_error, references};

fn on(devices: &[DeviceSpec], dtype: Option<Dtype>) -> EngineOptions {
    let device = DeviceList::new(devices.to_vec()).unwrap();
    EngineOptions { device, dtype, cache_bytes: 1 << 20, handover: Handover::Dense, ..EngineOptions::default() }
}

fn load(folder: &Path, options: &EngineOptions) -> Engine {
    Engine::load(&ModelSource::Folder(folder.to_owned()), options).unwrap()
}

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)
}

/// The distributions after every token of some sequences: read in one batch of prompts, then token by token together.
fn read(engine: &mut Engine, texts: &[&[TokenId]]) -> Vec<Vec<Distribution>> {
    let sequences: Vec<_> = texts.iter().map(|_| engine.open(&[]).unwrap()).collect();
    let prompts: Vec<usize> = texts.iter().map(|text| text.len().saturating_sub(6).max(1)).collect();
    let batch: Vec<_> = (0..texts.len())
        .map(|at| Extension { sequence: sequences[at], tokens: &texts[at][..prompts[at]], wanted: Wanted::All })
        .collect();
    let mut all = engine.extend(&batch).unwrap();
    for step in 0.. {
        let more: Vec<usize> = (0..texts.len()).filter(|&at| prompts[at] + step < texts[at].len()).collect();
        if more.is_empty() {
            break;
        }
        let batch: Vec<_> = more
            .iter()
            .map(|&at| Extension {
                sequence: sequences[at],
                tokens: std::slice::from_ref(&texts[at][prompts[at] + step]),
                wanted: Wanted::All,
            })
            .collect();
        for (&at, found) in more.iter().zip(engine.extend(&batch).unwrap()) {
            all[at].extend(found);
        }
    }
    for sequence in sequences {
        engine.close(sequence);
    }
    all
}

/// Log-probabilities of a fixture's texts against transformers'; the largest error.
fn error(folder: &Path, options: &EngineOptions) -> f64 {
    let references: Vec<Reference> = references(folder);
    let texts: Vec<&[TokenId]> = references.iter().map(|reference| reference.tokens.as_slice()).collect();
    let read = read(&mut load(folder, options), &texts);
    references.iter().zip(&read).map(|(reference, read)| largest_error(reference, read)).fold(0.0, f64::max)
}

#[needs(gpu)]
#[test]
fn every_architecture_says_on_a_gpu_what_transformers_says() {
    for folder in fixtures("fixtures") {
        let error = error(&folder, &on(&[DeviceSpec::Cuda(0)], Some(Dtype::F32)));
        println!("{}: {error:.1e}", folder.display());
        assert!(error < TOLERANCE, "{}: {error}", folder.display());
    }
}

/// Mean difference of all log-probabilities of texts.
fn difference(a: &[Vec<Distribution>], b: &[Vec<Distribution>]) -> f64 {
    let rows = a.iter().flatten().zip(b.iter().flatten());
    let each = rows.flat_map(|(a, b)| {
        (0..a.rows() as u32).map(TokenId).map(|id| (a.log_prob(id) - b.log_prob(id)).abs()).collect::<Vec<_>>()
    });
    let each: Vec<f64> = each.collect();
    assert!(each.iter().all(|difference| difference.is_finite()));
    each.iter().sum::<f64>() / each.len() as f64
}

#[needs(gpu)]
#[test]
fn half_precision_on_a_gpu_rounds_and_does_no_more() {
    for folder in fixtures("fixtures") {
        for (dtype, most) in [(Dtype::Bf16, 0.1), (Dtype::F16, 0.02)] {
            let references: Vec<Reference> = references(&folder);
            let texts: Vec<&[TokenId]> = references.iter().map(|reference| reference.tokens.as_slice()).collect();
            let exact = read(&mut load(&folder, &on(&[DeviceSpec::Cpu], Some(dtype))), &texts);
            let rounded = read(&mut load(&folder, &on(&[DeviceSpec::Cuda(0)], Some(dtype))), &texts);
            let difference = difference(&exact, &rounded);
            println!("{} {}: {difference:.1e}", folder.display(), dtype.name());
            assert!(difference > 0.0 && difference < most, "{} {}: {difference}", folder.display(), dtype.name());
        }
    }
}

fn text(count: u32, seed: u32) -> Vec<TokenId> {
    (0..count).map(|at| TokenId((at * at * 7 + at * seed + seed) % 900)).collect()
}

#[needs(gpu)]
#[test]
fn quantised_weights_on_a_gpu_are_the_cpus() {
    let texts = [text(50, 3), text(9, 5), text(1, 7)];
    let texts: Vec<&[TokenId]> = texts.iter().map(Vec::as_slice).collect();
    for name in ["mini-llama", "mini-qwen"] {
        for dtype in [Dtype::Q8_0, Dtype::Q4K] {
            let mut cpu = load(&model(name), &on(&[DeviceSpec::Cpu], Some(dtype)));
            let mut gpu = load(&model(name), &on(&[DeviceSpec::Cuda(0)], Some(dtype)));
            let difference = difference(&read(&mut cpu, &texts), &read(&mut gpu, &texts));
            println!("{name} {}: {difference:.1e}", dtype.name());
            assert!(difference < 0.05, "{name} {}: {difference}", dtype.name());
        }
    }
}

#[needs(gpu)]
#[test]
fn a_model_over_several_gpus_says_what_it_says_on_one() {
    let texts = [text(40, 11), text(12, 4)];
    let texts: Vec<&[TokenId]> = texts.iter().map(Vec::as_slice).collect();
    let lists: [&[DeviceSpec]; 3] =
        [&[DeviceSpec::Cuda(1)], &[DeviceSpec::Cuda(0), DeviceSpec::Cuda(1)], &[DeviceSpec::Cuda(2), DeviceSpec::Cpu]];
    let mut one = load(&model("mini-llama"), &on(&[DeviceSpec::Cuda(0)], Some(Dtype::F32)));
    let expected = read(&mut one, &texts);
    for devices in lists {
        let mut several = load(&model("mini-llama"), &on(devices, Some(Dtype::F32)));
        assert!(difference(&expected, &read(&mut several, &texts)) < 1e-5, "{devices:?}");
    }
}

#[needs(gpu)]
#[test]
fn models_that_are_loaded_by_one_thread_answer_to_others_at_the_same_time() {
    // The emulator ends the process where work of two streams is not ordered.
    let texts = [text(30, 2), text(5, 9)];
    let texts: Vec<&[TokenId]> = texts.iter().map(Vec::as_slice).collect();
    let devices = [DeviceSpec::Cuda(0), DeviceSpec::Cuda(1), DeviceSpec::Cuda(0)];
    let mut engines = devices.map(|device| load(&model("mini-qwen"), &on(&[device], Some(Dtype::F32))));
    for _ in 0..2 {
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = engines.iter_mut().map(|engine| scope.spawn(|| read(engine, &texts))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(difference(&all[0], &all[1]) == 0.0 && difference(&all[0], &all[2]) == 0.0);
    }
}

#[needs(gpu)]
#[test]
fn forks_shared_prefixes_and_cut_off_tokens_change_nothing_on_a_gpu() {
    let text = text(90, 6);
    let mut engine = load(&model("mini-llama"), &on(&[DeviceSpec::Cuda(0)], Some(Dtype::F32)));
    let plain = read(&mut engine, &[&text]).remove(0);
    let again = engine.open(&text).unwrap();
    let held = engine.length(again);
    assert!(held >= 64, "{held} tokens found");
    let fork = engine.fork(again).unwrap();
    engine.extend(&[Extension { sequence: fork, tokens: &text[..20], wanted: Wanted::Nothing }]).unwrap();
    engine.extend(&[Extension { sequence: again, tokens: &text[5..9], wanted: Wanted::Nothing }]).unwrap();
    engine.truncate(again, held).unwrap();
    let rest = engine.extend(&[Extension { sequence: again, tokens: &text[held..], wanted: Wanted::All }]).unwrap();
    assert!(difference(&[plain[held..].to_vec()], &rest) < 1e-5);
}

/// What `steps` sequences say that are read together, and then step by step, fewer from time to time.
fn stepwise(engine: &mut Engine, count: u32, steps: u32) -> Vec<Vec<Distribution>> {
    let texts: Vec<Vec<TokenId>> = (0..count).map(|seed| text(3 + seed % 5, seed)).collect();
    let mut sequences: Vec<_> = texts.iter().map(|_| engine.open(&[]).unwrap()).collect();
    let mut all = Vec::new();
    for step in 0..steps {
        let next = [TokenId(7 * step % 900)];
        let batch: Vec<_> = sequences
            .iter()
            .zip(&texts)
            .map(|(&sequence, text)| {
                let tokens = if step == 0 { text.as_slice() } else { &next };
                Extension { sequence, tokens, wanted: Wanted::Last }
            })
            .collect();
        all.push(engine.extend(&batch).unwrap().into_iter().flatten().collect());
        if step % 4 == 3 && sequences.len() > 1 {
            engine.close(sequences.pop().unwrap());
        }
    }
    for sequence in sequences {
        engine.close(sequence);
    }
    all
}

#[needs(gpu)]
#[test]
fn captured_steps_have_the_bits_of_single_launches() {
    // Sequences that grow over several blocks, in batches that shrink from one graph's rows to another's.
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let captured = on(&[DeviceSpec::Cuda(0)], Some(dtype));
        let single = EngineOptions { steps: StepLaunch::Single, ..captured.clone() };
        let [mut captured, mut single] = [captured, single].map(|options| load(&model("mini-qwen"), &options));
        for (count, steps) in [(1, 40), (6, 22), (19, 9)] {
            let [all, expected] = [&mut captured, &mut single].map(|engine| stepwise(engine, count, steps));
            assert!(difference(&expected, &all) == 0.0, "{count} sequences in {}", dtype.name());
        }
        assert_eq!((captured.captured_steps(), single.captured_steps()), (5, 0), "of 1, 2, 4, 8 and 32 rows");
    }
}

#[needs(gpu)]
#[test]
fn steps_of_every_architecture_are_captured_and_have_the_bits_of_single_launches() {
    for folder in fixtures("fixtures") {
        let options = on(&[DeviceSpec::Cuda(0)], Some(Dtype::F32));
        let single = EngineOptions { steps: StepLaunch::Single, ..options.clone() };
        let [mut captured, mut single] = [options, single].map(|options| load(&folder, &options));
        let tokens: Vec<TokenId> = references(&folder)[0].tokens.iter().copied().take(9).collect();
        let [all, expected] = [&mut captured, &mut single].map(|engine| read(engine, &[&tokens]));
        assert!(difference(&expected, &all) == 0.0, "{}", folder.display());
        assert!(captured.captured_steps() > 0, "{} is not captured", folder.display());
    }
}
