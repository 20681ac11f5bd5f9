//! Drawing the next token instead of taking the most probable one.

use serde::{Deserialize, Serialize};

/// How a token is picked from a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decoding {
    /// The most probable token.
    #[default]
    Greedy,
    /// A drawn token.
    Sampled(Sampling),
}

/// How a token is drawn: the distribution is sharpened or flattened by the temperature, cut to the `top_k` most
/// probable tokens, then to the fewest that hold `top_p` of what is left, then to those with at least `min_p` of the most
/// probable one's share (the order of transformers' logits processors).
///
/// Every draw is a function of the seed, the prompt and the step alone, so it is the same whatever else is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sampling {
    temperature: f64,
    top_p: f64,
    top_k: Option<usize>,
    min_p: f64,
    seed: u64,
}

impl Sampling {
    /// Draws at `temperature`, from the whole distribution.
    ///
    /// # Errors
    /// For a temperature that is not a positive number.
    pub fn new(temperature: f64, seed: u64) -> Result<Self, SamplingError> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(SamplingError::Temperature { value: temperature });
        }
        Ok(Self { temperature, top_p: 1.0, top_k: None, min_p: 0.0, seed })
    }

    /// Only from the fewest tokens that hold `top_p` of the probability (nucleus sampling, Holtzman et al. 2020).
    ///
    /// # Errors
    /// For a share that is not above 0 and at most 1.
    pub fn with_top_p(self, top_p: f64) -> Result<Self, SamplingError> {
        if top_p > 0.0 && top_p <= 1.0 { Ok(Self { top_p, ..self }) } else { Err(SamplingError::TopP { value: top_p }) }
    }

    /// Only from the `top_k` most probable tokens (Fan et al. 2018).
    ///
    /// # Errors
    /// For none.
    pub fn with_top_k(self, top_k: usize) -> Result<Self, SamplingError> {
        if top_k > 0 { Ok(Self { top_k: Some(top_k), ..self }) } else { Err(SamplingError::TopK) }
    }

    /// Only from tokens with at least `min_p` of the most probable one's probability (Nguyen et al. 2024).
    ///
    /// # Errors
    /// For a share outside of 0 to 1.
    pub fn with_min_p(self, min_p: f64) -> Result<Self, SamplingError> {
        if (0.0..=1.0).contains(&min_p) {
            Ok(Self { min_p, ..self })
        } else {
            Err(SamplingError::MinP { value: min_p })
        }
    }

    /// The same with other draws.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether tokens are drawn as they are probable: at temperature 1, from all of them.
    pub fn is_plain(&self) -> bool {
        self.temperature.to_bits() == 1f64.to_bits() && self.top_k.is_none() && self.top_p >= 1.0 && self.min_p <= 0.0
    }

    /// What every draw depends on.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// One of `entries` (with their probabilities, no two with the same key), for the draw `unit` from 0 to 1; ties
    /// in probability are ordered by key. None when none has any probability.
    pub(crate) fn pick<K: Copy + Ord>(&self, mut entries: Vec<(K, f64)>, unit: f64) -> Option<(K, f64)> {
        entries.retain(|(_, p)| *p > 0.0);
        if let Some(k) = self.top_k.filter(|&k| k < entries.len()) {
            entries.select_nth_unstable_by(k - 1, by_probability);
            entries.truncate(k);
        }
        let most = entries.iter().map(|(_, p)| *p).fold(0.0, f64::max);
        // Each relative to the most probable one, which is 1.
        let plain = self.temperature.to_bits() == 1f64.to_bits();
        let weight = |p: f64| if plain { p / most } else { ((p.ln() - most.ln()) / self.temperature).exp() };
        let total: f64 = entries.iter().map(|(_, p)| weight(*p)).sum();
        let mut entries = InOrder { entries, sorted: 0 };
        let is_cut = self.top_p < 1.0 || self.min_p > 0.0;
        let mut kept = if is_cut { 0.0 } else { total };
        let mut count = if is_cut { 0 } else { entries.entries.len() };
        while is_cut && let Some((_, p)) = entries.get(count) {
            let weight = weight(p);
            if count > 0 && (weight < self.min_p || self.top_p < 1.0 && kept >= self.top_p * total) {
                break;
            }
            kept += weight;
            count += 1;
        }
        let mut left = unit * kept;
        for at in 0..count {
            let entry = entries.get(at)?;
            left -= weight(entry.1);
            if left < 0.0 {
                return Some(entry);
            }
        }
        entries.get(count.checked_sub(1)?)
    }
}

