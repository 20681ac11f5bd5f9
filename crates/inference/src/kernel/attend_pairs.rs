//! Attention in bfloat16: keys, values, queries and weights are rounded to it, their products added up in f32.
//!
//! Two neighbouring components of a key make a pair, and two neighbouring tokens of a value: what one instruction
//! multiplies and adds. Scores become weights, and weights are summed up, in f32. As for products, the second of a pair is
//! added first, so that a processor without such an instruction gets the same bits; and a query has the same ones alone
//! and with others.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::amx_tiles::TILE;
#[cfg(target_arch = "x86_64")]
use super::attend_amx::{WIDTH, attend_in_tiles};
#[cfg(target_arch = "x86_64")]
use super::attend_pairs_avx512::attend_avx512;
use super::attend_together::TOGETHER;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::attend_together::attend_together;
use super::cache_layout::components_together;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::cached_steps::WidenedPairs;
use super::round::rounded;
use super::scoring::{Cached, HeadQuery, Scoring, weigh};
#[cfg(target_arch = "x86_64")]
use super::simd::PairUnit;
use super::simd::{BASELINE_FMA, LANES, Simd, SimdLevel};
#[cfg(target_arch = "x86_64")]
use super::vector::Avx2;
#[cfg(target_arch = "aarch64")]
use super::vector::Portable;

/// Most queries that [`attend_in_pairs`] computes together.
pub(crate) fn together_in_pairs(simd: Simd, head_dim: usize) -> usize {
    match (simd.pairs(), head_dim) {
        #[cfg(target_arch = "x86_64")]
        (PairUnit::Tiles, width) if width.is_multiple_of(WIDTH) => TILE,
        _ => TOGETHER,
    }
}

/// Attention of [so many](together_in_pairs) queries at most over what they see, each into its own of `out`, `(head_dim,)`.
pub(crate) fn attend_in_pairs(
    simd: Simd,
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    match simd.pairs() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen the features, and tiles are permitted.
        PairUnit::Tiles if seen.head_dim.is_multiple_of(WIDTH) => unsafe {
            attend_in_tiles(queries, seen, scoring, scratch, out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen the features.
        PairUnit::Vectors | PairUnit::Tiles if seen.head_dim.is_multiple_of(LANES) => unsafe {
            attend_avx512(queries, seen, scoring, scratch, out);
        },
        _ => match simd.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: likewise.
            SimdLevel::Avx2 | SimdLevel::Avx512 if seen.head_dim.is_multiple_of(LANES) => unsafe {
                attend_avx2(queries, seen, scoring, scratch, out);
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: no features are asked for.
            SimdLevel::Portable if seen.head_dim.is_multiple_of(LANES) => unsafe {
                attend_together::<WidenedPairs<Portable>, BASELINE_FMA, 2, 1, 1>(queries, seen, scoring, scratch, out);
            },
            _ => attend_plain::<BASELINE_FMA>(queries, seen, scoring, scratch, out),
        },
    }
}

/// Pairs of a vector take four registers, and its sums two.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn attend_avx2(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY: this function has the features.
    unsafe { attend_together::<WidenedPairs<Avx2>, true, 2, 1, 1>(queries, seen, scoring, scratch, out) }
}

/// The plain version: one query after the other, the second of each pair first.
#[inline(always)]
fn attend_plain<const FMA: bool>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    let together = components_together(seen.head_dim);
    for (query, out) in queries.iter().zip(out) {
        let (from, to) = query.range;
        let first = from / LANES;
        let query: Vec<[f32; 2]> = query.values.as_chunks::<2>().0.iter().map(|pair| pair.map(as_rounded)).collect();
        scratch.clear();
        for index in first..to.div_ceil(LANES) {
            let mut lanes = [0f32; LANES];
            for (&[even, odd], keys) in query.iter().zip(seen.keys(index).as_chunks::<{ 2 * LANES }>().0) {
                for (lane, key) in lanes.iter_mut().zip(keys.as_chunks::<2>().0) {
                    let [first, second] = widened(key);
                    *lane += odd * second;
                    *lane += even * first;
                }
            }
            scratch.extend_from_slice(&lanes);
        }
        let weights = &mut scratch[from - first * LANES..to - first * LANES];
        let inverse = 1.0 / weigh::<FMA>(scoring, weights);
        out.fill(0.0);
        for pair in from / 2..to.div_ceil(2) {
            // It may see one of the two.
            let weight = |at: usize| (from..to).contains(&at).then(|| as_rounded(weights[at - from]));
            let (first, second) = (weight(2 * pair), weight(2 * pair + 1));
            let tokens = seen.values(2 * pair / LANES).chunks_exact(LANES * together);
            for (out, tokens) in out.chunks_exact_mut(together).zip(tokens) {
                let values = tokens[2 * pair % LANES * together..][..2 * together].as_chunks::<2>().0;
                for (out, value) in out.iter_mut().zip(values) {
                    let value = widened(value);
                    if let Some(second) = second {
                        *out += second * value[1];
                    }
                    if let Some(first) = first {
                        *out += first * value[0];
                    }
                }
            }
        }
        for out in out.iter_mut() {
            *out *= inverse;
        }
    }
}

