//! A whole run: every system on every task, one system open at a time.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use super::error::{RunError, chain};
use super::job::Job;
use super::response_cache::ResponseCache;
use super::resume::Prepared;
use super::task::run_task;
use super::task_folder::TaskFolder;
use crate::events::{Event, Reporter, Warning};
use crate::plan::Plan;
use crate::report::{self, Leaderboard, Sweep};
use crate::results::{Contents, FolderError, Manifest, Provenance, RunFolder, RunStatus, SystemResults, check_folder};
use crate::stats::Bootstrap;
use crate::task::{Document, LoadedTask, Request};
use gac_ensemble::Decoding;
use gac_systems::{ModelIdentity, OpenSystems, System, SystemError, SystemPlan};

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// The run's folder.
    pub folder: PathBuf,
    /// What came out.
    pub leaderboard: Leaderboard,
}

/// [`run_with`] of a run of which nothing more is known.
///
/// # Errors
/// As [`run_with`].
pub fn run(
    plan: &Plan,
    tasks: &[LoadedTask],
    systems: &mut dyn OpenSystems,
    reporter: &mut dyn Reporter,
) -> Result<RunSummary, RunError> {
    run_with(plan, tasks, systems, reporter, &Provenance::default())
}

/// Evaluates every system of `plan` on every one of `tasks`, in order, and writes results to `plan.output` (the layout
/// is told in [`results`](crate::results)).
///
/// Where the folder holds a run already, samples with the same identity are taken from it and only the others are
/// asked for. A new folder is created once everything has been checked and the first system is open. Samples are
/// written as they finish, a task's results when it ends, the leaderboard after every system.
///
/// # Errors
/// When there is nothing to do, the folder is in use or cannot be written, a system cannot be opened or fails, or the
/// reporter fails. The manifest then says `failed`, and what was finished stays.
pub fn run_with(
    plan: &Plan,
    tasks: &[LoadedTask],
    systems: &mut dyn OpenSystems,
    reporter: &mut dyn Reporter,
    provenance: &Provenance,
) -> Result<RunSummary, RunError> {
    let started = Instant::now();
    if plan.systems.is_empty() {
        return Err(RunError::NoSystems);
    }
    if tasks.is_empty() {
        return Err(RunError::NoTasks);
    }
    if let Some(task) = tasks.iter().find(|task| task.documents.is_empty()) {
        return Err(RunError::NoDocuments { task: task.name.clone() });
    }
    for (system, task) in plan.systems.iter().flat_map(|system| tasks.iter().map(move |task| (system, task))) {
        let greedy = |document: &Document| match &document.request {
            Request::Generate { decoding, .. } => decoding.unwrap_or(system.settings.decoding) == Decoding::Greedy,
            Request::Choose { .. } | Request::Fill { .. } => false,
        };
        if task.documents.iter().any(|document| document.repeat > 0 && greedy(document)) {
            return Err(RunError::NothingDrawn { system: system.name.clone(), task: task.name.clone() });
        }
    }
    let contents = check_folder(&plan.output)?;
    for system in &plan.systems {
        systems.check(system).map_err(|error| open_error(system, error))?;
    }
    let members = plan.systems.iter().map(|system| systems.identify(system).map_err(|error| open_error(system, error)));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let cache = plan.use_cache.as_deref().map(|folder| {
        ResponseCache::open(folder).map_err(|source| FolderError::Write { path: folder.to_owned(), source })
    });
    let cache = cache.transpose()?;
    let job = Job { plan, tasks, members, provenance, cache: cache.as_ref() };
    let mut run = Run { job, systems, reporter, opened: None, prepare: &Job::prepare };
    // A run that is gone on with is refused at once where somebody else works on it.
    if contents == Contents::Run {
        run.opened = Some(run.job.open_folder(run.reporter)?);
    }
    let started_event = Event::RunStarted {
        folder: &plan.output,
        systems: plan.systems.len(),
        tasks: tasks.len(),
        documents: tasks.iter().map(|task| task.documents.len()).sum(),
    };
    run.tell(&started_event)?;

    run.finish(started)
}

/// Gives the tasks of a system with what is done of them.
pub(super) type Prepare<'a> =
    dyn Fn(&Job<'a>, &RunFolder, usize, &mut dyn Reporter) -> Result<Vec<(TaskFolder<'a>, Prepared)>, RunError> + 'a;

pub(super) struct Run<'a, 'b> {
    pub(super) job: Job<'a>,
    pub(super) systems: &'b mut dyn OpenSystems,
    pub(super) reporter: &'b mut dyn Reporter,
    /// The run's folder, once there is one, and what its manifest says.
    pub(super) opened: Option<(RunFolder, Manifest)>,
    pub(super) prepare: &'b Prepare<'a>,
}

impl Run<'_, '_> {
    /// Goes through all systems, and says in the manifest how that ended.
    pub(super) fn finish(mut self, started: Instant) -> Result<RunSummary, RunError> {
        match self.all_systems(started) {
            Ok(summary) => Ok(summary),
            Err(error) => {
                if let Some((folder, manifest)) = self.opened {
                    let failed = manifest.ended(RunStatus::Failed { error: chain(&error) });
                    // The error to report is the first one; a folder that cannot be written is likely the reason for it.
                    let _ = RunFolder::write_json(&folder.manifest(), &failed);
                }
                Err(error)
            }
        }
    }

