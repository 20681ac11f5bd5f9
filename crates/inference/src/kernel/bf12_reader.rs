//! Reads panels of [bfloat16 in twelve bits](super::bf12).

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::bf12;
use super::decoded_range::DecodedRange;
use super::layout::{DEPTH, LINE};
use super::panels::Panels;
use super::readers::{Bf16, Buffered, DecodedBlock, PanelReader, PanelSource, fetch, plain_step};
use super::vector::Vector;

/// bfloat16 in twelve bits.
pub(super) struct Bf12;

pub(super) struct Bf12Reader<'a, V: Vector> {
    at: *const u8,
    /// The lowest exponent, in its place in every lane.
    base: V::Words,
    /// Blocks read.
    done: u32,
    /// The next one that is wide, and those after it.
    wide: u32,
    later: std::slice::Iter<'a, u32>,
}

/// Where a block of weights lies that were bfloat16.
pub(super) enum Bf12Block {
    /// Three times sixteen words.
    Narrow(*const u8),
    /// Eight times sixteen weights as they were.
    Wide(*const u8),
}

impl<V: Vector> Bf12Reader<'_, V> {
    /// Where the next block lies.
    #[inline(always)]
    pub(super) fn next_place(&mut self) -> Bf12Block {
        let (at, is_wide) = (self.at, self.done == self.wide);
        self.done += 1;
        if is_wide {
            self.wide = self.later.next().copied().unwrap_or(u32::MAX);
            fetch(at, bf12::WIDE_BLOCK);
            self.at = at.wrapping_add(bf12::WIDE_BLOCK);
            return Bf12Block::Wide(at);
        }
        fetch(at, bf12::BLOCK);
        self.at = at.wrapping_add(bf12::BLOCK);
        Bf12Block::Narrow(at)
    }

    /// What is added to every weight: the lowest exponent, in its place in a word.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn base(&self) -> V::Words {
        self.base
    }
}

impl<V: Vector> PanelReader<V> for Bf12Reader<'_, V> {
    /// Decoded: which way is the same for all steps.
    type Block = DecodedBlock<V>;

    #[inline(always)]
    unsafe fn next_block(&mut self) -> DecodedBlock<V> {
        let at = match self.next_place() {
            Bf12Block::Narrow(at) => at,
            Bf12Block::Wide(at) => {
                // SAFETY (all): the caller's promise.
                let mut out = unsafe { [V::splat(0.0); DEPTH] };
                for (step, out) in out.iter_mut().enumerate() {
                    *out = unsafe { plain_step::<Bf16, V>(at, step) };
                }
                return out;
            }
        };
        // SAFETY: the caller's promise: three times sixteen words.
        unsafe {
            let a = V::words::<4>(at);
            let b = V::words::<4>(at.add(LINE));
            let c = V::words::<4>(at.add(2 * LINE));
            // The twelve bits of each lane at the upper end.
            let shorts = [
                a,
                V::shift_left(a, 12),
                V::or(V::shift_left(a, 24), V::shift_right(b, 8)),
                V::shift_left(b, 4),
                V::shift_left(b, 16),
                V::or(V::shift_left(b, 28), V::shift_right(c, 4)),
                V::shift_left(c, 8),
                V::shift_left(c, 20),
            ];
            // Four bits further down all but the sign, in whose copies the base belongs, are in place.
            let kept = V::splat_word(0x87ff_0000);
            let mut out = [V::splat(0.0); DEPTH];
            for (out, short) in out.iter_mut().zip(shorts) {
                *out = V::bits(V::add_words(V::and(V::shift_right_signed_4(short), kept), self.base));
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn step(block: DecodedBlock<V>, step: usize) -> V::Floats {
        block[step]
    }
}

impl PanelSource for Bf12 {
    type Reader<'a, V: Vector> = Bf12Reader<'a, V>;
    type InPlace = Buffered;

    const RANGE: DecodedRange = DecodedRange::Bf16;

    #[inline(always)]
    unsafe fn reader<V: Vector>(panels: &Panels, panel: usize) -> Bf12Reader<'_, V> {
        let window = &panels.windows[panel];
        let mut later = window.wide.iter();
        Bf12Reader {
            at: panels.bytes(panel).as_ptr(),
            // SAFETY: the caller's promise.
            base: unsafe { V::splat_word(u32::from(window.base) << 23) },
            done: 0,
            wide: later.next().copied().unwrap_or(u32::MAX),
            later,
        }
    }
}
