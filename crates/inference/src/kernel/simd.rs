//! What the processor can do, and the arithmetic that every kernel shares.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::ffi::OsStr;
use std::sync::LazyLock;

/// Lanes of an accumulator. A fixed number, so that sums have one order on every machine.
pub(crate) const LANES: usize = 16;

/// What kernels use of what the processor has.
///
/// Only detection makes one, so that a kernel that asks for AVX-512 cannot be reached on a processor without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Simd(SimdLevel);

/// What a processor may have beyond the baseline, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SimdLevel {
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

    /// What the processor is known to have, of which kernels may use everything.
    pub(super) fn level(self) -> SimdLevel {
        self.0
    }

    fn choose(wanted: Option<&OsStr>) -> Self {
        let best = Self::best();
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return best };
        let Some((name, level)) = SimdLevel::named().into_iter().find(|(name, _)| wanted == *name) else {
            tracing::warn!("GAC_SIMD is {wanted:?}; it may be portable, avx2 or avx512");
            return best;
        };
        if level > best.0 {
            tracing::warn!("GAC_SIMD is `{name}`, which this processor has not");
        }
        best.at_most(level)
    }

    /// This, or `level` where that is less.
    fn at_most(self, level: SimdLevel) -> Self {
        Self(self.0.min(level))
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn every() -> Vec<Self> {
        let best = Self::best();
        SimdLevel::named().into_iter().filter(|(_, level)| *level <= best.0).map(|(_, level)| Self(level)).collect()
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            return Self(if wide { SimdLevel::Avx512 } else { SimdLevel::Avx2 });
        }
        Self(SimdLevel::Portable)
    }

    /// Whether pairs of bfloat16 are multiplied and added up by one instruction.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn multiplies_pairs(self) -> bool {
        self.0 == SimdLevel::Avx512 && is_x86_feature_detected!("avx512bf16")
    }

    /// Whether weights in twelve bits are read faster than in sixteen.
    pub(super) fn reads_bf12(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 == SimdLevel::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

impl SimdLevel {
    /// All that there are on this architecture, each with its name, ascending.
    fn named() -> Vec<(&'static str, Self)> {
        vec![
            ("portable", Self::Portable),
            #[cfg(target_arch = "x86_64")]
            ("avx2", Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            ("avx512", Self::Avx512),
        ]
    }
}

/// Whether the baseline of the target multiplies and adds in one instruction, as NEON does.
pub(super) const BASELINE_FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

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
        let best = Simd::best();
        assert_eq!(chosen("portable").level(), SimdLevel::Portable);
        for (name, level) in SimdLevel::named() {
            assert_eq!(chosen(name).level(), if level <= best.level() { level } else { best.level() }, "{name}");
            // Of a processor that has less, too.
            for (_, has) in SimdLevel::named() {
                assert!(Simd(has).at_most(level).level() <= has);
            }
        }
        assert_eq!(chosen("sse9"), best);
        assert_eq!(Simd::choose(None), best);
    }
}
