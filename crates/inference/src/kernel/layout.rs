//! The measures of weights in panels, which whoever writes and whoever reads them has to know.

/// Steps of a block along the summed dimension.
pub(super) const DEPTH: usize = 8;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;
