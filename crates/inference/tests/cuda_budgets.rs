//! What a step costs a GPU beside its arithmetic: launches, allocations, bytes up and down, counted by the emulator.
//!
//! `scripts/cuda/emulator/run.sh FOLDER cargo test --release --workspace --features cuda --test cuda_budgets -- --nocapture`

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::collections::HashMap;
use std::path::Path;

use gac_inference::{
    DeviceSpec, Dtype, Engine, EngineOptions, Extension, LanguageModel, ModelSource, SequenceId, TokenId, Wanted,
};
use gac_needs::needs;
use half::bf16;
use safetensors::tensor::TensorView;

const LAYERS: usize = 30;
const VOCABULARY: u32 = 1000;

/// What a step may cost, whatever its batch.
const LAUNCHES: usize = 246;
const ALLOCATIONS: usize = 310;
/// A sequence's, beside its blocks.
const BYTES_UP: usize = 64;
const BYTES_DOWN: usize = 4 << 10;

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
    allocations: usize,
    events: usize,
    up: usize,
    down: usize,
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
            match kind {
                "launch" => *cost.launches.entry(what.to_owned()).or_default() += 1,
                "alloc" => cost.allocations += 1,
                "event" => cost.events += 1,
                "module" => {}
                "up" => cost.up += what.parse::<usize>().unwrap(),
                "down" => cost.down += what.parse::<usize>().unwrap(),
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

#[needs(emulator)]
#[test]
fn a_step_keeps_within_its_budget_whatever_the_batch() {
    let log = std::env::var_os("EMULATOR_LOG").expect("run by scripts/cuda/emulator/run.sh");
    let (folder, log) = (model(), Path::new(&log));
    for dtype in [Dtype::Bf16, Dtype::F32] {
        let options = EngineOptions {
            device: DeviceSpec::Cuda(0).into(),
            dtype: Some(dtype),
            cache_bytes: 32 << 20,
            ..EngineOptions::default()
        };
        let mut engine = Engine::load(&ModelSource::Folder(folder.path().to_owned()), &options).unwrap();
        for count in [1, 16, 64] {
            let sequences: Vec<SequenceId> = (0..count).map(|_| engine.open(&[]).unwrap()).collect();
            let prompts: Vec<Vec<TokenId>> = (0..count)
                .map(|at| (0..40).map(|token| TokenId((token * 7 + at * 13) % VOCABULARY)).collect())
                .collect();
            let batch: Vec<_> = sequences
                .iter()
                .zip(&prompts)
                .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Nothing })
                .collect();
            engine.extend(&batch).unwrap();
            step(&mut engine, &sequences, log);
            let cost = step(&mut engine, &sequences, log);
            let (launches, count) = (cost.all_launches(), count as usize);
            // 42 tokens.
            let blocks = 4 * count * 42usize.div_ceil(16);
            println!(
                "{dtype:?} x{count}: {launches} launches, {} allocations, {} events, {} bytes up, {} down",
                cost.allocations, cost.events, cost.up, cost.down
            );
            assert!(launches <= LAUNCHES, "{dtype:?} x{count}: {launches} launches: {:?}", cost.launches);
            assert!(cost.allocations <= ALLOCATIONS, "{dtype:?} x{count}: {} allocations", cost.allocations);
            assert_eq!(cost.events, 0, "{dtype:?} x{count}: events on one stream");
            assert!(cost.up <= count * BYTES_UP + blocks, "{dtype:?} x{count}: {} bytes up", cost.up);
            assert!(cost.down <= count * BYTES_DOWN, "{dtype:?} x{count}: {} bytes down", cost.down);
            for sequence in sequences {
                engine.close(sequence);
            }
        }
    }
}