/// Both as f32. (`to_f32` looks for what is no number.)
#[inline(always)]
fn widened(pair: &[bf16; 2]) -> [f32; 2] {
    let word = u32::from(pair[0].to_bits()) | u32::from(pair[1].to_bits()) << 16;
    [f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000)]
}

fn as_rounded(value: f32) -> f32 {
    rounded(value).to_f32()
}

#[cfg(test)]
mod tests {
    use super::super::cache_layout::{store_key_in_pairs, store_value_in_pairs};
    use super::super::scoring::BLOCK;
    use super::super::simd::multiply_add;
    use super::*;

    /// As many queries as any kernel takes.
    const MOST: usize = 16;

    /// The first positions lie in block 1, the others in block 0.
    const BLOCKS: [u32; 2] = [1, 0];
    const RANGES: [(usize, usize); TOGETHER] =
        [(0, BLOCK + 2), (1, BLOCK + 3), (2, BLOCK + 4), (BLOCK + 3, 2 * BLOCK - 1)];

    struct Case {
        width: usize,
        /// By position, one head of two; the other's are not numbers, nor is what nobody sees.
        keys: Vec<f32>,
        values: Vec<f32>,
        queries: Vec<f32>,
        stored_keys: Vec<bf16>,
        stored_values: Vec<bf16>,
    }

    impl Case {
        fn new(width: usize) -> Self {
            let value = |i: usize| ((i * 37 + 11) % 23) as f32 / 23.0 - 0.5;
            let keys: Vec<f32> = (0..2 * BLOCK * width).map(value).collect();
            let values: Vec<f32> = (0..2 * BLOCK * width).map(|i| value(i + 5)).collect();
            let mut stored_keys = vec![bf16::NAN; 4 * BLOCK * width];
            let mut stored_values = stored_keys.clone();
            let seen = 2 * BLOCK - 1;
            for (at, (key, value)) in keys.chunks(width).zip(values.chunks(width)).enumerate().take(seen) {
                let slot = BLOCKS[at / BLOCK] as usize * BLOCK + at % BLOCK;
                let beside = vec![f32::NAN; width];
                store_key_in_pairs(&mut stored_keys, slot, &[&beside, key].concat());
                store_value_in_pairs(&mut stored_values, slot, &[&beside, value].concat(), components_together(width));
            }
            let queries = (0..MOST * width).map(|i| value(i + 9)).collect();
            Self { width, keys, values, queries, stored_keys, stored_values }
        }

        fn attend_by(
            &self,
            ranges: &[(usize, usize)],
            first: usize,
            kernel: impl Fn(&[HeadQuery<'_>], Cached<'_, bf16>, Scoring, &mut Vec<f32>, &mut [&mut [f32]]),
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
                kv_heads: 2,
                head: 1,
                head_dim: self.width,
            };
            let mut out = vec![vec![f32::NAN; self.width]; ranges.len()];
            let mut slices: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
            kernel(&queries, seen, Scoring { scale: 0.3, cap: None }, &mut Vec::new(), &mut slices);
            out
        }

        fn attend(&self, simd: Simd, ranges: &[(usize, usize)], first: usize) -> Vec<Vec<f32>> {
            self.attend_by(ranges, first, |queries, seen, scoring, scratch, out| {
                attend_in_pairs(simd, queries, seen, scoring, scratch, out);
            })
        }

        /// What tiles give: of 32 steps the even and the odd ones are added up apart, and the values of vectors of tokens
        /// one after the other.
        fn in_tiles(&self, query: usize, (from, to): (usize, usize)) -> Vec<f32> {
            let rounded = |values: &[f32]| values.iter().map(|&value| as_rounded(value)).collect::<Vec<_>>();
            let of_tile = |x: &[f32], w: &[f32]| {
                let sum = |first: usize| {
                    let steps = x.iter().zip(w).skip(first).step_by(2);
                    steps.fold(0f32, |sum, (&x, &w)| multiply_add::<BASELINE_FMA>(x, w, sum))
                };
                sum(0) + sum(1)
            };
            let sum_of_tiles = |x: &[f32], w: &[f32], size: usize| {
                x.chunks(size).zip(w.chunks(size)).fold(0f32, |sum, (x, w)| sum + of_tile(x, w))
            };
            let (keys, values) = (rounded(&self.keys), rounded(&self.values));
            let components = rounded(&self.queries[query * self.width..][..self.width]);
            let score = |key: &[f32]| sum_of_tiles(&components, key, 2 * LANES);
            let mut weights: Vec<f32> = keys.chunks(self.width).map(score).collect();
            let inverse = 1.0 / weigh::<true>(Scoring { scale: 0.3, cap: None }, &mut weights[from..to]);
            let seen = |at: usize| (from..to).contains(&at);
            let weights: Vec<f32> = weights
                .iter()
                .enumerate()
                .map(|(at, &weight)| if seen(at) { as_rounded(weight) } else { 0.0 })
                .collect();
            let of_column = |column: usize| values[column..].iter().step_by(self.width).copied().collect::<Vec<_>>();
            (0..self.width).map(|column| sum_of_tiles(&weights, &of_column(column), LANES) * inverse).collect()
        }

