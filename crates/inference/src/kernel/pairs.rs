//! Inputs of products in bfloat16: two neighbouring steps of a sum make a pair.
//!
//! A processor that multiplies pairs adds `x1 w1` and then `x0 w0`. A product of two bfloat16 is exact in f32, so that
//! multiplying and adding f32 in that order gives the same bits; but where something is smaller than the smallest normal
//! number, which pairs take for zero.

#[cfg(target_arch = "x86_64")]
use std::borrow::Cow;

#[cfg(target_arch = "x86_64")]
use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::new_rows::new_rows;

/// Two neighbouring steps, the first in the lower half.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Bf16Pair(pub(super) u32);

/// Values that make a task of their own worth while.
pub(super) const TASK: usize = 1 << 14;

#[cfg(target_arch = "x86_64")]
impl Bf16Pair {
    /// What both halves of pairs are written to.
    pub(super) fn halves_mut(pairs: &mut [Self]) -> &mut [bf16] {
        // SAFETY: a word is two halves, whose alignment is less, and any bits are one of each; on x86-64 the lower half is
        // the first.
        unsafe { std::slice::from_raw_parts_mut(pairs.as_mut_ptr().cast(), 2 * pairs.len()) }
    }

    /// Halves as pairs; none where they are an odd number, or lie across words.
    fn of(halves: &[bf16]) -> Option<&[Self]> {
        // SAFETY: as above, the other way round.
        match unsafe { halves.align_to() } {
            ([], pairs, []) => Some(pairs),
            _ => None,
        }
    }
}

/// `x`, whose rows are `k` long, in pairs, filled up with zeros to multiples of so many rows and steps; and the pairs of a
/// row.
#[cfg(target_arch = "x86_64")]
pub(super) fn in_pairs(
    x: &[bf16],
    k: usize,
    (whole_rows, whole_steps): (usize, usize),
) -> (Cow<'_, [Bf16Pair]>, usize) {
    let (rows, stride) = (x.len() / k, k.next_multiple_of(whole_steps) / 2);
    if rows.is_multiple_of(whole_rows)
        && 2 * stride == k
        && let Some(pairs) = Bf16Pair::of(x)
    {
        return (Cow::Borrowed(pairs), stride);
    }
    let shape = (rows.next_multiple_of(whole_rows), stride);
    let pairs = new_rows(shape, Bf16Pair(0), TASK.div_ceil(k), |(): &mut (), row, pairs| {
        if row < rows {
            Bf16Pair::halves_mut(pairs)[..k].copy_from_slice(&x[row * k..][..k]);
        }
    });
    (Cow::Owned(pairs), stride)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::kernel::layout::DEPTH;

    #[test]
    fn pairs_are_what_lies_there_or_a_copy_that_is_filled_up_with_zeros() {
        let x: Vec<bf16> = [1.0, 1.5, -3.0, 4.0, 5.0].map(bf16::from_f32).to_vec();
        let (pairs, stride) = in_pairs(&x, 5, (3, DEPTH));
        assert_eq!(stride, 4);
        let wide = |bits: u32| f32::from_bits(bits << 16);
        let halves: Vec<f32> = pairs.iter().flat_map(|pair| [wide(pair.0 & 0xffff), wide(pair.0 >> 16)]).collect();
        assert_eq!(halves[..8], [1.0, 1.5, -3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
        assert_eq!(halves[8..], [0.0; 16], "rows");
        // The same rows whole, and where they begin within a word.
        let whole: Vec<bf16> = (0..34).map(|at| bf16::from_f32(at as f32)).collect();
        let places = [0, 1].map(|from| in_pairs(&whole[from..from + 32], 16, (2, DEPTH)).0);
        assert!(places.iter().any(|pairs| matches!(pairs, Cow::Borrowed(_))));
        assert!(places.iter().any(|pairs| matches!(pairs, Cow::Owned(_))));
        for (from, pairs) in places.iter().enumerate() {
            let expected = |at: usize| u32::from(whole[from + at].to_bits());
            assert!(pairs.iter().enumerate().all(|(at, pair)| pair.0 == expected(2 * at) | expected(2 * at + 1) << 16));
        }
    }
}
