use std::path::{Path, PathBuf};

use gac_needs::needs;
use half::bf16;

use super::*;
use crate::checkpoint::source::ModelSource;
use crate::compute_type::ComputeType;
use crate::cpu::plain::plainly;
use crate::decoder::batch::BatchPart;
use crate::decoder::blocks::BlockTable;
use crate::decoder::rope::Factors;
use crate::device::DeviceSpec;
use crate::dtype::WeightType;
use crate::engine_options::Keeping;
use crate::id::TokenId;
use crate::kernel::{BLOCK, DenseRows, Panels, matmul};

/// Logits of two sequences: prompts over a boundary of blocks, then some more tokens of each. Of the rows of a sequence
/// and at a position that are wanted.
fn logits(
    folder: &Path,
    weight_type: WeightType,
    device: &Device,
    is_wanted: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<f32>> {
    let source = ModelSource::Folder(folder.to_owned());
    let config = DecoderConfig::load(&source.config().unwrap()).unwrap();
    let files = source.weights().unwrap();
    let weights = CheckpointTensors::open(&files, source.to_string(), device.clone(), weight_type, None).unwrap();
    let layers = config.layers.len();
    let transformer = Transformer::load(config, &weights, &vec![device.clone(); layers]).unwrap();
    let cache = PagedCache::new(transformer.config(), 16, ComputeType::F32, transformer.layer_devices()).unwrap();
    let mut table = BlockTable::new(16, Keeping::Everything);
    let sequences = [table.open(&[], Factors::Short), table.open(&[], Factors::Short)];
    let step = |table: &mut BlockTable, counts: [usize; 2]| {
        let starts = sequences.map(|sequence| table.length(sequence));
        let tokens: Vec<Vec<TokenId>> = counts.map(|count| (0..count as u32).map(TokenId).collect()).into();
        for (&sequence, tokens) in sequences.iter().zip(&tokens) {
            table.reserve(sequence, tokens).unwrap();
        }
        let part = |at: usize| BatchPart {
            sequence: sequences[at],
            past: starts[at],
            tokens: &tokens[at],
            wanted: (0..counts[at]).filter(|index| is_wanted(at, starts[at] + index)).collect(),
        };
        let batch = RaggedBatch::new(table, &[part(0), part(1)]).unwrap();
        let logits = transformer.forward(&batch, &cache).unwrap();
        logits.map_or_else(Vec::new, |logits| logits.to_vec2::<f32>().unwrap())
    };
    let prompts = step(&mut table, [BLOCK + 5, 3]);
    [prompts, step(&mut table, [1, 7])].concat()
}

/// The folders of all fixtures.
fn fixtures() -> impl Iterator<Item = PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folders = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("config.json").exists())
}

/// Our own operations on a device against candle's, on every fixture.
fn assert_own_are_plain_ones(device: &Device) {
    for folder in fixtures() {
        let all = || logits(&folder, WeightType::F32, device, |_, _| true).concat();
        let (own, plain) = (all(), plainly(all));
        assert_eq!(own.len(), plain.len());
        let error = own.iter().zip(plain).map(|(own, plain)| (own - plain).abs()).fold(0.0, f32::max);
        assert!(error < 1e-4, "{}: {error}", folder.display());
    }
}

#[test]
fn a_row_has_the_same_bits_whatever_other_rows_are_wanted() {
    let rows = [(0, BLOCK + 5), (1, 3)].map(|(at, count)| (0..count).map(move |position| (at, position)));
    let more = [(0, BLOCK + 5, 1), (1, 3, 7)].map(|(at, from, count)| (from..from + count).map(move |it| (at, it)));
    let rows: Vec<(usize, usize)> = rows.into_iter().flatten().chain(more.into_iter().flatten()).collect();
    let some: [fn(usize, usize) -> bool; 3] = [
        |at, position| position == if at == 0 { BLOCK + 4 } else { 9 },
        |at, position| at == 0 && (2..5).contains(&position) || position == BLOCK,
        |at, position| at == 1 && position > 4,
    ];
    for folder in fixtures() {
        let all = logits(&folder, WeightType::F32, &Device::Cpu, |_, _| true);
        assert_eq!(all.len(), rows.len());
        for is_wanted in some {
            let wanted = rows.iter().zip(&all).filter(|((at, position), _)| is_wanted(*at, *position));
            let wanted: Vec<_> = wanted.map(|(_, row)| row.clone()).collect();
            assert!(logits(&folder, WeightType::F32, &Device::Cpu, is_wanted) == wanted, "{}", folder.display());
        }
    }
}

#[test]
fn weights_are_rounded_once_where_products_round_them_and_tokens_are_embedded_as_they_are_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen2-window-f32");
    let source = ModelSource::Folder(folder);
    let files = source.weights().unwrap();
    let tensors = CheckpointTensors::open(&files, source.to_string(), Device::Cpu, WeightType::Stored, None).unwrap();
    let load = |compute| {
        let mut config = DecoderConfig::load(&source.config().unwrap()).unwrap();
        let layers = config.layers.len();
        config.tied_embeddings = Some(true);
        Transformer::load(config, &tensors.clone().computing_in(compute), &vec![Device::Cpu; layers]).unwrap()
    };
    let (exact, short) = (load(ComputeType::F32), load(ComputeType::Bf16));
    let values = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (Embedding::Head, Embedding::Table(table)) = (&exact.embedding, &short.embedding) else {
        panic!("a table that is only widened is read where the head has it, one that is rounded lies beside it")
    };
    let all: Vec<u32> = (0..exact.config.vocabulary as u32).collect();
    let stored = values(exact.head.rows(&all).unwrap());
    assert_eq!(values(table.clone()), stored);
    let rounded: Vec<bf16> = stored.iter().map(|&stored| bf16::from_f32(stored)).collect();
    let wide: Vec<f32> = rounded.iter().map(|rounded| rounded.to_f32()).collect();
    assert_ne!(wide, stored);
    assert_eq!(values(short.head.rows(&all).unwrap()), wide);

    // As products round weights that they are given in f32.
    let (rows, width) = (7, exact.config.hidden);
    let x = rounded[width..][..rows * width].to_vec();
    let given = Panels::pack(DenseRows::F32(&stored), width, Simd::detect());
    let x_tensor = Tensor::from_vec(x.clone(), (rows, width), &Device::Cpu).unwrap();
    assert_eq!(values(short.head.product(&x_tensor).unwrap()), matmul(Simd::detect(), &x, &[given]));
}

#[test]
fn what_other_devices_compute_with_agrees_with_the_fused_operations() {
    assert_own_are_plain_ones(&Device::Cpu);
}

#[needs(gpu)]
#[test]
fn our_cuda_kernels_agree_with_tensor_operations() {
    assert_own_are_plain_ones(&DeviceSpec::Cuda(0).open().unwrap());
}
