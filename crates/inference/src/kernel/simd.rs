//! What the processor can do, and the arithmetic that every kernel shares.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::ffi::OsStr;
use std::sync::LazyLock;

/// Lanes of an accumulator. A fixed number, so that sums have one order on every machine.
pub(crate) const LANES: usize = 16;

/// What the processor offers beyond the baseline, found out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Simd {
    /// The baseline of the target.
    Portable,
    /// AVX2 with fused multiply-add and conversions of half precision.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// What the kernels use.
static CHOSEN: LazyLock<Simd> = LazyLock::new(|| Simd::choose(std::env::var_os("GAC_SIMD").as_deref()));

impl Simd {
    /// The best that this processor has; or less where `GAC_SIMD` says so (`portable`, `avx2`, `avx512`), which tests and
    /// measurements do. That is read once.
    pub(crate) fn detect() -> Self {
        *CHOSEN
    }

    fn choose(wanted: Option<&OsStr>) -> Self {
        let best = Self::best();
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return best };
        let known = Self::all().into_iter().find(|(name, _)| wanted == *name);
        match known {
            Some((_, simd)) if simd as u8 <= best as u8 => simd,
            Some((name, _)) => {
                tracing::warn!("GAC_SIMD is `{name}`, which this processor has not");
                best
            }
            None => {
                tracing::warn!("GAC_SIMD is {wanted:?}; it may be portable, avx2 or avx512");
                best
            }
        }
    }

    /// All that there are on this architecture, each with its name, the better ones later.
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("portable", Self::Portable),
            #[cfg(target_arch = "x86_64")]
            ("avx2", Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            ("avx512", Self::Avx512),
        ]
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn every() -> Vec<Self> {
        Self::all().into_iter().map(|(_, simd)| simd).filter(|&simd| simd as u8 <= Self::best() as u8).collect()
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            return if wide { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Portable
    }

    /// Whether weights in twelve bits are read faster than in sixteen.
    pub(super) fn reads_twelve_bits(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

#[inline(always)]
pub(super) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    // Without the instruction, `mul_add` is a slow library call.
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
pub(super) fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = multiply_add::<FMA>(a[lane], b[lane], lanes[lane]);
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = multiply_add::<FMA>(a, b, *lane);
    }
    lanes.iter().sum()
}

#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_the_processor_has_can_be_chosen_and_more_cannot() {
        let chosen = |name: &str| Simd::choose(Some(OsStr::new(name)));
        assert_eq!(chosen("portable"), Simd::Portable);
        for (name, simd) in Simd::all() {
            let expected = if Simd::every().contains(&simd) { simd } else { Simd::best() };
            assert_eq!(chosen(name), expected);
        }
        assert_eq!(chosen("sse9"), Simd::best());
        assert_eq!(Simd::choose(None), Simd::best());
    }
}
