//! The shards of a run, put together.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Instant;

use gac_systems::{ModelIdentity, OpenSystems, System, SystemError, SystemPlan, write_atomic};
use serde_json::{Value, json};

use super::error::RunError;
use super::job::Job;
use super::resume::{Prepared, lines};
use super::run::{Prepare, Run, RunSummary};
use super::task_folder::TaskFolder;
use crate::events::Reporter;
use crate::identity::SampleIdentity;
use crate::plan::{Plan, Shard};
use crate::results::{
    Contents, FolderError, Manifest, Provenance, RunFolder, SAMPLES, SampleRecord, StoredRun, StoredTask, check_folder,
};
use crate::task::{Document, LoadedTask};

/// What may be amiss with shards that are merged all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Shards, or documents of them, may be missing.
    pub gaps: bool,
    /// A document may be in several shards: the first one's sample is taken.
    pub overlaps: bool,
    /// Models, data, systems and tasks may differ: those of the first shard are written down.
    pub settings: bool,
}

/// Finished shards that make one run.
pub struct Shards {
    runs: Vec<StoredRun>,
    tolerance: Tolerance,
}

impl Shards {
    /// Checks that `runs` are the shards of one run: each once, none missing, all made with the same models, data and
    /// settings.
    ///
    /// # Errors
    /// The first thing that is amiss and not tolerated.
    pub fn new(mut runs: Vec<StoredRun>, tolerance: Tolerance) -> Result<Self, MergeError> {
        let mut seen: HashMap<Shard, PathBuf> = HashMap::new();
        let mut count = None;
        for run in &runs {
            let shard = run.manifest.plan.shard.ok_or_else(|| MergeError::NoShard { folder: run.folder.clone() })?;
            let (first, count) = *count.get_or_insert((shard, shard.count()));
            if shard.count() != count && !(tolerance.gaps && tolerance.overlaps) {
                return Err(MergeError::Count { first, shard, folder: run.folder.clone() });
            }
            if let Some(first) = seen.insert(shard, run.folder.clone())
                && !tolerance.overlaps
            {
                return Err(MergeError::Twice { shard, first, second: run.folder.clone() });
            }
        }
        let (_, count) = count.ok_or(MergeError::Nothing)?;
        let missing: Vec<String> = (0..count)
            .filter_map(|index| Shard::new(index, count).ok())
            .filter(|shard| !seen.contains_key(shard))
            .map(|shard| shard.to_string())
            .collect();
        if !missing.is_empty() && !tolerance.gaps {
            return Err(MergeError::Missing { shards: missing });
        }
        if let [first, others @ ..] = &runs[..]
            && !tolerance.settings
        {
            for other in others {
                let what = differences(&first.manifest, &other.manifest);
                if !what.is_empty() {
                    let (first, second) = (first.folder.clone(), other.folder.clone());
                    return Err(MergeError::Settings { first, second, what });
                }
            }
        }
        runs.sort_by_key(|run| run.manifest.plan.shard);
        Ok(Self { runs, tolerance })
    }

    /// The manifest of the first shard, whose plan is the whole run's but for shard and folder.
    pub fn manifest(&self) -> &Manifest {
        &self.runs[0].manifest
    }

