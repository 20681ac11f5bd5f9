//! One sequence of a candle model: its weights, shared, and its hidden cache.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::tensors::{Adjust, Rename};

/// A candle model with the cache of one sequence.
pub(super) trait Runner: Send {
    /// Appends `tokens`, u32 `(1, T)`, at position `past`, and gives the logits after the last, with `V` elements.
    fn forward(&mut self, tokens: &Tensor, past: usize) -> Result<Tensor>;

    /// Another one in the same state, where candle's type can be cloned. Tensors are shared.
    fn fork(&self) -> Option<Box<dyn Runner>>;
}

/// A model that can be cloned.
pub(super) struct Cloning<M> {
    pub(super) model: M,
    pub(super) forward: fn(&mut M, &Tensor, usize) -> Result<Tensor>,
}

impl<M: Clone + Send + 'static> Runner for Cloning<M> {
    fn forward(&mut self, tokens: &Tensor, past: usize) -> Result<Tensor> {
        (self.forward)(&mut self.model, tokens, past)
    }

    fn fork(&self) -> Option<Box<dyn Runner>> {
        Some(Box::new(Self { model: self.model.clone(), forward: self.forward }))
    }
}

/// A model that cannot: another one is made from the same tensors, and fed the tokens again.
pub(super) struct Rebuilt<M> {
    pub(super) model: M,
    pub(super) forward: fn(&mut M, &Tensor, usize) -> Result<Tensor>,
}

impl<M: Send> Runner for Rebuilt<M> {
    fn forward(&mut self, tokens: &Tensor, past: usize) -> Result<Tensor> {
        (self.forward)(&mut self.model, tokens, past)
    }

    fn fork(&self) -> Option<Box<dyn Runner>> {
        None
    }
}

/// Which tokens a model computes rightly in one forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// One at a time.
    Single,
    /// Many at the beginning of a sequence, then one at a time: its mask is square, or its state is only continued by
    /// single tokens.
    First,
    /// Many anywhere.
    Any,
}

impl Chunks {
    /// Most tokens of a forward that begins at position `past`.
    pub(super) fn most(self, past: usize) -> usize {
        match self {
            // Attention takes memory with the square of this.
            Self::First if past == 0 => 1024,
            Self::Single | Self::First => 1,
            Self::Any => 512,
        }
    }
}

/// Makes a model for one sequence out of tensors.
pub(super) type Build = Box<dyn Fn(VarBuilder<'static>) -> Result<Box<dyn Runner>> + Send>;

/// What a checked configuration says: everything but the weights.
pub(super) struct Blueprint {
    /// Rows of the output layer.
    pub(super) vocabulary: usize,
    /// Longest sequence in tokens.
    pub(super) context: usize,
    /// Bytes that a token of an open sequence takes.
    pub(super) token_bytes: usize,
    pub(super) chunks: Chunks,
    pub(super) rename: Rename,
    pub(super) adjust: Option<Adjust>,
    /// Whether a model is made anew for every sequence.
    pub(super) rebuilt: bool,
    pub(super) build: Build,
}

impl Blueprint {
    /// For a model that can be cloned and computes what `chunks` says.
    pub(super) fn cloning<M: Clone + Send + 'static>(
        chunks: Chunks,
        load: impl Fn(VarBuilder<'static>) -> Result<M> + Send + 'static,
        forward: fn(&mut M, &Tensor, usize) -> Result<Tensor>,
    ) -> PartialBlueprint {
        let build: Build = Box::new(move |tensors| Ok(Box::new(Cloning { model: load(tensors)?, forward })));
        PartialBlueprint { chunks, rebuilt: false, build }
    }

    /// For a model that cannot be cloned.
    pub(super) fn rebuilt<M: Send + 'static>(
        chunks: Chunks,
        load: impl Fn(VarBuilder<'static>) -> Result<M> + Send + 'static,
        forward: fn(&mut M, &Tensor, usize) -> Result<Tensor>,
    ) -> PartialBlueprint {
        let build: Build = Box::new(move |tensors| Ok(Box::new(Rebuilt { model: load(tensors)?, forward })));
        PartialBlueprint { chunks, rebuilt: true, build }
    }
}

/// How a model is made and run, its sizes still missing.
pub(super) struct PartialBlueprint {
    chunks: Chunks,
    rebuilt: bool,
    build: Build,
}

impl PartialBlueprint {
    /// With sizes; tensors are called as candle calls them.
    pub(super) fn sized(self, vocabulary: usize, context: usize, token_bytes: usize) -> Blueprint {
        let Self { chunks, rebuilt, build } = self;
        Blueprint { vocabulary, context, token_bytes, chunks, rename: str::to_owned, adjust: None, rebuilt, build }
    }
}
