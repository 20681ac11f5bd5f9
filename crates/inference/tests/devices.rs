//! A model split over several devices answers as on one, bit by bit: tried with the CPU named several times.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::{Path, PathBuf};

use gac_inference::{
    ComputeType, DeviceList, DeviceSpec, Distribution, Dtype, Engine, EngineError, EngineOptions, Extension,
    LanguageModel, ModelSource, PlacementError, SequenceId, TokenId, Wanted,
};

#[test]
fn a_gpu_does_not_compute_in_a_type_of_the_cpus() {
    let source = ModelSource::Folder(fixture("qwen2-bf16"));
    let device = DeviceList::new(vec![DeviceSpec::Cpu, DeviceSpec::Cuda(0)]).unwrap();
    let options = EngineOptions { device, compute: ComputeType::Bf16, ..EngineOptions::default() };
    let error = Engine::placement(&source, &options).unwrap_err().to_string();
    assert!(error.contains("bf16") && error.contains("on cuda:0"), "{error}");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn cpus(count: usize) -> DeviceList {
    DeviceList::new(vec![DeviceSpec::Cpu; count]).unwrap()
}

fn options(count: usize) -> EngineOptions {
    EngineOptions { device: cpus(count), ..EngineOptions::default() }
}

fn load(folder: &Path, options: &EngineOptions) -> Engine {
    Engine::load(&ModelSource::Folder(folder.to_owned()), options).unwrap()
}

/// Extends sequences of one engine, keeping the bits of everything that it answers.
struct Talk {
    engine: Engine,
    vocabulary: u32,
    bits: Vec<u64>,
}

impl Talk {
    fn extend(&mut self, batch: &[(SequenceId, &[TokenId])], wanted: Wanted<'_>) {
        let batch: Vec<_> = batch.iter().map(|&(sequence, tokens)| Extension { sequence, tokens, wanted }).collect();
        let given = self.engine.extend(&batch).unwrap();
        let of = |view: &Distribution| (0..self.vocabulary).map(|id| view.log_prob(TokenId(id)).to_bits()).collect();
        let bits: Vec<Vec<u64>> = given.iter().flatten().map(of).collect();
        self.bits.extend(bits.concat());
    }
}

/// Prompts that share a beginning, forks, a wrong turn that is cut off, and a prompt that is found again.
fn talk(engine: Engine) -> Vec<u64> {
    let vocabulary = engine.limits().vocabulary as u32;
    let ids = |from: u32, count: u32| -> Vec<TokenId> {
        (from..from + count).map(|at| TokenId(at * 7 % vocabulary)).collect()
    };
    let mut talk = Talk { engine, vocabulary, bits: Vec::new() };
    let shared = ids(3, 70);
    let prompts: Vec<Vec<TokenId>> = (0..3).map(|index| [shared.clone(), ids(90 + index, 5)].concat()).collect();
    let sequences: Vec<SequenceId> = prompts.iter().map(|prompt| talk.engine.open(prompt).unwrap()).collect();
    let batch: Vec<(SequenceId, &[TokenId])> =
        sequences.iter().copied().zip(prompts.iter().map(Vec::as_slice)).collect();
    talk.extend(&batch, Wanted::Last);

    // The fork writes into a block that it shares.
    let fork = talk.engine.fork(sequences[0]).unwrap();
    talk.extend(&[(fork, &ids(11, 3)), (sequences[0], &ids(40, 2)), (sequences[1], &ids(60, 40))], Wanted::All);
    talk.engine.truncate(sequences[1], 72).unwrap();
    talk.extend(&[(sequences[1], &ids(20, 6)), (fork, &ids(5, 1))], Wanted::Last);

    for sequence in sequences {
        talk.engine.close(sequence);
    }
    let again = talk.engine.open(&prompts[2]).unwrap();
    let held = talk.engine.length(again);
    assert!(held >= 64, "{held} tokens found again");
    talk.extend(&[(again, &prompts[2][held..])], Wanted::All);
    talk.bits
}

#[test]
fn a_model_split_over_devices_gives_the_bits_that_it_gives_on_one() {
    let names = [
        "llama-llama3-rope-f32-sharded",
        "gemma3-bf16",
        "mixtral-bf16",
        "phi3-partial-window-bf16",
        "cohere-norms-bf16",
        "smollm3-bf16",
        "gpt-neox-bf16",
        "../../../../models/mini-llama",
    ];
    for name in names {
        let folder = fixture(name);
        let layers = Engine::placement(&ModelSource::Folder(folder.clone()), &options(1)).unwrap().by_layer().len();
        let whole = talk(load(&folder, &options(1)));
        assert!(!whole.is_empty() && layers >= 2, "{name}: {layers} layers");
        for count in 2..=layers {
            let engine = load(&folder, &options(count));
            assert_eq!(engine.devices().len(), count);
            assert!(talk(engine) == whole, "{name} over {count} devices");
        }
    }
}

#[test]
fn a_quantised_model_is_split_with_the_same_bits_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-qwen");
    let quantised = |count| EngineOptions { dtype: Some(Dtype::Q8_0), ..options(count) };
    assert!(talk(load(&folder, &quantised(1))) == talk(load(&folder, &quantised(2))));
}

#[test]
fn a_placement_counts_the_bytes_that_a_checkpoint_has() {
    let source = ModelSource::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama"));
    let file =
        std::fs::metadata(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama/model.safetensors"));
    let file = file.unwrap().len();
    let one = Engine::placement(&source, &options(1)).unwrap();
    let weights = one.shares()[0].weights;
    assert!(weights < file && weights > file - 100_000, "{weights} of {file}");
    // Keys and values are split as the layers are.
    let two = Engine::placement(&source, &options(2)).unwrap();
    let [first, second] = two.shares() else { panic!("{two:?}") };
    assert_eq!(
        (first.layers.start, first.layers.end, second.layers.end),
        (0, second.layers.start, one.by_layer().len())
    );
    assert_eq!(first.cache + second.cache, one.shares()[0].cache);
    assert!(first.weights + second.weights >= weights);
    // A device that is not compiled in can be planned for, though not loaded on.
    let gpus: DeviceList = "cuda:0,cuda:1".parse().unwrap();
    let planned = EngineOptions { device: gpus, ..EngineOptions::default() };
    let placement = Engine::placement(&source, &planned).unwrap();
    assert_eq!(placement.shares().iter().map(|share| share.device).collect::<Vec<_>>(), planned.device.as_slice());
}

#[test]
fn more_devices_than_layers_are_refused_before_anything_is_read() {
    let source = ModelSource::Folder(fixture("qwen2-bf16"));
    for error in [Engine::check(&source, &options(40)).err(), Engine::load(&source, &options(40)).err()] {
        let error = error.unwrap();
        assert!(matches!(error, EngineError::Placement(PlacementError::TooFewLayers { devices: 40, .. })), "{error}");
    }
}
