//! Matrices in blocks of few bits, as a file has them.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::gguf::Gguf;
#[cfg(feature = "cuda")]
use crate::cuda::quantised::DeviceBlocks;
use crate::kernel::{BlockType, Panels, Simd, quantise_q8_0, unpack};

/// Rows that are quantised together.
const ROWS_OF_PART: usize = 64;

/// Rows of a matrix `(output, input)` in blocks. They are read when they are asked for.
pub(crate) struct BlockRows {
    kind: BlockType,
    outputs: usize,
    inputs: usize,
    source: RowSource,
    /// Which row of the source each one is, where that is another order.
    order: Option<Vec<u32>>,
}

enum RowSource {
    /// Rows of a tensor from a certain one on.
    File {
        gguf: Arc<Gguf>,
        tensor: String,
        first: usize,
    },
    Memory(Vec<u8>),
}

impl BlockRows {
    /// All rows of a tensor of a file; its first dimensions are one.
    pub(crate) fn of_file(gguf: &Arc<Gguf>, tensor: &str, kind: BlockType, dims: &[usize]) -> Self {
        let inputs = dims.last().copied().unwrap_or(1);
        let outputs = dims[..dims.len().saturating_sub(1)].iter().product();
        let source = RowSource::File { gguf: Arc::clone(gguf), tensor: tensor.to_owned(), first: 0 };
        Self { kind, outputs, inputs, source, order: None }
    }

    /// A matrix `(output, input)` as candle quantises it: on the CPU, a part on each thread.
    ///
    /// # Errors
    /// When candle has not the type, or cannot read the matrix.
    pub(crate) fn quantised(weight: &Tensor, kind: BlockType) -> candle_core::Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let Some(dtype) = candle_type(kind) else { candle_core::bail!("no way to quantise to {}", kind.name()) };
        let weight = weight.to_device(&Device::Cpu)?;
        if kind == BlockType::Q8_0
            && let Some(bytes) = q8_0_bytes(&weight.contiguous()?)?
        {
            return Ok(Self { kind, outputs, inputs, source: RowSource::Memory(bytes), order: None });
        }
        let parts = (0..outputs).step_by(ROWS_OF_PART).collect::<Vec<_>>().into_par_iter().map(|from| {
            let rows = weight.narrow(0, from, ROWS_OF_PART.min(outputs - from))?;
            // candle quantises all that is behind a view.
            let rows = rows.force_contiguous()?.to_dtype(DType::F32)?;
            Ok(QTensor::quantize(&rows, dtype)?.data()?.into_owned())
        });
        let parts: Vec<Vec<u8>> = parts.collect::<candle_core::Result<_>>()?;
        Ok(Self { kind, outputs, inputs, source: RowSource::Memory(parts.concat()), order: None })
    }

    /// Rows.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The matrices of `outputs` rows each that a tensor of several consists of.
    pub(crate) fn each(self, outputs: usize) -> Vec<Self> {
        let Self { kind, inputs, source: RowSource::File { gguf, tensor, first }, order: None, .. } = &self else {
            return vec![self];
        };
        let one = |at: usize| {
            let source =
                RowSource::File { gguf: Arc::clone(gguf), tensor: tensor.clone(), first: first + at * outputs };
            Self { kind: *kind, outputs, inputs: *inputs, source, order: None }
        };
        (0..self.outputs / outputs.max(1)).map(one).collect()
    }

    /// The same rows in another order.
    pub(crate) fn reordered(self, order: &[u32]) -> Self {
        let before = |row: u32| self.order.as_ref().map_or(row, |before| before[row as usize]);
        let order = Some(order.iter().map(|&row| before(row)).collect());
        Self { order, ..self }
    }

    /// Rows in panels, for the CPU.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn panels(&self) -> io::Result<Panels> {
        Panels::pack_blocks(self.kind, (self.outputs, self.inputs), |rows, out| self.read(rows, out))
    }

    /// The numbers that the weights stand for, f32 `(output, input)`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn dequantise(&self) -> candle_core::Result<Tensor> {
        Tensor::from_vec(unpack(&self.panels()?), (self.outputs, self.inputs), &Device::Cpu)
    }

    /// Rows as candle's kernels read them; none where it has not the type.
    ///
    /// # Errors
    /// When they cannot be read, or not be brought to the device.
    pub(crate) fn candle(&self, device: &Device) -> candle_core::Result<Option<QMatMul>> {
        let Some(dtype) = candle_type(self.kind) else { return Ok(None) };
        let storage = QStorage::from_data(self.bytes()?.into(), device, dtype)?;
        Ok(Some(QMatMul::from_qtensor(QTensor::new(storage, (self.outputs, self.inputs))?)?))
    }

    /// Rows as our CUDA kernels read them; none where these have not the type.
    ///
    /// # Errors
    /// When they cannot be read, or not be brought to the device.
    #[cfg(feature = "cuda")]
    pub(crate) fn on_cuda(&self, device: &Device) -> candle_core::Result<Option<DeviceBlocks>> {
        DeviceBlocks::new(self.kind, &self.bytes()?, (self.outputs, self.inputs), device)
    }

    /// All rows, as they are stored.
    fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.outputs * self.row_bytes()];
        self.read(0..self.outputs, &mut bytes)?;
        Ok(bytes)
    }

    fn row_bytes(&self) -> usize {
        self.inputs / self.kind.weights() * self.kind.bytes()
    }

    /// Reads the stored bytes of some rows.
    fn read(&self, rows: Range<usize>, out: &mut [u8]) -> io::Result<()> {
        let Some(order) = &self.order else { return self.read_source(rows.start, out) };
        for (&row, out) in order[rows].iter().zip(out.chunks_exact_mut(self.row_bytes())) {
            self.read_source(row as usize, out)?;
        }
        Ok(())
    }

    /// Reads the bytes of rows of the source, from `row` on.
    fn read_source(&self, row: usize, out: &mut [u8]) -> io::Result<()> {
        match &self.source {
            RowSource::File { gguf, tensor, first } => {
                gguf.read(tensor, ((first + row) * self.row_bytes()) as u64, out)
            }
            RowSource::Memory(bytes) => {
                out.copy_from_slice(&bytes[row * self.row_bytes()..][..out.len()]);
                Ok(())
            }
        }
    }
}

