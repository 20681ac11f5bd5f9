//! Measurements of products, beside the rate at which this processor multiplies and adds.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::hint::black_box;
use std::time::Instant;

use half::bf16;

use super::{every_kind, matmul_in, values};
use crate::compute_type::ComputeType;
use crate::kernel::{Panels, Simd};

/// Multiply-adds of sixteen vectors, over and over, that hide each other's latency.
#[cfg(target_arch = "x86_64")]
const ROUNDS: usize = 1 << 20;
/// Vectors: as many as there are registers for, and latency to hide. An AVX2 vector is two of sixteen registers.
#[cfg(target_arch = "x86_64")]
const IN_FLIGHT: usize = 16;
#[cfg(target_arch = "x86_64")]
const IN_FLIGHT_AVX2: usize = 6;

/// Seconds of the fastest of some calls.
fn fastest(mut work: impl FnMut()) -> f64 {
    let (began, mut best) = (Instant::now(), f64::INFINITY);
    while began.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// As `work`, on so many threads of its own.
fn on(threads: usize, work: impl FnMut() + Send) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| fastest(work))
}

/// GFLOP/s of one core that does nothing but multiply and add: in f32, and in pairs of bfloat16 where it has those.
#[cfg(target_arch = "x86_64")]
mod limits {
    use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps, _mm512_reduce_add_ps, _mm512_set1_epi32};

    use super::{IN_FLIGHT, IN_FLIGHT_AVX2, ROUNDS, black_box, fastest};
    use crate::kernel::simd::{LANES, Simd, SimdLevel};
    use crate::kernel::vector::{Avx2, Avx512, Vector};

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn in_avx512() -> f32 {
        // SAFETY: this function has the features.
        unsafe { _mm512_reduce_add_ps(multiply_add::<Avx512, IN_FLIGHT>()) }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn in_avx2() -> f32 {
        let mut sums = [0.0; LANES];
        // SAFETY: this function has the features, and there is room for a vector.
        unsafe { Avx2::store(sums.as_mut_ptr(), multiply_add::<Avx2, IN_FLIGHT_AVX2>()) };
        sums.iter().sum()
    }

    /// # Safety
    /// As of [`Vector`].
    #[inline(always)]
    unsafe fn multiply_add<V: Vector, const IN_FLIGHT: usize>() -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe {
            let (a, b) = (V::splat(black_box(0.5)), V::splat(black_box(0.25)));
            let mut sums = [V::splat(0.0); IN_FLIGHT];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = V::mul_add(a, *sum, b);
                }
            }
            sums.into_iter().fold(V::splat(0.0), |all, sum| V::add(all, sum))
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn in_pairs() -> f32 {
        // SAFETY: 512 bits are 512 bits.
        let pairs = |bits: i32| unsafe { std::mem::transmute::<_, __m512bh>(_mm512_set1_epi32(black_box(bits))) };
        let (a, b) = (pairs(0x3f00_3f00), pairs(0x3e80_3e80));
        let mut sums = [[0f32; LANES]; IN_FLIGHT].map(|zeros| {
            // SAFETY: 512 bits are 512 bits.
            unsafe { std::mem::transmute::<[f32; LANES], __m512>(zeros) }
        });
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
    }

    pub(super) fn of_a_core(simd: Simd) -> (f64, Option<f64>) {
        let rate = |flop: usize, in_flight: usize, work: fn() -> f32| {
            let seconds = fastest(|| {
                black_box(work());
            });
            1e-9 * (flop * LANES * in_flight * ROUNDS) as f64 / seconds
        };
        let f32 = match simd.level() {
            // SAFETY (all): detection has seen the features.
            SimdLevel::Avx512 => rate(2, IN_FLIGHT, || unsafe { in_avx512() }),
            SimdLevel::Avx2 => rate(2, IN_FLIGHT_AVX2, || unsafe { in_avx2() }),
            SimdLevel::Portable => f64::NAN,
        };
        (
            f32,
            (simd.pairs() > crate::kernel::simd::PairUnit::Steps).then(|| rate(4, IN_FLIGHT, || unsafe { in_pairs() })),
        )
    }
}

