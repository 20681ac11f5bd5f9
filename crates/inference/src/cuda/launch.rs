//! Tensors as kernels take them, and launches.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::{DType, Device, Result, Shape, Storage, Tensor, bail};
use half::{bf16, f16};

pub(super) use super::modules::KernelFile;
use super::modules::kernel;

/// What a kernel is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    /// Where a tensor is; null for none.
    Address(u64),
    Count(u32),
    Long(u64),
    Real(f32),
}

impl From<usize> for Argument {
    fn from(count: usize) -> Self {
        Self::Count(count as u32)
    }
}

impl From<f32> for Argument {
    fn from(number: f32) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Argument {
    fn from(is: bool) -> Self {
        Self::Count(u32::from(is))
    }
}

/// Blocks of a launch, threads of each, and the bytes of memory that these share beside what the kernel declares.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaunchShape {
    pub(super) blocks: (usize, usize, usize),
    pub(super) threads: usize,
    pub(super) shared: usize,
}

/// What kernels' names end with for activations of type `dtype`; none for a type without kernels.
pub(super) fn suffix(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::F32 => Some("f32"),
        DType::F16 => Some("f16"),
        DType::BF16 => Some("bf16"),
        _ => None,
    }
}

/// Where a contiguous tensor's first number is.
pub(super) fn address(tensor: &Tensor) -> Result<Argument> {
    fn first<T>(slice: &CudaSlice<T>) -> u64 {
        slice.device_ptr(slice.stream()).0
    }
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cuda(storage) = &*storage else { bail!("a kernel needs tensors on a GPU") };
    if !layout.is_contiguous() {
        bail!("a kernel needs contiguous tensors");
    }
    let start = match storage.dtype() {
        DType::F32 => first(storage.as_cuda_slice::<f32>()?),
        DType::F16 => first(storage.as_cuda_slice::<f16>()?),
        DType::BF16 => first(storage.as_cuda_slice::<bf16>()?),
        DType::U32 => first(storage.as_cuda_slice::<u32>()?),
        DType::I64 => first(storage.as_cuda_slice::<i64>()?),
        DType::U8 => first(storage.as_cuda_slice::<u8>()?),
        other => bail!("no kernel takes tensors of type {other:?}"),
    };
    Ok(Argument::Address(start + (layout.start_offset() * storage.dtype().size_in_bytes()) as u64))
}

/// Where a tensor is that need not be there.
pub(super) fn address_or_null(tensor: Option<&Tensor>) -> Result<Argument> {
    tensor.map_or(Ok(Argument::Address(0)), address)
}

/// A tensor that a kernel is about to fill.
pub(super) fn to_fill(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    // SAFETY: any bytes are numbers of these types, and whoever asks for it launches what writes all of it.
    unsafe { Tensor::empty(shape, dtype, device) }
}

/// Puts a kernel for activations of type `dtype` into the stream of `device`.
pub(super) fn launch(
    device: &Device,
    (file, dtype): (KernelFile, DType),
    name: &str,
    shape: LaunchShape,
    arguments: &[Argument],
) -> Result<()> {
    let device = device.as_cuda_device()?;
    let (function, stream) = (kernel(device, (file, dtype), name)?, device.cuda_stream());
    let mut builder = stream.launch_builder(&function);
    for argument in arguments {
        match argument {
            Argument::Address(address) | Argument::Long(address) => builder.arg(address),
            Argument::Count(count) => builder.arg(count),
            Argument::Real(number) => builder.arg(number),
        };
    }
    let (x, y, z) = shape.blocks;
    let config = LaunchConfig {
        grid_dim: (x as u32, y as u32, z as u32),
        block_dim: (shape.threads as u32, 1, 1),
        shared_mem_bytes: shape.shared as u32,
    };
    // SAFETY: the callers, one for each kernel, pass what its declaration names, of tensors whose shapes they have checked.
    unsafe { builder.launch(config) }.map(|_| ()).w()
}
