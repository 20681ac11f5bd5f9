//! How keys and values lie in a cache of the CPU, and writing those of a token there.
//!
//! [`LANES`] tokens of a head lie together, and of these what attention reads one after the other: one component of all
//! keys, and then the next; [`components_together`] components of all values, and then the next ones. Were values read
//! where tokens lie side by side, every cache line would be far behind the one before.

use half::bf16;

use super::round::rounded;
use super::simd::LANES;

/// Components of a value that lie together: a vector of them, or all where heads are not whole vectors.
pub(crate) const fn components_together(head_dim: usize) -> usize {
    if head_dim.is_multiple_of(LANES) { LANES } else { head_dim }
}

/// Writes the key of a slot, all heads of it, to `(slots / LANES, kv_heads, head_dim, LANES)`.
pub(crate) fn store_key(cache: &mut [f32], slot: usize, key: &[f32]) {
    for (tokens, &value) in tokens_of(cache, slot, key.len()).chunks_exact_mut(LANES).zip(key) {
        tokens[slot % LANES] = value;
    }
}

/// Writes the key of a slot, all heads of it, to `(slots / LANES, kv_heads, head_dim / 2, LANES, 2)`.
pub(crate) fn store_key_in_pairs(cache: &mut [bf16], slot: usize, key: &[f32]) {
    let tokens = tokens_of(cache, slot, key.len()).chunks_exact_mut(2 * LANES);
    for (tokens, pair) in tokens.zip(key.as_chunks::<2>().0) {
        for (half, &value) in pair.iter().enumerate() {
            tokens[slot % LANES * 2 + half] = rounded(value);
        }
    }
}

/// Writes the value of a slot, all heads of it, to `(slots / LANES, kv_heads, head_dim / together, LANES, together)`, where
/// so many components lie `together`.
pub(crate) fn store_value(cache: &mut [f32], slot: usize, value: &[f32], together: usize) {
    let tokens = tokens_of(cache, slot, value.len()).chunks_exact_mut(LANES * together);
    for (tokens, value) in tokens.zip(value.chunks_exact(together)) {
        tokens[slot % LANES * together..][..together].copy_from_slice(value);
    }
}

/// Writes the value of a slot, all heads of it, to `(slots / LANES, kv_heads, head_dim / together, LANES / 2, together, 2)`:
/// two neighbouring tokens are a pair.
pub(crate) fn store_value_in_pairs(cache: &mut [bf16], slot: usize, value: &[f32], together: usize) {
    let tokens = tokens_of(cache, slot, value.len()).chunks_exact_mut(LANES * together);
    for (tokens, value) in tokens.zip(value.chunks_exact(together)) {
        let pairs = tokens[slot % LANES / 2 * 2 * together..][..2 * together].as_chunks_mut::<2>().0;
        for (pair, &value) in pairs.iter_mut().zip(value) {
            pair[slot % 2] = rounded(value);
        }
    }
}

/// The [`LANES`] tokens with which a slot lies, all heads of them, which have so many components.
fn tokens_of<T>(cache: &mut [T], slot: usize, components: usize) -> &mut [T] {
    &mut cache[slot / LANES * components * LANES..][..components * LANES]
}
