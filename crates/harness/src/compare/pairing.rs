//! Which sample of one run belongs to which of the other.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{CompareError, Content, Mismatch};
use crate::results::{SampleRecord, StoredRun, StoredSystem, StoredTask};
use crate::stats::Side;

/// A system of the base run and the one of the new run that it is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemPair {
    /// Its name in the base run.
    pub base: String,
    /// Its name in the new run.
    pub new: String,
}

impl SystemPair {
    /// The pair that `BASE=NEW` names, or a name that both runs have.
    pub fn parse(text: &str) -> Self {
        let (base, new) = text.split_once('=').unwrap_or((text, text));
        Self { base: base.to_owned(), new: new.to_owned() }
    }
}

/// A task's samples, document by document.
pub(crate) struct TaskPairs<'a> {
    pub(crate) base: &'a StoredTask,
    pub(crate) new: &'a StoredTask,
    /// Base and new, in the order of subjects and documents.
    pub(crate) samples: Vec<(&'a SampleRecord, &'a SampleRecord)>,
}

/// The systems to compare: the given pairs, or all of the same name; where each run has one system, these two.
pub(crate) fn systems<'a>(
    base: &'a StoredRun,
    new: &'a StoredRun,
    pairs: &[SystemPair],
) -> Result<Vec<(&'a StoredSystem, &'a StoredSystem)>, CompareError> {
    if !pairs.is_empty() {
        return pairs
            .iter()
            .map(|pair| Ok((find(base, &pair.base, Side::Base)?, find(new, &pair.new, Side::New)?)))
            .collect();
    }
    if let ([base], [new]) = (&base.systems[..], &new.systems[..]) {
        return Ok(vec![(base, new)]);
    }
    let names = |run: &'a StoredRun| run.systems.iter().map(|system| system.name.as_str()).collect::<BTreeSet<_>>();
    let (in_base, in_new) = (names(base), names(new));
    let missing = |names: &BTreeSet<&str>, others: &BTreeSet<&str>, missing_in| {
        names
            .difference(others)
            .map(|name| Mismatch::System { system: (*name).to_owned(), missing_in })
            .collect::<Vec<_>>()
    };
    let mut mismatches = missing(&in_base, &in_new, Side::New);
    mismatches.extend(missing(&in_new, &in_base, Side::Base));
    if !mismatches.is_empty() {
        return Err(CompareError::Different(mismatches));
    }
    base.systems.iter().map(|system| Ok((system, find(new, &system.name, Side::New)?))).collect()
}

fn find<'a>(run: &'a StoredRun, name: &str, side: Side) -> Result<&'a StoredSystem, CompareError> {
    run.systems.iter().find(|system| system.name == name).ok_or_else(|| CompareError::UnknownSystem {
        system: name.to_owned(),
        side,
        known: run.systems.iter().map(|system| system.name.clone()).collect(),
    })
}

/// Pairs the samples of the tasks that are asked for (of all, where none are), or says everything that differs.
pub(crate) fn tasks<'a>(
    base: &'a StoredSystem,
    new: &'a StoredSystem,
    only: &[String],
) -> Result<Vec<TaskPairs<'a>>, CompareError> {
    let wanted = |task: &&StoredTask| only.is_empty() || only.contains(&task.entry.name);
    let by_name = |system: &'a StoredSystem| -> BTreeMap<&'a str, &'a StoredTask> {
        system.tasks.iter().filter(wanted).map(|task| (task.entry.name.as_str(), task)).collect()
    };
    let (in_base, in_new) = (by_name(base), by_name(new));
    let mut mismatches = Vec::new();
    let unknown = only.iter().filter(|task| !in_base.contains_key(task.as_str()));
    let only_new = in_new.keys().copied().filter(|task| !in_base.contains_key(task));
    let missing_in_base: BTreeSet<&str> = unknown.map(String::as_str).chain(only_new).collect();
    let missing = |task: &str, missing_in| Mismatch::Task { task: task.to_owned(), missing_in };
    mismatches.extend(missing_in_base.into_iter().map(|task| missing(task, Side::Base)));

    let mut pairs = Vec::new();
    // In the order of the base's columns.
    for task in base.tasks.iter().filter(wanted) {
        match in_new.get(task.entry.name.as_str()) {
            Some(other) => pairs.push(pair(task, other, &mut mismatches)),
            None => mismatches.push(missing(&task.entry.name, Side::New)),
        }
    }
    if mismatches.is_empty() { Ok(pairs) } else { Err(CompareError::Different(mismatches)) }
}

