//! The measures of weights in panels, which whoever writes and whoever reads them has to know.

use super::simd::LANES;

/// Steps of a block along the summed dimension.
pub(super) const DEPTH: usize = 8;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// Where a panel has the value of a lane at a step, one step after the other.
pub(super) fn by_step(step: usize, lane: usize) -> usize {
    step * LANES + lane
}

/// Where a panel of bfloat16 has it: two steps of a lane are a word, the first its lower half. So a shift widens the one,
/// a mask the other; and an instruction that multiplies pairs takes them as they are.
pub(super) fn by_pair(step: usize, lane: usize) -> usize {
    2 * (step / 2 * LANES + lane) + step % 2
}
