//! Memory of a GPU that is taken and given back in the order of a stream.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::cuda_backend::{CudaDevice, WrapErr};

/// Bytes that the driver keeps for whoever takes memory next.
const KEPT: u64 = 256 << 20;

/// Lets the driver keep memory that was given back. It would return all of it whenever the host waits, and take it anew.
pub(crate) fn keep_freed(device: &CudaDevice) -> Result<()> {
    let mut kept = KEPT;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    let context = device.cuda_stream().context().clone();
    // SAFETY: the device is open, and the attribute is a number of 64 bits.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device()).w()?;
        result::mem_pool::set_attribute(pool, attribute, std::ptr::from_mut(&mut kept).cast()).w()
    }
}
