//! What attention multiplies: keys by components of queries, values by weights, in the type that a cache holds.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::marker::PhantomData;

use half::bf16;

use super::simd::LANES;
use super::vector::Vector;

/// How [`LANES`] sums grow at a time: by the product of one step, or by those of two that lie together in the cache.
///
/// # Safety
/// As of [`Vector`].
pub(super) trait CachedSteps {
    /// What the cache holds.
    type Value: Copy;
    /// Steps that lie together.
    const STEPS: usize;
    /// What holds sums.
    type Lanes: Vector;
    /// Factors of so many steps, the same in every lane.
    type Factors: Copy;
    /// Values of so many steps, of every lane.
    type Cached: Copy;

    /// Makes of whole vectors of numbers what [`factors`](Self::factors) reads.
    unsafe fn prepare(numbers: &mut [f32]);
    /// Of the first [`STEPS`](Self::STEPS) numbers.
    unsafe fn factors(prepared: *const f32) -> Self::Factors;
    /// `(LANES, STEPS)` values.
    unsafe fn cached(at: *const Self::Value) -> Self::Cached;
    /// Those of one step; zeros instead of the others, whatever they are.
    unsafe fn only(step: usize, cached: Self::Cached) -> Self::Cached;
    unsafe fn add(factors: Self::Factors, cached: Self::Cached, sums: Floats<Self>) -> Floats<Self>;
}

/// What [`CachedSteps`] adds to.
pub(super) type Floats<A> = <<A as CachedSteps>::Lanes as Vector>::Floats;

/// f32, one step at a time.
pub(super) struct Single<V>(PhantomData<V>);

// SAFETY (all): the caller's promise.
impl<V: Vector> CachedSteps for Single<V> {
    type Value = f32;
    const STEPS: usize = 1;
    type Lanes = V;
    type Factors = V::Floats;
    type Cached = V::Floats;

    #[inline(always)]
    unsafe fn prepare(_: &mut [f32]) {}

    #[inline(always)]
    unsafe fn factors(prepared: *const f32) -> V::Floats {
        unsafe { V::splat(*prepared) }
    }

    #[inline(always)]
    unsafe fn cached(at: *const f32) -> V::Floats {
        unsafe { V::load(at) }
    }

    #[inline(always)]
    unsafe fn only(_: usize, cached: V::Floats) -> V::Floats {
        cached
    }

    #[inline(always)]
    unsafe fn add(factors: V::Floats, cached: V::Floats, sums: V::Floats) -> V::Floats {
        unsafe { V::mul_add(factors, cached, sums) }
    }
}

/// Pairs of bfloat16 as f32, where no instruction multiplies them: the second of each pair first.
pub(super) struct WidenedPairs<V>(PhantomData<V>);

// SAFETY (all): the caller's promise.
impl<V: Vector> CachedSteps for WidenedPairs<V> {
    type Value = bf16;
    const STEPS: usize = 2;
    type Lanes = V;
    type Factors = [V::Floats; 2];
    type Cached = [V::Floats; 2];

    #[inline(always)]
    unsafe fn prepare(numbers: &mut [f32]) {
        for numbers in numbers.as_chunks_mut::<LANES>().0 {
            unsafe { V::store(numbers.as_mut_ptr(), V::rounded(V::load(numbers.as_ptr()))) };
        }
    }

    #[inline(always)]
    unsafe fn factors(prepared: *const f32) -> [V::Floats; 2] {
        unsafe { [V::splat(*prepared), V::splat(*prepared.add(1))] }
    }

    #[inline(always)]
    unsafe fn cached(at: *const bf16) -> [V::Floats; 2] {
        unsafe {
            let words = V::words::<4>(at.cast());
            [V::bits(V::shift_left(words, 16)), V::bits(V::and(words, V::splat_word(0xffff_0000)))]
        }
    }

    #[inline(always)]
    unsafe fn only(step: usize, cached: [V::Floats; 2]) -> [V::Floats; 2] {
        unsafe {
            let mut only = [V::splat(0.0); 2];
            only[step] = cached[step];
            only
        }
    }

    #[inline(always)]
    unsafe fn add(factors: [V::Floats; 2], cached: [V::Floats; 2], sums: V::Floats) -> V::Floats {
        unsafe { V::mul_add(factors[0], cached[0], V::mul_add(factors[1], cached[1], sums)) }
    }
}
