//! Attention of a few queries over a paged cache.
//!
//! Keys lie transposed, [`LANES`] tokens together: a vector holds one component of all of them. So their scores are one
//! vector, built up component by component, and no score is a sum over lanes. A query's output has the same bits alone and
//! with others: its scores, its weights and its sums know nothing of its neighbours.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::attend_together::attend_together;
use super::cache_layout::components_together;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::cached_steps::Single;
use super::scoring::{Cached, HeadQuery, Scoring, weigh};
use super::simd::{BASELINE_FMA, LANES, Simd, SimdLevel, multiply_add};
#[cfg(target_arch = "aarch64")]
use super::vector::Portable;
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};

/// Attention of at most [`TOGETHER`](super::TOGETHER) queries over what they see, each into its own of `out`,
/// `(head_dim,)`. `scratch` is reused.
pub(crate) fn attend(
    simd: Simd,
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    match simd.level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen the features.
        SimdLevel::Avx512 if seen.head_dim.is_multiple_of(LANES) => unsafe {
            attend_avx512(queries, seen, scoring, scratch, out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: likewise.
        SimdLevel::Avx2 if seen.head_dim.is_multiple_of(LANES) => unsafe {
            attend_avx2(queries, seen, scoring, scratch, out);
        },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: no features are asked for.
        SimdLevel::Portable if seen.head_dim.is_multiple_of(LANES) => unsafe {
            attend_together::<Single<Portable>, BASELINE_FMA, 4, 2, 1>(queries, seen, scoring, scratch, out);
        },
        _ => attend_plain::<BASELINE_FMA>(queries, seen, scoring, scratch, out),
    }
}

/// Sums of four vectors for each of four queries are half of all registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn attend_avx512(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY: this function has the features.
    unsafe { attend_together::<Single<Avx512>, true, 4, 4, 4>(queries, seen, scoring, scratch, out) }
}

/// There are half as many registers, of which a vector takes two.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn attend_avx2(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY: this function has the features.
    unsafe { attend_together::<Single<Avx2>, true, 4, 2, 1>(queries, seen, scoring, scratch, out) }
}

