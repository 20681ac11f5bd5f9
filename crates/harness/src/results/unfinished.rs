//! Finds a run that was cut short.

use std::fs;
use std::path::{Path, PathBuf};

use super::lock::RunLock;
use super::manifest::{Manifest, RunStatus};
use crate::plan::Plan;

/// The newest run beside `plan.output` that is the same plan, was cut short, and that nobody works on.
///
/// A recipe without an output gets a folder named after the time; this is how such a run is found again.
pub fn unfinished_run(plan: &Plan) -> Option<PathBuf> {
    let parent = plan.output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(parent)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let manifest = Manifest::read(&path).ok()?;
            let same = Plan { output: plan.output.clone(), ..manifest.plan }.without_times() == *plan;
            let open = same && manifest.status != RunStatus::Finished && !RunLock::is_held(&path);
            // The plan's own way of writing the folder is kept: `results/x`, not `./results/x`.
            open.then(|| (manifest.started, plan.output.with_file_name(path.file_name().unwrap_or_default())))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}
