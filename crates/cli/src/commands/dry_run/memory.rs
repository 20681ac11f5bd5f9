//! Memory that a plan wants on each device, against what is there.

use std::collections::BTreeMap;

use gac_inference::{DeviceSpec, free_memory, working_memory};
use serde::Serialize;

use super::inspect::{ModelInspection, name};

/// A device with what is wanted of it. Every model stays loaded until the run ends.
#[derive(Serialize)]
pub(super) struct DeviceMemory {
    #[serde(serialize_with = "name")]
    pub(super) device: DeviceSpec,
    /// Bytes of all weights on it; none where some model's are not known.
    pub(super) weights: Option<u64>,
    /// Most bytes of keys and values.
    pub(super) cache: u64,
    /// Bytes that are wanted besides.
    pub(super) working: u64,
    /// Bytes that are free; none where the device does not say.
    pub(super) free: Option<u64>,
}

impl DeviceMemory {
    /// Whether it all fits, where that is known.
    pub(super) fn fits(&self) -> Option<bool> {
        Some(self.weights? + self.cache + self.working <= self.free?)
    }
}

pub(super) fn devices(models: &[ModelInspection]) -> Vec<DeviceMemory> {
    let mut devices: BTreeMap<DeviceSpec, (Option<u64>, u64)> = BTreeMap::new();
    for share in models.iter().flat_map(|model| &model.shares) {
        let (weights, caches) = devices.entry(share.device).or_insert((Some(0), 0));
        *weights = weights.zip(share.weights).map(|(sum, bytes)| sum + bytes);
        *caches += share.cache;
    }
    let memory = |(device, (weights, cache))| DeviceMemory {
        device,
        weights,
        cache,
        working: working_memory(device),
        free: free_memory(device),
    };
    devices.into_iter().map(memory).collect()
}