/// A document under both systems.
pub(crate) struct DocumentPair<'a> {
    /// The base's sample, the first of several.
    pub(crate) sample: &'a SampleRecord,
    /// The base's value under the primary metric, a mean over the times that it was asked; none where it failed.
    pub(crate) base: Option<f64>,
    /// The new system's.
    pub(crate) new: Option<f64>,
}

impl<'a> TaskPairs<'a> {
    /// The documents, in order. Several times that one was asked are no several documents.
    pub(crate) fn documents(&self) -> Vec<DocumentPair<'a>> {
        let metric = &self.base.entry.primary;
        let key = |sample: &'a SampleRecord| (&sample.subject, sample.doc_id);
        let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let documents = self.samples.chunk_by(|a, b| key(a.0) == key(b.0)).map(|repeats| DocumentPair {
            sample: repeats[0].0,
            base: mean(repeats.iter().filter_map(|(base, _)| base.primary(metric)).collect()),
            new: mean(repeats.iter().filter_map(|(_, new)| new.primary(metric)).collect()),
        });
        documents.collect()
    }
}

type PairKey<'a> = (Option<&'a str>, usize, usize);

fn pair<'a>(base: &'a StoredTask, new: &'a StoredTask, mismatches: &mut Vec<Mismatch>) -> TaskPairs<'a> {
    let task = || base.entry.name.clone();
    let protocols = [
        ("version", base.entry.version.clone(), new.entry.version.clone()),
        ("number of shots", base.entry.num_fewshot.to_string(), new.entry.num_fewshot.to_string()),
        ("metric", base.entry.primary.to_string(), new.entry.primary.to_string()),
    ];
    for (what, base, new) in protocols {
        if base != new {
            mismatches.push(Mismatch::Protocol { task: task(), what, base, new });
        }
    }

    let by_key = |task: &'a StoredTask| -> BTreeMap<PairKey<'a>, &'a SampleRecord> {
        task.samples.iter().map(|sample| ((sample.subject.as_deref(), sample.doc_id, sample.repeat), sample)).collect()
    };
    let (in_base, in_new) = (by_key(base), by_key(new));
    for (here, there, missing_in) in [(&in_base, &in_new, Side::New), (&in_new, &in_base, Side::Base)] {
        let mut lacking = here.iter().filter(|(key, _)| !there.contains_key(*key)).map(|(_, sample)| sample.label());
        if let Some(first) = lacking.next() {
            let count = 1 + lacking.count();
            mismatches.push(Mismatch::Documents { task: task(), missing_in, count, first });
        }
    }
    let samples: Vec<_> = in_base.iter().filter_map(|(key, &sample)| Some((sample, *in_new.get(key)?))).collect();
    let differing = |differs: &dyn Fn(&SampleRecord, &SampleRecord) -> bool| {
        let mut found = samples.iter().filter(|(base, new)| differs(base, new)).map(|(base, _)| base.label());
        let first = found.next()?;
        Some((1 + found.count(), first))
    };
    let documents = samples.len();
    let contents = differing(&|base, new| base.doc_hash != new.doc_hash);
    let prompts = differing(&|base, new| base.doc_hash == new.doc_hash && base.prompt_hash != new.prompt_hash);
    for (what, found) in [(Content::Document, contents), (Content::Prompt, prompts)] {
        if let Some((count, first)) = found {
            mismatches.push(Mismatch::Contents { task: task(), what, count, documents, first });
        }
    }
    TaskPairs { base, new, samples }
}
