//! A small generator whose numbers are the same on every machine and in every version.

/// xoshiro256++ 1.0 (Blackman and Vigna, <https://prng.di.unimi.it/xoshiro256plusplus.c>), seeded by splitmix64 as its
/// authors advise. Not for secrets.
#[derive(Clone, Debug)]
pub struct Xoshiro256 {
    state: [u64; 4],
}

impl Xoshiro256 {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        let mut splitmix = seed;
        Self { state: std::array::from_fn(|_| splitmix64(&mut splitmix)) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A random index below `length`, which must be above 0.
    ///
    /// The high word of a 128-bit product; no index is more likely than another by more than `length` in 2^64.
    pub fn index(&mut self, length: usize) -> usize {
        ((u128::from(self.next_u64()) * length as u128) >> 64) as usize
    }
}

/// The next number of splitmix64 (Steele, Lea and Flood 2014, <https://prng.di.unimi.it/splitmix64.c>).
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_are_the_published_ones() {
        // Expected values: the `rand_xoshiro` crate's tests, made with the authors' C code.
        let mut generator = Xoshiro256 { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..6).map(|_| generator.next_u64()).collect();
        assert_eq!(
            first,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205,
                9_973_669_472_204_895_162,
            ]
        );
        let mut state = 1_477_776_061_723_855_037;
        assert_eq!(splitmix64(&mut state), 1_985_237_415_132_408_290);
        assert_eq!(splitmix64(&mut state), 2_979_275_885_539_914_483);
    }

    #[test]
    fn indices_cover_their_range_evenly() {
        let mut generator = Xoshiro256::new(7);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            counts[generator.index(5)] += 1;
        }
        // 10,000 each, standard deviation 89.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 450), "{counts:?}");
    }
}
