//! Results on disk, and what is made of them.

use std::io;

use gac_harness::compare::{CompareError, Mismatch};
use gac_harness::history::HistoryError;
use gac_harness::import::ImportError;
use gac_harness::policy::{PolicyError, PolicyProblem, ReviewError};
use gac_harness::report::LeaderboardError;
use gac_harness::results::{FolderError, ManifestError, ReadError, StoredRunError};
use gac_harness::stats::StatsError;

use super::Hint;

impl Hint for StatsError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::MissingTask { .. } | Self::MissingDocument { .. } => {
                Some("compare runs with the same tasks and the same limit".to_owned())
            }
            Self::Version { .. } | Self::Changed { .. } => {
                Some("the data or the task's definition changed in between; run the base again".to_owned())
            }
            Self::Settings { .. } => Some("at least 1 resample, and a level between 0 and 1 such as 0.95".to_owned()),
            _ => None,
        }
    }
}

impl Hint for LeaderboardError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Mixed(_) => {
                Some("their scores do not compare; `--mix-protocols` puts them in one column all the same".to_owned())
            }
            Self::Frame(_) => None,
        }
    }
}

impl Hint for CompareError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Different(mismatches) => Some(match mismatches.first() {
                Some(Mismatch::System { .. }) => "`--system BASE=NEW` says which systems to compare".to_owned(),
                Some(Mismatch::Task { .. }) => "`--tasks a,b` compares these alone".to_owned(),
                _ => "run the base again with the recipe, the data and the gac of the new run".to_owned(),
            }),
            Self::UnknownSystem { known, .. } => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                Some(format!("its systems: {}", known.join(", ")))
            }
            Self::Stats(error) => error.hint(),
            Self::Frame(_) => None,
        }
    }
}

impl Hint for HistoryError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Line { .. } | Self::Score { .. } => {
                Some("`gac track RUN --history FILE.csv` writes one; name another file, or mend this one".to_owned())
            }
            Self::Read { .. } | Self::Write { .. } | Self::Frame(_) => None,
        }
    }
}

impl Hint for ImportError {
    fn hint(&self) -> Option<String> {
        let list = |what: &str, known: &[String]| {
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            Some(format!("{what}: {}", known.join(", ")))
        };
        match self {
            Self::Nothing { .. } => Some("lm_eval writes them with `--log_samples --output_path DIR`".to_owned()),
            Self::NoMetric { known, .. } | Self::UnknownMetric { known, .. } => list("its metrics", known),
            Self::UnknownTask { known, .. } => list("its tasks", known),
            Self::Folder(error) => error.hint(),
            Self::NotEmpty { .. } => Some("name another folder with `--output-path`".to_owned()),
            Self::Read { .. } | Self::Line { .. } => None,
        }
    }
}

impl Hint for PolicyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::Parse { .. } | Self::Value { problem: PolicyProblem::Empty, .. } => {
                Some("`recipes/policy.toml` shows every part of a policy".to_owned())
            }
            Self::Value { problem: PolicyProblem::NoLimit { .. }, .. } => {
                Some("such as `max-drop = 1`; `recipes/policy.toml` shows all of them".to_owned())
            }
            Self::Value { .. } => None,
        }
    }
}

impl Hint for ReviewError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Compare(error) => error.hint(),
            Self::UnknownTask { known, .. } => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                Some(format!("its tasks: {}", known.join(", ")))
            }
        }
    }
}

impl Hint for ReadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("`gac run` with the same recipe and `--output-path` makes what is missing".to_owned())
            }
            Self::Read { .. } => None,
            Self::Line { .. } => Some(
                "the file was changed by something else; remove the line, and `gac run` with the same recipe and \
                 `--output-path` asks for it again"
                    .to_owned(),
            ),
            Self::Version { .. } => Some("it was written by another version of gac; use a new folder".to_owned()),
        }
    }
}

impl Hint for FolderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::InUse { .. } => {
                Some("wait for it to end, or choose another `--output-path`; nothing was changed".to_owned())
            }
            Self::NotEmpty { .. } | Self::NotAFolder { .. } => {
                Some("choose an `--output-path` that does not exist yet, or an empty folder".to_owned())
            }
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    Some("make room and run the same command again: finished samples are kept".to_owned())
                }
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => {
                    Some("choose an `--output-path` that can be written to".to_owned())
                }
                _ => None,
            },
        }
    }
}

impl Hint for StoredRunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Manifest(error) => error.hint(),
            Self::Samples(error) => error.hint(),
            Self::Unfinished { .. } => Some("`gac run` with the same recipe goes on with it".to_owned()),
            Self::Read { .. } | Self::Results { .. } | Self::Incomplete { .. } => {
                Some("`gac run` with the same recipe and `--output-path` makes what is missing".to_owned())
            }
        }
    }
}

impl Hint for ManifestError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoRun { .. } => Some("a run's folder is what `gac run` prints last: `results: ...`".to_owned()),
            Self::Version { .. } => Some("it was written by another version of gac; run it again".to_owned()),
            Self::Damaged { .. } => {
                Some("the file was changed by something else; run it again, into another folder".to_owned())
            }
            Self::Read { .. } => None,
        }
    }
}
