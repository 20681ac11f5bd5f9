//! `gac rerun`: a run once more, from its manifest.

use std::path::{Path, PathBuf};

use clap::Args;
use gac_harness::Timestamp;
use gac_harness::plan::Plan;
use gac_harness::results::{Manifest, SampleRecord, StoredRun};
use gac_inference::DeviceList;
use gac_systems::{ModelOrigin, ModelStore, OpenSystems};

use crate::commands::planning::{Planned, PlannedTasks};
use crate::commands::run::{ReadFiles, check_failed, execute_plan, print_leaderboard, read_files};
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct RerunArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// Folder for the new results [default: results/NAME-TIME]
    #[arg(long, value_name = "DIR")]
    pub(crate) output_path: Option<PathBuf>,
    /// Device: cpu, cuda:N or metal, or several with commas between [default: the run's]
    #[arg(long, value_name = "DEVICE[,DEVICE...]")]
    pub(crate) device: Option<DeviceList>,
    /// Documents that may fail: with more the exit code is 2
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) allow_failed: usize,
    /// Print the leaderboard as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Run also where models or data are not what they were
    #[arg(long)]
    pub(crate) allow_changes: bool,
}

/// Does what a run's manifest says again, and tells how many samples came out the same.
pub(crate) fn rerun(args: &RerunArgs, printer: &mut Printer) -> CommandOutcome {
    let manifest = Manifest::read(&args.run)?;
    if let Some(harness) = &manifest.imported {
        return Err(
            anyhow::anyhow!("`{}` is a run of {harness}: it cannot be run again here", args.run.display()).into()
        );
    }
    let device = match &args.device {
        Some(device) => device.clone(),
        None => recorded_device(&manifest)?,
    };
    let planned = Planned::of(plan(&manifest, args.output_path.clone()))?;
    let tasks = planned.load_tasks()?;
    let changes = changes(&manifest, &planned.plan, &tasks, &device)?;
    if !changes.is_empty() {
        let text = format!("not what `{}` was made with: {}", args.run.display(), changes.join("; "));
        if !args.allow_changes {
            return Err(Failure::with_hint(anyhow::anyhow!(text), "`--allow-changes` runs all the same"));
        }
        printer.warning(&text, None);
    }
    let summary = execute_plan(&planned.plan, &tasks, (&device, None), printer)?;
    print_leaderboard(&summary, args.json, printer)?;
    match (StoredRun::read(&args.run), StoredRun::read(&summary.folder)) {
        (Ok(before), Ok(after)) => printer.note(&agreement(&before, &after)),
        // A run that was cut short can be run again, but there is nothing whole to hold it against.
        (Err(error), _) | (_, Err(error)) => {
            printer.warning(&format!("not compared with the run before: {error}"), None);
        }
    }
    check_failed(&summary.leaderboard, args.allow_failed)
}

fn recorded_device(manifest: &Manifest) -> Result<DeviceList, Failure> {
    let recorded = manifest.sessions.last().and_then(|session| session.device.as_deref());
    recorded.map_or(Ok(DeviceList::default()), |device| Ok(device.parse()?))
}

/// The manifest's plan with its paths found again: from here, or from where it was run.
pub(crate) fn plan(manifest: &Manifest, output: Option<PathBuf>) -> Plan {
    let started_in = manifest.sessions.last().map(|session| session.folder.clone()).unwrap_or_default();
    let found = |path: &Path| {
        let there = started_in.join(path);
        if path.exists() || !there.exists() { path.to_path_buf() } else { there }
    };
    let mut plan = manifest.plan.clone();
    for model in &mut plan.models {
        match &mut model.source {
            ModelOrigin::Path(path) => *path = found(path),
            ModelOrigin::Server(server) => {
                server.tokenizer = server.tokenizer.take().map(|text| found(Path::new(&text)).display().to_string());
            }
            ModelOrigin::Hub(_) => {}
        }
    }
    plan.data_dir = plan.data_dir.as_deref().map(found);
    plan.include_path = plan.include_path.iter().map(|path| found(path)).collect();
    // A run that is done again is asked again.
    plan.use_cache = None;
    plan.recipe = plan.recipe.as_deref().map(found);
    let default = || Path::new("results").join(format!("{}-{}", plan.name, Timestamp::now().compact()));
    plan.output = output.unwrap_or_else(default);
    plan
}

/// Which models and data are not what they were.
fn changes(
    manifest: &Manifest,
    plan: &Plan,
    tasks: &PlannedTasks,
    device: &DeviceList,
) -> Result<Vec<String>, Failure> {
    let mut changes = Vec::new();
    let mut store = ModelStore::new(plan.models.clone(), device.clone(), plan.batch_size);
    let mut seen: Vec<String> = Vec::new();
    for system in &plan.systems {
        for now in store.identify(system)? {
            if seen.contains(&now.name) {
                continue;
            }
            seen.push(now.name.clone());
            let before = manifest.models.iter().find(|model| model.name == now.name);
            let Some(before) = before.filter(|before| before.contents() != now.contents()) else { continue };
            let changed = now.files.iter().filter(|file| !before.files.contains(file));
            let mut files: Vec<&str> = changed.map(|file| file.file.as_str()).collect();
            if now.server != before.server {
                files.push("its server");
            }
            changes.push(format!("model `{}` ({})", now.name, files.join(", ")));
        }
    }
    let ReadFiles { data, task_files } = read_files(plan, tasks)?;
    for before in &manifest.data {
        let now = data
            .iter()
            .find(|now| (&now.dataset, &now.config, &now.split) == (&before.dataset, &before.config, &before.split));
        if now.is_none_or(|now| now.files != before.files) {
            changes.push(format!("split `{}` of data set `{}`", before.split, before.dataset));
        }
    }
    for before in manifest.task_files.iter().filter(|before| !task_files.contains(before)) {
        changes.push(format!("task file `{}`", before.place));
    }
    Ok(changes)
}

/// How many samples have the same response, as a sentence.
fn agreement(before: &StoredRun, after: &StoredRun) -> String {
    let samples = |run: &StoredRun| -> Vec<SampleRecord> {
        run.systems.iter().flat_map(|system| &system.tasks).flat_map(|task| task.samples.clone()).collect()
    };
    let (before, after) = (samples(before), samples(after));
    let same = before.iter().zip(&after).filter(|(before, after)| {
        (&before.identity, &before.filters, &before.no_answer) == (&after.identity, &after.filters, &after.no_answer)
            && texts(before) == texts(after)
    });
    format!("{} of {} samples came out as before", same.count(), after.len())
}

fn texts(sample: &SampleRecord) -> Option<&str> {
    match &sample.response {
        gac_harness::results::ResponseRecord::Generated { text, .. } => Some(text),
        gac_harness::results::ResponseRecord::Choices(_) | gac_harness::results::ResponseRecord::None => None,
    }
}