        /// By definition, in f64, of what is rounded.
        fn expected(&self, query: usize, (from, to): (usize, usize), column: usize) -> f64 {
            let of = |all: &[f32], index: usize| f64::from(as_rounded(all[index]));
            let score = |at: usize| {
                let of_component = |i| of(&self.queries, query * self.width + i) * of(&self.keys, at * self.width + i);
                0.3 * (0..self.width).map(of_component).sum::<f64>()
            };
            let most = (from..to).map(score).fold(f64::NEG_INFINITY, f64::max);
            let weight = |at: usize| (score(at) - most).exp();
            let total: f64 = (from..to).map(weight).sum();
            let rounded_weight = |at: usize| f64::from(as_rounded(weight(at) as f32));
            (from..to).map(|at| rounded_weight(at) / total * of(&self.values, at * self.width + column)).sum()
        }
    }

    #[test]
    fn attention_in_pairs_agrees_with_its_definition() {
        for case in [20, 32, 64, 80, 128].map(Case::new) {
            for simd in Simd::every() {
                for (query, out) in case.attend(simd, &RANGES, 0).iter().enumerate() {
                    for (column, &out) in out.iter().enumerate() {
                        let error = (f64::from(out) - case.expected(query, RANGES[query], column)).abs();
                        // A weight may be rounded to its other neighbour.
                        assert!(error < 1e-4, "{simd:?}, {} wide, query {query}: {error}", case.width);
                    }
                }
            }
        }
    }

    #[test]
    fn a_query_in_pairs_has_the_same_bits_alone_and_with_others_and_as_the_plain_version() {
        for case in [20, 48, 64, 128].map(Case::new) {
            let plain = |ranges: &[(usize, usize)]| case.attend_by(ranges, 0, attend_plain::<true>);
            for simd in Simd::every() {
                let all = case.attend(simd, &RANGES, 0);
                for count in 1..TOGETHER {
                    assert_eq!(case.attend(simd, &RANGES[..count], 0), all[..count]);
                    assert_eq!(case.attend(simd, &RANGES[count..], count), all[count..]);
                }
                if together_in_pairs(simd, case.width) == MOST {
                    let in_tiles = |(query, &range)| case.in_tiles(query, range);
                    assert_eq!(all, RANGES.iter().enumerate().map(in_tiles).collect::<Vec<_>>());
                } else if simd.level() > SimdLevel::Portable && case.width.is_multiple_of(LANES) {
                    assert_eq!(all, plain(&RANGES));
                }
            }
        }
    }

    #[test]
    fn as_many_queries_as_a_kernel_takes_have_the_bits_that_each_has_alone_whatever_the_others_see() {
        for mut case in [64, 192].map(Case::new) {
            for simd in Simd::every() {
                let count = together_in_pairs(simd, case.width);
                // Positions of a text, the last of a window, and one that sees nothing of what the others see.
                let mut ranges: Vec<(usize, usize)> = (0..count).map(|at| (at / 3, BLOCK - 2 + at)).collect();
                ranges[count - 1] = (2 * BLOCK - 2, 2 * BLOCK - 1);
                for last_value in [0.25, f32::INFINITY, f32::NAN] {
                    let (width, last) = (case.width, BLOCKS[1] as usize * BLOCK + BLOCK - 2);
                    let value = [vec![f32::NAN; width], vec![last_value; width]].concat();
                    store_value_in_pairs(&mut case.stored_values, last, &value, components_together(width));
                    let all = case.attend(simd, &ranges, 0);
                    for (query, range) in ranges.iter().enumerate() {
                        let alone = &case.attend(simd, &[*range], query)[0];
                        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                        assert_eq!(bits(&all[query]), bits(alone), "{simd:?}, query {query}, {last_value}");
                        assert!(alone.iter().all(|value| value.is_finite()) || query == count - 1);
                    }
                }
            }
        }
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn pairs_widened_in_arrays_as_on_arm_give_the_bits_of_the_plain_version() {
        use super::super::vector::Portable;
        for case in [32, 48, 128].map(Case::new) {
            let plain = case.attend_by(&RANGES, 0, attend_plain::<true>);
            for count in 1..=TOGETHER {
                let together = case.attend_by(&RANGES[..count], 0, |queries, seen, scoring, scratch, out| {
                    // SAFETY: arrays ask for no features.
                    unsafe {
                        attend_together::<WidenedPairs<Portable<true>>, true, 2, 1, 1>(
                            queries, seen, scoring, scratch, out,
                        );
                    }
                });
                assert_eq!(together, plain[..count]);
            }
        }
    }
}
