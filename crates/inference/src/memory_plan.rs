//! How a model would lie on its devices, from the headers of its files.

use candle_core::DType;

use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::tensor_header::TensorHeader;
use crate::checkpoint::tensor_type::TensorType;
use crate::checkpoint::weights::CheckpointTensors;
use crate::compute_type::ComputeType;
use crate::decoder::cache::cached_type;
use crate::device::DeviceSpec;
use crate::dtype::{Quantization, WeightType};
use crate::engine_options::EngineOptions;
use crate::kernel::BLOCK;
use crate::memory::{free_memory, working_memory};
use crate::placement::{ModelBytes, Placement, PlacementError, Room};

/// Which layers go where, and how many blocks the cache has.
pub(crate) struct MemoryPlan {
    pub(crate) placement: Placement,
    pub(crate) blocks: usize,
}

impl MemoryPlan {
    /// Splits a model over the devices of `options`, by the memory that they have free now.
    ///
    /// The memory of a GPU is asked for. The CPU's is only counted beside a GPU: a list of nothing but CPUs is split
    /// equally, because pages of its cache are claimed as they are written, and there is nowhere else to go.
    pub(crate) fn new(
        config: &DecoderConfig,
        weights: &CheckpointTensors,
        options: &EngineOptions,
    ) -> Result<Self, PlacementError> {
        let devices = options.device.as_slice();
        let stored = weights.headers().find(|header| part(config, header.name) == Some(ModelPart::Embedding));
        let stored = stored.and_then(|header| header.stored.float()).unwrap_or(DType::F32);
        // Every device but the CPU keeps keys and values in the weights' type.
        let cached = |device: DeviceSpec| match device {
            DeviceSpec::Cpu => cached_type(options.compute, config.head_dim),
            DeviceSpec::Cuda(_) | DeviceSpec::Metal(_) => WeightType::of(options.dtype).resolve(stored),
        };
        let layer_block =
            |device: DeviceSpec| 2 * BLOCK * config.kv_heads * config.head_dim * cached(device).size_in_bytes();
        let widest = devices.iter().map(|&device| layer_block(device)).max().unwrap_or(1);
        // At least one whole sequence must fit; a table of more than 2^22 blocks helps nobody.
        let least = config.context.min(4096).div_ceil(BLOCK) + 1;
        let blocks = (options.cache_bytes / (widest * config.layers.len()).max(1)).clamp(least, 1 << 22);
        let cpus = devices.iter().filter(|device| **device == DeviceSpec::Cpu).count() as u64;
        let free = |device: DeviceSpec| match device {
            DeviceSpec::Cpu if cpus == devices.len() as u64 => None,
            DeviceSpec::Cpu => free_memory(device).map(|bytes| bytes / cpus),
            DeviceSpec::Cuda(_) | DeviceSpec::Metal(_) => free_memory(device),
        };
        let room = |&device: &DeviceSpec| Room {
            device,
            free: free(device),
            layer_cache: (layer_block(device) * blocks) as u64,
            working: working_memory(device),
        };
        let rooms: Vec<Room> = devices.iter().map(room).collect();
        let bytes = model_bytes(config, weights, options);
        let placement = Placement::new(&bytes, &rooms)?.with_cached_tokens(blocks * BLOCK);
        Ok(Self { placement, blocks })
    }
}

/// Where a tensor belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModelPart {
    Embedding,
    Layer(usize),
    Output,
}

/// The part that the tensor called `name` is of; none for one that the decoder does not read.
fn part(config: &DecoderConfig, name: &str) -> Option<ModelPart> {
    let names = &config.names;
    let of = |prefix: &str| name.strip_prefix(prefix)?.strip_prefix('.');
    if let Some(rest) = of(names.layers) {
        let index = rest.split_once('.')?.0.parse().ok()?;
        return (index < config.layers.len()).then_some(ModelPart::Layer(index));
    }
    if of(names.embedding).is_some() {
        return Some(ModelPart::Embedding);
    }
    (of(names.output).is_some() || of(names.final_norm).is_some()).then_some(ModelPart::Output)
}

