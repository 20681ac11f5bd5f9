//! What blocks stand for, by gguf-py (`scripts/fixtures/gguf_blocks.py`) and by candle.

use std::convert::Infallible;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use super::BlockType;
use crate::kernel::{Panels, Simd, matmul, unpack, unpack_row};

const RECORDED: &[u8] = include_bytes!("../../../tests/block_fixtures/gguf-blocks.safetensors");

fn pack(kind: BlockType, blocks: &[u8], (outputs, inputs): (usize, usize)) -> Panels {
    let row = blocks.len() / outputs;
    let read = |rows: std::ops::Range<usize>, out: &mut [u8]| -> Result<(), Infallible> {
        out.copy_from_slice(&blocks[rows.start * row..rows.end * row]);
        Ok(())
    };
    Panels::pack_blocks(kind, (outputs, inputs), read).unwrap()
}

/// The weights as products see them: by ones at one step each, `rows` of them at a time.
fn decoded(simd: Simd, panels: &Panels, rows: usize) -> Vec<f32> {
    let (outputs, inputs) = (panels.outputs(), panels.inputs());
    let mut identity = vec![0f32; inputs * inputs];
    identity.iter_mut().step_by(inputs + 1).for_each(|one| *one = 1.0);
    let columns: Vec<f32> =
        identity.chunks(rows * inputs).flat_map(|x| matmul(simd, x, std::slice::from_ref(panels))).collect();
    (0..outputs * inputs).map(|at| columns[at % inputs * outputs + at / inputs]).collect()
}

#[test]
fn blocks_stand_for_the_numbers_that_gguf_py_gives_whatever_reads_them() {
    let recorded = SafeTensors::deserialize(RECORDED).unwrap();
    for kind in BlockType::ALL {
        let blocks = recorded.tensor(&format!("{}.blocks", kind.name())).unwrap();
        let weights = recorded.tensor(&format!("{}.weights", kind.name())).unwrap();
        let &[outputs, inputs] = weights.shape() else { panic!("no matrix") };
        let expected: Vec<f32> = weights.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let panels = pack(kind, blocks.data(), (outputs, inputs));
        assert_eq!(unpack(&panels), expected, "{}", kind.name());
        let mut row = vec![0f32; inputs];
        unpack_row(&panels, 1, &mut row);
        assert_eq!(row, expected[inputs..2 * inputs], "{}", kind.name());
        for simd in Simd::every() {
            for rows in [1, 2, 3, inputs] {
                assert_eq!(decoded(simd, &panels, rows), expected, "{} by {simd:?}, {rows} rows", kind.name());
            }
        }
    }
}

#[test]
fn what_candle_quantises_is_read_as_candle_reads_it() {
    let (outputs, inputs) = (37, 768);
    let weights = Tensor::randn(0f32, 0.05, (outputs, inputs), &Device::Cpu).unwrap();
    for (kind, dtype) in [
        (BlockType::Q4_0, GgmlDType::Q4_0),
        (BlockType::Q4_1, GgmlDType::Q4_1),
        (BlockType::Q5_0, GgmlDType::Q5_0),
        (BlockType::Q5_1, GgmlDType::Q5_1),
        (BlockType::Q8_0, GgmlDType::Q8_0),
        (BlockType::Q2K, GgmlDType::Q2K),
        (BlockType::Q3K, GgmlDType::Q3K),
        (BlockType::Q4K, GgmlDType::Q4K),
        (BlockType::Q5K, GgmlDType::Q5K),
        (BlockType::Q6K, GgmlDType::Q6K),
    ] {
        assert_eq!((kind.weights(), kind.bytes()), (dtype.block_size(), dtype.type_size()), "{}", kind.name());
        let quantised = QTensor::quantize(&weights, dtype).unwrap();
        let bytes = quantised.data().unwrap().into_owned();
        let read = QStorage::from_data(bytes.clone().into(), &Device::Cpu, dtype).unwrap();
        let read = QTensor::new(read, (outputs, inputs)).unwrap().dequantize(&Device::Cpu).unwrap();
        let expected: Vec<f32> = read.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let panels = pack(kind, &bytes, (outputs, inputs));
        for simd in Simd::every() {
            assert_eq!(decoded(simd, &panels, 64), expected, "{} by {simd:?}", kind.name());
        }
    }
}

#[test]
fn panels_of_blocks_are_as_large_as_the_blocks() {
    for kind in BlockType::ALL {
        let (outputs, inputs) = (64, 4096);
        let stored = outputs * inputs / kind.weights() * kind.bytes();
        let panels = pack(kind, &vec![0; stored], (outputs, inputs));
        let share = panels.memory() as f64 / stored as f64;
        assert!((1.0..1.05).contains(&share), "{}: {share}", kind.name());
    }
}
