//! `config.json` and `generation_config.json`, parsed once into a typed [`DecoderConfig`].

mod decoder;
mod defaults;
mod family;
mod fields;
mod layers;
mod names;
mod raw;
mod raw_rope;
mod rope;
#[cfg(test)]
mod tests;

pub use decoder::{
    Activation, Biases, Block, Caps, DecoderConfig, ExpertsConfig, LayerConfig, MlpConfig, Multipliers, NormConfig,
    NormKind, QueryKeyNorm,
};
pub(crate) use decoder::{Experts, GateUp, Projections};
pub use family::architectures;
pub(crate) use raw::{EndIds, Ids};
pub use rope::{RopeConfig, RopeScaling, RopeStyle};
