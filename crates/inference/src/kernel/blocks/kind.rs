//! The types of blocks by name and number.

use super::format::BlockFormat;

/// A type of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockType {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Iq4Nl,
    Iq4Xs,
    Mxfp4,
}

impl BlockType {
    /// All of them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Iq4Xs,
        Self::Mxfp4,
    ];

    /// Its name and its number in GGUF files (ggml's `enum ggml_type`).
    const fn known_as(self) -> (&'static str, u32) {
        match self {
            Self::Q4_0 => ("Q4_0", 2),
            Self::Q4_1 => ("Q4_1", 3),
            Self::Q5_0 => ("Q5_0", 6),
            Self::Q5_1 => ("Q5_1", 7),
            Self::Q8_0 => ("Q8_0", 8),
            Self::Q2K => ("Q2_K", 10),
            Self::Q3K => ("Q3_K", 11),
            Self::Q4K => ("Q4_K", 12),
            Self::Q5K => ("Q5_K", 13),
            Self::Q6K => ("Q6_K", 14),
            Self::Iq4Nl => ("IQ4_NL", 20),
            Self::Iq4Xs => ("IQ4_XS", 23),
            Self::Mxfp4 => ("MXFP4", 39),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.known_as().0
    }

    /// Its number in GGUF files.
    pub(crate) fn number(self) -> u32 {
        self.known_as().1
    }

    /// Weights of a block: rows consist of whole ones.
    pub(crate) fn weights(self) -> usize {
        with_format!(self, F => F::WEIGHTS)
    }

    /// Bytes of a block as it is stored.
    pub(crate) fn bytes(self) -> usize {
        with_format!(self, F => F::BYTES)
    }

    /// Where in a stored block there are numbers of several bytes, and how many bytes they have.
    pub(crate) fn numbers(self) -> &'static [(usize, usize)] {
        with_format!(self, F => F::NUMBERS)
    }
}

/// The formats of [`BlockType`]s.
pub(in crate::kernel) mod types {
    pub(in crate::kernel) use super::super::codebook::{Iq4Nl, Iq4Xs, Mxfp4};
    pub(in crate::kernel) use super::super::k_quants::{Q2K, Q3K, Q4K, Q5K, Q6K};
    pub(in crate::kernel) use super::super::legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
}

/// Evaluates an expression in which a name is the [`BlockFormat`] of a [`BlockType`].
macro_rules! with_format {
    ($kind:expr, $format:ident => $body:expr) => {
        $crate::kernel::blocks::with_format!(@ $kind, $format, $body, Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2K Q3K Q4K Q5K Q6K Iq4Nl Iq4Xs Mxfp4)
    };
    (@ $kind:expr, $format:ident, $body:expr, $($of:ident)*) => {
        match $kind {
            $($crate::kernel::blocks::BlockType::$of => {
                type $format = $crate::kernel::blocks::kind::types::$of;
                $body
            })*
        }
    };
}
pub(in crate::kernel) use with_format;
