//! Reads panels of weights block by block, decoded.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::marker::PhantomData;

use super::blocks::{BlockCodes, BlockFormat, Codes, GROUP};
use super::decoded_range::DecodedRange;
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
    /// What a block's weights are decoded from.
    type Block: Copy;

    /// The next block.
    ///
    /// # Safety
    /// As of [`Vector`], and there is one left.
    unsafe fn next_block(&mut self) -> Self::Block;

    /// The weights of step `step` of a block: not all of them fit the registers at once.
    ///
    /// # Safety
    /// As of [`Vector`]; the block came from this reader.
    unsafe fn step(block: Self::Block, step: usize) -> V::Floats;

    /// The weights of the next block, by step.
    ///
    /// # Safety
    /// As of [`next_block`](Self::next_block).
    #[inline(always)]
    unsafe fn next(&mut self) -> DecodedBlock<V> {
        // SAFETY: the caller's promise.
        unsafe {
            let block = self.next_block();
            let mut out = [V::splat(0.0); DEPTH];
            for (step, out) in out.iter_mut().enumerate() {
                *out = Self::step(block, step);
            }
            out
        }
    }
}

/// What makes readers of a matrix's panels.
pub(super) trait PanelSource {
    type Reader<'a, V: Vector>: PanelReader<V>;

    /// What tiles read where it lies; of no meaning where that is not [possible](Self::IN_PLACE).
    type InPlace: Plain;

    /// Whether a step's weights can be read by themselves, as often as they are multiplied.
    const IN_PLACE: bool = false;
    const RANGE: DecodedRange;

    /// A reader of the first blocks to come.
    ///
    /// # Safety
    /// As of [`Vector`].
    unsafe fn reader<V: Vector>(panels: &Panels, panel: usize) -> Self::Reader<'_, V>;
}

/// Asks for the cache lines of `bytes` bytes that come [`AHEAD`]. (A hint: nothing is read, any address will do.)
#[inline(always)]
pub(super) fn fetch(at: *const u8, bytes: usize) {
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
    const RANGE: DecodedRange;

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
    const RANGE: DecodedRange = DecodedRange::Any;

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
    const RANGE: DecodedRange = DecodedRange::Any;

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
    const RANGE: DecodedRange = DecodedRange::Moderate;

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
    const RANGE: DecodedRange = DecodedRange::Bf16;

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

/// The weights of step `step` of the block of plain values at `at`.
///
/// # Safety
/// As of [`Vector`]; there is such a block.
#[inline(always)]
pub(super) unsafe fn plain_step<P: Plain, V: Vector>(at: *const u8, step: usize) -> V::Floats {
    // SAFETY: the caller's promise.
    unsafe {
        let at = at.add(step / 2 * P::PAIR);
        if step.is_multiple_of(2) { P::first::<V>(at) } else { P::second::<V>(at) }
    }
}

pub(super) struct PlainReader<P> {
    at: *const u8,
    values: PhantomData<P>,
}

impl<P: Plain> PlainReader<P> {
    /// Where the next block lies.
    #[inline(always)]
    pub(super) fn next_place(&mut self) -> *const u8 {
        let at = self.at;
        fetch(at, DEPTH * LANES * P::BYTES);
        self.at = at.wrapping_add(DEPTH * LANES * P::BYTES);
        at
    }
}

impl<P: Plain, V: Vector> PanelReader<V> for PlainReader<P> {
    type Block = *const u8;

    #[inline(always)]
    unsafe fn next_block(&mut self) -> *const u8 {
        self.next_place()
    }

    #[inline(always)]
    unsafe fn step(block: *const u8, step: usize) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { plain_step::<P, V>(block, step) }
    }
}

impl<P: Plain> PanelSource for P {
    type Reader<'a, V: Vector> = PlainReader<P>;
    type InPlace = P;

    const IN_PLACE: bool = true;
    const RANGE: DecodedRange = P::RANGE;

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

/// [`DEPTH`] steps of blocks of a GGUF type.
#[derive(Clone, Copy)]
pub(super) struct BlockSteps<V: Vector> {
    codes: BlockCodes<V>,
    scale: V::Floats,
    offset: V::Floats,
}

impl<F: BlockFormat, V: Vector> PanelReader<V> for BlockReader<F, V> {
    type Block = BlockSteps<V>;

    #[inline(always)]
    unsafe fn next_block(&mut self) -> BlockSteps<V> {
        // SAFETY: the caller's promise: the scales of the block are there.
        unsafe {
            if self.steps.is_multiple_of(F::SHARE) {
                let share = self.steps / F::SHARE;
                prefetch(self.scales.wrapping_add(SCALES_AHEAD + share * LINE));
                (self.scale, self.offset) = F::scale::<V>(self.scales, share);
            }
        }
        let number = self.steps / DEPTH % (GROUP / DEPTH);
        // SAFETY: and the codes of these steps.
        let codes = unsafe { Codes::<F>::of_block::<V>(self.codes, number) };
        for from in (0..Codes::<F>::BYTES).step_by(GROUP / DEPTH * LINE) {
            prefetch(self.codes.wrapping_add(AHEAD + from + number * LINE));
        }
        let block = BlockSteps { codes, scale: self.scale, offset: self.offset };
        self.steps += DEPTH;
        if self.steps.is_multiple_of(GROUP) {
            self.codes = self.codes.wrapping_add(Codes::<F>::BYTES);
        }
        if self.steps == F::WEIGHTS {
            (self.scales, self.steps) = (self.scales.wrapping_add(F::SCALES * LANES), 0);
        }
        block
    }

    #[inline(always)]
    unsafe fn step(block: BlockSteps<V>, step: usize) -> V::Floats {
        // SAFETY: the caller's promise: the codes of these steps are there.
        unsafe { V::mul_add(Codes::<F>::read::<V>(block.codes, step), block.scale, block.offset) }
    }
}

impl<F: BlockFormat> PanelSource for Blocks<F> {
    type Reader<'a, V: Vector> = BlockReader<F, V>;
    type InPlace = Buffered;

    const RANGE: DecodedRange = F::RANGE;

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
