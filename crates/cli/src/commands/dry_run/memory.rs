//! Memory that a plan wants on each device, against what is there.

use std::collections::BTreeMap;
use std::process::Command;

use gac_inference::EngineOptions;
use serde::Serialize;

use super::inspect::ModelInspection;

/// A device with what is wanted of it. Every model stays loaded until the run ends.
#[derive(Serialize)]
pub(super) struct DeviceMemory {
    pub(super) device: String,
    /// Bytes of all weights on it; none where some model's are not known.
    pub(super) weights: Option<u64>,
    /// Most bytes of keys and values.
    pub(super) cache: u64,
    /// Bytes that are free; none where the device does not say.
    pub(super) free: Option<u64>,
}

impl DeviceMemory {
    /// Whether it all fits, where that is known.
    pub(super) fn fits(&self) -> Option<bool> {
        Some(self.weights? + self.cache <= self.free?)
    }
}

pub(super) fn devices(models: &[ModelInspection]) -> Vec<DeviceMemory> {
    let cache = EngineOptions::default().cache_bytes as u64;
    let mut devices: BTreeMap<&str, (Option<u64>, u64)> = BTreeMap::new();
    for model in models {
        let (weights, caches) = devices.entry(&model.device).or_insert((Some(0), 0));
        *weights = weights.zip(model.weight_bytes).map(|(sum, bytes)| sum + bytes);
        *caches += cache;
    }
    let memory = |(device, (weights, cache)): (&str, (Option<u64>, u64))| DeviceMemory {
        device: device.to_owned(),
        weights,
        cache,
        free: free(device),
    };
    devices.into_iter().map(memory).collect()
}

fn free(device: &str) -> Option<u64> {
    match device.split_once(':') {
        None if device == "cpu" => {
            let text = std::fs::read_to_string("/proc/meminfo").ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
            Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
        }
        Some(("cuda", ordinal)) => {
            let query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits", "-i", ordinal];
            let output =
                Command::new("nvidia-smi").args(query).output().ok().filter(|output| output.status.success())?;
            let mebibytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
            Some(mebibytes << 20)
        }
        _ => None,
    }
}
