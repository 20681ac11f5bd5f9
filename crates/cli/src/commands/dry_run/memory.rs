//! Memory that a plan wants on each device, against what is there.

use std::collections::BTreeMap;

use gac_inference::{DeviceSpec, Keeping, free_memory, working_memory};
use serde::Serialize;

use super::inspect::{ModelInspection, TaskInspection, name};

/// A device with what is wanted of it. Every model stays loaded until the run ends.
#[derive(Serialize)]
pub(super) struct DeviceMemory {
    #[serde(serialize_with = "name")]
    pub(super) device: DeviceSpec,
    /// Bytes of all weights on it; none where some model's are not known.
    pub(super) weights: Option<u64>,
    /// Most bytes of keys and values that are allowed.
    pub(super) cache: u64,
    /// Most bytes of keys and values that the tasks can use.
    pub(super) used: u64,
    /// Bytes that are wanted besides.
    pub(super) working: u64,
    /// Bytes that are free; none where the device does not say.
    pub(super) free: Option<u64>,
}

impl DeviceMemory {
    /// Whether it all fits, where that is known. The CPU's memory is claimed as it is used, a GPU's at once.
    pub(super) fn fits(&self) -> Option<bool> {
        let claimed = if self.device == DeviceSpec::Cpu { self.used } else { self.cache };
        Some(self.weights? + claimed + self.working <= self.free?)
    }
}

/// What is wanted of each device where all of `tasks` are asked.
pub(super) fn devices(models: &[ModelInspection], tasks: &[TaskInspection], keeping: Keeping) -> Vec<DeviceMemory> {
    let mut devices: BTreeMap<DeviceSpec, (Option<u64>, u64, u64)> = BTreeMap::new();
    for model in models {
        let used = part_used(model, tasks, keeping);
        for share in &model.shares {
            let (weights, caches, all_used) = devices.entry(share.device).or_insert((Some(0), 0, 0));
            *weights = weights.zip(share.weights).map(|(sum, bytes)| sum + bytes);
            *caches += share.cache;
            *all_used += (share.cache as f64 * used) as u64;
        }
    }
    let memory = |(device, (weights, cache, used))| DeviceMemory {
        device,
        weights,
        cache,
        used,
        working: working_memory(device),
        free: free_memory(device),
    };
    devices.into_iter().map(memory).collect()
}

/// The part of a model's cache that the tasks can use: what is read at once, and as much again that is kept of it.
fn part_used(model: &ModelInspection, tasks: &[TaskInspection], keeping: Keeping) -> f64 {
    let prompts = tasks.iter().flat_map(|task| &task.prompts).filter(|prompts| prompts.model == model.name);
    match (keeping, model.cached_tokens, prompts.map(|prompts| prompts.at_once).max()) {
        (Keeping::AsUsed, Some(room), Some(at_once)) => (2.0 * at_once as f64 / room.max(1) as f64).min(1.0),
        _ => 1.0,
    }
}
