//! Products with weights in blocks of few bits.

use candle_core::{DType, Device, Result, Tensor, bail};

use super::launch::{Argument, KernelFile, LaunchShape, address, launch, suffix, to_fill};
use crate::kernel::BlockType;

/// Tokens that one launch of the product takes for one reading of the weights, as the kernel has it.
const TOKENS: usize = 8;

/// Tokens from which on it is quicker to widen all weights once, and multiply by cuBLAS: blocks would be read more than
/// four times.
const WORTH_WIDENING: usize = 4 * TOKENS + 1;

/// A matrix `(outputs, inputs)` in blocks, as a file has them.
pub(crate) struct DeviceBlocks {
    kind: &'static str,
    bytes: Tensor,
    outputs: usize,
    inputs: usize,
}

/// What the kernels of a type are called; none for a type without any.
fn kernels(kind: BlockType) -> Option<&'static str> {
    match kind {
        BlockType::Q4_0 => Some("q4_0"),
        BlockType::Q4_1 => Some("q4_1"),
        BlockType::Q5_0 => Some("q5_0"),
        BlockType::Q5_1 => Some("q5_1"),
        BlockType::Q8_0 => Some("q8_0"),
        BlockType::Q2K => Some("q2_k"),
        BlockType::Q3K => Some("q3_k"),
        BlockType::Q4K => Some("q4_k"),
        BlockType::Q5K => Some("q5_k"),
        BlockType::Q6K => Some("q6_k"),
        BlockType::Iq4Nl | BlockType::Iq4Xs | BlockType::Mxfp4 => None,
    }
}

impl DeviceBlocks {
    /// Brings a matrix to a device; none where its type has no kernels.
    pub(crate) fn new(
        kind: BlockType,
        bytes: &[u8],
        (outputs, inputs): (usize, usize),
        device: &Device,
    ) -> Result<Option<Self>> {
        let Some(name) = kernels(kind) else { return Ok(None) };
        if bytes.len() != outputs * (inputs / kind.weights()) * kind.bytes() {
            bail!("{} bytes for a matrix of {outputs} by {inputs} in {}", bytes.len(), kind.name());
        }
        Ok(Some(Self { kind: name, bytes: Tensor::from_slice(bytes, bytes.len(), device)?, outputs, inputs }))
    }

    /// `(T, inputs)` to `(T, outputs)`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let (tokens, inputs) = input.dims2()?;
        if inputs != self.inputs {
            bail!("{inputs} values for a linear layer that takes {}", self.inputs);
        }
        if tokens >= WORTH_WIDENING {
            return input.matmul(&self.widened(input.dtype())?.t()?);
        }
        let Some(suffix) = suffix(input.dtype()) else { bail!("no product of {:?}", input.dtype()) };
        let out = to_fill((tokens, self.outputs), input.dtype(), input.device())?;
        let arguments = [
            address(&self.bytes)?,
            address(input)?,
            address(&out)?,
            tokens.into(),
            self.inputs.into(),
            self.outputs.into(),
        ];
        let shape =
            LaunchShape { blocks: (self.outputs.div_ceil(4), tokens.div_ceil(TOKENS), 1), threads: 128, shared: 0 };
        launch(
            input.device(),
            (KernelFile::Quantised, input.dtype()),
            &format!("product_{}_{suffix}", self.kind),
            shape,
            &arguments,
        )?;
        Ok(out)
    }

    /// The numbers that the weights stand for, `(outputs, inputs)`.
    fn widened(&self, dtype: DType) -> Result<Tensor> {
        let Some(suffix) = suffix(dtype) else { bail!("no weights of {dtype:?}") };
        let out = to_fill((self.outputs, self.inputs), dtype, self.bytes.device())?;
        let count = self.outputs * self.inputs;
        let arguments = [address(&self.bytes)?, address(&out)?, Argument::Long(count as u64)];
        let shape = LaunchShape { blocks: (count.div_ceil(8 * 256), 1, 1), threads: 256, shared: 0 };
        let kernel = format!("widen_{}_{suffix}", self.kind);
        launch(self.bytes.device(), (KernelFile::Quantised, dtype), &kernel, shape, &arguments)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use gac_needs::needs;
    use half::f16;

    use super::*;
    use crate::device::DeviceSpec;
    use crate::kernel::{Panels, unpack};

    /// Blocks of any bytes, but that numbers of several bytes are moderate.
    fn blocks(kind: BlockType, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count * kind.bytes()).map(|at| ((at * at * 31 + at * 7 + 3) >> 2) as u8).collect();
        for (index, block) in bytes.chunks_exact_mut(kind.bytes()).enumerate() {
            for &(at, _) in kind.numbers().iter().filter(|(_, size)| *size == 2) {
                let number = f16::from_f32(0.01 + 0.001 * ((index * 5 + at) % 17) as f32);
                block[at..at + 2].copy_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    fn max_abs(tensor: &Tensor) -> f32 {
        tensor.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    #[needs(gpu)]
    #[test]
    fn every_type_of_blocks_is_widened_and_multiplied_as_on_the_cpu() {
        let device = DeviceSpec::Cuda(0).open().unwrap();
        for kind in BlockType::ALL.into_iter().filter(|&kind| kernels(kind).is_some()) {
            // Rows of an odd number of blocks, and more outputs than a launch has in whole blocks of threads.
            let (outputs, inputs) = (9, 3 * kind.weights());
            let bytes = blocks(kind, outputs * 3);
            let panels = Panels::pack_blocks(kind, (outputs, inputs), |rows, out| {
                out.copy_from_slice(&bytes[rows.start * 3 * kind.bytes()..][..out.len()]);
                Ok::<(), std::io::Error>(())
            });
            let wide = Tensor::from_vec(unpack(&panels.unwrap()), (outputs, inputs), &Device::Cpu).unwrap();
            let on_device = DeviceBlocks::new(kind, &bytes, (outputs, inputs), &device).unwrap().unwrap();
            let widened = on_device.widened(DType::F32).unwrap().to_device(&Device::Cpu).unwrap();
            let error = max_abs(&(&widened - &wide).unwrap());
            assert!(error <= 1e-6 * max_abs(&wide), "{}: {error}", kind.name());
            for tokens in [1, 7, 8, 19, 40] {
                let input = Tensor::randn(0f32, 1.0, (tokens, inputs), &Device::Cpu).unwrap();
                let expected = input.matmul(&wide.t().unwrap()).unwrap();
                for (dtype, most) in [(DType::F32, 1e-5), (DType::BF16, 2e-2)] {
                    let input = input.to_device(&device).unwrap().to_dtype(dtype).unwrap();
                    let product = on_device.forward(&input).unwrap().to_dtype(DType::F32).unwrap();
                    let error = max_abs(&(product.to_device(&Device::Cpu).unwrap() - &expected).unwrap());
                    let most = most * max_abs(&expected);
                    assert!(error < most, "{} of {tokens} tokens in {dtype:?}: {error} of {most}", kind.name());
                }
            }
        }
    }
}
