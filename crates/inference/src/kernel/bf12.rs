//! bfloat16 weights in twelve bits without loss.
//!
//! The exponents of neighbouring weights lie close together: nearly all are among the sixteen up to the largest one
//! (the observation behind `DFloat11`, Zhang et al. 2025, arXiv 2504.11651, which codes them by Huffman). So a panel
//! names the lowest of its sixteen, the base, and a weight is written as sign, exponent less base (4 bits) and fraction
//! (7 bits). A block with a weight outside of that stays as wide as it was. A product that waits for memory, as that of
//! a single sequence does, takes three quarters of the time.

use half::bf16;

use super::layout::{DEPTH, by_pair};
use super::simd::LANES;

/// Bytes of a block in twelve bits: three times [`LANES`] words of 32 bits. A lane's three words are its eight weights
/// in order, from the highest bit on.
pub(super) const BLOCK: usize = 3 * 4 * LANES;
/// Bytes of a block in sixteen bits.
pub(super) const WIDE_BLOCK: usize = 2 * DEPTH * LANES;
/// Exponents that there is room for.
const EXPONENTS: u16 = 16;

/// What a panel's twelve bits mean, and where they do not suffice.
pub(super) struct Window {
    /// The exponent (with bfloat16's bias) that is written as 0.
    pub(super) base: u16,
    /// Blocks that stay wide, ascending.
    pub(super) wide: Vec<u32>,
}

fn exponent(weight: bf16) -> u16 {
    weight.to_bits() >> 7 & 0xff
}

impl Window {
    /// The window of up to [`LANES`] rows of weights, `inputs` long.
    pub(super) fn of(rows: &[bf16], inputs: usize) -> Self {
        // Infinities and what is no number have the exponent 255; blocks with such are wide.
        let top = rows.iter().map(|&weight| exponent(weight)).filter(|&it| it < 255).max().unwrap_or(0);
        let base = (top + 1).saturating_sub(EXPONENTS);
        let fits =
            |weights: &[bf16]| weights.iter().all(|&weight| (base..base + EXPONENTS).contains(&exponent(weight)));
        let wide = |block: &usize| !rows.chunks_exact(inputs).all(|row| fits(&row[block * DEPTH..][..DEPTH]));
        Self { base, wide: (0..inputs / DEPTH).filter(wide).map(|block| block as u32).collect() }
    }

    /// Bytes of a panel of so many blocks.
    pub(super) fn bytes(&self, blocks: usize) -> usize {
        blocks * BLOCK + self.wide.len() * (WIDE_BLOCK - BLOCK)
    }

    /// Writes all blocks of the rows.
    pub(super) fn write(&self, rows: &[bf16], inputs: usize, mut out: &mut [u8]) {
        for block in 0..inputs / DEPTH {
            let wide = self.wide.binary_search(&(block as u32)).is_ok();
            let (bytes, rest) = out.split_at_mut(if wide { WIDE_BLOCK } else { BLOCK });
            out = rest;
            for (lane, row) in rows.chunks_exact(inputs).enumerate() {
                let weights = &row[block * DEPTH..][..DEPTH];
                if wide {
                    for (step, weight) in weights.iter().enumerate() {
                        bytes[2 * by_pair(step, lane)..][..2].copy_from_slice(&weight.to_le_bytes());
                    }
                } else {
                    let bits = weights.iter().fold(0u128, |bits, &weight| bits << 12 | u128::from(self.encode(weight)));
                    for word in 0..3 {
                        let bytes = &mut bytes[4 * (word * LANES + lane)..][..4];
                        bytes.copy_from_slice(&((bits >> (64 - 32 * word)) as u32).to_le_bytes());
                    }
                }
            }
        }
    }

    /// The twelve bits of a weight in the window.
    fn encode(&self, weight: bf16) -> u16 {
        let bits = weight.to_bits();
        bits >> 15 << 11 | (exponent(weight) - self.base) << 7 | bits & 0x7f
    }

    /// One lane's weights of a whole panel.
    pub(super) fn row(&self, mut panel: &[u8], lane: usize, out: &mut [f32]) {
        for (block, out) in out.chunks_exact_mut(DEPTH).enumerate() {
            let wide = self.wide.binary_search(&(block as u32)).is_ok();
            let (bytes, rest) = panel.split_at(if wide { WIDE_BLOCK } else { BLOCK });
            panel = rest;
            let weights = if wide {
                let weight = |step: usize| bytes.as_chunks::<2>().0[by_pair(step, lane)];
                std::array::from_fn(|step| bf16::from_le_bytes(weight(step)).to_f32())
            } else {
                self.decode(bytes, lane)
            };
            out.copy_from_slice(&weights);
        }
    }

    /// One lane's weights of a block in twelve bits.
    fn decode(&self, bytes: &[u8], lane: usize) -> [f32; DEPTH] {
        let words = bytes.as_chunks::<4>().0;
        let bits = [0, 1, 2].into_iter().fold(0u128, |bits, word| {
            bits << 32 | u128::from(words.get(word * LANES + lane).map_or(0, |&word| u32::from_le_bytes(word)))
        });
        std::array::from_fn(|step| {
            let short = (bits >> (84 - 12 * step)) as u32 & 0xfff;
            let exponent = (short >> 7 & 0xf) + u32::from(self.base);
            f32::from_bits(short >> 11 << 31 | exponent << 23 | (short & 0x7f) << 16)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways, of one lane.
    fn there_and_back(weights: [bf16; DEPTH]) -> ([bf16; DEPTH], usize) {
        let window = Window::of(&weights, DEPTH);
        let mut bytes = vec![0; window.bytes(1)];
        window.write(&weights, DEPTH, &mut bytes);
        let back = if window.wide.is_empty() {
            window.decode(&bytes, 0).map(bf16::from_f32)
        } else {
            std::array::from_fn(|step| bf16::from_le_bytes(bytes.as_chunks().0[by_pair(step, 0)]))
        };
        (back, window.wide.len())
    }

    #[test]
    fn weights_come_back_bit_by_bit() {
        let values = |exponents: [i32; DEPTH]| {
            let mut sign = 1.0;
            exponents.map(|exponent| {
                sign = -sign;
                bf16::from_f32(sign * 1.328_125 * 2f32.powi(exponent))
            })
        };
        let bits = |weights: [bf16; DEPTH]| weights.map(bf16::to_bits);
        // The last two are as far apart as fits, and one more.
        for (exponents, wide) in [
            ([0, -1, -2, -3, -4, -5, -6, -7], 0),
            ([-20, -21, -22, -35, -20, -21, -22, -28], 0),
            ([-20, -21, -22, -36, -20, -21, -22, -28], 1),
            ([127, 126, 125, 124, 123, 122, 121, 120], 0),
        ] {
            let weights = values(exponents);
            let (back, found) = there_and_back(weights);
            assert_eq!((bits(back), found), (bits(weights), wide), "{exponents:?}");
        }
        for odd in [0.0, -0.0, f32::INFINITY, 1e-40] {
            let mut weights = values([0; DEPTH]);
            weights[3] = bf16::from_f32(odd);
            let (back, wide) = there_and_back(weights);
            assert_eq!((bits(back), wide), (bits(weights), 1), "{odd}");
        }
        let none = [bf16::from_f32(0.0); DEPTH];
        assert_eq!(there_and_back(none), (none, 0));
    }
}