/// The plain version: one query after the other.
#[inline(always)]
fn attend_plain<const FMA: bool>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // Loops, not iterator adaptors: a closure that ends up in a function of its own is not compiled for the features.
    let together = components_together(seen.head_dim);
    for (query, out) in queries.iter().zip(out) {
        let (from, to) = query.range;
        let first = from / LANES;
        scratch.clear();
        for index in first..to.div_ceil(LANES) {
            let mut lanes = [0f32; LANES];
            for (&component, keys) in query.values.iter().zip(seen.keys(index).as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    lanes[lane] = multiply_add::<FMA>(component, keys[lane], lanes[lane]);
                }
            }
            scratch.extend_from_slice(&lanes);
        }
        let weights = &mut scratch[from - first * LANES..to - first * LANES];
        let inverse = 1.0 / weigh::<FMA>(scoring, weights);
        out.fill(0.0);
        for at in from..to {
            let weight = weights[at - from];
            let tokens = seen.values(at / LANES).chunks_exact(LANES * together);
            for (out, tokens) in out.chunks_exact_mut(together).zip(tokens) {
                for (out, &value) in out.iter_mut().zip(&tokens[at % LANES * together..][..together]) {
                    *out = multiply_add::<FMA>(weight, value, *out);
                }
            }
        }
        for out in out.iter_mut() {
            *out *= inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attend_together::TOGETHER;
    use super::super::cache_layout::{store_key, store_value};
    use super::super::scoring::BLOCK;
    use super::*;

    /// The first positions lie in block 1, the others in block 0.
    const BLOCKS: [u32; 2] = [1, 0];

    struct Case {
        width: usize,
        /// By position.
        keys: Vec<f32>,
        values: Vec<f32>,
        queries: Vec<f32>,
        stored_keys: Vec<f32>,
        stored_values: Vec<f32>,
    }

    impl Case {
        fn new(width: usize) -> Self {
            let value = |i: usize| ((i * 37 + 11) % 23) as f32 / 23.0 - 0.5;
            let keys: Vec<f32> = (0..2 * BLOCK * width).map(value).collect();
            let values: Vec<f32> = (0..2 * BLOCK * width).map(|i| value(i + 5)).collect();
            let (mut stored_keys, mut stored_values) = (vec![f32::NAN; keys.len()], vec![f32::NAN; values.len()]);
            for (at, (key, value)) in keys.chunks(width).zip(values.chunks(width)).enumerate() {
                let slot = BLOCKS[at / BLOCK] as usize * BLOCK + at % BLOCK;
                store_key(&mut stored_keys, slot, key);
                store_value(&mut stored_values, slot, value, components_together(width));
            }
            let queries = (0..TOGETHER * width).map(|i| value(i + 9)).collect();
            Self { width, keys, values, queries, stored_keys, stored_values }
        }

        fn attend(&self, simd: Simd, ranges: &[(usize, usize)], first: usize) -> Vec<Vec<f32>> {
            self.attend_by(ranges, first, |queries, seen, scoring, out| {
                attend(simd, queries, seen, scoring, &mut Vec::new(), out);
            })
        }

        fn attend_by(
            &self,
            ranges: &[(usize, usize)],
            first: usize,
            kernel: impl Fn(&[HeadQuery<'_>], Cached<'_>, Scoring, &mut [&mut [f32]]),
        ) -> Vec<Vec<f32>> {
            let query = |(index, &range)| HeadQuery {
                values: &self.queries[(first + index) * self.width..][..self.width],
                range,
            };
            let queries: Vec<HeadQuery<'_>> = ranges.iter().enumerate().map(query).collect();
            let seen = Cached {
                keys: &self.stored_keys,
                values: &self.stored_values,
                blocks: &BLOCKS,
                kv_heads: 1,
                head: 0,
                head_dim: self.width,
            };
            let mut out = vec![vec![f32::NAN; self.width]; ranges.len()];
            let mut slices: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
            kernel(&queries, seen, Scoring { scale: 0.3, cap: None }, &mut slices);
            out
        }

        /// By definition, in f64.
        fn expected(&self, query: usize, (from, to): (usize, usize), column: usize) -> f64 {
            let key = |at: usize, component: usize| f64::from(self.keys[at * self.width + component]);
            let component = |index: usize| f64::from(self.queries[query * self.width + index]);
            let weight = |at: usize| (0.3 * (0..self.width).map(|i| component(i) * key(at, i)).sum::<f64>()).exp();
            let value = |at: usize| f64::from(self.values[at * self.width + column]);
            let total: f64 = (from..to).map(weight).sum();
            (from..to).map(|at| weight(at) / total * value(at)).sum()
        }
    }

    const RANGES: [(usize, usize); TOGETHER] =
        [(0, BLOCK + 2), (1, BLOCK + 3), (2, BLOCK + 4), (BLOCK + 3, 2 * BLOCK - 1)];

    #[test]
    fn attention_agrees_with_its_definition() {
        for case in [20, 32, 80, 128].map(Case::new) {
            for simd in Simd::every() {
                for (query, out) in case.attend(simd, &RANGES, 0).iter().enumerate() {
                    for (column, &out) in out.iter().enumerate() {
                        let error = (f64::from(out) - case.expected(query, RANGES[query], column)).abs();
                        assert!(error < 1e-6, "{simd:?}, {} wide, query {query}: {error}", case.width);
                    }
                }
            }
        }
    }

    #[test]
    fn a_query_has_the_same_bits_alone_and_with_others() {
        for case in [20, 48, 64].map(Case::new) {
            for simd in Simd::every() {
                let all = case.attend(simd, &RANGES, 0);
                for count in 1..TOGETHER {
                    assert_eq!(case.attend(simd, &RANGES[..count], 0), all[..count]);
                    assert_eq!(case.attend(simd, &RANGES[count..], count), all[count..]);
                }
            }
        }
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn arrays_with_fused_multiplications_as_on_arm_give_the_same_bits_alone_and_with_others() {
        use super::super::vector::Portable;
        for case in [32, 48, 80].map(Case::new) {
            let together = |ranges: &[(usize, usize)], first| {
                case.attend_by(ranges, first, |queries, seen, scoring, out| {
                    // SAFETY: arrays ask for no features.
                    unsafe {
                        attend_together::<Single<Portable<true>>, true, 4, 2, 1>(
                            queries,
                            seen,
                            scoring,
                            &mut Vec::new(),
                            out,
                        );
                    }
                })
            };
            let all = together(&RANGES, 0);
            for (query, out) in all.iter().enumerate() {
                for (column, &out) in out.iter().enumerate() {
                    assert!((f64::from(out) - case.expected(query, RANGES[query], column)).abs() < 1e-6);
                }
            }
            for count in 1..TOGETHER {
                assert_eq!(together(&RANGES[..count], 0), all[..count]);
                assert_eq!(together(&RANGES[count..], count), all[count..]);
            }
        }
    }
}
