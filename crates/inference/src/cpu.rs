//! Whether the CPU's own operations compute something.

use candle_core::Device;

/// Whether the fused operations of the CPU compute what is on `device`. Elsewhere plain tensor operations do.
pub(crate) fn fused(device: &Device) -> bool {
    #[cfg(test)]
    if plain::PLAIN.get() {
        return false;
    }
    device.is_cpu()
}

/// What other devices do, done by the CPU.
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
