//! The codes of weights in panels: planes of some of their bits.
//!
//! A plane of `B` bits has, for every eight steps, `B` bytes per lane: the bits of the eight codes, the first one's lowest.
//! So one load and a shift give a step's codes of all lanes. The planes of [`GROUP`] steps lie together, the lower one
//! first. Codes of eight bits are bytes by step and lane.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::marker::PhantomData;

use super::Format;
use crate::kernel::panels::DEPTH;
use crate::kernel::simd::LANES;
use crate::kernel::vector::Vector;

/// Steps whose codes lie together.
pub(in crate::kernel) const GROUP: usize = 32;
/// Blocks of [`DEPTH`] steps among them.
const BLOCKS: usize = GROUP / DEPTH;

/// The codes of a format.
pub(in crate::kernel) struct Codes<F>(PhantomData<F>);

impl<F: Format> Codes<F> {
    const LOW: usize = F::BITS.0;
    const HIGH: usize = F::BITS.1;
    /// Bytes of a group, of all lanes.
    pub(in crate::kernel) const BYTES: usize = GROUP * LANES * (Self::LOW + Self::HIGH) / 8;
    /// Where the upper plane begins.
    const UPPER: usize = BLOCKS * Self::LOW * LANES;

    /// Writes the codes of a group of one lane.
    pub(in crate::kernel) fn write(codes: &[u8], lane: usize, out: &mut [u8]) {
        if Self::LOW == 8 {
            for (step, &code) in codes.iter().enumerate() {
                out[step * LANES + lane] = code;
            }
            return;
        }
        for (block, codes) in codes.chunks_exact(DEPTH).enumerate() {
            let mut plane = |start: usize, bits: usize, shift: usize| {
                let mask = (1u32 << bits) - 1;
                let word = codes.iter().rev().fold(0, |word, &code| word << bits | u32::from(code) >> shift & mask);
                let at = start + (block * LANES + lane) * bits;
                out[at..at + bits].copy_from_slice(&word.to_le_bytes()[..bits]);
            };
            plane(0, Self::LOW, 0);
            plane(Self::UPPER, Self::HIGH, Self::LOW);
        }
    }

    /// What the codes of block `block` of the group at `at` stand for, by step.
    ///
    /// # Safety
    /// As of [`Vector`]; the group is there.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn read<V: Vector>(at: *const u8, block: usize) -> [V::Floats; DEPTH] {
        // SAFETY: the caller's promise; planes of one, two and four bits have as many bytes a lane.
        unsafe {
            let mut out = [V::splat(0.0); DEPTH];
            if Self::LOW == 8 {
                for (step, out) in out.iter_mut().enumerate() {
                    *out = V::i8(at.add((block * DEPTH + step) * LANES));
                }
                return out;
            }
            let low = Self::plane::<V>(at.add(block * Self::LOW * LANES), Self::LOW);
            let high = match Self::HIGH {
                0 => low,
                bits => Self::plane::<V>(at.add(Self::UPPER + block * bits * LANES), bits),
            };
            for (step, out) in out.iter_mut().enumerate() {
                let code = V::shift_right(low, (step * Self::LOW) as u32);
                *out = match (F::TABLE, Self::HIGH) {
                    (Some(table), _) => V::look_up(table, code),
                    (None, 0) if Self::LOW == 4 => V::nibble(code),
                    (None, 0) => V::float(V::and(code, Self::mask::<V>(Self::LOW, 0))),
                    (None, bits) => {
                        // The upper bits are wanted right above the lower ones.
                        let from = step * bits;
                        let upper = if from < Self::LOW {
                            V::shift_left(high, (Self::LOW - from) as u32)
                        } else {
                            V::shift_right(high, (from - Self::LOW) as u32)
                        };
                        let lower = V::and(code, Self::mask::<V>(Self::LOW, 0));
                        V::float(V::or(lower, V::and(upper, Self::mask::<V>(bits, Self::LOW))))
                    }
                };
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn plane<V: Vector>(at: *const u8, bits: usize) -> V::Words {
        // SAFETY: the caller's promise.
        unsafe {
            match bits {
                1 => V::words::<1>(at),
                2 => V::words::<2>(at),
                _ => V::words::<4>(at),
            }
        }
    }

    #[inline(always)]
    unsafe fn mask<V: Vector>(bits: usize, above: usize) -> V::Words {
        // SAFETY: the caller's promise.
        unsafe { V::splat_word(((1 << bits) - 1) << above) }
    }
}
