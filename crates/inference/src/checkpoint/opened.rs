//! A checkpoint on its way to whatever runs it.

use candle_core::Device;

use super::config::DecoderConfig;
use super::config_file::ConfigFile;
use super::error::CheckpointError;
use super::gguf::Gguf;
use super::source::ModelSource;
use super::weights::CheckpointTensors;
use crate::device::DeviceSpec;
use crate::dtype::{Quantization, WeightType};
use crate::engine_options::EngineOptions;
use crate::named::Named;

/// A checkpoint whose configuration was read.
pub(crate) enum Checkpoint<'s> {
    Gguf(Gguf),
    Safetensors { source: &'s ModelSource, config: ConfigFile },
}

impl<'s> Checkpoint<'s> {
    /// Reads what says which model it is: `config.json`, or the header of a GGUF file.
    ///
    /// # Errors
    /// When that is missing or damaged.
    pub(crate) fn open(source: &'s ModelSource) -> Result<Self, CheckpointError> {
        Ok(match source {
            ModelSource::Gguf(path) => Self::Gguf(Gguf::open(path)?),
            ModelSource::Folder(_) | ModelSource::Hub(_) => {
                Self::Safetensors { source, config: ConfigFile::read(&source.config()?)? }
            }
        })
    }

    /// The native decoder's configuration, and the tensors, which are read to `device`.
    ///
    /// # Errors
    /// When the architecture is unknown, a field of the configuration cannot be, a file of weights is missing or damaged,
    /// or another device than the CPU is to compute in a type of the CPU's.
    pub(crate) fn native(
        self,
        device: Device,
        options: &EngineOptions,
    ) -> Result<(DecoderConfig, CheckpointTensors), CheckpointError> {
        let other = options.device.as_slice().iter().find(|device| **device != DeviceSpec::Cpu);
        if let (Some(device), false) = (other, options.compute.is_default()) {
            let place = format!("on {device}");
            return Err(CheckpointError::ComputesElsewhere { compute: options.compute.name(), place });
        }
        let (weight_type, quantization) = (WeightType::of(options.dtype), Quantization::of(options.dtype));
        let (config, weights) = match self {
            Self::Gguf(gguf) => {
                let config = DecoderConfig::of_gguf(&gguf)?;
                (config, CheckpointTensors::of_gguf(gguf, device, weight_type, quantization))
            }
            Self::Safetensors { source, config } => {
                let config = DecoderConfig::of_file(config)?;
                let weights =
                    CheckpointTensors::open(&source.weights()?, source.to_string(), device, weight_type, quantization)?;
                (config, weights)
            }
        };
        Ok((config, weights.computing_in(options.compute)))
    }
}
