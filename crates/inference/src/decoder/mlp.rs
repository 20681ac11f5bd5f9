//! The MLP of a layer: gated, plain, or a mixture of experts.

use candle_core::{DType, Result, Tensor};
use candle_nn::ops::{sigmoid, silu};

use super::fused::GateTimesOp;
use super::layers::{Linear, StoredLinear};
use super::norm::Norm;
use super::residual::Residual;
use crate::checkpoint::config::{Activation, DecoderConfig, ExpertNames as Stored, ExpertsConfig, GateUp, MlpConfig};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::weights::{CheckpointTensors, LinearWeight};
use crate::compute_type::ComputeType;
use crate::cpu::fused;
use crate::kernel::GateActivation;
#[cfg(feature = "cuda")]
use crate::{
    cpu::has_own_kernels,
    cuda::experts::{DeviceExperts, RoutedTokens, is_worth_routing},
};

type Loaded<T> = std::result::Result<T, CheckpointError>;

/// The MLP of a layer.
pub(crate) enum Mlp {
    Gated(GatedMlp),
    Plain { up: Linear, down: Linear, activation: Activation },
    Experts(Box<Experts>),
}

impl Mlp {
    /// Reads the MLP of the layer whose tensors begin with `prefix`.
    pub(crate) fn load(
        config: &DecoderConfig,
        weights: &CheckpointTensors,
        prefix: &str,
        mlp: &MlpConfig,
    ) -> Loaded<Self> {
        let (hidden, bias, activation) = (config.hidden, config.biases.mlp, config.activation);
        let finish =
            |linear: StoredLinear| linear.ready(weights, weights.quantization()).map_err(|e| weights.unreadable(&e));
        let down = |width| {
            finish(StoredLinear::load(weights, &format!("{prefix}.{}", config.names.down), (width, hidden), bias)?)
        };
        match (mlp, config.names.gate_up) {
            (&MlpConfig::Gated { intermediate }, GateUp::Separate(gate, up)) => {
                let parts = [(format!("{prefix}.{gate}"), intermediate), (format!("{prefix}.{up}"), intermediate)];
                let gate_up = finish(StoredLinear::load_joined(weights, &parts, hidden, bias)?)?;
                Ok(Self::Gated(GatedMlp { gate_up, down: down(intermediate)?, activation }))
            }
            (&MlpConfig::Gated { intermediate }, GateUp::Joined(both)) => {
                let name = format!("{prefix}.{both}");
                let gate_up = finish(StoredLinear::load(weights, &name, (hidden, 2 * intermediate), bias)?)?;
                Ok(Self::Gated(GatedMlp { gate_up, down: down(intermediate)?, activation }))
            }
            (&MlpConfig::Plain { intermediate }, GateUp::Separate(_, up) | GateUp::Joined(up)) => {
                let up = finish(StoredLinear::load(weights, &format!("{prefix}.{up}"), (hidden, intermediate), bias)?)?;
                Ok(Self::Plain { up, down: down(intermediate)?, activation })
            }
            (MlpConfig::Experts(experts), _) => {
                Ok(Self::Experts(Box::new(Experts::load(config, weights, prefix, experts)?)))
            }
        }
    }

    /// Adds to the residual stream `factor` times what becomes of it, normed before by `norm` and behind by `post_norm`.
    pub(crate) fn add_to<'n>(
        &'n self,
        residual: &mut Residual<'n>,
        [norm, post_norm]: [Option<&'n Norm>; 2],
        factor: f64,
    ) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Self::Gated(GatedMlp { gate_up, down, activation }) = self
            && let Some(gated) = residual.gated_product(norm, gate_up, *activation)?
        {
            return residual.add_product(down, gated, post_norm, factor);
        }
        let normed = residual.normed_for(norm, self.compute())?;
        match self {
            Self::Gated(mlp) => residual.add_product(&mlp.down, mlp.gated(&normed)?, post_norm, factor),
            Self::Plain { up, down, activation } => {
                residual.add_product(down, activation.apply(&up.forward(&normed)?)?, post_norm, factor)
            }
            Self::Experts(experts) => residual.add(experts.forward(&normed)?, post_norm, factor),
        }
    }

    /// What its input is wanted in: what it is multiplied in, but of experts, who each take some rows of it and add up theirs.
    pub(crate) fn compute(&self) -> ComputeType {
        match self {
            Self::Gated(mlp) => mlp.gate_up.compute(),
            Self::Plain { up, .. } => up.compute(),
            Self::Experts(_) => ComputeType::F32,
        }
    }

    /// `(T, H)` to `(T, H)`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gated(mlp) => mlp.forward(input),
            Self::Plain { up, down, activation } => down.forward(&activation.apply(&up.forward(input)?)?),
            Self::Experts(experts) => experts.forward(input),
        }
    }
}

