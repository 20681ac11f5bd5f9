//! A scheduler's steps, seen by what its models are asked.
#![allow(clippy::unwrap_used, reason = "tests")]

use gac_ensemble::{Gating, ModelId, Scheduler, Settings, Weights};
use gac_inference::testkit::tokenizer;

use super::{Log, Script};

/// Settings for some of a scheduler's models.
pub fn settings(scheduler: &mut Scheduler, models: &[usize], gating: Gating) -> Settings {
    let models: Vec<ModelId> = models.iter().copied().map(ModelId).collect();
    Settings::new(scheduler.ensemble(&models).unwrap(), Weights::uniform(models.len()), gating).unwrap()
}

/// By forward: how many tokens of each sequence it read.
pub fn sizes(log: &Log) -> Vec<Vec<usize>> {
    log.lock().unwrap().iter().map(|batch| batch.iter().map(|(_, tokens)| tokens.len()).collect()).collect()
}

/// Says x whatever it reads.
pub fn xs() -> Script {
    Script::says(tokenizer(&["q", "x", "y"], &[]), &[("", &[("x", 0.9)])])
}
