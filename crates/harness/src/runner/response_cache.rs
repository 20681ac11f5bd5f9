//! Responses kept across runs, by everything that decides them.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gac_ensemble::{DraftCounts, LogLikelihood};
use gac_systems::StepRecord;
use serde::{Deserialize, Serialize};

use crate::identity::ResponseIdentity;
use crate::results::{ChoiceRecord, ResponseRecord, SampleRecord};
use crate::task::Answer;

/// The file in a cache's folder.
const RESPONSES: &str = "responses.jsonl";

/// Responses of earlier runs, and where those of this one are added. Several runs may add to one at the same time; each
/// knows what was there when it began.
#[derive(Debug)]
pub(super) struct ResponseCache {
    path: PathBuf,
    file: File,
    known: HashMap<ResponseIdentity, CachedResponse>,
}

/// A response with what it cost, and nothing of how it was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CachedResponse {
    pub(super) response: ResponseRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) no_answer: Option<ChoiceRecord>,
    pub(super) tokens: usize,
    pub(super) ensembled: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drafts: Option<DraftCounts>,
    pub(super) member_tokens: Vec<usize>,
    pub(super) truncated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<Vec<StepRecord>>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct CachedLine<R> {
    identity: ResponseIdentity,
    #[serde(flatten)]
    response: R,
}

impl ResponseCache {
    /// Opens the cache in `folder`, which is made where it is not there. A line that is no response (a process was killed
    /// while it wrote) is passed over.
    ///
    /// # Errors
    /// When the folder cannot be made, or its file not be read or written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(RESPONSES);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = fs::read(&path)?;
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n")?;
        }
        let mut known = HashMap::new();
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<CachedLine<CachedResponse>>(line) {
                Ok(CachedLine { identity, response }) => {
                    known.insert(identity, response);
                }
                Err(error) => tracing::warn!(%error, file = %path.display(), "passed over a line that is no response"),
            }
        }
        Ok(Self { path, file, known })
    }

    /// The response of an earlier run.
    pub(super) fn get(&self, identity: &ResponseIdentity) -> Option<&CachedResponse> {
        self.known.get(identity)
    }

    /// Adds what a record holds, if it holds a response that is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, identity: ResponseIdentity, record: &SampleRecord) -> io::Result<()> {
        let has_all = |known: &CachedResponse| known.trace.is_some() >= record.trace.is_some();
        if record.is_unasked() || record.cached || self.known.get(&identity).is_some_and(has_all) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&CachedLine { identity, response: CachedResponse::of(record) })?;
        line.push(b'\n');
        // One write: lines of runs that add at the same time stay whole.
        (&self.file).write_all(&line)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl CachedResponse {
    fn of(record: &SampleRecord) -> Self {
        Self {
            response: record.response.clone(),
            no_answer: record.no_answer.clone(),
            tokens: record.tokens,
            ensembled: record.ensembled,
            drafts: record.drafts,
            member_tokens: record.member_tokens.clone(),
            truncated: record.truncated,
            seconds: record.seconds,
            trace: record.trace.clone(),
        }
    }

    /// What of it is scored; none where there is nothing.
    pub(super) fn answer(&self) -> Option<Answer> {
        match &self.response {
            ResponseRecord::Generated { text, thinking, .. } => {
                let text = thinking.as_ref().map_or(text, |thinking| &thinking.scored).clone();
                Some(Answer::of_text(text, self.no_answer.as_ref().map(|score| self.log_likelihood(score))))
            }
            ResponseRecord::Choices(choices) => {
                Some(Answer::Scores(choices.iter().map(|choice| self.log_likelihood(choice)).collect()))
            }
            ResponseRecord::None => None,
        }
    }

    fn log_likelihood(&self, choice: &ChoiceRecord) -> LogLikelihood {
        LogLikelihood { truncated: self.truncated, ..choice.log_likelihood() }
    }
}