    /// Writes the run that the shards make to `plan.output`: samples in the order of the documents, results and
    /// leaderboard as if it had never been divided. Nothing is asked.
    ///
    /// `tasks` are those of `plan`, which is the whole run's.
    ///
    /// # Errors
    /// When the folder holds something, a document has no sample or several, or a file cannot be written.
    pub fn merge(
        &self,
        plan: &Plan,
        mut tasks: Vec<LoadedTask>,
        reporter: &mut dyn Reporter,
        provenance: &Provenance,
    ) -> Result<RunSummary, MergeError> {
        if check_folder(&plan.output).map_err(RunError::from)? != Contents::Nothing {
            return Err(MergeError::NotEmpty { folder: plan.output.clone() });
        }
        let mut samples: Vec<Vec<Vec<SampleRecord>>> = vec![Vec::new(); plan.systems.len()];
        for (at, task) in tasks.iter_mut().enumerate() {
            let mut of_systems = Vec::with_capacity(plan.systems.len());
            for system in 0..plan.systems.len() {
                of_systems.push(self.samples(system, at)?);
            }
            self.keep_sampled(task, &of_systems)?;
            for (merged, by_document) in samples.iter_mut().zip(&mut of_systems) {
                let of = |document: &Document| by_document.remove(&key(document));
                merged.push(task.documents.iter().filter_map(of).collect());
            }
        }
        let models = &self.manifest().models;
        let identities = |system: &SystemPlan| -> Vec<ModelIdentity> {
            let of = |name: &String| models.iter().find(|model| model.name == *name).cloned();
            system.members.iter().filter_map(of).collect()
        };
        let members = plan.systems.iter().map(identities).collect();
        let job = Job { plan, tasks: &tasks, members, provenance, cache: None };
        let (folder, mut manifest) = job.open_folder(reporter)?;
        let own = std::mem::take(&mut manifest.sessions);
        manifest.sessions = self.runs.iter().flat_map(|run| run.manifest.sessions.clone()).chain(own).collect();
        let prepare: &Prepare<'_> = &|job, folder, system, _| {
            let first = self.runs[0].systems.get(system).map(|system| &system.tasks[..]).unwrap_or_default();
            prepared(job, folder, system, &samples[system], first)
        };
        let run = Run { job, systems: &mut Nobody, reporter, opened: Some((folder, manifest)), prepare };
        Ok(run.finish(Instant::now())?)
    }

    /// The samples of a system on a task by their documents, by places in the run.
    fn samples(&self, system: usize, task: usize) -> Result<HashMap<DocumentKey, SampleRecord>, MergeError> {
        let mut samples: HashMap<DocumentKey, SampleRecord> = HashMap::new();
        for run in &self.runs {
            let Some(stored) = run.systems.get(system).and_then(|system| system.tasks.get(task)) else { continue };
            for sample in &stored.samples {
                let key = (sample.subject.clone(), sample.doc_id, sample.repeat, sample.doc_hash.clone());
                match samples.entry(key) {
                    Entry::Vacant(place) => {
                        place.insert(sample.clone());
                    }
                    Entry::Occupied(_) if self.tolerance.overlaps => {}
                    Entry::Occupied(_) => {
                        let (task, doc_id) = (stored.entry.name.clone(), sample.doc_id);
                        return Err(MergeError::Overlap { task, doc_id, folder: run.folder.clone() });
                    }
                }
            }
        }
        Ok(samples)
    }

    /// Leaves `task` the documents that every system has a sample of: all, unless gaps are tolerated.
    fn keep_sampled(
        &self,
        task: &mut LoadedTask,
        systems: &[HashMap<DocumentKey, SampleRecord>],
    ) -> Result<(), MergeError> {
        let is_sampled = |document: &Document| systems.iter().all(|samples| samples.contains_key(&key(document)));
        let missing = task.documents.iter().filter(|document| !is_sampled(document)).count();
        if missing > 0 && !self.tolerance.gaps {
            let documents = task.documents.len();
            return Err(MergeError::Gap { task: task.name.clone(), missing, documents });
        }
        task.documents.retain(is_sampled);
        Ok(())
    }
}

/// What tells a document from others of its task.
type DocumentKey = (Option<String>, usize, usize, String);

fn key(document: &Document) -> DocumentKey {
    (document.subject.clone(), document.id, document.repeat, document.hash.clone())
}

/// Writes the samples of a system's tasks, and takes them as done.
fn prepared<'a>(
    job: &Job<'a>,
    folder: &RunFolder,
    system: usize,
    samples: &[Vec<SampleRecord>],
    first: &[StoredTask],
) -> Result<Vec<(TaskFolder<'a>, Prepared)>, RunError> {
    let mut tasks = Vec::with_capacity(job.tasks.len());
    for (index, (task, samples)) in job.tasks.iter().zip(samples).enumerate() {
        let place = job.place(folder, system, index)?;
        let path = place.folder.join(SAMPLES);
        let written = lines(samples).map_err(std::io::Error::from).and_then(|lines| write_atomic(&path, &lines));
        written.map_err(|source| FolderError::Write { path, source })?;
        let identity = |document| SampleIdentity::new(&place.identity, task, document);
        let identities = task.documents.iter().map(identity).collect();
        // What steps cost was timed by every shard: the first one's is written down.
        let step_costs = first.get(index).and_then(|task| task.results.timing.step_costs);
        tasks.push((place, Prepared { identities, records: samples.iter().cloned().map(Some).collect(), step_costs }));
    }
    Ok(tasks)
}