/// A contiguous matrix as `q8_0`, the same as candle's and several times as fast; none of types that are no floats of 16 or
/// 32 bits, or with rows that are no whole blocks.
fn q8_0_bytes(weight: &Tensor) -> candle_core::Result<Option<Vec<u8>>> {
    let ((outputs, inputs), kind) = (weight.dims2()?, BlockType::Q8_0);
    let (storage, layout) = weight.storage_and_layout();
    let (Storage::Cpu(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else { return Ok(None) };
    if !inputs.is_multiple_of(kind.weights()) {
        return Ok(None);
    }
    let row = inputs / kind.weights() * kind.bytes();
    let mut bytes = vec![0; outputs * row];
    let parts = bytes.par_chunks_mut(ROWS_OF_PART * row);
    let (length, simd) = (ROWS_OF_PART * inputs, Simd::detect());
    match storage {
        CpuStorage::F32(values) => {
            values[from..to].par_chunks(length).zip(parts).for_each(|(rows, out)| quantise_q8_0(simd, rows, out));
        }
        CpuStorage::BF16(values) => widened(&values[from..to], length).zip(parts).for_each(|(rows, out)| {
            quantise_q8_0(simd, &rows, out);
        }),
        CpuStorage::F16(values) => widened(&values[from..to], length).zip(parts).for_each(|(rows, out)| {
            quantise_q8_0(simd, &rows, out);
        }),
        _ => return Ok(None),
    }
    Ok(Some(bytes))
}

/// Parts of so many numbers, in f32.
fn widened<T: Sync>(values: &[T], length: usize) -> impl IndexedParallelIterator<Item = Vec<f32>>
where
    [T]: HalfFloatSliceExt,
{
    values.par_chunks(length).map(|part| {
        let mut wide = vec![0.0; part.len()];
        part.convert_to_f32_slice(&mut wide);
        wide
    })
}

/// candle's name of a type, where it has that.
fn candle_type(kind: BlockType) -> Option<GgmlDType> {
    Some(match kind {
        BlockType::Q4_0 => GgmlDType::Q4_0,
        BlockType::Q4_1 => GgmlDType::Q4_1,
        BlockType::Q5_0 => GgmlDType::Q5_0,
        BlockType::Q5_1 => GgmlDType::Q5_1,
        BlockType::Q8_0 => GgmlDType::Q8_0,
        BlockType::Q2K => GgmlDType::Q2K,
        BlockType::Q3K => GgmlDType::Q3K,
        BlockType::Q4K => GgmlDType::Q4K,
        BlockType::Q5K => GgmlDType::Q5K,
        BlockType::Q6K => GgmlDType::Q6K,
        BlockType::Iq4Nl | BlockType::Iq4Xs | BlockType::Mxfp4 => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn matrix((outputs, inputs): (usize, usize)) -> Tensor {
        let value = |at: usize| ((at * 7919 + 31) % 2003) as f32 / 1001.5 - 1.0;
        let values: Vec<f32> = (0..outputs * inputs).map(value).collect();
        Tensor::from_vec(values, (outputs, inputs), &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap()
    }

    #[test]
    fn a_matrix_is_quantised_in_parts_as_in_one_piece() {
        let weight = matrix((ROWS_OF_PART + 3, 256));
        for kind in [BlockType::Q8_0, BlockType::Q4_0, BlockType::Q4K, BlockType::Q6K] {
            let parts = BlockRows::quantised(&weight, kind).unwrap().bytes().unwrap();
            let whole = QTensor::quantize(&weight.to_dtype(DType::F32).unwrap(), candle_type(kind).unwrap()).unwrap();
            assert!(parts == *whole.data().unwrap(), "{}", kind.name());
        }
    }

    #[test]
    #[ignore = "a measurement: cargo test --release --workspace --lib rate_of_quantising -- --ignored --nocapture"]
    fn rate_of_quantising() {
        let shape = (8192, 3072);
        let weight = matrix(shape);
        for kind in [BlockType::Q8_0, BlockType::Q4_0, BlockType::Q4K, BlockType::Q6K] {
            let began = Instant::now();
            BlockRows::quantised(&weight, kind).unwrap();
            let rate = (shape.0 * shape.1) as f64 / began.elapsed().as_secs_f64();
            let (rate, threads) = (rate / 1e6, rayon::current_num_threads());
            println!(
                "{:5}: {rate:.0} million weights a second on {threads} threads, 3B in {:.1} s",
                kind.name(),
                3e3 / rate
            );
        }
    }
}