impl Activation {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => silu(x),
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
        }
    }
}

/// `down(activation(gate(x)) * up(x))`.
pub(crate) struct GatedMlp {
    /// Gate and up projection, side by side: `(H, 2I)`.
    gate_up: Linear,
    down: Linear,
    activation: Activation,
}

impl GatedMlp {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.down.forward(&self.gated(input)?)
    }

    /// `(T, H)` to `(T, I)`.
    fn gated(&self, input: &Tensor) -> Result<Tensor> {
        let gate = match self.activation {
            Activation::Silu => Some(GateActivation::Silu),
            Activation::GeluTanh => Some(GateActivation::GeluTanh),
            Activation::Gelu => None,
        };
        let gate = gate.filter(|_| fused(input.device()));
        if let Some(gate) = gate
            && let Some(gated) = self.gate_up.gated(input, gate)?
        {
            return Ok(gated);
        }
        let both = self.gate_up.forward(input)?;
        #[cfg(feature = "cuda")]
        if has_own_kernels(both.device(), both.dtype()) {
            return crate::cuda::gate::gate_times(&both, self.activation);
        }
        if let Some(gate) = gate {
            return both.apply_op1_no_bwd(&GateTimesOp(gate));
        }
        let width = both.dim(1)? / 2;
        let gate = self.activation.apply(&both.narrow(1, 0, width)?.contiguous()?)?;
        gate * both.narrow(1, width, width)?
    }
}

/// A mixture of experts: a token goes to the few that a router prefers (Shazeer et al. 2017, arXiv 1701.06538).
pub(crate) struct Experts {
    router: Linear,
    mlps: Vec<GatedMlp>,
    shared: Option<(GatedMlp, Linear)>,
    active: usize,
    renormalise: bool,
    /// Where tokens find their way on an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    on_device: Option<DeviceExperts>,
}

