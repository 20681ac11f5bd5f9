//! Flags to members, for the commands that need no tasks.

use gac_ensemble::{BatchLimits, Ensemble};
use gac_harness::{DEFAULT_BATCH_SIZE, Dtype, ModelStore, Overrides, Systems};
use gac_inference::{EngineOptions, WeightType};

use crate::args::{Compute, DtypeArg, SystemArgs};
use crate::commands::eval::recipe;
use crate::failure::Failure;

/// The ensemble that flags name, checked by the same rules as a recipe's.
pub(crate) fn ensemble(system: &SystemArgs, compute: &Compute) -> Result<Ensemble, Failure> {
    let overrides = Overrides { dtype: compute.dtype.map(Into::into), ..Overrides::default() };
    let Systems { models, systems } = Systems::resolve(&recipe(system), &overrides)?;
    let mut store = ModelStore::new(models, compute.device);
    let system = systems.first().ok_or_else(|| anyhow::anyhow!("no `--model` was given"))?;
    Ok(store.ensemble(system)?)
}

/// How many samples flags allow in flight.
pub(crate) fn batch_limits(compute: &Compute) -> BatchLimits {
    BatchLimits { max_samples: compute.batch_size.unwrap_or(DEFAULT_BATCH_SIZE) }
}

/// How an engine is set up by flags.
pub(crate) fn engine_options(compute: &Compute) -> EngineOptions {
    EngineOptions {
        device: compute.device,
        weight_type: compute.dtype.map_or(WeightType::Stored, Into::into),
        ..EngineOptions::default()
    }
}

impl From<DtypeArg> for WeightType {
    fn from(dtype: DtypeArg) -> Self {
        match dtype {
            DtypeArg::F32 => Self::F32,
            DtypeArg::Bf16 => Self::BF16,
            DtypeArg::F16 => Self::F16,
        }
    }
}

impl From<DtypeArg> for Dtype {
    fn from(dtype: DtypeArg) -> Self {
        match dtype {
            DtypeArg::F32 => Self::F32,
            DtypeArg::Bf16 => Self::Bf16,
            DtypeArg::F16 => Self::F16,
        }
    }
}
