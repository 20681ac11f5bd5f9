//! Where a model computes.

use std::str::FromStr;

use candle_core::Device;

/// A device as users name it: `cpu`, `cuda:0`, `metal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DeviceSpec {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU by number.
    Cuda(usize),
    /// The GPU of an Apple machine, by number.
    Metal(usize),
}

impl DeviceSpec {
    /// Opens the device.
    ///
    /// # Errors
    /// When `gac` was built without it or the machine has none. Never falls back to the CPU.
    pub fn open(self) -> Result<Device, DeviceError> {
        let unavailable = |source: candle_core::Error| DeviceError::Unavailable {
            device: self.to_string(),
            reason: source.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => {
                Err(DeviceError::NotCompiledIn { device: self.to_string(), feature: "cuda" })
            }
            Self::Cuda(ordinal) => open_cuda(ordinal).map_err(unavailable),
            Self::Metal(_) if !cfg!(feature = "metal") => {
                Err(DeviceError::NotCompiledIn { device: self.to_string(), feature: "metal" })
            }
            Self::Metal(ordinal) => Device::new_metal(ordinal).map_err(unavailable),
        }
    }
}

/// Opens a GPU with a stream of its own. candle's default is a stream for each thread, and work that one thread gives is not
/// ordered after that of another: a model is loaded by one, and asked by any.
fn open_cuda(ordinal: usize) -> candle_core::Result<Device> {
    let device = Device::new_cuda_with_stream(ordinal)?;
    #[cfg(feature = "cuda")]
    {
        let cuda = device.as_cuda_device()?;
        // SAFETY: what belongs to this device is used on its one stream alone; between devices all goes by way of the host,
        // which waits (`moved`). So there is nothing that events would have to order.
        unsafe { cuda.disable_event_tracking() };
        crate::cuda::memory::keep_freed(cuda)?;
        crate::cuda::modules::load_common(cuda)?;
    }
    Ok(device)
}

impl FromStr for DeviceSpec {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || DeviceError::Unknown { device: text.to_owned() };
        let (kind, ordinal) = match text.split_once(':') {
            Some((kind, number)) => (kind, number.parse().map_err(|_| unknown())?),
            None => (text, 0),
        };
        match kind {
            "cpu" if ordinal == 0 => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(ordinal)),
            // PyTorch's name of the same.
            "metal" | "mps" => Ok(Self::Metal(ordinal)),
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Metal(ordinal) => write!(f, "metal:{ordinal}"),
        }
    }
}

/// A device that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("unknown device `{device}`; valid are `cpu`, `cuda:N` and `metal`")]
    Unknown {
        /// What was asked for.
        device: String,
    },
    /// A list of devices is empty.
    #[error("no device in the list; name at least one, such as `cpu` or `cuda:0`")]
    NoDevices,
    /// A GPU is in a list twice.
    #[error("device `{device}` is in the list twice; its layers cannot be split over itself")]
    Repeated {
        /// The device.
        device: String,
    },
    /// Several devices for a model that runs on one.
    #[error("a model that candle-transformers runs is on one device, and cannot be split over `{devices}`")]
    NotSplit {
        /// What was asked for.
        devices: String,
    },
    /// The build lacks the backend.
    #[error("device `{device}` was not compiled in; build with `--features {feature}`")]
    NotCompiledIn {
        /// What was asked for.
        device: String,
        /// The cargo feature.
        feature: &'static str,
    },
    /// The backend finds no such device.
    #[error("device `{device}` cannot be opened: {reason}")]
    Unavailable {
        /// What was asked for.
        device: String,
        /// The backend's words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_was_not_compiled_in_is_an_error_and_not_the_cpu() {
        let spec: DeviceSpec = "cuda:1".parse().unwrap();
        if !cfg!(feature = "cuda") {
            assert!(matches!(spec.open(), Err(DeviceError::NotCompiledIn { feature: "cuda", .. })));
        }
    }

    #[test]
    fn unknown_devices_are_refused() {
        for text in ["gpu", "cuda:x", "cpu:1", ""] {
            assert!(text.parse::<DeviceSpec>().is_err(), "{text}");
        }
    }
}
