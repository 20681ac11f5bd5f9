//! What products take their inputs in: the type of the values is the one that is multiplied in.

use half::bf16;

use super::round::round;
use super::simd::Simd;
use crate::compute_type::ComputeType;

/// A type that products take their inputs in.
pub(crate) trait ProductValue: Copy + Send + Sync {
    const ZERO: Self;

    /// Rows of it.
    fn input(x: &[Self]) -> ProductInput<'_>;

    /// Has `write` write to `out`, which holds zeros, in f32: by way of `scratch` where that is to be rounded.
    fn through(simd: Simd, scratch: &mut Vec<f32>, out: &mut [Self], write: impl FnOnce(&mut [f32]));
}

/// What products multiply, `(M, K)`.
#[derive(Clone, Copy)]
pub(crate) enum ProductInput<'a> {
    F32(&'a [f32]),
    /// Rounded by [`round`](super::round::round()).
    Bf16(&'a [bf16]),
}

impl ProductInput<'_> {
    /// What is multiplied in.
    pub(super) fn compute(self) -> ComputeType {
        match self {
            Self::F32(_) => ComputeType::F32,
            Self::Bf16(_) => ComputeType::Bf16,
        }
    }

    /// Values.
    pub(super) fn len(self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }
}

impl ProductValue for f32 {
    const ZERO: Self = 0.0;

    fn input(x: &[Self]) -> ProductInput<'_> {
        ProductInput::F32(x)
    }

    fn through(_: Simd, _: &mut Vec<f32>, out: &mut [Self], write: impl FnOnce(&mut [f32])) {
        write(out);
    }
}

impl ProductValue for bf16 {
    const ZERO: Self = Self::ZERO;

    fn input(x: &[Self]) -> ProductInput<'_> {
        ProductInput::Bf16(x)
    }

    fn through(simd: Simd, scratch: &mut Vec<f32>, out: &mut [Self], write: impl FnOnce(&mut [f32])) {
        scratch.clear();
        scratch.resize(out.len(), 0.0);
        write(scratch);
        round(simd, scratch, out);
    }
}
