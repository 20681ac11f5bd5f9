//! Memory of the host that stays where it is, so that a GPU copies from it and to it without the driver's help.

use std::sync::Arc;

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaStream, result};
use candle_core::{Device, Result, Tensor};

use super::launch::{Argument, address};

/// Words of 4 bytes in pinned memory, for copies in a device's one stream.
#[derive(Debug)]
pub(crate) struct PinnedWords {
    words: *mut u32,
    capacity: usize,
    stream: Arc<CudaStream>,
    /// Whether the device may still read what was last put here.
    is_read: bool,
}

// SAFETY: the memory belongs to this alone; the stream may be used from any thread.
unsafe impl Send for PinnedWords {}

impl PinnedWords {
    /// Room for `capacity` words on their way to or from `device`.
    pub(crate) fn new(capacity: usize, device: &Device) -> Result<Self> {
        let stream = device.as_cuda_device()?.cuda_stream();
        stream.context().bind_to_thread().w()?;
        // SAFETY: the context is bound. Without flags, the host may read the memory quickly, too.
        let words = unsafe { result::malloc_host(capacity * size_of::<u32>(), 0) }.w()?;
        Ok(Self { words: words.cast(), capacity, stream, is_read: false })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether copies are in the stream of `device`.
    pub(crate) fn is_for(&self, device: &Device) -> bool {
        device.as_cuda_device().is_ok_and(|device| Arc::ptr_eq(&device.cuda_stream(), &self.stream))
    }

    /// Sends `words` to the beginning of `to`, a tensor of numbers of 4 bytes.
    pub(crate) fn upload(&mut self, words: &[u32], to: &Tensor) -> Result<()> {
        self.check(words.len(), to)?;
        if self.is_read {
            self.stream.synchronize().w()?;
        }
        let Argument::Address(to) = address(to)? else { candle_core::bail!("a tensor without an address") };
        self.stream.context().bind_to_thread().w()?;
        // SAFETY: there is room for so many words here and there. Nobody writes here until the stream was waited for.
        unsafe {
            std::ptr::copy_nonoverlapping(words.as_ptr(), self.words, words.len());
            let here = std::slice::from_raw_parts(self.words, words.len());
            result::memcpy_htod_async(to, here, self.stream.cu_stream()).w()?;
        }
        self.is_read = true;
        Ok(())
    }

    /// Brings `from` down, a tensor of numbers of 4 bytes, and waits for it.
    pub(crate) fn download(&mut self, from: &Tensor) -> Result<&[u32]> {
        let count = from.elem_count();
        self.check(count, from)?;
        let Argument::Address(from) = address(from)? else { candle_core::bail!("a tensor without an address") };
        self.stream.context().bind_to_thread().w()?;
        // SAFETY: there is room for so many words, and nobody looks at them before the stream was waited for.
        unsafe {
            let here = std::slice::from_raw_parts_mut(self.words, count);
            result::memcpy_dtoh_async(here, from, self.stream.cu_stream()).w()?;
        }
        self.stream.synchronize().w()?;
        self.is_read = false;
        // SAFETY: they have been written.
        Ok(unsafe { std::slice::from_raw_parts(self.words, count) })
    }

    fn check(&self, count: usize, tensor: &Tensor) -> Result<()> {
        if count > self.capacity.min(tensor.elem_count()) || tensor.dtype().size_in_bytes() != size_of::<u32>() {
            candle_core::bail!(
                "{count} words by way of {} for {} numbers of {:?}",
                self.capacity,
                tensor.elem_count(),
                tensor.dtype()
            );
        }
        Ok(())
    }
}

impl Drop for PinnedWords {
    fn drop(&mut self) {
        // Nothing can be done about a device that is gone.
        let _ = self.stream.synchronize();
        // SAFETY: allocated by `new`, and no copy is on its way.
        let _ = unsafe { result::free_host(self.words.cast()) };
    }
}
