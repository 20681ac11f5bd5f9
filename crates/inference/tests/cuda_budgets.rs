//! What a step costs a GPU beside its arithmetic: launches, allocations, bytes up and down, counted by the emulator.
//!
//! `scripts/cuda/emulator/run.sh FOLDER cargo test --release --workspace --features cuda --test cuda_budgets -- --nocapture`

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::collections::HashMap;
use std::path::Path;

use gac_inference::{
    DeviceSpec, Dtype, Engine, EngineOptions, Extension, LanguageModel, ModelSource, SequenceId, StepLaunch, TokenId,
    Wanted,
};
use gac_needs::needs;
use half::bf16;
use safetensors::tensor::TensorView;

const LAYERS: usize = 30;
const VOCABULARY: u32 = 1000;

/// What a step may cost that is launched kernel by kernel, whatever its batch.
const LAUNCHES: usize = 155;
const ALLOCATIONS: usize = 303;
/// Calls to the driver of a step that was captured.
const CALLS: usize = 8;
/// A sequence's, beside its blocks.
const BYTES_UP: usize = 64;
const BYTES_DOWN: usize = 172;

/// A Llama of 30 narrow layers, in a folder.
fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
            "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": {LAYERS}, "vocab_size": {VOCABULARY},
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
            "tie_word_embeddings": true, "dtype": "bfloat16"}}"#
    );
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY as usize, 64]),
        ("model.norm.weight".to_owned(), vec![64]),
    ];
    for layer in 0..LAYERS {
        let parts: [(&str, &[usize]); 9] = [
            ("input_layernorm", &[64]),
            ("post_attention_layernorm", &[64]),
            ("self_attn.q_proj", &[64, 64]),
            ("self_attn.k_proj", &[32, 64]),
            ("self_attn.v_proj", &[32, 64]),
            ("self_attn.o_proj", &[64, 64]),
            ("mlp.gate_proj", &[96, 64]),
            ("mlp.up_proj", &[96, 64]),
            ("mlp.down_proj", &[64, 96]),
        ];
        let named = parts.map(|(part, shape)| (format!("model.layers.{layer}.{part}.weight"), shape.to_vec()));
        shapes.extend(named);
    }
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let count = shape.iter().product::<usize>();
            let numbers = (0..count).map(|at| bf16::from_f32(((at * 37 + 11) % 23) as f32 / 92.0 - 0.12));
            (name, shape, numbers.flat_map(bf16::to_le_bytes).collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(safetensors::Dtype::BF16, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &folder.path().join("model.safetensors")).unwrap();
    folder
}

/// What the emulator has written down.
#[derive(Debug, Default)]
struct Cost {
    launches: HashMap<String, usize>,
    /// Kernels that graphs launched.
    replayed: usize,
    /// Everything that the driver was asked to do.
    calls: usize,
    allocations: usize,
    events: usize,
    up: usize,
    down: usize,
    /// Bytes, of those, that the driver had to copy to or from a place of its own.
    pageable: usize,
}

impl Cost {
    fn all_launches(&self) -> usize {
        self.launches.values().sum()
    }

    /// Of what is written from `from` on.
    fn read(log: &Path, from: usize) -> Self {
        let mut cost = Self::default();
        let text = std::fs::read_to_string(log).unwrap();
        for line in text[from..].lines() {
            let (kind, what) = line.split_once(' ').unwrap();
            let bytes = || what.parse::<usize>().unwrap();
            cost.calls += usize::from(kind != "replayed");
            match kind {
                "launch" => *cost.launches.entry(what.to_owned()).or_default() += 1,
                "replayed" => cost.replayed += 1,
                "alloc" => cost.allocations += 1,
                "event" => cost.events += 1,
                "graph" | "free" | "wait" | "module" | "instantiate" | "pages" => {}
                "up" => cost.up += bytes(),
                "down" => cost.down += bytes(),
                "up-pageable" => (cost.up, cost.pageable) = (cost.up + bytes(), cost.pageable + bytes()),
                "down-pageable" => (cost.down, cost.pageable) = (cost.down + bytes(), cost.pageable + bytes()),
                other => panic!("{other}"),
            }
        }
        cost
    }
}

