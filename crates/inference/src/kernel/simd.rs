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
pub(crate) struct Simd {
    level: SimdLevel,
    pairs: PairUnit,
}

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

/// What multiplies pairs of bfloat16, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PairUnit {
    /// Nothing of its own: products in f32, step by step.
    Steps,
    /// Vectors: AVX-512 BF16.
    #[cfg(target_arch = "x86_64")]
    Vectors,
    /// Tiles: AMX.
    #[cfg(target_arch = "x86_64")]
    Tiles,
}

/// What the kernels use.
static CHOSEN: LazyLock<Simd> = LazyLock::new(|| Simd::choose(std::env::var_os("GAC_SIMD").as_deref()));

impl Simd {
    /// The best that this processor has; or less where `GAC_SIMD` says so (`portable`, `avx2`, `avx512`, `amx`), which tests
    /// and measurements do. That is read once.
    pub(crate) fn detect() -> Self {
        *CHOSEN
    }

    /// What the processor is known to have, of which kernels may use everything.
    pub(super) fn level(self) -> SimdLevel {
        self.level
    }

    /// What multiplies pairs of bfloat16.
    pub(super) fn pairs(self) -> PairUnit {
        self.pairs
    }

    fn choose(wanted: Option<&OsStr>) -> Self {
        let best = Self::best();
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return best };
        let (names, every): (Vec<_>, Vec<_>) =
            Self::named().into_iter().map(|(name, most)| (name, best.at_most(most))).unzip();
        let Some(at) = names.iter().position(|name| wanted == *name) else {
            tracing::warn!("GAC_SIMD is {wanted:?}; it may be one of {}", names.join(", "));
            return best;
        };
        if every[..at].last() == Some(&every[at]) {
            tracing::warn!("GAC_SIMD is `{}`, which this processor has not", names[at]);
        }
        every[at]
    }

    /// What can be asked for on this architecture, each with its name, ascending.
    fn named() -> Vec<(&'static str, Self)> {
        let of = |level, pairs| Self { level, pairs };
        vec![
            ("portable", of(SimdLevel::Portable, PairUnit::Steps)),
            #[cfg(target_arch = "x86_64")]
            ("avx2", of(SimdLevel::Avx2, PairUnit::Steps)),
            #[cfg(target_arch = "x86_64")]
            ("avx512", of(SimdLevel::Avx512, PairUnit::Vectors)),
            #[cfg(target_arch = "x86_64")]
            ("amx", of(SimdLevel::Avx512, PairUnit::Tiles)),
        ]
    }

    /// This, without what `most` has not.
    fn at_most(self, most: Self) -> Self {
        Self { level: self.level.min(most.level), pairs: self.pairs.min(most.pairs) }
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn every() -> Vec<Self> {
        let best = Self::best();
        let mut every: Vec<Self> = Self::named().into_iter().map(|(_, most)| best.at_most(most)).collect();
        // As processors with AVX-512 that do not multiply pairs have it.
        every.push(Self { pairs: PairUnit::Steps, ..best });
        every.sort_by_key(|simd| (simd.level, simd.pairs));
        every.dedup();
        every
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            let pairs = match wide && is_x86_feature_detected!("avx512bf16") {
                true if super::amx::is_permitted() => PairUnit::Tiles,
                true => PairUnit::Vectors,
                false => PairUnit::Steps,
            };
            return Self { level: if wide { SimdLevel::Avx512 } else { SimdLevel::Avx2 }, pairs };
        }
        Self { level: SimdLevel::Portable, pairs: PairUnit::Steps }
    }

    /// Whether tiles of bfloat16 are multiplied, whose sums have bits of their own.
    #[cfg(test)]
    pub(super) fn multiplies_tiles(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.pairs == PairUnit::Tiles;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Whether weights in twelve bits are read faster than in sixteen.
    pub(super) fn reads_bf12(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.level == SimdLevel::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        false
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
        for (name, most) in Simd::named() {
            assert_eq!(chosen(name).level(), most.level().min(best.level()), "{name}");
            assert_eq!(chosen(name).pairs(), most.pairs().min(best.pairs()), "{name}");
            // Of a processor that has less, too.
            for (_, has) in Simd::named() {
                let chosen = has.at_most(most);
                assert!(chosen.level() <= has.level() && chosen.pairs() <= has.pairs());
            }
        }
        assert_eq!(chosen("sse9"), best);
        assert_eq!(Simd::choose(None), best);
    }
}
