//! The type that products of linear layers, and of attention, take their inputs in.

use candle_core::DType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::named::{Named, deserialize_named};

/// The type that linear layers and attention on the CPU multiply in. Sums are in 32-bit floats always, and have the same bits in every
/// batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeType {
    /// 32-bit floats: nothing is rounded but sums.
    #[default]
    F32,
    /// bfloat16: inputs and weights of linear layers are rounded to it, and queries, keys, values and weights of attention,
    /// as PyTorch does for a model in bfloat16. Twice as fast where the processor multiplies pairs of it (AVX-512 BF16), or
    /// tiles (AMX, whose sums have bits of their own). Keys and values take half the memory, and so do linear layers that are
    /// stored in f32.
    Bf16,
}

impl ComputeType {
    /// The type of `weights` as they are multiplied: rounded where it is rounded to, widened as they are read where it is not.
    pub(crate) fn of_weights(self, weights: DType) -> DType {
        match self {
            Self::F32 => weights,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Whether it is what is computed in unless asked otherwise.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Named for ComputeType {
    const WHAT: &'static str = "compute type";

    fn all() -> Vec<Self> {
        vec![Self::F32, Self::Bf16]
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::F32 => "32-bit floats",
            Self::Bf16 => "bfloat16, summed up in 32-bit floats",
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::F32 => &["float32"],
            Self::Bf16 => &["bfloat16"],
        }
    }
}

impl Serialize for ComputeType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ComputeType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_named(deserializer)
    }
}