/// Opens nothing: every sample is there.
struct Nobody;

impl OpenSystems for Nobody {
    fn open(&mut self, system: &SystemPlan, _thresholds: &[f64]) -> Result<Box<dyn System + '_>, SystemError> {
        Err(SystemError { system: system.name.clone(), source: "every sample of a merged run is there".into() })
    }
}

/// In what two manifests tell of different runs, shards and places on the disk aside.
fn differences(first: &Manifest, other: &Manifest) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut compare = |what: &str, a: Value, b: Value| {
        if a != b {
            found.insert(what.to_owned());
        }
    };
    compare("systems", json!(first.plan.systems), json!(other.plan.systems));
    compare("tasks", json!(first.plan.tasks), json!(other.plan.tasks));
    compare("tasks' definitions", tasks(first), tasks(other));
    compare("data", json!(first.data), json!(other.data));
    compare("task files", json!(first.task_files), json!(other.task_files));
    compare("`log_samples`", json!(first.plan.log_samples), json!(other.plan.log_samples));
    compare("`trace`", json!(first.plan.trace), json!(other.plan.trace));
    let names = first.models.iter().chain(&other.models).map(|model| model.name.as_str());
    for name in names.collect::<BTreeSet<_>>() {
        let contents = |manifest: &Manifest| {
            json!(manifest.models.iter().find(|model| model.name == name).map(ModelIdentity::contents))
        };
        compare(&format!("model `{name}`"), contents(first), contents(other));
    }
    found.into_iter().collect()
}

/// The tasks as they were loaded, but for how many documents a shard has.
fn tasks(manifest: &Manifest) -> Value {
    let tasks = manifest.tasks.iter().map(|task| json!([task.name, task.version, task.num_fewshot, task.primary]));
    tasks.collect()
}

/// Shards that make no run.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// No shard.
    #[error("there are no shards to merge")]
    Nothing,
    /// A run that is whole.
    #[error("the run in `{}` is no shard", folder.display())]
    NoShard {
        /// Its folder.
        folder: PathBuf,
    },
    /// Divided in another way.
    #[error("`{}` is shard {shard}, and another is {first}: they are parts of different divisions", folder.display())]
    Count {
        /// One shard.
        first: Shard,
        /// Another.
        shard: Shard,
        /// The other's folder.
        folder: PathBuf,
    },
    /// A shard twice.
    #[error("shard {shard} is there twice: `{}` and `{}`", first.display(), second.display())]
    Twice {
        /// The shard.
        shard: Shard,
        /// One folder.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// Shards that are not there.
    #[error("shards are missing: {}", shards.join(", "))]
    Missing {
        /// Which.
        shards: Vec<String>,
    },
    /// Shards of different runs.
    #[error("`{}` and `{}` are of different runs: not the same {}", first.display(), second.display(), what.join(", "))]
    Settings {
        /// One folder.
        first: PathBuf,
        /// Another.
        second: PathBuf,
        /// In what they differ.
        what: Vec<String>,
    },
    /// A document in several shards.
    #[error("document {doc_id} of task `{task}` is in `{}` and in a shard before it", folder.display())]
    Overlap {
        /// The task.
        task: String,
        /// The document.
        doc_id: usize,
        /// The later shard.
        folder: PathBuf,
    },
    /// Documents in no shard.
    #[error("{missing} of {documents} documents of task `{task}` are in no shard, or were other documents then")]
    Gap {
        /// The task.
        task: String,
        /// How many.
        missing: usize,
        /// Of how many.
        documents: usize,
    },
    /// Something is there already.
    #[error("there is a run in `{}` already", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The merged run cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
}
