//! `config.json` and `generation_config.json`, parsed once into a typed [`DecoderConfig`].

mod architecture;
mod architectures;
mod decoder;
mod fields;
mod layers;
mod names;
mod raw;
mod raw_rope;
mod resolve;
mod rope;
mod rope_scaling;
#[cfg(test)]
mod tests;

pub use architectures::architectures;
pub use decoder::{
    Activation, Biases, Block, Caps, DecoderConfig, ExpertsConfig, LayerConfig, MlpConfig, Multipliers, NormConfig,
    NormKind, QueryKeyNorm,
};
pub(crate) use names::{ExpertNames, GateUp, Projections};
pub(crate) use raw::{EndIds, Ids};
pub use rope::{RopeConfig, RopeScaling, RopeStyle};
