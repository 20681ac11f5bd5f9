//! What a task has on disk already.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::error::RunError;
use super::record::{AnswerCost, AnswerRecord, record};
use super::response_cache::{CachedResponse, ResponseCache};
use super::task_folder::TaskFolder;
use crate::events::{Event, Reporter, Warning};
use crate::identity::{ResponseIdentity, SampleIdentity};
use crate::results;
use crate::results::{FolderError, RESULTS, SampleFile, SampleRecord, TaskResults};
use crate::task::LoadedTask;
use gac_systems::{StepCosts, write_atomic};

/// A task's documents, with the samples that an earlier session finished.
pub(super) struct Prepared {
    /// One identity per document.
    pub(super) identities: Vec<SampleIdentity>,
    /// One place per document.
    pub(super) records: Vec<Option<SampleRecord>>,
    /// What steps cost, where an earlier session timed that.
    pub(super) step_costs: Option<StepCosts>,
}

impl Prepared {
    /// Whether nothing is left to ask.
    pub(super) fn is_complete(&self) -> bool {
        self.records.iter().all(Option::is_some)
    }

    /// Reads what earlier sessions left in the task's folder and makes the file hold that and nothing else.
    ///
    /// A torn last line is dropped, and so are documents that could not be asked: they are asked again. Samples of something else (the recipe was changed) go to `superseded.jsonl`, and
    /// come back from there when they are asked for again. Both are told of.
    pub(super) fn read(
        task: &LoadedTask,
        place: &TaskFolder<'_>,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, RunError> {
        let identities: Vec<SampleIdentity> =
            task.documents.iter().map(|document| SampleIdentity::new(&place.identity, task, document)).collect();
        let path = place.folder.join(results::SAMPLES);
        let set_aside = place.folder.join(results::SUPERSEDED);
        let file = SampleFile::read(&path)?;
        let before = SampleFile::read(&set_aside)?;
        if file.torn > 0 {
            cut(&path, file.length).map_err(|source| FolderError::Write { path: path.clone(), source })?;
            reporter.on(&Event::Warning(Warning::Torn { path: &path, bytes: file.torn })).map_err(RunError::Report)?;
        }

        let places: HashMap<&SampleIdentity, usize> = identities.iter().zip(0..).collect();
        let mut records: Vec<Option<SampleRecord>> = vec![None; identities.len()];
        let mut superseded = Vec::new();
        let mut adopt = |record: SampleRecord| {
            let empty = places.get(&record.identity).map(|&index| &mut records[index]).filter(|place| place.is_none());
            match empty {
                Some(empty) if place.would_write(&record) => {
                    *empty = Some(record);
                    None
                }
                _ => Some(record),
            }
        };
        let mut kept_in_place = true;
        for record in file.records {
            if record.is_unasked() {
                kept_in_place = false;
            } else {
                superseded.extend(adopt(record));
            }
        }
        kept_in_place &= superseded.is_empty();
        let mut brought_back = 0;
        for record in before.records {
            brought_back += usize::from(adopt(record).is_none());
        }

        if !kept_in_place || brought_back > 0 {
            if before.torn > 0 {
                cut(&set_aside, before.length)
                    .map_err(|source| FolderError::Write { path: set_aside.clone(), source })?;
            }
            // First where they go to, then where they come from: a kill in between loses nothing.
            append(&set_aside, &superseded).map_err(|source| FolderError::Write { path: set_aside.clone(), source })?;
            let kept = lines(records.iter().flatten()).map_err(io::Error::from);
            kept.and_then(|lines| write_atomic(&path, &lines))
                .map_err(|source| FolderError::Write { path: path.clone(), source })?;
        }
        if !superseded.is_empty() {
            let (system, task, count) = (place.system, task.name.as_str(), superseded.len());
            let warning = Warning::Superseded { system, task, count, path: &set_aside };
            reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
        }
        let mut prepared = Self { identities, records, step_costs: step_costs(&place.folder) };
        if let Some(cache) = place.cache {
            prepared.take(cache, task, place).map_err(|source| FolderError::Write { path, source })?;
        }
        Ok(prepared)
    }

    /// Takes what is missing from a cache, scores it and adds it to the folder's samples.
    fn take(&mut self, cache: &ResponseCache, task: &LoadedTask, place: &TaskFolder<'_>) -> io::Result<()> {
        let mut taken = Vec::new();
        for (index, document) in task.documents.iter().enumerate() {
            if self.records[index].is_some() {
                continue;
            }
            let Some(known) = cache.get(&ResponseIdentity::new(&place.identity, document)) else { continue };
            let Some(answer) = known.answer() else { continue };
            let score = task.scorer.score(document, &answer);
            let CachedResponse {
                response,
                no_answer,
                tokens,
                ensembled,
                drafts,
                member_tokens,
                truncated,
                seconds,
                trace,
            } = known.clone();
            let answer = AnswerRecord { response, no_answer };
            let trace = trace.filter(|_| place.trace);
            let cost = AnswerCost { tokens, ensembled, drafts, member_tokens, truncated, seconds, trace, cached: true };
            let record = record(task, index, place, self.identities[index].clone(), &score, answer, cost, 0.0);
            if place.would_write(&record) {
                taken.push(record.clone());
                self.records[index] = Some(record);
            }
        }
        append(&place.folder.join(results::SAMPLES), &taken)
    }
}

/// What the results of an earlier session say of what steps cost. They are made anew when the task ends: nothing is lost
/// where they cannot be read.
fn step_costs(folder: &Path) -> Option<StepCosts> {
    let text = std::fs::read(folder.join(RESULTS)).ok()?;
    serde_json::from_slice::<TaskResults>(&text).ok()?.timing.step_costs
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_data()
}

pub(super) fn lines<'a>(records: impl IntoIterator<Item = &'a SampleRecord>) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn append(path: &Path, records: &[SampleRecord]) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(&lines(records)?)?;
    file.sync_data()
}
