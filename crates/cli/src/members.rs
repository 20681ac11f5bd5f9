//! Flags to members, for the commands that need no tasks.

use std::sync::Arc;

use gac_ensemble::{BatchLimits, Scheduler, Settings};
use gac_inference::remote::RemoteModel;
use gac_inference::{EngineOptions, Keeping, UnixTime};
use gac_systems::{DEFAULT_BATCH_SIZE, ModelStore, SystemIdentity, SystemPlan, SystemsOverrides, SystemsPlan};

use crate::commands::eval::specs;
use crate::compute::Compute;
use crate::failure::Failure;
use crate::shared_args::{ChatArgs, SystemArgs};

/// The system that flags name, checked by the same rules as a recipe's.
pub(crate) struct FlagSystem {
    store: ModelStore,
    plan: SystemPlan,
}

impl FlagSystem {
    /// Finds the models; nothing is loaded. With `chats`, its members write chats down whether or not all prompts are
    /// chats.
    pub(crate) fn resolve(
        system: &SystemArgs,
        chat: &ChatArgs,
        chats: bool,
        compute: &Compute,
    ) -> Result<Self, Failure> {
        let chat_template_args = chat.chat_template_args.clone().unwrap_or_default();
        let overrides = SystemsOverrides { dtype: compute.dtype(), compute: compute.products_in, chat_template_args };
        let mut specs = specs(system)?;
        for system in specs.systems.iter_mut().filter(|_| chats) {
            system.chat_template = Some(true);
        }
        let SystemsPlan { models, systems } = SystemsPlan::resolve(&specs, &overrides)?;
        let store = ModelStore::new(models, compute.device.clone(), batch_limits(compute).max_samples)
            .with_max_memory(compute.max_memory);
        let plan = systems.into_iter().next().ok_or_else(|| anyhow::anyhow!("no `--model` was given"))?;
        Ok(Self { store, plan })
    }

    /// One model alone.
    pub(crate) fn of_model(model: &str, add_bos: Option<bool>, compute: &Compute) -> Result<Self, Failure> {
        let add_bos = add_bos.into_iter().collect();
        let system = SystemArgs { model: vec![model.to_owned()], add_bos, ..SystemArgs::default() };
        Self::resolve(&system, &ChatArgs::default(), false, compute)
    }

    /// What its answers depend on, for as long as the models' files are not touched.
    pub(crate) fn stamp(&mut self) -> Result<SystemIdentity, Failure> {
        Ok(self.store.stamp(&self.plan)?)
    }

    /// The names of its members, in order.
    pub(crate) fn members(&self) -> &[String] {
        &self.plan.members
    }

    /// The one model, where it is on servers.
    pub(crate) fn served(&mut self) -> Result<Option<RemoteModel>, Failure> {
        let Some(member) = self.plan.members.first() else { return Ok(None) };
        Ok(self.store.take_served(member)?)
    }

    /// Loads its models, with the settings to use them with; chats tell `time`.
    pub(crate) fn open(mut self, time: UnixTime) -> Result<(Scheduler, Arc<Settings>), Failure> {
        if let Some(chat) = &mut self.plan.settings.chat {
            chat.time = Some(time);
        }
        let settings = self.store.settings(&self.plan)?;
        Ok((self.store.into_scheduler(), settings))
    }
}

/// How many samples flags allow in flight.
pub(crate) fn batch_limits(compute: &Compute) -> BatchLimits {
    BatchLimits::batch(compute.batch_size().unwrap_or(DEFAULT_BATCH_SIZE))
}

/// How an engine is set up by flags.
pub(crate) fn engine_options(compute: &Compute) -> EngineOptions {
    let default = EngineOptions::default();
    let cache_bytes =
        compute.max_memory.map_or(default.cache_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    EngineOptions {
        device: compute.device.clone(),
        dtype: compute.dtype(),
        compute: compute.products_in.unwrap_or_default(),
        cache_bytes,
        keeping: if compute.max_memory.is_some() { Keeping::Everything } else { Keeping::AsUsed },
        ..default
    }
}