#[test]
#[ignore = "a measurement: cargo test --release --workspace --lib rate_of_products -- --ignored --nocapture"]
fn rate_of_products() {
    let simd = Simd::detect();
    println!("GFLOP/s, and for one row GB/s of weights; {simd:?}");
    #[cfg(target_arch = "x86_64")]
    {
        let (f32, pairs) = limits::of_a_core(simd);
        println!("a core that does nothing but multiply and add: {f32:.0} in f32, {pairs:.0?} in pairs of bfloat16");
    }
    // From a cache, from memory, in batches.
    for (m, n, k) in [(1, 8192, 1024), (1, 1 << 18, 768), (16, 3072, 512), (512, 3072, 512), (512, 1536, 576)] {
        let x = values(m * k, 3);
        for (name, panels) in every_kind(n, k) {
            let panels = std::slice::from_ref(&panels);
            for (threads, compute) in [(1, ComputeType::F32), (2, ComputeType::F32), (2, ComputeType::Bf16)] {
                let best = on(threads, || {
                    black_box(matmul_in(compute, simd, &x, panels));
                });
                let (rate, read) = (2e-9 * (m * n * k) as f64 / best, 1e-9 * panels[0].memory() as f64 / best);
                println!(
                    "{m} x {k} by {n}, {name:8} in {compute:?} {threads} threads: {rate:6.0} GFLOP/s {read:6.1} GB/s"
                );
            }
            if name == "bf16" && m > 1 {
                in_halves(simd, &x, panels, (m, n, k));
            }
        }
    }
}

#[test]
#[ignore = "a measurement: cargo test --release --workspace --lib rate_of_few_rows -- --ignored --nocapture"]
fn rate_of_few_rows() {
    let (simd, rows) = (Simd::detect(), [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 64]);
    println!("milliseconds of products with so many rows, {rows:?}, on two threads; {simd:?}");
    // From memory, as all weights of a model come; and from a cache.
    for (n, k) in [(1 << 15, 1536), (3072, 576)] {
        for (name, panels) in every_kind(n, k).into_iter().filter(|(name, _)| ["bf16", "Q4_K"].contains(name)) {
            let panels = std::slice::from_ref(&panels);
            for compute in [ComputeType::F32, ComputeType::Bf16] {
                let times = rows.map(|m| {
                    let x = values(m * k, 3);
                    let best = on(2, || {
                        black_box(matmul_in(compute, simd, &x, panels));
                    });
                    format!("{:7.3}", 1e3 * best)
                });
                println!("{k} by {n}, {name:4} in {compute:?}: {}", times.join(" "));
            }
        }
    }
}

/// The third way: inputs as two bfloat16 halves each, whose products with bfloat16 weights are added up in f32. How fast it
/// is, and how far from f32.
fn in_halves(simd: Simd, x: &[f32], panels: &[Panels], (m, n, k): (usize, usize, usize)) {
    let product = |x: &[f32]| matmul_in(ComputeType::Bf16, simd, x, panels);
    let together = || {
        let high: Vec<f32> = x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
        let low: Vec<f32> = x.iter().zip(&high).map(|(x, high)| x - high).collect();
        let mut sums = product(&high);
        sums.iter_mut().zip(product(&low)).for_each(|(sum, low)| *sum += low);
        sums
    };
    let best = on(2, || {
        black_box(together());
    });
    let exact = matmul_in(ComputeType::F32, simd, x, panels);
    let off = |other: Vec<f32>| {
        let worst = other.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        worst / exact.iter().fold(0f32, |most, value| most.max(value.abs()))
    };
    let rate = 2e-9 * (m * n * k) as f64 / best;
    let (halves, rounded) = (off(together()), off(product(x)));
    println!(
        "{m} x {k} by {n}, in two halves 2 threads: {rate:6.0} GFLOP/s, {halves:.1e} off f32 (rounded {rounded:.1e})"
    );
}
