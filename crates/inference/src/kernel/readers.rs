//! Reads panels of weights block by block, decoded.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::marker::PhantomData;

use super::bf12;
use super::blocks::{BlockFormat, Codes, GROUP};
use super::layout::{DEPTH, LINE};
use super::panels::Panels;
use super::simd::LANES;
use super::vector::Vector;

/// Bytes that weights are fetched ahead: a processor that waits for memory at every turn of a loop has not seen far.
const AHEAD: usize = 3072;
/// Bytes that scales are fetched ahead, which are read more slowly.
const SCALES_AHEAD: usize = 512;

/// Weights of a block of [`DEPTH`] steps.
pub(super) type DecodedBlock<V> = [<V as Vector>::Floats; DEPTH];

/// Reads a panel block by block.
pub(super) trait PanelReader<V: Vector> {
    /// The weights of the next block, by step.
    ///
    /// # Safety
    /// As of [`Vector`], and there is one left.
    unsafe fn next(&mut self) -> DecodedBlock<V>;
}

/// What makes readers of a matrix's panels.
pub(super) trait PanelSource {
    type Reader<'a, V: Vector>: PanelReader<V>;

    /// What tiles read where it lies; of no meaning where that is not [possible](Self::IN_PLACE).
    type InPlace: Plain;

    /// Whether a step's weights can be read by themselves, as often as they are multiplied.
    const IN_PLACE: bool = false;
    /// Whether weights are bfloat16 as they are stored.
    const IS_BF16: bool = false;

    /// A reader of the first blocks to come.
    ///
    /// # Safety
    /// As of [`Vector`].
    unsafe fn reader<V: Vector>(panels: &Panels, panel: usize) -> Self::Reader<'_, V>;
}

/// Asks for the cache lines of `bytes` bytes that come [`AHEAD`]. (A hint: nothing is read, any address will do.)
#[inline(always)]
fn fetch(at: *const u8, bytes: usize) {
    for line in 0..bytes / LINE {
        prefetch(at.wrapping_add(AHEAD + line * LINE));
    }
}

/// Asks for the cache line at `at`. (A hint: nothing is read, any address will do.)
#[inline(always)]
fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: an instruction of SSE, which every processor of this architecture has.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Values that each become f32 by themselves, two steps of all lanes together.
pub(super) trait Plain {
    /// Bytes of a value.
    const BYTES: usize;
    /// Bytes of two steps of all lanes.
    const PAIR: usize = 2 * LANES * Self::BYTES;
    const IS_BF16: bool = false;

    /// The first of the two steps at `at`.
    ///
    /// # Safety
    /// As of [`Vector`].
    unsafe fn first<V: Vector>(at: *const u8) -> V::Floats;

    /// The second of the two steps at `at`.
    ///
    /// # Safety
    /// As of [`Vector`].
    unsafe fn second<V: Vector>(at: *const u8) -> V::Floats;

    /// Asks for the two steps that come [`AHEAD`] of `at`.
    #[inline(always)]
    fn fetch(at: *const u8) {
        fetch(at, Self::PAIR);
    }
}

/// [Step by step](super::layout::by_step).
pub(super) struct F32;
/// [Step by step](super::layout::by_step).
pub(super) struct F16;
/// [By pairs](super::layout::by_pair).
pub(super) struct Bf16;
/// What was decoded into a buffer.
pub(super) struct Buffered;

impl Plain for F32 {
    const BYTES: usize = 4;

    #[inline(always)]
    unsafe fn first<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { V::load(at.cast()) }
    }

    #[inline(always)]
    unsafe fn second<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { V::load(at.add(Self::PAIR / 2).cast()) }
    }
}

impl Plain for Buffered {
    const BYTES: usize = F32::BYTES;

    #[inline(always)]
    unsafe fn first<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { F32::first::<V>(at) }
    }

    #[inline(always)]
    unsafe fn second<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { F32::second::<V>(at) }
    }

    /// It is in a cache.
    #[inline(always)]
    fn fetch(_: *const u8) {}
}

impl Plain for F16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn first<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { V::f16(at) }
    }

    #[inline(always)]
    unsafe fn second<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { V::f16(at.add(Self::PAIR / 2)) }
    }
}

impl Plain for Bf16 {
    const BYTES: usize = 2;
    const IS_BF16: bool = true;

    #[inline(always)]
    unsafe fn first<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { V::bits(V::shift_left(V::words::<4>(at), 16)) }
    }

    #[inline(always)]
    unsafe fn second<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { V::bits(V::and(V::words::<4>(at), V::splat_word(0xffff_0000))) }
    }
}

/// The block of plain values at `at`.
///
/// # Safety
/// There is one.
#[inline(always)]
unsafe fn steps<P: Plain, V: Vector>(at: *const u8) -> DecodedBlock<V> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut out = [V::splat(0.0); DEPTH];
        for (pair, [first, second]) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let at = at.add(pair * P::PAIR);
            (*first, *second) = (P::first::<V>(at), P::second::<V>(at));
        }
        out
    }
}

pub(super) struct PlainReader<P> {
    at: *const u8,
    values: PhantomData<P>,
}

