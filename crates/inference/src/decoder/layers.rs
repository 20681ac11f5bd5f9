//! Linear layers.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use crate::checkpoint::files::CheckpointError;
use crate::checkpoint::weights::Weights;
use crate::kernel::{Matrix, Simd, matmul};

/// `x W^T + b`, the weights in the type they are stored in.
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `{name}.weight` `(output, input)` and, where there is one, `{name}.bias`.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        (input, output): (usize, usize),
        bias: bool,
    ) -> std::result::Result<Self, CheckpointError> {
        let weight = weights.matrix(&format!("{name}.weight"), (output, input))?;
        let bias = bias.then(|| weights.get(&format!("{name}.bias"), output)).transpose()?;
        Ok(Self { weight, bias })
    }

    /// Reads several layers over the same input as one, their outputs side by side.
    pub(crate) fn load_joined(
        weights: &Weights,
        names: &[(String, usize)],
        input: usize,
        bias: bool,
    ) -> std::result::Result<Self, CheckpointError> {
        let parts = names
            .iter()
            .map(|(name, output)| Self::load(weights, name, (input, *output), bias))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let join = |tensors: Vec<&Tensor>| Tensor::cat(&tensors, 0).map_err(|source| weights.unreadable(&source));
        let weight = join(parts.iter().map(|part| &part.weight).collect())?;
        let biases: Vec<&Tensor> = parts.iter().filter_map(|part| part.bias.as_ref()).collect();
        let bias = if biases.is_empty() { None } else { Some(join(biases)?) };
        Ok(Self { weight, bias })
    }

    /// The layer with its rows, of weight and bias alike, put in another order.
    pub(crate) fn map(self, reorder: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { weight: reorder(&self.weight)?, bias: self.bias.as_ref().map(reorder).transpose()? })
    }

    /// A layer without bias over a weight that is shared with another, `(output, input)`.
    pub(crate) fn tied(weight: Tensor) -> Self {
        Self { weight, bias: None }
    }

    /// `(T, input)` to `(T, output)`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let product = if input.device().is_cpu() {
            input.apply_op2_no_bwd(&self.weight, &Product)?
        } else {
            input.matmul(&self.weight.t()?)?
        };
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
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
