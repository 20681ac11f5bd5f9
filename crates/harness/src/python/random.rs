//! Python's `random.Random`: few-shot examples are drawn with it, so it is part of the protocol.
//!
//! Source: `CPython`'s `Modules/_randommodule.c` (`init_by_array`, `genrand_uint32`, after Matsumoto and Nishimura's
//! mt19937ar) and `Lib/random.py` (`_randbelow_with_getrandbits`, `sample`). Reference values come from
//! `scripts/fixtures/python_random.py`.

const N: usize = 624;
const M: usize = 397;

/// The Mersenne Twister MT19937, seeded as Python seeds it with an integer.
#[derive(Clone)]
pub struct PythonRandom {
    state: [u32; N],
    index: usize,
}

impl PythonRandom {
    /// `random.Random(seed)` for a non-negative integer.
    pub fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let key: &[u32] = if high == 0 { &[low] } else { &[low, high] };
        Self::from_key(key)
    }

    fn from_key(key: &[u32]) -> Self {
        let mut state = [0_u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            state[i] = mix(state[i - 1], 1_812_433_253).wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..N.max(key.len()) {
            state[i] = (state[i] ^ mix(state[i - 1], 1_664_525)).wrapping_add(key[j]).wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i == N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        for _ in 1..N {
            state[i] = (state[i] ^ mix(state[i - 1], 1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i == N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self { state, index: N }
    }

    fn refill(&mut self) {
        for i in 0..N {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (joined >> 1) ^ twist;
        }
        self.index = 0;
    }

    /// The next 32 random bits.
    fn next_u32(&mut self) -> u32 {
        if self.index >= N {
            self.refill();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// `getrandbits(bits)`, for up to 64 bits; 0 for 0 bits. Least significant word first.
    ///
    /// # Panics
    /// When `bits` exceeds 64.
    pub fn getrandbits(&mut self, bits: u32) -> u64 {
        assert!(bits <= 64, "at most 64 bits at a time");
        match bits {
            0 => 0,
            1..=32 => u64::from(self.next_u32() >> (32 - bits)),
            _ => {
                let low = u64::from(self.next_u32());
                let high = u64::from(self.next_u32() >> (64 - bits));
                low | (high << 32)
            }
        }
    }

    /// `_randbelow(n)`: uniform over `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            return 0;
        }
        let bits = usize::BITS - n.leading_zeros();
        loop {
            let drawn = self.getrandbits(bits) as usize;
            if drawn < n {
                return drawn;
            }
        }
    }

    /// The indices that `sample(population, k)` picks from a population of `n`, in the order picked; `None` when
    /// `k` exceeds `n` (Python's `ValueError`), in which case nothing is drawn.
    pub fn sample(&mut self, n: usize, k: usize) -> Option<Vec<usize>> {
        if k > n {
            return None;
        }
        let mut picked = Vec::with_capacity(k);
        if n <= set_size(k) {
            let mut pool: Vec<usize> = (0..n).collect();
            for i in 0..k {
                let j = self.below(n - i);
                picked.push(pool[j]);
                pool[j] = pool[n - i - 1];
            }
        } else {
            for _ in 0..k {
                let mut j = self.below(n);
                while picked.contains(&j) {
                    j = self.below(n);
                }
                picked.push(j);
            }
        }
        Some(picked)
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn mix(previous: u32, factor: u32) -> u32 {
    (previous ^ (previous >> 30)).wrapping_mul(factor)
}

/// Up to this population size `sample` keeps a pool; above it, a set of what was picked.
fn set_size(k: usize) -> usize {
    if k <= 5 {
        return 21;
    }
    // `4 ** ceil(log(3k, 4))`: the smallest power of four that is at least 3k, which is never itself one.
    let mut power = 1;
    while power < 3 * k {
        power *= 4;
    }
    21 + power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_equal_the_ones_recorded_from_python() {
        let recorded: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/python_random.json")).unwrap();
        for case in recorded.as_array().unwrap() {
            let seed = case["seed"].as_u64().unwrap();
            let mut random = PythonRandom::new(seed);
            for (bits, expected) in case["bits"].as_array().unwrap().iter().map(|pair| (&pair[0], &pair[1])) {
                let drawn = random.getrandbits(bits.as_u64().unwrap() as u32);
                assert_eq!(Some(drawn), expected.as_u64(), "getrandbits({bits}) after seed {seed}");
            }
            let mut random = PythonRandom::new(seed);
            for sample in case["samples"].as_array().unwrap() {
                let (n, k) = (sample["n"].as_u64().unwrap() as usize, sample["k"].as_u64().unwrap() as usize);
                let expected: Vec<usize> = serde_json::from_value(sample["picked"].clone()).unwrap();
                assert_eq!(random.sample(n, k), Some(expected), "sample({n}, {k}) after seed {seed}");
            }
        }
    }

    #[test]
    fn a_sample_larger_than_the_population_is_refused_and_draws_nothing() {
        let mut random = PythonRandom::new(1234);
        let mut other = random.clone();
        assert_eq!(random.sample(3, 4), None);
        assert_eq!(random.getrandbits(32), other.getrandbits(32));
    }
}
