//! What a run is to do, and the folder that is made for it.

use std::ops::Range;

use super::error::RunError;
use super::response_cache::ResponseCache;
use super::resume::Prepared;
use super::task_folder::TaskFolder;
use crate::events::{Event, Reporter, Warning};
use crate::plan::Plan;
use crate::results::{Contents, Manifest, Provenance, RunFolder, SystemEntry, check_folder};
use crate::task::LoadedTask;
use gac_systems::{ModelIdentity, SystemIdentity};

/// What a run is to do, with everything found out about it before it starts.
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tasks: &'a [LoadedTask],
    /// The members of every system, by their contents.
    pub(super) members: Vec<Vec<ModelIdentity>>,
    pub(super) provenance: &'a Provenance,
    /// Responses of earlier runs.
    pub(super) cache: Option<&'a ResponseCache>,
}

impl<'a> Job<'a> {
    /// Opens the run's folder, with the manifest of a run that starts or goes on now.
    pub(super) fn open_folder(&self, reporter: &mut dyn Reporter) -> Result<(RunFolder, Manifest), RunError> {
        let plan = self.plan;
        let systems: Vec<&str> = plan.systems.iter().map(|system| system.name.as_str()).collect();
        let names: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
        let folder = RunFolder::open(&plan.output, &systems, &names)?;
        let entries = (0..plan.systems.len()).map(|index| SystemEntry {
            name: plan.systems[index].name.clone(),
            folder: folder.systems()[index].clone(),
            identity: self.identity(index),
        });
        let mut manifest =
            Manifest::starting(plan, self.tasks, &self.models(), entries.collect(), folder.tasks(), self.provenance);
        // Looked at again now that nobody else can change it.
        if check_folder(&plan.output)? == Contents::Run {
            let before = Manifest::read(&plan.output)?;
            for model in &manifest.models {
                let earlier = before.models.iter().find(|other| other.name == model.name);
                if let (Some(Some(before)), Some(now)) = (earlier.map(|other| &other.server), &model.server)
                    && before != now
                {
                    let (before, now) = (before.to_string(), now.to_string());
                    let warning = Warning::OtherServer { model: &model.name, before, now };
                    reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
                }
            }
            manifest = manifest.resuming(before);
        }
        RunFolder::write_json(&folder.manifest(), &manifest)?;
        Ok((folder, manifest))
    }

    /// The thresholds of a group that is decoded together; none of a system that is run by itself.
    pub(super) fn thresholds(&self, group: Range<usize>) -> Vec<f64> {
        let plans = &self.plan.systems[group];
        if self.plan.batch_size == 1 || plans.iter().any(|plan| plan.axis.is_none()) {
            return Vec::new();
        }
        plans.iter().filter_map(|plan| Some(plan.gate.as_ref()?.threshold)).collect()
    }

    /// How many systems a system is decoded together with, itself included; none where it is run by itself.
    fn together(&self, system: usize) -> Option<usize> {
        let group = self.plan.groups().into_iter().find(|group| group.contains(&system))?;
        Some(self.thresholds(group).len()).filter(|systems| *systems > 0)
    }

    /// The tasks of a system, with what earlier sessions left of them.
    pub(super) fn prepare(
        &self,
        folder: &RunFolder,
        system: usize,
        reporter: &mut dyn Reporter,
    ) -> Result<Vec<(TaskFolder<'a>, Prepared)>, RunError> {
        let mut tasks = Vec::with_capacity(self.tasks.len());
        for (index, task) in self.tasks.iter().enumerate() {
            let place = self.place(folder, system, index)?;
            let prepared = Prepared::read(task, &place, reporter)?;
            tasks.push((place, prepared));
        }
        Ok(tasks)
    }

    /// Where the results of a task under a system go.
    pub(super) fn place(&self, folder: &RunFolder, system: usize, task: usize) -> Result<TaskFolder<'a>, RunError> {
        Ok(TaskFolder {
            system: &self.plan.systems[system].name,
            identity: self.identity(system),
            chat: self.plan.systems[system].settings.chat.as_ref(),
            decoding: self.plan.systems[system].settings.decoding,
            folder: folder.task(system, task)?,
            together: self.together(system),
            batch_size: self.plan.batch_size,
            log_samples: self.plan.log_samples,
            trace: self.plan.trace,
            cache: self.cache,
        })
    }

    fn identity(&self, system: usize) -> SystemIdentity {
        SystemIdentity::new(&self.plan.systems[system], &self.members[system])
    }

    /// Every model that some system uses, once.
    fn models(&self) -> Vec<ModelIdentity> {
        let mut models: Vec<ModelIdentity> = Vec::new();
        for member in self.members.iter().flatten() {
            if !models.iter().any(|model| model.name == member.name) {
                models.push(member.clone());
            }
        }
        models
    }
}
