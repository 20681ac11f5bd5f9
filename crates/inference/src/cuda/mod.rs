//! Our own CUDA kernels (`crates/inference/cuda`), as operations on tensors.
//!
//! Each does in one launch what takes several of candle's. On any other device, and in types or widths that a kernel does not
//! take, tensor operations compute the same: the plain version that these are tested against.
//!
//! All work on a device is given to the one stream that [`DeviceSpec::open`](crate::DeviceSpec::open) made for it, so it is
//! done in order. That is why memory may be written that is behind a shared reference, and why no events are recorded.

pub(crate) mod attention;
pub(crate) mod experts;
pub(crate) mod gate;
mod launch;
pub(crate) mod logit_places;
pub(crate) mod memory;
pub(crate) mod modules;
pub(crate) mod norm;
pub(crate) mod pinned;
pub(crate) mod product;
pub(crate) mod quantised;
pub(crate) mod rows;
pub(crate) mod shared_keys;
pub(crate) mod top;
