//! What was found out, for people and for programs.

use std::fmt::Write as _;

use gac_harness::plan::Plan;
use gac_systems::ModelStore;
use serde::Serialize;

use super::inspect::{self, ModelInspection, ShareInspection, TaskInspection, UnionInspection};
use super::memory::{self, DeviceMemory};
use super::probe::{self, TimeEstimate};
use crate::commands::planning::Planned;
use crate::compute::Compute;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

/// Everything that is known of a run before it starts.
#[derive(Serialize)]
struct Inspection {
    plan: Plan,
    models: Vec<ModelInspection>,
    tasks: Vec<TaskInspection>,
    unions: Vec<UnionInspection>,
    devices: Vec<DeviceMemory>,
    /// Time by system; none where something is missing or no probe was asked for.
    estimate: Option<Vec<TimeEstimate>>,
    /// Why there is no estimate.
    no_estimate: Option<String>,
}

/// Prints what `plan` would do. Fetches no model; runs `probe` documents per task for the estimate of time.
pub(crate) fn dry_run(
    planned: &Planned,
    compute: &Compute,
    documents: usize,
    json: bool,
    printer: &mut Printer,
) -> CommandOutcome {
    let plan = &planned.plan;
    let mut store = ModelStore::new(plan.models.clone(), compute.device.clone(), plan.batch_size)
        .with_max_memory(compute.max_memory);
    let models: Vec<ModelInspection> = plan.models.iter().map(|model| inspect::model(model, &mut store)).collect();
    let (tasks, loaded) = inspect::tasks(planned, &models)?;
    let unions = plan.systems.iter().filter_map(|system| inspect::union(system, &models)).collect();
    let devices = memory::devices(&models, &tasks, store.keeping());
    let is_complete =
        models.iter().all(|model| model.missing.is_empty()) && tasks.iter().all(|task| task.missing.is_none());
    let (estimate, no_estimate) = if documents == 0 {
        (None, Some("no probe was asked for".to_owned()))
    } else if !is_complete {
        (None, Some("something is missing".to_owned()))
    } else {
        match probe::estimate(plan, loaded, &mut store, documents) {
            Ok(estimate) => (Some(estimate), None),
            Err(failure) => (None, Some(failure.message())),
        }
    };
    let found = Inspection { plan: plan.clone(), models, tasks, unions, devices, estimate, no_estimate };
    let text = if json { serde_json::to_string_pretty(&found)? + "\n" } else { text(&found, documents) };
    printer.data(&text)?;
    Ok(())
}

/// A model's devices, with their layers where there are several.
fn places(model: &ModelInspection) -> String {
    let several = model.shares.len() > 1;
    let place = |share: &ShareInspection| match share.layers {
        Some((first, last)) if several => format!("{} (layers {first} to {last})", share.device),
        _ => share.device.to_string(),
    };
    if model.shares.is_empty() {
        return model.device.clone();
    }
    model.shares.iter().map(place).collect::<Vec<_>>().join(", ")
}

fn text(found: &Inspection, documents: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "results would go to {}", found.plan.output.display());
    text.push_str("\nmodels\n");
    for model in &found.models {
        let weights = model
            .weight_bytes
            .map_or_else(|| "weights unknown".to_owned(), |bytes| format!("{} of weights", size(bytes)));
        let _ = writeln!(text, "  {}: {}, {weights}, on {}", model.name, model.source, places(model));
    }
    text.push_str("\ntasks\n");
    for task in &found.tasks {
        if task.missing.is_some() {
            let _ = writeln!(text, "  {}: data missing", task.task);
            continue;
        }
        let most = if task.most_new_tokens > 0 {
            format!(", at most {} new tokens", task.most_new_tokens)
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {}: {} documents, {} requests{most}", task.task, task.documents, task.requests);
        for prompt in &task.prompts {
            let _ = writeln!(
                text,
                "    {}: {} tokens of prompts and choices, the longest {}",
                prompt.model, prompt.tokens, prompt.longest
            );
        }
    }
    text.push_str("\nsystems\n");
    for system in &found.plan.systems {
        let gate = system
            .gate
            .as_ref()
            .map_or_else(String::new, |gate| format!(", gate {} at {}", gate.member, gate.threshold));
        let union = found.unions.iter().find(|union| union.system == system.name);
        let union = union.map_or_else(String::new, |union| {
            format!(", {} union tokens of which {} are everybody's", union.tokens, union.shared)
        });
        let _ = writeln!(text, "  {}: {}{gate}{union}", system.name, system.members.join(" + "));
    }
    text.push_str("\nmemory\n");
    for device in &found.devices {
        let weights = device.weights.map_or_else(|| "unknown".to_owned(), size);
        let free = device.free.map_or_else(|| "unknown".to_owned(), size);
        let verdict = match device.fits() {
            Some(true) => "fits",
            Some(false) => "DOES NOT FIT",
            None => "unknown whether that fits",
        };
        let _ = writeln!(
            text,
            "  {}: weights {weights}, keys and values up to {} of {} allowed; free {free}: {verdict}",
            device.device,
            size(device.used),
            size(device.cache)
        );
    }
    text.push_str("\nmissing\n");
    let mut is_complete = true;
    for model in found.models.iter().filter(|model| !model.missing.is_empty()) {
        is_complete = false;
        let _ = writeln!(text, "  model {}: {}", model.name, model.missing.join(", "));
    }
    for task in &found.tasks {
        if let Some(reason) = &task.missing {
            is_complete = false;
            let _ = writeln!(text, "  {reason}");
        }
    }
    if is_complete {
        text.push_str("  nothing\n");
    }
    text.push_str("\ntime\n");
    match (&found.estimate, &found.no_estimate) {
        (Some(estimates), _) => {
            for estimate in estimates {
                let _ = writeln!(text, "  {}: about {}", estimate.system, duration(estimate.seconds));
            }
            let all: f64 = estimates.iter().map(|estimate| estimate.seconds).sum();
            let _ = writeln!(text, "  together about {}, by {documents} documents of every task", duration(all));
        }
        (None, reason) => {
            let _ = writeln!(text, "  no estimate: {}", reason.as_deref().unwrap_or("unknown"));
        }
    }
    text
}

/// `1.5 GB`.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes >= 1e9 { format!("{:.1} GB", bytes / 1e9) } else { format!("{:.1} MB", bytes / 1e6) }
}

/// `2 h 05 min`, `3 min 20 s`, `4.2 s`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}
