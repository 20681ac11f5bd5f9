//! One task under one system on disk.

use std::path::PathBuf;

use gac_ensemble::Decoding;

use super::response_cache::ResponseCache;
use crate::results::{ResponseRecord, SampleRecord};
use gac_systems::{ChatPlan, SystemIdentity};

/// Where a task's results go, and how they are made.
pub(super) struct TaskFolder<'a> {
    /// The system's name in results.
    pub(super) system: &'a str,
    /// What the system is.
    pub(super) identity: SystemIdentity,
    /// How prompts become chats, where they do.
    pub(super) chat: Option<&'a ChatPlan>,
    /// How tokens are picked where a task does not say.
    pub(super) decoding: Decoding,
    /// The task's folder.
    pub(super) folder: PathBuf,
    /// Systems of its axis that are decoded together, this one included; none where it is run by itself.
    pub(super) together: Option<usize>,
    /// Samples in flight at once.
    pub(super) batch_size: usize,
    /// Whether records carry prompts.
    pub(super) log_samples: bool,
    /// Whether records of generated responses carry their steps.
    pub(super) trace: bool,
    /// Where responses are kept across runs.
    pub(super) cache: Option<&'a ResponseCache>,
}

impl TaskFolder<'_> {
    /// Whether a record of an earlier session is what this one would write: under this name, with prompt, steps and its
    /// own time where they are wanted.
    pub(super) fn would_write(&self, record: &SampleRecord) -> bool {
        let is_generated = matches!(record.response, ResponseRecord::Generated { .. });
        record.system == self.system
            && (record.prompt.is_some() || !self.log_samples)
            && (record.trace.is_some() || !(self.trace && is_generated))
            && (record.seconds.is_some() || !(self.batch_size == 1 && is_generated))
    }
}
