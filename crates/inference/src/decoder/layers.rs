//! Linear layers.

use std::borrow::Cow;

use candle_core::backend::BackendStorage;
use candle_core::quantized::QMatMul;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, DType, Device, Layout, Module, Result, Shape, Storage, Tensor, bail,
};
use half::bf16;
use rayon::prelude::*;

use super::fused::{RoundOp, contiguous};
use crate::checkpoint::block_rows::BlockRows;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::weights::{CheckpointTensors, LinearWeight};
use crate::compute_type::ComputeType;
use crate::cpu::fused;
use crate::dtype::Quantization;
use crate::kernel::{
    DenseRows, GateActivation, GatePanels, Panels, Simd, added_matmul, gated_matmul, matmul, unpack_row,
};
#[cfg(feature = "cuda")]
use crate::{
    cpu::has_own_kernels,
    cuda::{
        product::{Factor, StepProduct},
        quantised::DeviceBlocks,
    },
};

/// A linear layer as a checkpoint holds it, `x W^T + b`.
pub(crate) struct StoredLinear {
    /// `(output, input)` each; their outputs stand side by side.
    parts: Vec<LinearWeight>,
    bias: Option<Tensor>,
}

impl StoredLinear {
    /// Reads `{name}.weight` `(output, input)` and, where there is one, `{name}.bias`.
    pub(crate) fn load(
        weights: &CheckpointTensors,
        name: &str,
        (input, output): (usize, usize),
        bias: bool,
    ) -> std::result::Result<Self, CheckpointError> {
        Self::load_joined(weights, &[(name.to_owned(), output)], input, bias)
    }

    /// Reads several layers over the same input as one, their outputs side by side.
    pub(crate) fn load_joined(
        weights: &CheckpointTensors,
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

    /// One layer of several over the same input, their outputs side by side. Several parts are left only where
    /// quantised weights cannot be joined.
    pub(crate) fn of(
        weights: &CheckpointTensors,
        values: Vec<LinearWeight>,
    ) -> std::result::Result<Self, CheckpointError> {
        let (mut plain, mut parts) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                LinearWeight::Plain(weight) => plain.push(weight),
                LinearWeight::Blocks(_) => {
                    if !plain.is_empty() {
                        parts.push(LinearWeight::Plain(join(weights, &std::mem::take(&mut plain))?));
                    }
                    parts.push(value);
                }
            }
        }
        if !plain.is_empty() {
            parts.push(LinearWeight::Plain(join(weights, &plain)?));
        }
        Ok(Self { parts, bias: None })
    }

    /// A layer without bias over a weight that was read already, `(output, input)`.
    pub(crate) fn over(weight: Tensor) -> Self {
        Self { parts: vec![LinearWeight::Plain(weight)], bias: None }
    }

    /// The layer with its rows, of weight and bias alike, put in another order.
    pub(crate) fn map(self, reorder: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let mut parts = self.parts;
        let part = match (parts.pop(), parts.is_empty()) {
            (Some(LinearWeight::Plain(weight)), true) => LinearWeight::Plain(reorder(&weight)?),
            (Some(LinearWeight::Blocks(rows)), true) => {
                let order = reorder(&Tensor::arange(0, rows.outputs() as u32, &Device::Cpu)?)?;
                LinearWeight::Blocks(rows.reordered(&order.to_vec1()?))
            }
            _ => bail!("rows of several matrices stay in their order"),
        };
        Ok(Self { parts: vec![part], bias: self.bias.as_ref().map(reorder).transpose()? })
    }

    /// The layer as it computes on `weights`' device, quantised where that is asked for and its rows consist of whole
    /// blocks.
    pub(crate) fn ready(self, weights: &CheckpointTensors, quantization: Option<Quantization>) -> Result<Linear> {
        let mut parts: Vec<Weight> = Vec::new();
        for part in self.parts {
            let blocks = match (part, quantization) {
                (LinearWeight::Plain(weight), Some(quantization)) => match quantization.block_type(weight.dim(1)?) {
                    Some(kind) => Ok(BlockRows::quantised(&weight, kind)?),
                    None => Err(weight),
                },
                (LinearWeight::Plain(weight), None) => Err(weight),
                (LinearWeight::Blocks(rows), _) => Ok(rows),
            };
            let ready = match blocks {
                Ok(rows) => Weight::blocks(&rows, weights)?,
                Err(weight) => Weight::plain(&weight, weights)?,
            };
            match (parts.last_mut(), ready) {
                (Some(Weight::Panels(before)), Weight::Panels(panels)) => before.extend(panels),
                (_, ready) => parts.push(ready),
            }
        }
        Ok(Linear { parts, bias: self.bias, compute: weights.compute() })
    }
}

