//! What the decoder needs to know about an architecture.

use super::names::TensorNames;
use super::rope::RopeConfig;

/// A decoder-only transformer, as data.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Rows of the embedding and of the output layer.
    pub vocabulary: usize,
    /// Width of the residual stream, `H`.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head; need not be `hidden / heads`.
    pub head_dim: usize,
    /// What differs from layer to layer.
    pub layers: Vec<LayerConfig>,
    /// The norms of the residual stream.
    pub norm: NormConfig,
    /// Where norms and residuals are.
    pub block: Block,
    /// Norms of queries and keys.
    pub query_key_norm: QueryKeyNorm,
    /// Rotary position embeddings that layers refer to.
    pub ropes: Vec<RopeConfig>,
    /// Which projections carry a bias.
    pub biases: Biases,
    /// The MLP's activation.
    pub activation: Activation,
    /// What products of queries and keys are multiplied by.
    pub attention_scale: f64,
    /// Soft caps: `cap * tanh(x / cap)`.
    pub caps: Caps,
    /// Factors on the way through.
    pub multipliers: Multipliers,
    /// Whether the output layer is the embedding. `None`: it is where the checkpoint has no output layer.
    pub tied_embeddings: Option<bool>,
    /// Longest sequence in tokens.
    pub context: usize,
    pub(crate) names: TensorNames,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerConfig {
    /// Attention window: position `i` sees `j` with `i - window < j <= i`. `None` sees everything.
    pub window: Option<usize>,
    /// Index of its rotary embedding; `None` has no positions.
    pub rope: Option<usize>,
    /// Its MLP.
    pub mlp: MlpConfig,
}

/// The MLP of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MlpConfig {
    /// `down(activation(gate(x)) * up(x))`.
    Gated {
        /// Width inside.
        intermediate: usize,
    },
    /// `down(activation(up(x)))`.
    Plain {
        /// Width inside.
        intermediate: usize,
    },
    /// A few of many gated MLPs, chosen per token.
    Experts(ExpertsConfig),
}

/// A mixture of experts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertsConfig {
    /// Experts there are.
    pub experts: usize,
    /// Experts a token goes to.
    pub active: usize,
    /// Width inside an expert.
    pub intermediate: usize,
    /// Whether the chosen experts' weights are made to add up to one.
    pub renormalise: bool,
    /// Width of an expert that every token goes to, scaled by a sigmoid of its own.
    pub shared: Option<usize>,
}

/// A norm over the last dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormConfig {
    /// Which one.
    pub kind: NormKind,
    /// Added to the mean square.
    pub epsilon: f64,
}

/// Kinds of norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square, times the weight.
    Rms,
    /// Root mean square, times one plus the weight (Gemma).
    RmsFromOne,
    /// Mean and variance, times the weight, plus the bias.
    Layer,
    /// Mean and variance, times the weight (Cohere).
    LayerWithoutBias,
}

/// Where norms and residuals are: `a` is attention, `m` the MLP, `n` norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `x + a(n(x))`, then `x + m(n(x))`.
    Before,
    /// `x + n(a(x))`, then `x + n(m(x))` (`OLMo` 2).
    After,
    /// `x + n(a(n(x)))`, then `x + n(m(n(x)))` (Gemma 2, GLM-4).
    Around,
    /// `x + a(n(x)) + m(n(x))` with one norm (Cohere).
    Parallel,
    /// `x + a(n1(x)) + m(n2(x))` (GPT-NeoX).
    ParallelTwoNorms,
}

/// Norms of queries and keys before the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKeyNorm {
    /// None.
    None,
    /// Per head, one weight for all heads (Qwen3, Gemma 3).
    PerHead,
    /// Per head, a weight for each (Cohere, StableLM): `(heads, head_dim)`.
    PerHeadOwnWeights,
    /// Over all heads at once (`OLMo` 2).
    Whole,
}

/// Which projections carry a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Biases {
    /// Query, key and value projections.
    pub qkv: bool,
    /// The attention's output projection.
    pub out: bool,
    /// The MLP's projections.
    pub mlp: bool,
}

/// The MLP's nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `GELU` with the error function.
    Gelu,
    /// `GELU` by its tanh approximation.
    GeluTanh,
}

/// Soft caps.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Caps {
    /// Of attention scores.
    pub attention: Option<f64>,
    /// Of logits.
    pub logits: Option<f64>,
}

/// Factors on the way through; one where an architecture has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multipliers {
    /// Of embeddings.
    pub embedding: f64,
    /// Of what attention and MLP add to the residual stream.
    pub residual: f64,
    /// Of logits.
    pub logits: f64,
}
