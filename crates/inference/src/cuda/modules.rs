//! Compiled kernels, and where they are loaded.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaModule};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::cuda_backend::{CudaDevice, WrapErr, kernels};
use candle_core::{DType, Result, bail};

/// A file of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum KernelFile {
    Attention,
    Experts,
    Gate,
    Norm,
    Product,
    Quantised,
    Rows,
    Top,
}

impl KernelFile {
    /// Code for activations of type `dtype`: for the common cards, and PTX that the driver translates for others.
    fn code(self, dtype: DType) -> Result<&'static [u8]> {
        macro_rules! code {
            ($name:literal, $of:literal) => {
                include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-", $of, ".fatbin")).as_slice()
            };
        }
        macro_rules! code_of {
            ($name:literal) => {
                match dtype {
                    DType::F32 => code!($name, "f32"),
                    DType::F16 => code!($name, "f16"),
                    DType::BF16 => code!($name, "bf16"),
                    other => bail!("no kernel for activations of type {other:?}"),
                }
            };
        }
        Ok(match self {
            Self::Attention => code_of!("attention"),
            Self::Experts => code_of!("experts"),
            Self::Gate => code_of!("gate"),
            Self::Norm => code_of!("norm"),
            Self::Product => code_of!("product"),
            Self::Quantised => code_of!("quantised"),
            Self::Rows => code_of!("rows"),
            Self::Top => code_of!("top"),
        })
    }
}

/// Kernels of a card, by its number. The driver has them for the whole process, whichever streams use them.
static LOADED: LazyLock<Mutex<LoadedKernels>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct LoadedKernels {
    modules: HashMap<(usize, KernelFile, DType), Arc<CudaModule>>,
    kernels: HashMap<usize, HashMap<String, CudaFunction>>,
}

/// A kernel by its name, which is its own among all files and types; loaded when it is first asked for.
pub(super) fn kernel(device: &CudaDevice, (file, dtype): (KernelFile, DType), name: &str) -> Result<CudaFunction> {
    let context = device.cuda_stream().context().clone();
    let card = context.ordinal();
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kernel) = loaded.kernels.get(&card).and_then(|kernels| kernels.get(name)) {
        return Ok(kernel.clone());
    }
    let module = match loaded.modules.get(&(card, file, dtype)) {
        Some(module) => Arc::clone(module),
        None => {
            let code = Ptx::from_binary(file.code(dtype)?.to_vec());
            let module = announced(|| context.load_module(code).w())?;
            loaded.modules.insert((card, file, dtype), Arc::clone(&module));
            module
        }
    };
    let kernel = module.load_function(name).w()?;
    loaded.kernels.entry(card).or_default().insert(name.to_owned(), kernel.clone());
    Ok(kernel)
}

/// Loads kernels of candle's that every model needs: they are PTX, which the driver translates for a card once.
pub(crate) fn load_common(device: &CudaDevice) -> Result<()> {
    announced(|| {
        device.get_or_load_func("copy2d_f32", &kernels::FILL)?;
        device.get_or_load_func("cast_bf16_f32", &kernels::CAST)?;
        Ok(())
    })
}

/// Loads something, and says why if that takes long.
fn announced<T>(load: impl FnOnce() -> Result<T>) -> Result<T> {
    /// As long as code that has been translated may take.
    const LONG: Duration = Duration::from_secs(1);
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!("the driver is translating kernels for this GPU; that takes some seconds, once");
            }
        });
        let loaded = load();
        drop(done);
        loaded
    })
}
