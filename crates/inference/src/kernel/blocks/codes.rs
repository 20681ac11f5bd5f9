//! The codes of weights in panels.
//!
//! Eight steps' codes of `B` bits are `B` bytes per lane, an integer of four or two bytes and, for an odd `B` and for six,
//! another one of the bytes that remain. Each has as many whole codes as it has room for, the lowest bits first; seven
//! together. The eighth code is what is left of both. So one load gives codes of several steps and all lanes, and a shift
//! those of one step. The integers of [`GROUP`] steps lie together, all first ones first. Codes of eight bits are bytes
//! by step and lane.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::marker::PhantomData;

use super::format::BlockFormat;
use crate::kernel::layout::DEPTH;
use crate::kernel::simd::LANES;
use crate::kernel::vector::Vector;

/// Steps whose codes lie together.
pub(in crate::kernel) const GROUP: usize = 32;
/// Blocks of [`DEPTH`] steps among them.
const BLOCKS: usize = GROUP / DEPTH;

/// The codes of a format.
pub(in crate::kernel) struct Codes<F>(PhantomData<F>);

impl<F: BlockFormat> Codes<F> {
    /// Bytes of a group, of all lanes.
    pub(in crate::kernel) const BYTES: usize = GROUP * LANES * F::BITS / 8;
    /// Bytes of the first integer of a lane and a block, and of the second.
    const FIRST: usize = if F::BITS < 4 { 2 } else { 4 };
    const SECOND: usize = F::BITS.saturating_sub(Self::FIRST);
    /// Whole codes in each; bits of the first that are left.
    const IN_FIRST: usize = 8 * Self::FIRST / F::BITS;
    const IN_SECOND: usize = 8 * Self::SECOND / F::BITS;
    const LEFT: usize = 8 * Self::FIRST % F::BITS;
    /// Where a group has the second ones.
    const SECONDS: usize = BLOCKS * Self::FIRST * LANES;

    /// Writes the codes of a group of one lane.
    pub(in crate::kernel) fn write(codes: &[u8], lane: usize, out: &mut [u8]) {
        if F::BITS == 8 {
            for (step, &code) in codes.iter().enumerate() {
                out[step * LANES + lane] = code;
            }
            return;
        }
        let joined = |codes: &[u8]| codes.iter().rev().fold(0, |word, &code| word << F::BITS | u32::from(code));
        for (block, codes) in codes.chunks_exact(DEPTH).enumerate() {
            let (mut first, mut second) = (joined(&codes[..Self::IN_FIRST]), joined(&codes[Self::IN_FIRST..]));
            if Self::SECOND > 0 {
                let (whole, eighth) = (&codes[Self::IN_FIRST..DEPTH - 1], u32::from(codes[DEPTH - 1]));
                first |= eighth << (Self::IN_FIRST * F::BITS);
                second = joined(whole) | eighth >> Self::LEFT << (Self::IN_SECOND * F::BITS);
            }
            let mut put = |start: usize, word: u32, bytes: usize| {
                let at = start + (block * LANES + lane) * bytes;
                out[at..at + bytes].copy_from_slice(&word.to_le_bytes()[..bytes]);
            };
            put(0, first, Self::FIRST);
            put(Self::SECONDS, second, Self::SECOND);
        }
    }

    /// The codes of block `block` of the group at `at`.
    ///
    /// # Safety
    /// As of [`Vector`]; the group is there.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn of_block<V: Vector>(at: *const u8, block: usize) -> BlockCodes<V> {
        // SAFETY: the caller's promise.
        unsafe {
            if F::BITS == 8 {
                let none = V::splat_word(0);
                return BlockCodes { bytes: at.add(block * DEPTH * LANES), first: none, second: none };
            }
            let first = integers::<V>(at.add(block * Self::FIRST * LANES), Self::FIRST);
            let second = match Self::SECOND {
                0 => first,
                bytes => integers::<V>(at.add(Self::SECONDS + block * bytes * LANES), bytes),
            };
            BlockCodes { bytes: at, first, second }
        }
    }

    /// What the codes of step `step` of a block stand for.
    ///
    /// # Safety
    /// As of [`Vector`]; the block is there.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn read<V: Vector>(codes: BlockCodes<V>, step: usize) -> V::Floats {
        let BlockCodes { bytes, first, second } = codes;
        // SAFETY: the caller's promise.
        unsafe {
            if F::BITS == 8 {
                return V::i8(bytes.add(step * LANES));
            }
            let code = if step < Self::IN_FIRST {
                V::shift_right(first, (step * F::BITS) as u32)
            } else if step < DEPTH - 1 {
                V::shift_right(second, ((step - Self::IN_FIRST) * F::BITS) as u32)
            } else {
                let low = V::shift_right(first, (Self::IN_FIRST * F::BITS) as u32);
                let high = V::shift_right(second, (Self::IN_SECOND * F::BITS) as u32);
                V::or(low, V::shift_left(high, Self::LEFT as u32))
            };
            match (F::TABLE, F::BITS) {
                (Some(table), _) => V::look_up(table, code),
                (None, 2) => V::lowest::<2>(code),
                (None, 3) => V::lowest::<3>(code),
                (None, 4) => V::lowest::<4>(code),
                (None, 5) => V::lowest::<5>(code),
                (None, _) => V::lowest::<6>(code),
            }
        }
    }
}

/// The codes of [`DEPTH`] steps of all lanes.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct BlockCodes<V: Vector> {
    /// Where codes of eight bits lie.
    bytes: *const u8,
    /// The integers of others.
    first: V::Words,
    second: V::Words,
}

/// Integers of one, two or four bytes.
#[inline(always)]
unsafe fn integers<V: Vector>(at: *const u8, bytes: usize) -> V::Words {
    // SAFETY: the caller's promise.
    unsafe {
        match bytes {
            1 => V::words::<1>(at),
            2 => V::words::<2>(at),
            _ => V::words::<4>(at),
        }
    }
}