/// Tensors one after the other.
fn join(weights: &CheckpointTensors, tensors: &[Tensor]) -> std::result::Result<Tensor, CheckpointError> {
    match tensors {
        [one] => Ok(one.clone()),
        _ => Tensor::cat(tensors, 0).map_err(|source| weights.unreadable(&source)),
    }
}

/// A linear layer, `x W^T + b`.
pub(crate) struct Linear {
    /// Their outputs stand side by side.
    parts: Vec<Weight>,
    bias: Option<Tensor>,
    /// What panels are multiplied in.
    compute: ComputeType,
}

/// `(output, input)`.
enum Weight {
    /// On the CPU: as our own kernel reads them. Outputs of matrices of several types stand side by side.
    Panels(Vec<Panels>),
    Plain(Tensor),
    Quantised(QMatMul),
    /// On an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Blocks(DeviceBlocks),
}

impl Linear {
    /// `(T, input)` to `(T, output)`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some(product) = self.own_product(input) {
            return product.plain(Factor::Plain(input));
        }
        self.biased(self.product(input)?)
    }

    /// A product with the bias added.
    pub(crate) fn biased(&self, product: Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }

    /// The same without the bias.
    pub(crate) fn product(&self, input: &Tensor) -> Result<Tensor> {
        let input = self.taken(input)?;
        match &self.parts[..] {
            [one] => one.forward(&input),
            parts => {
                let products = parts.iter().map(|part| part.forward(&input)).collect::<Result<Vec<_>>>()?;
                Tensor::cat(&products, 1)
            }
        }
    }

    /// What it multiplies in on the CPU.
    pub(crate) fn compute(&self) -> ComputeType {
        self.compute
    }

    /// An input as the kernels take it, which may be rounded already.
    fn taken<'a>(&self, input: &'a Tensor) -> Result<Cow<'a, Tensor>> {
        if self.compute == ComputeType::Bf16 && input.dtype() == DType::F32 && fused(input.device()) {
            return input.apply_op1_no_bwd(&RoundOp).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(input))
    }

    /// The product added to `values` `(T, output)`, where one kernel does it on the CPU.
    pub(crate) fn added(&self, input: &Tensor, values: &Tensor) -> Result<Option<Tensor>> {
        let [Weight::Panels(panels)] = &self.parts[..] else { return Ok(None) };
        if self.bias.is_some() {
            return Ok(None);
        }
        self.taken(input)?.apply_op2_no_bwd(values, &PanelProduct { panels }).map(Some)
    }

    /// `gate` of the first half of the outputs times the second, `(T, output / 2)`, where one kernel does it on the CPU: in the
    /// type that is multiplied in.
    pub(crate) fn gated(&self, input: &Tensor, gate: GateActivation) -> Result<Option<Tensor>> {
        let [Weight::Panels(panels)] = &self.parts[..] else { return Ok(None) };
        let Some(panels) = GatePanels::of(panels).filter(|_| self.bias.is_none()) else { return Ok(None) };
        self.taken(input)?.apply_op1_no_bwd(&GatedProduct { panels, gate }).map(Some)
    }

    /// The weight `(output, input)`, where it is one that is not quantised.
    #[cfg(feature = "cuda")]
    pub(crate) fn plain_weight(&self) -> Option<&Tensor> {
        match &self.parts[..] {
            [Weight::Plain(weight)] => Some(weight),
            _ => None,
        }
    }

    /// The layer's product with `x`, its bias added, by our own kernel where that takes it.
    #[cfg(feature = "cuda")]
    pub(crate) fn own_product(&self, x: &Tensor) -> Option<StepProduct<'_>> {
        has_own_kernels(x.device(), x.dtype()).then(|| StepProduct::of(self.plain_weight()?, self.bias(), x)).flatten()
    }

    /// What is added to every row of the product, `(output,)`.
    #[cfg(feature = "cuda")]
    pub(crate) fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Whether [`Linear::rows`] can be asked.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(&self.parts[..], [Weight::Panels(panels)] if panels.len() == 1)
    }

    /// Rows of the weight, f32 `(rows, input)`: the embeddings of tokens where the output layer is the embedding.
    pub(crate) fn rows(&self, rows: &[u32]) -> Result<Tensor> {
        let [Weight::Panels(panels)] = &self.parts[..] else { bail!("no rows of a weight on another device") };
        let [panels] = &panels[..] else { bail!("no rows of several weights") };
        if let Some(row) = rows.iter().find(|&&row| row as usize >= panels.outputs()) {
            bail!("row {row} of a weight with {}", panels.outputs());
        }
        let width = panels.inputs();
        let mut out = vec![0f32; rows.len() * width];
        out.par_chunks_mut(width)
            .zip(rows)
            .with_min_len(8)
            .for_each(|(out, &row)| unpack_row(panels, row as usize, out));
        Tensor::from_vec(out, (rows.len(), width), &Device::Cpu)
    }
}

