//! In which type a tensor is stored.

use candle_core::DType;
use candle_core::quantized::GgmlDType;

use crate::kernel::BlockType;

/// The type of a tensor in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorType {
    F32,
    F16,
    BF16,
    /// Blocks of few bits a weight, which are computed with as they are.
    Blocks(BlockType),
    /// A type of candle's which is dequantised: `Q8_K`, blocks of 256.
    Q8K,
    /// A type that is not read.
    Other(OtherType),
}

/// A type of GGUF files by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherType(u32);

/// Names of the types that are not read, as ggml calls them (`enum ggml_type`).
const OTHERS: [(u32, &str); 26] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
    (40, "NVFP4"),
    (41, "Q1_0"),
    (42, "Q2_0"),
];

impl TensorType {
    /// The type with this number in GGUF files (ggml's `enum ggml_type`).
    pub(crate) fn of_gguf(number: u32) -> Self {
        match number {
            0 => Self::F32,
            1 => Self::F16,
            30 => Self::BF16,
            15 => Self::Q8K,
            _ => match BlockType::ALL.into_iter().find(|kind| kind.number() == number) {
                Some(kind) => Self::Blocks(kind),
                None => Self::Other(OtherType(number)),
            },
        }
    }

    /// The names of all types that are read from GGUF files.
    pub(crate) fn read() -> String {
        let blocks = BlockType::ALL.iter().map(|kind| kind.name());
        ["F32", "F16", "BF16"].into_iter().chain(blocks).chain(["Q8_K"]).collect::<Vec<_>>().join(", ")
    }

    /// The type where it is a plain one.
    pub(crate) fn float(self) -> Option<DType> {
        match self {
            Self::F32 => Some(DType::F32),
            Self::F16 => Some(DType::F16),
            Self::BF16 => Some(DType::BF16),
            Self::Blocks(_) | Self::Q8K | Self::Other(_) => None,
        }
    }

    /// Weights of a block: rows consist of whole ones.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::Blocks(kind) => kind.weights(),
            Self::Q8K => GgmlDType::Q8K.block_size(),
            Self::F32 | Self::F16 | Self::BF16 | Self::Other(_) => 1,
        }
    }

    /// Bytes of a tensor; none where that is not known of the type.
    pub(crate) fn bytes(self, dims: &[usize]) -> Option<u64> {
        let numbers: u64 = dims.iter().map(|&dim| dim as u64).product();
        let block = match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Blocks(kind) => kind.bytes(),
            Self::Q8K => GgmlDType::Q8K.type_size(),
            Self::Other(_) => return None,
        };
        (numbers / self.block() as u64).checked_mul(block as u64)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::F32 => f.write_str("F32"),
            Self::F16 => f.write_str("F16"),
            Self::BF16 => f.write_str("BF16"),
            Self::Blocks(kind) => f.write_str(kind.name()),
            Self::Q8K => f.write_str("Q8_K"),
            Self::Other(OtherType(number)) => match OTHERS.iter().find(|(known, _)| known == number) {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "type {number}"),
            },
        }
    }
}
