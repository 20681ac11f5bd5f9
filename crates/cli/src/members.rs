//! Flags to members, for the commands that need no tasks.

use gac_ensemble::{BatchLimits, Ensemble};
use gac_harness::ModelStore;
use gac_harness::recipe::{DEFAULT_BATCH_SIZE, Dtype, Overrides, Systems};
use gac_inference::{EngineOptions, Quantization, WeightType};

use crate::args::{ChatArgs, SystemArgs};
use crate::commands::eval::recipe;
use crate::compute::Compute;
use crate::failure::Failure;

/// The ensemble that flags name, checked by the same rules as a recipe's. With `chats`, its members write chats down
/// whether or not all prompts are chats.
pub(crate) fn ensemble(
    system: &SystemArgs,
    chat: &ChatArgs,
    chats: bool,
    compute: &Compute,
) -> Result<Ensemble, Failure> {
    let chat_template_args = chat.chat_template_args.clone().unwrap_or_default();
    let overrides = Overrides { dtype: compute.dtype(), chat_template_args, ..Overrides::default() };
    let mut recipe = recipe(system);
    for system in recipe.systems.iter_mut().filter(|_| chats) {
        system.chat_template = Some(true);
    }
    let Systems { models, systems } = Systems::resolve(&recipe, &overrides)?;
    let mut store = ModelStore::new(models, compute.device.clone(), batch_limits(compute).max_samples)
        .with_max_memory(compute.max_memory);
    let system = systems.first().ok_or_else(|| anyhow::anyhow!("no `--model` was given"))?;
    Ok(store.ensemble(system)?)
}

/// How many samples flags allow in flight.
pub(crate) fn batch_limits(compute: &Compute) -> BatchLimits {
    BatchLimits { max_samples: compute.batch_size().unwrap_or(DEFAULT_BATCH_SIZE) }
}

/// How an engine is set up by flags.
pub(crate) fn engine_options(compute: &Compute) -> EngineOptions {
    let default = EngineOptions::default();
    let (weight_type, quantization) = match compute.dtype() {
        None => (WeightType::Stored, None),
        Some(Dtype::F32) => (WeightType::F32, None),
        Some(Dtype::Bf16) => (WeightType::BF16, None),
        Some(Dtype::F16) => (WeightType::F16, None),
        Some(Dtype::Q8_0) => (WeightType::Stored, Some(Quantization::Q8_0)),
        Some(Dtype::Q4K) => (WeightType::Stored, Some(Quantization::Q4K)),
    };
    let cache_bytes =
        compute.max_memory.map_or(default.cache_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    EngineOptions { device: compute.device.clone(), weight_type, quantization, cache_bytes }
}