/// What one step of so many sequences costs, each of 40 tokens.
fn step(engine: &mut Engine, sequences: &[SequenceId], log: &Path) -> Cost {
    let from = std::fs::metadata(log).unwrap().len() as usize;
    let tokens = [TokenId(5)];
    let batch: Vec<_> =
        sequences.iter().map(|&sequence| Extension { sequence, tokens: &tokens, wanted: Wanted::Last }).collect();
    let given = engine.extend(&batch).unwrap();
    assert!(given.iter().all(|given| !given[0].is_complete()), "lists are handed up");
    Cost::read(log, from)
}

/// The model on an emulated GPU.
fn engine(folder: &Path, dtype: Dtype, steps: StepLaunch) -> Engine {
    let options = EngineOptions {
        device: DeviceSpec::Cuda(0).into(),
        dtype: Some(dtype),
        cache_bytes: 32 << 20,
        steps,
        ..EngineOptions::default()
    };
    Engine::load(&ModelSource::Folder(folder.to_owned()), &options).unwrap()
}

/// So many sequences, each of 40 tokens.
fn opened(engine: &mut Engine, count: u32) -> Vec<SequenceId> {
    let sequences: Vec<SequenceId> = (0..count).map(|_| engine.open(&[]).unwrap()).collect();
    let prompts: Vec<Vec<TokenId>> =
        (0..count).map(|at| (0..40).map(|token| TokenId((token * 7 + at * 13) % VOCABULARY)).collect()).collect();
    let batch: Vec<_> = sequences
        .iter()
        .zip(&prompts)
        .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Nothing })
        .collect();
    engine.extend(&batch).unwrap();
    sequences
}

#[needs(emulator)]
#[test]
fn a_step_keeps_within_its_budget_whatever_the_batch() {
    let log = std::env::var_os("EMULATOR_LOG").expect("run by scripts/cuda/emulator/run.sh");
    let (folder, log) = (model(), Path::new(&log));
    let cases: [(_, _, &[u32]); 4] = [
        (Dtype::Bf16, StepLaunch::Single, &[1, 16, 64]),
        (Dtype::Bf16, StepLaunch::Captured, &[1, 16, 64, 50]),
        (Dtype::F32, StepLaunch::Single, &[1, 16]),
        (Dtype::F32, StepLaunch::Captured, &[1, 16]),
    ];
    for (dtype, steps, counts) in cases {
        let mut engine = engine(folder.path(), dtype, steps);
        for &count in counts {
            let sequences = opened(&mut engine, count);
            step(&mut engine, &sequences, log);
            let cost = step(&mut engine, &sequences, log);
            let (launches, count) = (cost.all_launches(), count as usize);
            let what = format!("{dtype:?} x{count} {steps:?}");
            println!(
                "{what}: {launches} launches, {} more by graphs, {} calls, {} allocations, {} bytes up, {} down",
                cost.replayed, cost.calls, cost.allocations, cost.up, cost.down
            );
            // 42 tokens.
            let blocks = 4 * count * 42usize.div_ceil(16);
            assert_eq!(cost.events, 0, "{what}: events on one stream");
            assert!(cost.up <= count * BYTES_UP + blocks, "{what}: {} bytes up", cost.up);
            assert!(cost.down <= count * BYTES_DOWN, "{what}: {} bytes down", cost.down);
            if steps == StepLaunch::Captured {
                assert!(cost.calls <= CALLS, "{what}: {} calls", cost.calls);
                assert_eq!((cost.allocations, cost.pageable), (0, 0), "{what}");
            } else {
                assert!(launches <= LAUNCHES, "{what}: {launches} launches: {:?}", cost.launches);
                assert!(cost.allocations <= ALLOCATIONS, "{what}: {} allocations", cost.allocations);
            }
            for sequence in sequences {
                engine.close(sequence);
            }
        }
    }
}
