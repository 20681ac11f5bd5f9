//! What happens during a run, told as it happens: the progress bars, the JSON log and the tests listen.

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::report::Leaderboard;
use crate::results::{SampleRecord, TaskResults};

/// Something happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// Everything was checked; the first system is about to be opened.
    RunStarted {
        /// The run's folder, which does not exist yet.
        folder: &'a Path,
        /// Systems to evaluate.
        systems: usize,
        /// Tasks for each of them.
        tasks: usize,
        /// Documents for each of them, over all tasks.
        documents: usize,
    },
    /// A system is about to be opened.
    SystemStarted {
        /// Its name.
        system: &'a str,
        /// Its place in the run, from 0.
        index: usize,
    },
    /// A system is open.
    SystemOpened {
        /// Its name.
        system: &'a str,
        /// Time that took.
        seconds: f64,
    },
    /// A task begins.
    TaskStarted {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
        /// Its documents.
        documents: usize,
        /// Those of them that an earlier session finished.
        reused: usize,
    },
    /// A document was asked how likely it is that there is no answer, before it is asked for one. Nothing of it is on the disk until
    /// its sample is.
    NoAnswerScored {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
        /// Documents that were asked in this session, this one included.
        asked: usize,
        /// Documents that are asked in this session.
        documents: usize,
    },
    /// A sample is scored and on its way to the disk.
    SampleFinished {
        /// Samples of the task that have finished, this one included.
        finished: usize,
        /// The sample.
        record: &'a SampleRecord,
    },
    /// A task is over, its results on the disk.
    TaskFinished {
        /// Its results.
        results: &'a TaskResults,
    },
    /// A system has done all tasks and is about to be dropped.
    SystemFinished {
        /// Its name.
        system: &'a str,
        /// Time since it was started.
        seconds: f64,
    },
    /// Something a reader of the results should know.
    Warning(Warning<'a>),
    /// Everything is over, and on the disk.
    RunFinished {
        /// The run's folder.
        folder: &'a Path,
        /// What came out.
        leaderboard: &'a Leaderboard,
        /// Time the whole run took.
        seconds: f64,
    },
}

/// Something a reader of the results should know. `Display` gives the sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning<'a> {
    /// Prompts were too long for some member's context.
    Truncated {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
        /// Documents it happened to.
        count: usize,
        /// Documents of the task.
        documents: usize,
    },
    /// Documents could not be asked.
    Failed {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
        /// Documents it happened to.
        count: usize,
        /// Documents of the task.
        documents: usize,
    },
    /// A system that reasons before it answers is asked to score choices, which stand where its reasoning would.
    ThinkingChoices {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
    },
    /// A system that reasons before it answers is asked how likely no answer is, where its reasoning would stand.
    ThinkingNoAnswer {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
    },
    /// Responses ended before their reasoning did: they are no answers.
    Unclosed {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
        /// Responses it happened to.
        count: usize,
        /// Documents of the task.
        documents: usize,
    },
    /// Two systems could not be compared.
    NotCompared {
        /// The ensemble.
        system: &'a str,
        /// The best single model.
        baseline: &'a str,
        /// Why.
        reason: String,
    },
    /// A line was being written when an earlier session was killed; it was dropped, and its sample is made again.
    Torn {
        /// The file.
        path: &'a Path,
        /// Bytes dropped.
        bytes: u64,
    },
    /// The recipe was changed: samples that it does not ask for were set aside.
    Superseded {
        /// The system's name.
        system: &'a str,
        /// The task's name.
        task: &'a str,
        /// Samples set aside.
        count: usize,
        /// Where they are now.
        path: &'a Path,
    },
    /// A run goes on with another server than it had: its samples so far are another one's.
    OtherServer {
        /// The model's name.
        model: &'a str,
        /// What was served.
        before: String,
        /// What is served now.
        now: String,
    },
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { system, task, count, documents } => write!(
                formatter,
                "{count} of {documents} prompts of task `{task}` did not fit the context of system `{system}` and were \
                 cut from the left"
            ),
            Self::Failed { system, task, count, documents } => write!(
                formatter,
                "system `{system}` failed on {count} of {documents} documents of task `{task}`, which are in no score"
            ),
            Self::ThinkingChoices { system, task } => write!(
                formatter,
                "system `{system}` thinks before it answers, and task `{task}` scores choices without that: what comes \
                 out says little of the system"
            ),
            Self::ThinkingNoAnswer { system, task } => write!(
                formatter,
                "system `{system}` thinks before it answers, and task `{task}` asks how likely no answer is without that: \
                 figures at the best threshold say little of the system"
            ),
            Self::Unclosed { system, task, count, documents } => write!(
                formatter,
                "{count} of {documents} responses of system `{system}` to task `{task}` never end their thinking and \
                 count as no answer"
            ),
            Self::NotCompared { system, baseline, reason } => {
                write!(formatter, "system `{system}` is not compared with `{baseline}`: {reason}")
            }
            Self::Torn { path, bytes } => {
                write!(formatter, "the last line of `{}` was torn; dropped its {bytes} bytes", path.display())
            }
            Self::OtherServer { model, before, now } => {
                write!(formatter, "model `{model}` was {before} when this run was started, and is {now} now")
            }
            Self::Superseded { system, task, count, path } => write!(
                formatter,
                "{count} samples of system `{system}` on task `{task}` are not what the recipe asks for now; set aside \
                 in `{}`",
                path.display()
            ),
        }
    }
}

/// Listens to a run.
pub trait Reporter {
    /// Is told of an event.
    ///
    /// # Errors
    /// When it cannot pass the event on; that ends the run, with what was finished on the disk.
    fn on(&mut self, event: &Event<'_>) -> io::Result<()>;
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn on(&mut self, _event: &Event<'_>) -> io::Result<()> {
        Ok(())
    }
}