impl<P: Plain> PlainReader<P> {
    /// Where the next block lies.
    #[inline(always)]
    pub(super) fn next_block(&mut self) -> *const u8 {
        let at = self.at;
        fetch(at, DEPTH * LANES * P::BYTES);
        self.at = at.wrapping_add(DEPTH * LANES * P::BYTES);
        at
    }
}

impl<P: Plain, V: Vector> PanelReader<V> for PlainReader<P> {
    #[inline(always)]
    unsafe fn next(&mut self) -> DecodedBlock<V> {
        // SAFETY: the caller's promise.
        unsafe { steps::<P, V>(self.next_block()) }
    }
}

impl<P: Plain> PanelSource for P {
    type Reader<'a, V: Vector> = PlainReader<P>;
    type InPlace = P;

    const IN_PLACE: bool = true;
    const IS_BF16: bool = P::IS_BF16;

    #[inline(always)]
    unsafe fn reader<V: Vector>(panels: &Panels, panel: usize) -> PlainReader<P> {
        PlainReader { at: panels.bytes(panel).as_ptr(), values: PhantomData }
    }
}

/// Blocks of a GGUF type.
pub(super) struct Blocks<F>(PhantomData<F>);

pub(super) struct BlockReader<F, V: Vector> {
    codes: *const u8,
    scales: *const u8,
    /// Steps of the block of weights that were read.
    steps: usize,
    scale: V::Floats,
    offset: V::Floats,
    format: PhantomData<F>,
}

impl<F: BlockFormat, V: Vector> PanelReader<V> for BlockReader<F, V> {
    #[inline(always)]
    unsafe fn next(&mut self) -> DecodedBlock<V> {
        // SAFETY: the caller's promise: the scales of the block are there, and the codes of these steps.
        unsafe {
            if self.steps.is_multiple_of(F::SHARE) {
                let share = self.steps / F::SHARE;
                prefetch(self.scales.wrapping_add(SCALES_AHEAD + share * LINE));
                (self.scale, self.offset) = F::scale::<V>(self.scales, share);
            }
            let block = self.steps / DEPTH % (GROUP / DEPTH);
            for from in (0..Codes::<F>::BYTES).step_by(GROUP / DEPTH * LINE) {
                prefetch(self.codes.wrapping_add(AHEAD + from + block * LINE));
            }
            let mut out = Codes::<F>::read::<V>(self.codes, block);
            for out in &mut out {
                *out = V::mul_add(*out, self.scale, self.offset);
            }
            self.steps += DEPTH;
            if self.steps.is_multiple_of(GROUP) {
                self.codes = self.codes.wrapping_add(Codes::<F>::BYTES);
            }
            if self.steps == F::WEIGHTS {
                (self.scales, self.steps) = (self.scales.wrapping_add(F::SCALES * LANES), 0);
            }
            out
        }
    }
}

impl<F: BlockFormat> PanelSource for Blocks<F> {
    type Reader<'a, V: Vector> = BlockReader<F, V>;
    type InPlace = Buffered;

    #[inline(always)]
    unsafe fn reader<V: Vector>(panels: &Panels, panel: usize) -> BlockReader<F, V> {
        let (scales, codes) = panels.scales_and_codes::<F>(panel);
        // SAFETY: the caller's promise.
        let zero = unsafe { V::splat(0.0) };
        BlockReader {
            codes: codes.as_ptr(),
            scales: scales.as_ptr(),
            steps: 0,
            scale: zero,
            offset: zero,
            format: PhantomData,
        }
    }
}

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
    /// Goes on to the next block.
    #[inline(always)]
    pub(super) fn next_block(&mut self) -> Bf12Block {
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
    #[inline(always)]
    unsafe fn next(&mut self) -> DecodedBlock<V> {
        let at = match self.next_block() {
            Bf12Block::Narrow(at) => at,
            // SAFETY: the caller's promise.
            Bf12Block::Wide(at) => return unsafe { steps::<Bf16, V>(at) },
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
}

impl PanelSource for Bf12 {
    type Reader<'a, V: Vector> = Bf12Reader<'a, V>;
    type InPlace = Buffered;

    const IS_BF16: bool = true;

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

/// Evaluates an expression in which a name is the [`PanelSource`] of a matrix in panels.
macro_rules! with_source {
    ($panels:expr, $source:ident => $body:expr) => {
        match $panels.format {
            $crate::kernel::panels::Format::F32 => {
                type $source = $crate::kernel::readers::F32;
                $body
            }
            $crate::kernel::panels::Format::F16 => {
                type $source = $crate::kernel::readers::F16;
                $body
            }
            $crate::kernel::panels::Format::Bf16 => {
                type $source = $crate::kernel::readers::Bf16;
                $body
            }
            $crate::kernel::panels::Format::Bf12 => {
                type $source = $crate::kernel::readers::Bf12;
                $body
            }
            $crate::kernel::panels::Format::Blocks(kind) => $crate::kernel::blocks::with_format!(kind, Of => {
                type $source = $crate::kernel::readers::Blocks<Of>;
                $body
            }),
        }
    };
}
pub(super) use with_source;
