//! Whether our own operations compute something, or candle's.

use candle_core::{DType, Device};

/// Whether the fused operations of the CPU compute what is on `device`. Elsewhere plain tensor operations do.
pub(crate) fn fused(device: &Device) -> bool {
    #[cfg(test)]
    if plain::PLAIN.get() {
        return false;
    }
    device.is_cpu()
}

/// Whether our own CUDA kernels compute what is on `device` in `dtype`. Elsewhere plain tensor operations do.
pub(crate) fn has_own_kernels(device: &Device, dtype: DType) -> bool {
    #[cfg(test)]
    if plain::PLAIN.get() {
        return false;
    }
    cfg!(feature = "cuda") && device.is_cuda() && matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

/// What devices without operations of our own do, done by any device.
#[cfg(test)]
pub(crate) mod plain {
    use std::cell::Cell;

    thread_local! {
        pub(super) static PLAIN: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs `work` by plain tensor operations, as far as it stays on this thread.
    pub(crate) fn plainly<T>(work: impl FnOnce() -> T) -> T {
        PLAIN.set(true);
        let result = work();
        PLAIN.set(false);
        result
    }
}
