//! The type that a model's weights are held in.

use candle_core::DType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kernel::BlockType;
use crate::named::{Named, deserialize_named};

/// The type that a model's weights are held in, where it is not the one they are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// Linear layers quantised to 8 bits and a scale per 32 weights.
    Q8_0,
    /// Linear layers quantised to about 4.5 bits per weight; the output layer in `Q8_0`.
    Q4K,
}

impl Dtype {
    /// Whether linear layers are quantised, rather than all weights rounded.
    pub fn is_quantised(self) -> bool {
        matches!(self, Self::Q8_0 | Self::Q4K)
    }
}

impl Named for Dtype {
    const WHAT: &'static str = "dtype";

    fn all() -> Vec<Self> {
        vec![Self::F32, Self::Bf16, Self::F16, Self::Q8_0, Self::Q4K]
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4K => "q4_k",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::F32 => "32-bit floats",
            Self::Bf16 => "bfloat16",
            Self::F16 => "IEEE half precision",
            Self::Q8_0 => "Linear layers in 8 bits and a scale per 32 weights",
            Self::Q4K => "Linear layers in about 4.5 bits per weight",
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::F32 => &["float32"],
            Self::Bf16 => &["bfloat16"],
            Self::F16 => &["float16"],
            Self::Q8_0 => &["q8-0"],
            Self::Q4K => &["q4-k"],
        }
    }
}

impl Serialize for Dtype {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Dtype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_named(deserializer)
    }
}

/// The type that weights are rounded to when they are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightType {
    /// As the checkpoint stores them.
    Stored,
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
}

impl WeightType {
    /// What `dtype` says of weights that are not quantised.
    pub(crate) fn of(dtype: Option<Dtype>) -> Self {
        match dtype {
            None | Some(Dtype::Q8_0 | Dtype::Q4K) => Self::Stored,
            Some(Dtype::F32) => Self::F32,
            Some(Dtype::Bf16) => Self::Bf16,
            Some(Dtype::F16) => Self::F16,
        }
    }

    /// The type of a weight stored as `stored`.
    pub(crate) fn resolve(self, stored: DType) -> DType {
        match self {
            Self::Stored => stored,
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

/// How the weights of linear layers are quantised when they are loaded, to candle's k-quants.
///
/// The embedding, norms and biases stay as they are. A layer whose rows do not consist of whole blocks of 256 takes
/// `Q8_0`, one without whole blocks of 32 stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantization {
    /// 8 bits and a scale per 32 weights.
    Q8_0,
    /// About 4.5 bits per weight; the output layer in `Q8_0`.
    Q4K,
}

impl Quantization {
    /// What `dtype` says of linear layers.
    pub(crate) fn of(dtype: Option<Dtype>) -> Option<Self> {
        match dtype? {
            Dtype::Q8_0 => Some(Self::Q8_0),
            Dtype::Q4K => Some(Self::Q4K),
            Dtype::F32 | Dtype::Bf16 | Dtype::F16 => None,
        }
    }

    /// The type for rows of `width` weights.
    pub(crate) fn block_type(self, width: usize) -> Option<BlockType> {
        match self {
            Self::Q4K if width.is_multiple_of(256) => Some(BlockType::Q4K),
            Self::Q4K | Self::Q8_0 if width.is_multiple_of(32) => Some(BlockType::Q8_0),
            Self::Q4K | Self::Q8_0 => None,
        }
    }
}