/// Bytes of the weights once they are loaded.
fn model_bytes(config: &DecoderConfig, weights: &CheckpointTensors, options: &EngineOptions) -> ModelBytes {
    let (weight_type, quantization) = (WeightType::of(options.dtype), Quantization::of(options.dtype));
    let mut model = ModelBytes { embedding: 0, layers: vec![0; config.layers.len()], output: 0 };
    let (mut has_output, mut rounded) = (false, 0);
    for header in weights.headers() {
        match part(config, header.name) {
            Some(ModelPart::Embedding) => {
                // The CPU reads rows of blocks; elsewhere they are dequantised.
                model.embedding += match options.device.as_slice().first() {
                    Some(DeviceSpec::Cpu) => linear_bytes(&header, weight_type, None, ComputeType::F32),
                    _ => dense_bytes(&header, weight_type),
                };
                let stored = header.stored.float().map(|stored| weight_type.resolve(stored));
                if stored.is_some_and(|stored| options.compute.of_weights(stored) != stored) {
                    rounded += linear_bytes(&header, weight_type, None, options.compute);
                }
            }
            Some(ModelPart::Layer(index)) => {
                model.layers[index] += linear_bytes(&header, weight_type, quantization, options.compute);
            }
            Some(ModelPart::Output) => {
                has_output |= header.dims.len() > 1;
                let quantization = quantization.map(|_| Quantization::Q8_0);
                model.output += linear_bytes(&header, weight_type, quantization, options.compute);
            }
            None => {}
        }
    }
    // A tied output layer is the embedding itself, unless that is elsewhere, or not quantised or rounded as it is.
    if config.tied_embeddings.unwrap_or(!has_output) {
        if options.device.as_slice().len() > 1 || quantization.is_some() {
            model.output += model.embedding;
        } else {
            model.output += rounded;
        }
    }
    model
}

/// Bytes of a tensor in the weight type, whatever it is stored as.
fn dense_bytes(header: &TensorHeader<'_>, weight_type: WeightType) -> u64 {
    let dtype = weight_type.resolve(header.stored.float().unwrap_or(DType::F32));
    header.numbers() * dtype.size_in_bytes() as u64
}

/// Bytes of a linear layer's tensor: quantised where it is stored so or where it is asked for, else as it is multiplied.
fn linear_bytes(
    header: &TensorHeader<'_>,
    weight_type: WeightType,
    quantization: Option<Quantization>,
    compute: ComputeType,
) -> u64 {
    let width = header.dims.last().copied().unwrap_or(1);
    let quantised = match (header.stored, quantization) {
        (TensorType::Blocks(_), _) => Some(header.stored),
        (_, Some(quantization)) if header.dims.len() == 2 => quantization.block_type(width).map(TensorType::Blocks),
        _ => None,
    };
    let weight_type =
        if header.dims.len() > 1 && compute == ComputeType::Bf16 { WeightType::Bf16 } else { weight_type };
    quantised.and_then(|stored| stored.bytes(header.dims)).unwrap_or_else(|| dense_bytes(header, weight_type))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;
    use crate::checkpoint::source::ModelSource;

    #[test]
    fn weights_that_are_rounded_count_as_they_are_kept_and_a_tied_output_layer_besides() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        for (name, halved) in
            [("qwen2-window-f32", true), ("llama-linear-rope-biases-f16", false), ("qwen2-bf16", false)]
        {
            let source = ModelSource::Folder(fixtures.join(name));
            let mut config = DecoderConfig::load(&source.config().unwrap()).unwrap();
            config.tied_embeddings = Some(true);
            let files = source.weights().unwrap();
            let weights =
                CheckpointTensors::open(&files, source.to_string(), Device::Cpu, WeightType::Stored, None).unwrap();
            let [exact, short] = [ComputeType::F32, ComputeType::Bf16]
                .map(|compute| model_bytes(&config, &weights, &EngineOptions { compute, ..EngineOptions::default() }));
            assert_eq!(exact.embedding, short.embedding, "{name}");
            // Norms and biases stay as they are.
            if halved {
                assert!(short.layers[0] * 100 < exact.layers[0] * 55, "{name}");
            } else {
                assert_eq!(short.layers, exact.layers, "{name}");
            }
            // The fixtures' own output layers count as well.
            let own = (2 * config.vocabulary * config.hidden) as u64;
            let matrices = weights.headers().filter(|it| part(&config, it.name) == Some(ModelPart::Output));
            let matrices = matrices.filter(|it| it.dims.len() > 1).count() as u64;
            let besides = if name.ends_with("bf16") { 0 } else { own };
            let saved = if halved { own * matrices } else { 0 };
            assert_eq!(short.output + saved, exact.output + besides, "{name}");
        }
    }
}