/// The most probable first, ties by key.
fn by_probability<K: Ord>(a: &(K, f64), b: &(K, f64)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Entries by probability. Draws look at a few of them: the others are put in order when somebody asks.
struct InOrder<K> {
    entries: Vec<(K, f64)>,
    /// How many are in order, from the first one on.
    sorted: usize,
}

impl<K: Copy + Ord> InOrder<K> {
    /// How many are put in order at first.
    const FEW: usize = 128;

    fn get(&mut self, at: usize) -> Option<(K, f64)> {
        while at >= self.sorted && self.sorted < self.entries.len() {
            let rest = &mut self.entries[self.sorted..];
            let next = (7 * self.sorted).max(Self::FEW).min(rest.len());
            if next < rest.len() {
                rest.select_nth_unstable_by(next, by_probability);
            }
            rest[..next].sort_unstable_by(by_probability);
            self.sorted += next;
        }
        self.entries.get(at).copied()
    }
}

/// The seed of a sample that continues `prompt`, where all draws depend on `seed`.
pub(crate) fn seed_of(seed: u64, prompt: &[u8]) -> u64 {
    // FNV-1a over the prompt, from a state that depends on the seed.
    prompt.iter().fold(mix(seed), |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The draw of step `step` of a sample with `seed`: 0 or more, below 1.
pub(crate) fn unit(seed: u64, step: usize) -> f64 {
    (mix(seed ^ mix(step as u64)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `SplitMix64`'s output function (Steele et al. 2014).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Settings that cannot be drawn with.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// Not a positive number.
    #[error("temperature {value} is not a positive number")]
    Temperature {
        /// The value.
        value: f64,
    },
    /// Not a share.
    #[error("top-p {value} is not above 0 and at most 1")]
    TopP {
        /// The value.
        value: f64,
    },
    /// Nothing to draw from.
    #[error("top-k is 0: it has to be at least 1")]
    TopK,
    /// Not a share.
    #[error("min-p {value} is not from 0 to 1")]
    MinP {
        /// The value.
        value: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(sampling: Sampling, p: &[f64]) -> Vec<f64> {
        let mut counts = vec![0.0; p.len()];
        let draws = 20_000;
        for draw in 0..draws {
            let entries = (0..).zip(p.iter().copied()).collect();
            counts[sampling.pick(entries, (f64::from(draw) + 0.5) / f64::from(draws)).unwrap().0] += 1.0;
        }
        counts.iter().map(|count| count / f64::from(draws)).collect()
    }

    fn close(a: &[f64], b: &[f64]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3), "{a:?} is not {b:?}");
    }

    #[test]
    fn the_filters_computed_by_hand() {
        let p = [0.2, 0.5, 0.05, 0.25];
        let plain = Sampling::new(1.0, 0).unwrap();
        close(&shares(plain, &p), &p);
        // Squares: 0.04, 0.25, 0.0025, 0.0625; together 0.355.
        close(
            &shares(Sampling::new(0.5, 0).unwrap(), &p),
            &[0.04 / 0.355, 0.25 / 0.355, 0.0025 / 0.355, 0.0625 / 0.355],
        );
        close(&shares(plain.with_top_k(2).unwrap(), &p), &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        close(&shares(plain.with_top_p(0.6).unwrap(), &p), &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        close(&shares(plain.with_top_p(0.5).unwrap(), &p), &[0.0, 1.0, 0.0, 0.0]);
        close(&shares(plain.with_min_p(0.4).unwrap(), &p), &[0.2 / 0.95, 0.5 / 0.95, 0.0, 0.25 / 0.95]);
        close(&shares(plain.with_min_p(1.0).unwrap(), &p), &[0.0, 1.0, 0.0, 0.0]);
    }

    /// As [`Sampling::pick`], with everything put in order first.
    fn pick_of_all(sampling: &Sampling, mut entries: Vec<(u32, f64)>, unit: f64) -> (u32, f64) {
        entries.sort_by(by_probability);
        entries.truncate(sampling.top_k.unwrap_or(usize::MAX));
        let weight = |p: f64| (p / entries[0].1).powf(1.0 / sampling.temperature);
        let total: f64 = entries.iter().map(|(_, p)| weight(*p)).sum();
        let mut kept: Vec<((u32, f64), f64)> = Vec::new();
        for &(id, p) in &entries {
            let held: f64 = kept.iter().map(|(_, weight)| weight).sum();
            if kept.is_empty() || held < sampling.top_p * total && weight(p) >= sampling.min_p {
                kept.push(((id, p), weight(p)));
            }
        }
        let mut left = unit * kept.iter().map(|(_, weight)| weight).sum::<f64>();
        let drawn = kept.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        drawn.unwrap_or(&kept[kept.len() - 1]).0
    }

    #[test]
    fn few_entries_are_put_in_order_and_the_same_one_is_drawn() {
        for draw in 0..400_usize {
            let count = [1, 5, 128, 129, 700, 3000][draw % 6];
            let entries: Vec<(u32, f64)> = (0..count).map(|id| (id, unit(draw as u64, id as usize).powi(9))).collect();
            let mut sampling = Sampling::new([0.3, 1.0, 4.0][draw % 3], 0).unwrap();
            if draw % 5 == 0 {
                sampling = sampling.with_top_p(0.95).unwrap();
            }
            if draw % 7 == 0 {
                sampling = sampling.with_min_p(0.01).unwrap();
            }
            if draw % 4 == 0 {
                sampling = sampling.with_top_k(150).unwrap();
            }
            let at = unit(99, draw);
            assert_eq!(sampling.pick(entries.clone(), at), Some(pick_of_all(&sampling, entries, at)), "{draw}");
        }
    }

    #[test]
    fn top_p_counts_what_top_k_has_left() {
        // Of 0.5 and 0.25, two thirds are the first's.
        let sampling = Sampling::new(1.0, 0).unwrap().with_top_k(2).unwrap().with_top_p(0.6).unwrap();
        close(&shares(sampling, &[0.2, 0.5, 0.05, 0.25]), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn ties_are_ordered_by_key_and_impossible_tokens_are_never_drawn() {
        let sampling = Sampling::new(1.0, 0).unwrap().with_top_k(1).unwrap();
        assert_eq!(sampling.pick(vec![(2, 0.4), (1, 0.4), (0, 0.0)], 0.99), Some((1, 0.4)));
        assert_eq!(sampling.pick(vec![(0, 0.0)], 0.5), None);
        let hot = Sampling::new(1e9, 0).unwrap();
        assert_eq!(hot.pick(vec![(0, 0.0), (1, 0.1)], 0.0), Some((1, 0.1)));
    }

    #[test]
    fn draws_spread_evenly_and_depend_on_seed_prompt_and_step() {
        let mean: f64 = (0..10_000).map(|step| unit(7, step)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert_ne!(seed_of(1, b"q"), seed_of(2, b"q"));
        assert_ne!(seed_of(1, b"q"), seed_of(1, b"r"));
        assert_eq!(seed_of(1, b"q"), seed_of(1, b"q"));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let plain = Sampling::new(1.0, 0).unwrap();
        assert!(Sampling::new(0.0, 0).is_err() && Sampling::new(f64::NAN, 0).is_err());
        assert!(plain.with_top_p(0.0).is_err() && plain.with_top_p(1.1).is_err());
        assert!(plain.with_top_k(0).is_err() && plain.with_min_p(-0.1).is_err());
    }
}
