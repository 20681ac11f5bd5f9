//! What the tasks of another harness are here, and what they are compared by.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ImportError;
use super::lm_eval::{LmEvalRun, LmEvalSample};
use crate::MetricKey;

/// What may be said of a run that is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The system's name; the model's when absent.
    pub name: Option<String>,
    /// The field of documents whose value those share that are no independent evidence, such as `passage`.
    pub group_by: Option<String>,
    /// The metric that stands in leaderboards, by task; the first that is better when higher where a task is not named.
    pub metrics: BTreeMap<String, MetricKey>,
}

/// A task, or a group of tasks that are its subjects.
pub(super) struct Imported<'a> {
    pub(super) name: String,
    /// Subject and lines.
    pub(super) parts: Vec<(Option<&'a str>, &'a [LmEvalSample])>,
}

/// The tasks: those of the outermost groups together where they are alike, the others by themselves.
pub(super) fn grouped<'a>(run: &'a LmEvalRun, options: &ImportOptions) -> Vec<Imported<'a>> {
    let groups = &run.results.group_subtasks;
    let inner: BTreeSet<&String> = groups.values().flatten().collect();
    let lines: BTreeMap<&str, &[LmEvalSample]> =
        run.samples.iter().map(|(task, lines)| (task.as_str(), &lines[..])).collect();
    let metrics = |task: &str| {
        let lines = lines.get(task)?;
        Some(lines.iter().map(|line| (&line.filter, &line.metrics)).collect::<BTreeSet<_>>())
    };
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (group, _) in groups.iter().filter(|(group, _)| !inner.contains(group)) {
        let mut leaves = Vec::new();
        collect_leaves(groups, group, &mut leaves, 0);
        let alike = leaves.windows(2).all(|pair| metrics(pair[0]) == metrics(pair[1]));
        // Who asks for the metric of a part wants it by itself.
        let named = leaves.iter().any(|leaf| options.metrics.contains_key(*leaf));
        if leaves.len() > 1 && alike && !named && leaves.iter().all(|leaf| lines.contains_key(*leaf)) {
            taken.extend(leaves.iter().copied());
            let parts = leaves.into_iter().map(|leaf| (Some(leaf), lines[leaf])).collect();
            found.push(Imported { name: group.clone(), parts });
        }
    }
    for (task, lines) in run.samples.iter().filter(|(task, _)| !taken.contains(task.as_str())) {
        found.push(Imported { name: task.clone(), parts: vec![(None, &lines[..])] });
    }
    let order: Vec<&String> = run.results.results.keys().collect();
    found.sort_by_key(|task| order.iter().position(|name| **name == task.name).unwrap_or(usize::MAX));
    found
}

/// The tasks of a group, those of groups in it too.
fn collect_leaves<'a>(groups: &'a BTreeMap<String, Vec<String>>, group: &str, leaves: &mut Vec<&'a str>, depth: usize) {
    for name in groups.get(group).into_iter().flatten() {
        if groups.get(name).is_some_and(|inner| !inner.is_empty()) && depth < 8 {
            collect_leaves(groups, name, leaves, depth + 1);
        } else if !leaves.contains(&name.as_str()) {
            leaves.push(name);
        }
    }
}

/// The metric that a task is compared by.
pub(super) fn primary(run: &LmEvalRun, task: &Imported<'_>, options: &ImportOptions) -> Result<MetricKey, ImportError> {
    let all = || task.parts.iter().flat_map(|(_, lines)| lines.iter());
    let mut known: Vec<MetricKey> = Vec::new();
    for line in all() {
        for metric in &line.metrics {
            let key = MetricKey { metric: metric.clone(), filter: line.filter.clone() };
            if !known.contains(&key) {
                known.push(key);
            }
        }
    }
    let names = || known.iter().map(ToString::to_string).collect();
    if let Some(asked) = options.metrics.get(&task.name) {
        return if known.contains(asked) {
            Ok(asked.clone())
        } else {
            Err(ImportError::UnknownMetric { task: task.name.clone(), metric: asked.to_string(), known: names() })
        };
    }
    let of = task.parts.first().and_then(|(subject, _)| *subject).unwrap_or(&task.name);
    let higher =
        |key: &MetricKey| run.results.higher_is_better.get(of).and_then(|of| *of.get(&key.metric)?) != Some(false);
    let is_share = |key: &MetricKey| {
        let mut values = all().filter(|line| line.filter == key.filter).map(|line| line.value(&key.metric));
        values.all(|value| value.is_some_and(|value| (0.0..=1.0).contains(&value)))
    };
    let found = known.iter().find(|key| higher(key) && is_share(key)).cloned();
    found.ok_or_else(|| ImportError::NoMetric { task: task.name.clone(), known: names() })
}
