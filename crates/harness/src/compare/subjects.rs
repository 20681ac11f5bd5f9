//! Two systems, compared subject by subject.

use polars::prelude::DataFrame;
use serde::Serialize;

use crate::frames::{FrameError, by_subject};
use crate::results::StoredSystem;
use crate::stats::{Discordant, holm};

/// The difference on one subject. It passes no judgement of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubjectFinding {
    /// The task.
    pub task: String,
    /// The subject.
    pub subject: String,
    /// Documents on both sides.
    pub documents: usize,
    /// Documents that failed on one of the sides, and are in no figure.
    pub failed: usize,
    /// Mean over documents in the base run, 0 to 1.
    pub base: f64,
    /// The same in the new run.
    pub new: f64,
    /// New minus base.
    pub difference: f64,
    /// Documents on which the new run is above and below.
    pub discordant: Discordant,
    /// Two-sided: McNemar's exact test.
    pub p: f64,
    /// `p`, adjusted for the number of the task's subjects (Holm).
    pub p_adjusted: f64,
}

/// The subjects of `tasks`; a subject all of whose documents failed has no figures, and is left out.
pub(super) fn subjects(
    base: &StoredSystem,
    new: &StoredSystem,
    tasks: &[&str],
) -> Result<Vec<SubjectFinding>, FrameError> {
    let frame = by_subject(base, new)?;
    let mut found = Vec::with_capacity(frame.height());
    for line in 0..frame.height() {
        found.extend(finding(&frame, line)?.filter(|finding| tasks.contains(&finding.task.as_str())));
    }
    for of_task in found.chunk_by_mut(|a, b| a.task == b.task) {
        let adjusted = holm(&of_task.iter().map(|finding| finding.p).collect::<Vec<_>>());
        for (finding, adjusted) in of_task.iter_mut().zip(adjusted) {
            finding.p_adjusted = adjusted;
        }
    }
    Ok(found)
}

fn finding(frame: &DataFrame, line: usize) -> Result<Option<SubjectFinding>, FrameError> {
    let text = |name: &str| -> Result<_, FrameError> {
        Ok(frame.column(name)?.str()?.get(line).unwrap_or_default().to_owned())
    };
    let count =
        |name: &str| -> Result<_, FrameError> { Ok(frame.column(name)?.u32()?.get(line).unwrap_or(0) as usize) };
    let mean = |name: &str| -> Result<_, FrameError> { Ok(frame.column(name)?.f64()?.get(line)) };
    let (Some(base), Some(new)) = (mean("base")?, mean("new")?) else { return Ok(None) };
    let discordant = Discordant { better: count("better")? as u64, worse: count("worse")? as u64 };
    Ok(Some(SubjectFinding {
        task: text("task")?,
        subject: text("subject")?,
        documents: count("documents")?,
        failed: count("failed")?,
        base,
        new,
        difference: new - base,
        p: discordant.p_value(),
        p_adjusted: discordant.p_value(),
        discordant,
    }))
}