    fn all_systems(&mut self, started: Instant) -> Result<RunSummary, RunError> {
        let mut results = Vec::with_capacity(self.job.plan.systems.len());
        for group in self.job.plan.groups() {
            results.extend(self.group(group)?);
            self.write_leaderboard(&Leaderboard::new(&results)?)?;
            if let Some(sweep) = Sweep::new(&self.job.plan.systems, &results) {
                let (folder, _) = self.folder()?;
                RunFolder::write_text(&folder.path().join("sweep.csv"), &sweep.csv())?;
            }
        }
        let mut leaderboard = Leaderboard::new(&results)?;
        for (system, error) in leaderboard.compare(&results, Bootstrap::default()) {
            let baseline = leaderboard.best_single().map_or("", |row| row.system.as_str());
            let warning = Warning::NotCompared { system: &system, baseline, reason: error.to_string() };
            self.tell(&Event::Warning(warning))?;
        }
        self.write_leaderboard(&leaderboard)?;

        let (folder, manifest) = self.folder()?;
        let path = folder.path().to_path_buf();
        RunFolder::write_json(&folder.manifest(), &manifest.clone().ended(RunStatus::Finished))?;
        let seconds = started.elapsed().as_secs_f64();
        self.tell(&Event::RunFinished { folder: &path, leaderboard: &leaderboard, seconds })?;
        Ok(RunSummary { folder: path, leaderboard })
    }

    /// A system, or the systems of an axis together.
    fn group(&mut self, group: Range<usize>) -> Result<Vec<SystemResults>, RunError> {
        let started = Instant::now();
        let plans = &self.job.plan.systems[group.clone()];
        for (index, plan) in group.clone().zip(plans) {
            self.tell(&Event::SystemStarted { system: &plan.name, index })?;
        }
        let thresholds = self.job.thresholds(group.clone());
        let prepared = match &self.opened {
            Some((folder, _)) => Some(prepare_group(self.prepare, &self.job, folder, group.clone(), self.reporter)?),
            None => None,
        };
        let is_done = prepared.as_ref().is_some_and(|tasks| tasks.iter().flatten().all(|(_, task)| task.is_complete()));
        let mut system = None;
        if let Some(first) = plans.first().filter(|_| !is_done) {
            self.systems.keep_for(&self.job.plan.systems[group.start..]);
            system = Some(self.systems.open(first, &thresholds).map_err(|error| open_error(first, error))?);
            let seconds = started.elapsed().as_secs_f64();
            for plan in plans {
                self.reporter.on(&Event::SystemOpened { system: &plan.name, seconds }).map_err(RunError::Report)?;
            }
        }
        let prepared = if let Some(prepared) = prepared {
            prepared
        } else {
            let (folder, _) = self.opened.insert(self.job.open_folder(self.reporter)?);
            prepare_group(self.prepare, &self.job, folder, group.clone(), self.reporter)?
        };
        let empty = |(index, plan): (usize, &SystemPlan)| SystemResults {
            system: plan.name.clone(),
            members: plan.members.clone(),
            served: self.job.members[index].iter().filter_map(ModelIdentity::served).collect(),
            tasks: Vec::with_capacity(prepared.len()),
            scores: Vec::with_capacity(prepared.len()),
        };
        let mut results: Vec<SystemResults> = group.zip(plans).map(empty).collect();
        for (task, places) in self.job.tasks.iter().zip(&prepared) {
            let system = system.as_mut().map(|system| &mut **system as &mut dyn System);
            let of_task = run_task(system, task, places, self.reporter)?;
            for (results, (of_task, scores)) in results.iter_mut().zip(of_task) {
                results.tasks.push(of_task);
                results.scores.push(scores);
            }
        }
        drop(system);
        let seconds = started.elapsed().as_secs_f64();
        for plan in plans {
            self.tell(&Event::SystemFinished { system: &plan.name, seconds })?;
        }
        Ok(results)
    }

    fn write_leaderboard(&self, leaderboard: &Leaderboard) -> Result<(), RunError> {
        let (folder, _) = self.folder()?;
        RunFolder::write_text(&folder.path().join("leaderboard.md"), &report::markdown(leaderboard))?;
        RunFolder::write_text(&folder.path().join("leaderboard.csv"), &report::csv(leaderboard)?)?;
        RunFolder::write_text(&folder.path().join("leaderboard.json"), &report::json(leaderboard))?;
        Ok(())
    }

    fn folder(&self) -> Result<&(RunFolder, Manifest), RunError> {
        self.opened.as_ref().ok_or(RunError::NoSystems)
    }

    fn tell(&mut self, event: &Event<'_>) -> Result<(), RunError> {
        self.reporter.on(event).map_err(RunError::Report)
    }
}

/// Task by task, the places of a group's systems, with what is done there.
fn prepare_group<'a>(
    prepare: &Prepare<'a>,
    job: &Job<'a>,
    folder: &RunFolder,
    group: Range<usize>,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Vec<(TaskFolder<'a>, Prepared)>>, RunError> {
    let mut tasks: Vec<Vec<_>> = job.tasks.iter().map(|_| Vec::with_capacity(group.len())).collect();
    for system in group {
        for (of_task, prepared) in tasks.iter_mut().zip(prepare(job, folder, system, reporter)?) {
            of_task.push(prepared);
        }
    }
    Ok(tasks)
}

fn open_error(system: &SystemPlan, error: SystemError) -> RunError {
    RunError::Open { system: system.name.clone(), source: error.source }
}