impl Weight {
    fn plain(weight: &Tensor, weights: &CheckpointTensors) -> Result<Self> {
        let weight = weight.to_device(weights.device())?;
        if !fused(weight.device()) {
            return Ok(Self::Plain(weight));
        }
        let weight = match weights.multiplied_type(weight.dtype()) {
            multiplied if multiplied == weight.dtype() => weight,
            // As a product would round them.
            _ => weight.to_dtype(DType::F32)?.apply_op1_no_bwd(&RoundOp)?,
        };
        let width = weight.dim(1)?;
        let (storage, layout) = weight.storage_and_layout();
        let (Storage::Cpu(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("a linear layer needs contiguous weights");
        };
        let rows = match storage {
            CpuStorage::F32(values) => DenseRows::F32(&values[from..to]),
            CpuStorage::BF16(values) => DenseRows::Bf16(&values[from..to]),
            CpuStorage::F16(values) => DenseRows::F16(&values[from..to]),
            other => bail!("a linear layer cannot use weights of type {:?}", other.dtype()),
        };
        Ok(Self::Panels(vec![Panels::pack(rows, width, Simd::detect())]))
    }

    fn blocks(rows: &BlockRows, weights: &CheckpointTensors) -> Result<Self> {
        if weights.device().is_cpu() {
            return Ok(Self::Panels(vec![rows.panels()?]));
        }
        #[cfg(feature = "cuda")]
        if weights.device().is_cuda()
            && let Some(blocks) = rows.on_cuda(weights.device())?
        {
            return Ok(Self::Blocks(blocks));
        }
        if !weights.device().is_cuda()
            && let Some(weight) = rows.candle(weights.device())?
        {
            return Ok(Self::Quantised(weight));
        }
        let wide = rows.dequantise()?;
        Ok(Self::Plain(wide.to_device(weights.device())?.to_dtype(weights.compute_type(wide.dtype()))?))
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Panels(panels) => input.apply_op1_no_bwd(&PanelProduct { panels }),
            Self::Plain(weight) => input.matmul(&weight.t()?),
            Self::Quantised(weight) => weight.forward(input),
            #[cfg(feature = "cuda")]
            Self::Blocks(blocks) => blocks.forward(input),
        }
    }
}

/// `x W^T` on the CPU.
struct PanelProduct<'a> {
    panels: &'a [Panels],
}

impl CustomOp1 for PanelProduct<'_> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, input: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape(layout)?;
        let simd = Simd::detect();
        let out = match input {
            CpuStorage::BF16(_) => matmul::<bf16>(simd, contiguous(input, layout)?, self.panels),
            _ => matmul::<f32>(simd, contiguous(input, layout)?, self.panels),
        };
        Ok((CpuStorage::F32(out), shape))
    }
}

/// `y + x W^T` on the CPU.
impl CustomOp2 for PanelProduct<'_> {
    fn name(&self) -> &'static str {
        "added-linear"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        il: &Layout,
        values: &CpuStorage,
        vl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape(il)?;
        if *vl.shape() != shape {
            bail!("a product of shape {shape:?} is added to values of shape {:?}", vl.shape());
        }
        let (simd, values) = (Simd::detect(), contiguous(values, vl)?);
        let out = match input {
            CpuStorage::BF16(_) => added_matmul::<bf16>(simd, contiguous(input, il)?, self.panels, values),
            _ => added_matmul::<f32>(simd, contiguous(input, il)?, self.panels, values),
        };
        Ok((CpuStorage::F32(out), shape))
    }
}

impl PanelProduct<'_> {
    /// That of the product with an input.
    fn shape(&self, input: &Layout) -> Result<Shape> {
        let (rows, inner) = input.shape().dims2()?;
        for panels in self.panels {
            check_width(inner, panels.inputs())?;
        }
        Ok((rows, self.panels.iter().map(Panels::outputs).sum()).into())
    }
}

/// Whether rows of a product's input are as long as its weights'.
fn check_width(given: usize, taken: usize) -> Result<()> {
    if given == taken { Ok(()) } else { bail!("{given} values for a linear layer that takes {taken}") }
}

/// `gate(x G^T) * (x U^T)` on the CPU.
struct GatedProduct<'a> {
    panels: GatePanels<'a>,
    gate: GateActivation,
}

impl CustomOp1 for GatedProduct<'_> {
    fn name(&self) -> &'static str {
        "gated-linear"
    }

    fn cpu_fwd(&self, input: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, inner) = layout.shape().dims2()?;
        check_width(inner, self.panels.inputs())?;
        let (simd, &Self { panels, gate }) = (Simd::detect(), self);
        let out = match input {
            CpuStorage::BF16(_) => CpuStorage::BF16(gated_matmul(simd, contiguous(input, layout)?, gate, panels)),
            _ => CpuStorage::F32(gated_matmul(simd, contiguous(input, layout)?, gate, panels)),
        };
        Ok((out, (rows, panels.outputs()).into()))
    }
}
