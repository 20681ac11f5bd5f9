//! Linear layers.

use candle_core::backend::BackendStorage;
use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Module, Result, Shape, Tensor, bail};

use super::fused::contiguous;
use crate::checkpoint::files::CheckpointError;
use crate::checkpoint::weights::{LinearWeight, Weights};
use crate::device::Quantization;
use crate::kernel::{Matrix, Simd, matmul};

/// `x W^T + b`, the weights in the type they are stored in or quantised.
pub(crate) struct Linear {
    /// Their outputs stand side by side. Several only where quantised weights cannot be joined.
    parts: Vec<Weight>,
    bias: Option<Tensor>,
}

/// Tensors one after the other.
fn join(weights: &Weights, tensors: &[Tensor]) -> std::result::Result<Tensor, CheckpointError> {
    match tensors {
        [one] => Ok(one.clone()),
        _ => Tensor::cat(tensors, 0).map_err(|source| weights.unreadable(&source)),
    }
}

/// `(output, input)`.
enum Weight {
    Plain(Tensor),
    /// On the CPU, of our own kernel's type.
    Q8(QTensor),
    Quantised(QMatMul),
}

impl Linear {
    /// Reads `{name}.weight` `(output, input)` and, where there is one, `{name}.bias`.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        (input, output): (usize, usize),
        bias: bool,
    ) -> std::result::Result<Self, CheckpointError> {
        Self::load_joined(weights, &[(name.to_owned(), output)], input, bias)
    }

    /// Reads several layers over the same input as one, their outputs side by side.
    pub(crate) fn load_joined(
        weights: &Weights,
        names: &[(String, usize)],
        input: usize,
        bias: bool,
    ) -> std::result::Result<Self, CheckpointError> {
        let values = names.iter().map(|(name, output)| weights.linear(&format!("{name}.weight"), (*output, input)));
        let linear = Self::of(weights, values.collect::<std::result::Result<_, _>>()?)?;
        if !bias {
            return Ok(linear);
        }
        let biases = names.iter().map(|(name, output)| weights.get(&format!("{name}.bias"), *output));
        let bias = join(weights, &biases.collect::<std::result::Result<Vec<_>, _>>()?)?;
        Ok(Self { bias: Some(bias), ..linear })
    }

    /// One layer of several over the same input, their outputs side by side.
    pub(crate) fn of(weights: &Weights, values: Vec<LinearWeight>) -> std::result::Result<Self, CheckpointError> {
        let (mut plain, mut parts) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                LinearWeight::Plain(weight) => plain.push(weight),
                LinearWeight::Quantised(weight) => {
                    let weight = Weight::quantised(weight).map_err(|source| weights.unreadable(&source))?;
                    if !plain.is_empty() {
                        parts.push(Weight::Plain(join(weights, &std::mem::take(&mut plain))?));
                    }
                    parts.push(weight);
                }
            }
        }
        if !plain.is_empty() {
            parts.push(Weight::Plain(join(weights, &plain)?));
        }
        Ok(Self { parts, bias: None })
    }

    /// The layer with its rows, of weight and bias alike, put in another order.
    pub(crate) fn map(self, reorder: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let [Weight::Plain(weight)] = &self.parts[..] else { bail!("quantised rows stay in their order") };
        Ok(Self { parts: vec![Weight::Plain(reorder(weight)?)], bias: self.bias.as_ref().map(reorder).transpose()? })
    }

    /// A layer without bias over a weight that is shared with another, `(output, input)`.
    pub(crate) fn tied(weight: Tensor) -> Self {
        Self { parts: vec![Weight::Plain(weight)], bias: None }
    }

    /// The layer as `quantization` has it; as it is where its rows do not consist of whole blocks.
    pub(crate) fn quantised(self, quantization: Option<Quantization>) -> Result<Self> {
        let Some(quantization) = quantization else { return Ok(self) };
        let quantise = |part: Weight| match part {
            Weight::Plain(weight) => match quantization.block_type(weight.dim(1)?) {
                Some(dtype) => Weight::quantised(QTensor::quantize(&weight.to_dtype(DType::F32)?, dtype)?),
                None => Ok(Weight::Plain(weight)),
            },
            quantised @ (Weight::Q8(_) | Weight::Quantised(_)) => Ok(quantised),
        };
        Ok(Self { parts: self.parts.into_iter().map(quantise).collect::<Result<_>>()?, bias: self.bias })
    }

    /// `(T, input)` to `(T, output)`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let product = match &self.parts[..] {
            [one] => one.forward(input)?,
            parts => {
                let products = parts.iter().map(|part| part.forward(input)).collect::<Result<Vec<_>>>()?;
                Tensor::cat(&products, 1)?
            }
        };
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

impl Weight {
    fn quantised(weight: QTensor) -> Result<Self> {
        let ours = weight.device().is_cpu() && weight.dtype() == GgmlDType::Q8_0;
        Ok(if ours { Self::Q8(weight) } else { Self::Quantised(QMatMul::from_qtensor(weight)?) })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(weight) if input.device().is_cpu() => input.apply_op2_no_bwd(weight, &Product),
            Self::Plain(weight) => input.matmul(&weight.t()?),
            Self::Q8(weight) => input.apply_op1_no_bwd(&Q8Product(weight)),
            Self::Quantised(weight) => weight.forward(input),
        }
    }
}

/// `x W^T` on the CPU by our own kernel: candle has none for bfloat16.
struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inner) = input_layout.shape().dims2()?;
        let (columns, _) = weight_layout.shape().dims2()?;
        let (Some((x_from, x_to)), Some((w_from, w_to))) =
            (input_layout.contiguous_offsets(), weight_layout.contiguous_offsets())
        else {
            bail!("a linear layer needs contiguous tensors");
        };
        let matrix = match weight {
            CpuStorage::F32(values) => Matrix::F32(&values[w_from..w_to]),
            CpuStorage::BF16(values) => Matrix::Bf16(&values[w_from..w_to]),
            CpuStorage::F16(values) => Matrix::F16(&values[w_from..w_to]),
            other => bail!("a linear layer cannot use weights of type {:?}", other.dtype()),
        };
        let x = &input.as_slice::<f32>()?[x_from..x_to];
        let out = matmul(Simd::detect(), x, matrix, inner);
        Ok((CpuStorage::F32(out), (rows, columns).into()))
    }
}

/// `x W^T` on the CPU for weights in blocks of 8-bit integers: as fast in batches as weights that are stored wide, which
/// candle's kernel is not, and without rounding `x`.
struct Q8Product<'a>(&'a QTensor);

impl CustomOp1 for Q8Product<'_> {
    fn name(&self) -> &'static str {
        "linear-q8"
    }

    fn cpu_fwd(&self, input: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, inner) = layout.shape().dims2()?;
        let (columns, _) = self.0.shape().dims2()?;
        let bytes = self.0.data()?;
        let out = matmul(Simd::detect(), contiguous(input, layout)?, Matrix::Q8(&bytes), inner);
        Ok((CpuStorage::F32(out), (rows, columns).into()))
    }
}