impl Experts {
    fn load(
        config: &DecoderConfig,
        weights: &CheckpointTensors,
        prefix: &str,
        experts: &ExpertsConfig,
    ) -> Loaded<Self> {
        let (hidden, names) = (config.hidden, &config.names);
        // Gates are never quantised.
        let whole = |linear: StoredLinear| linear.ready(weights, None).map_err(|e| weights.unreadable(&e));
        let finish =
            |linear: StoredLinear| linear.ready(weights, weights.quantization()).map_err(|e| weights.unreadable(&e));
        let joined = |gate_up: Vec<LinearWeight>, down: LinearWeight| {
            Ok(GatedMlp {
                gate_up: finish(StoredLinear::of(weights, gate_up)?)?,
                down: finish(StoredLinear::of(weights, vec![down])?)?,
                activation: config.activation,
            })
        };
        let mlp = |prefix: &str, width: usize, [gate, up, down]: [&str; 3]| {
            let part = |name: &str, shape: (usize, usize)| weights.linear(&format!("{prefix}.{name}.weight"), shape);
            let gate_up = vec![part(gate, (width, hidden))?, part(up, (width, hidden))?];
            joined(gate_up, part(down, (hidden, width))?)
        };
        let (count, width) = (experts.experts, experts.intermediate);
        let mlps: Vec<GatedMlp> = match names.experts {
            Stored::Numbered(under, parts) => {
                (0..count).map(|e| mlp(&format!("{prefix}.{under}.{e}"), width, parts)).collect::<Loaded<_>>()?
            }
            Stored::Stacked(parts) => {
                let [gate, up, down] = parts.map(|part| format!("{prefix}.{part}.weight"));
                let gates = weights.stack(&gate, (count, width, hidden))?;
                let ups = weights.stack(&up, (count, width, hidden))?;
                let downs = weights.stack(&down, (count, hidden, width))?;
                let each = gates.into_iter().zip(ups).zip(downs);
                each.map(|((gate, up), down)| joined(vec![gate, up], down)).collect::<Loaded<_>>()?
            }
        };
        let shared = experts
            .shared
            .map(|width| -> Loaded<_> {
                let name = format!("{prefix}.{}", names.shared_gate);
                let gate = match names.experts {
                    Stored::Numbered(..) => StoredLinear::load(weights, &name, (hidden, 1), false)?,
                    Stored::Stacked(_) => {
                        let row = weights.get(&format!("{name}.weight"), hidden)?.unsqueeze(0);
                        StoredLinear::over(row.map_err(|e| weights.unreadable(&e))?)
                    }
                };
                Ok((mlp(prefix, width, names.shared_expert)?, whole(gate)?))
            })
            .transpose()?;
        let router = format!("{prefix}.{}", names.router);
        let router = StoredLinear::load(weights, &router, (hidden, experts.experts), false)?;
        Ok(Self {
            #[cfg(feature = "cuda")]
            on_device: on_device(&mlps).map_err(|e| weights.unreadable(&e))?,
            router: whole(router)?,
            mlps,
            shared,
            active: experts.active,
            renormalise: experts.renormalise,
        })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some(experts) = &self.on_device
            && let Some(first) = self.mlps.first()
            && has_own_kernels(input.device(), input.dtype())
            && is_worth_routing(input.dim(0)?, input.device())
        {
            let routed = RoutedTokens::new(&self.router.forward(input)?, self.active, self.renormalise)?;
            let answers = experts.answers(input, &routed, first.activation)?;
            let common = self
                .shared
                .as_ref()
                .map(|(expert, gate)| Ok::<_, candle_core::Error>((expert.forward(input)?, gate.forward(input)?)));
            let common = common.transpose()?;
            return routed.combined(&answers, common.as_ref().map(|(values, gates)| (values, gates)));
        }
        let logits = self.router.forward(input)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        // Per expert: its tokens, and how much each counts.
        let mut assigned: Vec<(Vec<u32>, Vec<f32>)> = vec![(Vec::new(), Vec::new()); self.mlps.len()];
        for (token, logits) in (0u32..).zip(&logits) {
            for (expert, weight) in self.route(logits) {
                assigned[expert].0.push(token);
                assigned[expert].1.push(weight);
            }
        }
        let mut out = input.zeros_like()?;
        for (expert, (tokens, weights)) in self.mlps.iter().zip(assigned) {
            if tokens.is_empty() {
                continue;
            }
            let count = tokens.len();
            let tokens = Tensor::from_vec(tokens, count, input.device())?;
            let weights = Tensor::from_vec(weights, (count, 1), input.device())?.to_dtype(input.dtype())?;
            let answer = expert.forward(&input.index_select(&tokens, 0)?)?.broadcast_mul(&weights)?;
            out = out.index_add(&tokens, &answer, 0)?;
        }
        if let Some((expert, gate)) = &self.shared {
            let share = sigmoid(&gate.forward(input)?)?;
            out = (out + expert.forward(input)?.broadcast_mul(&share)?)?;
        }
        Ok(out)
    }

    /// The experts of one token and their weights: the most probable ones; of equals the first.
    fn route(&self, logits: &[f32]) -> Vec<(usize, f32)> {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
        let total: f32 = exps.iter().sum();
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        order.truncate(self.active);
        let divisor = if self.renormalise { order.iter().map(|&expert| exps[expert]).sum() } else { total };
        order.into_iter().map(|expert| (expert, exps[expert] / divisor)).collect()
    }
}

/// The matrices of experts as kernels find them; none where these do not take them.
#[cfg(feature = "cuda")]
fn on_device(mlps: &[GatedMlp]) -> Result<Option<DeviceExperts>> {
    fn plain(linear: &Linear) -> Option<&Tensor> {
        linear.plain_weight().filter(|_| linear.bias().is_none())
    }
    let (gate_ups, downs): (Vec<_>, Vec<_>) = mlps.iter().map(|mlp| (plain(&mlp.gate_up), plain(&mlp.down))).unzip();
    DeviceExperts::new(&gate_ups, &downs)
}
