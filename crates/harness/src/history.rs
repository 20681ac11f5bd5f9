//! Scores over time: a CSV file to which runs are added.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gac_systems::write_atomic;
use serde::{Deserialize, Serialize};

use crate::frames::FrameError;
use crate::report::Leaderboard;
use crate::results::StoredRun;
use crate::stats::normal_quantile;

/// The task of a line that is about the average over all tasks.
const AVERAGE: &str = "average";

/// Runs in the order of their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    rows: Vec<HistoryRow>,
}

/// What a system reached on a task in a run, or on average: a line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRow {
    /// When the run began: RFC 3339, UTC.
    pub time: String,
    /// The commit that it is of; empty where that is not known.
    pub commit: String,
    /// The run's name.
    pub run: String,
    /// The system.
    pub system: String,
    /// The task, or `average`.
    pub task: String,
    /// Documents.
    pub documents: usize,
    /// The score, 0 to 1.
    pub score: f64,
    /// Its standard error, where there is one.
    pub stderr: Option<f64>,
    /// The ends of its 95% confidence interval, by the normal distribution.
    pub low: Option<f64>,
    /// The upper one.
    pub high: Option<f64>,
}

/// A run of a history, by what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryRun<'a> {
    /// When it began.
    pub time: &'a str,
    /// The commit that it is of.
    pub commit: &'a str,
    /// Its name.
    pub run: &'a str,
}

impl History {
    /// Reads a file; one that is not there holds no runs.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is no line of a history.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(HistoryError::Read { path: path.to_path_buf(), source }),
        };
        let rows =
            ::csv::Reader::from_reader(text.as_bytes()).into_deserialize().collect::<Result<Vec<HistoryRow>, _>>();
        let rows = rows.map_err(|source| HistoryError::Line { path: path.to_path_buf(), source })?;
        if let Some(row) = rows.iter().find(|row| !row.score.is_finite()) {
            return Err(HistoryError::Score { path: path.to_path_buf(), score: row.score, time: row.time.clone() });
        }
        Ok(Self { rows })
    }

    /// Adds a run, in place of the same run where it is there already. `commit` is what it is of; the recipe's repository's
    /// where nothing is said.
    ///
    /// # Errors
    /// When its leaderboard cannot be worked out.
    pub fn add(&mut self, run: &StoredRun, commit: Option<&str>) -> Result<(), HistoryError> {
        let manifest = &run.manifest;
        let recorded = || manifest.sessions.last().and_then(|session| Some(session.git.as_ref()?.commit.clone()));
        let commit = commit.map(str::to_owned).or_else(recorded).unwrap_or_default();
        let name = &manifest.plan.name;
        self.rows.retain(|row| (&row.time, &row.run) != (&manifest.started, name));
        let results: Vec<_> = run.systems.iter().map(crate::results::StoredSystem::results).collect();
        let leaderboard = Leaderboard::new(&results)?;
        for (system, row) in results.iter().zip(&leaderboard.rows) {
            let of = |task: &str, documents: usize, score: f64, stderr: Option<f64>| {
                let half = stderr.map(|stderr| normal_quantile(0.975) * stderr);
                HistoryRow {
                    time: manifest.started.clone(),
                    commit: commit.clone(),
                    run: name.clone(),
                    system: system.system.clone(),
                    task: task.to_owned(),
                    documents,
                    score,
                    stderr,
                    low: half.map(|half| (score - half).max(0.0)),
                    high: half.map(|half| (score + half).min(1.0)),
                }
            };
            self.rows.extend(system.tasks.iter().map(|task| of(&task.task, task.documents, task.value, task.stderr)));
            if let Some(average) = row.average.filter(|_| system.tasks.len() > 1) {
                let documents = system.tasks.iter().map(|task| task.documents).sum();
                self.rows.push(of(AVERAGE, documents, average.value, average.stderr));
            }
        }
        // Lines of a run stay in their order.
        self.rows.sort_by(|a, b| (&a.time, &a.run).cmp(&(&b.time, &b.run)));
        Ok(())
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), HistoryError> {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        let cannot = |source: std::io::Error| HistoryError::Write { path: path.to_path_buf(), source };
        for row in &self.rows {
            writer.serialize(row).map_err(|error| cannot(error.into()))?;
        }
        let bytes = writer.into_inner().map_err(|error| cannot(error.into_error()))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(cannot)?;
        }
        write_atomic(path, &bytes).map_err(cannot)
    }

    /// Its lines.
    pub fn rows(&self) -> &[HistoryRow] {
        &self.rows
    }

    /// Its runs, by time.
    pub fn runs(&self) -> Vec<HistoryRun<'_>> {
        let runs: BTreeSet<HistoryRun<'_>> = self.rows.iter().map(HistoryRow::run).collect();
        runs.into_iter().collect()
    }

    /// Its tasks, the average first, then in the order in which they first appear.
    pub fn tasks(&self) -> Vec<&str> {
        let mut tasks: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !tasks.contains(&row.task.as_str()) {
                tasks.push(&row.task);
            }
        }
        tasks.sort_by_key(|task| *task != AVERAGE);
        tasks
    }

    /// Its systems, in the order in which they first appear.
    pub fn systems(&self) -> Vec<&str> {
        let mut systems: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !systems.contains(&row.system.as_str()) {
                systems.push(&row.system);
            }
        }
        systems
    }
}

impl HistoryRow {
    /// The run that it is of.
    pub fn run(&self) -> HistoryRun<'_> {
        HistoryRun { time: &self.time, commit: &self.commit, run: &self.run }
    }
}

impl HistoryRun<'_> {
    /// The beginning of its commit, or its day where the commit is not known.
    pub fn label(&self) -> String {
        let shown = if self.commit.is_empty() { self.time.split('T').next().unwrap_or_default() } else { self.commit };
        shown.chars().take(if self.commit.is_empty() { 10 } else { 7 }).collect()
    }
}

/// A history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("failed to read history `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not one.
    #[error("`{}` is no history of scores", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: ::csv::Error,
    },
    /// A score is none.
    #[error("`{}` has the score {score} at {time}", path.display())]
    Score {
        /// The file.
        path: PathBuf,
        /// The score.
        score: f64,
        /// Of the run of this time.
        time: String,
    },
    /// It cannot be written.
    #[error("failed to write history `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The run's leaderboard cannot be worked out.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: &str, commit: &str, system: &str, task: &str) -> HistoryRow {
        HistoryRow {
            time: time.into(),
            commit: commit.into(),
            run: "mini".into(),
            system: system.into(),
            task: task.into(),
            documents: 7,
            score: 0.5,
            stderr: None,
            low: None,
            high: None,
        }
    }

    #[test]
    fn a_history_survives_the_round_trip_and_one_that_is_not_there_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/history.csv");
        assert_eq!(History::read(&path).unwrap(), History::default());
        let rows = vec![row("2026-01-02T00:00:00Z", "abc, \"d\"", "GaC, 2", "gsm8k")];
        let history = History { rows };
        history.write(&path).unwrap();
        assert_eq!(History::read(&path).unwrap(), history);
        std::fs::write(&path, "time,score\n1,2\n").unwrap();
        assert!(History::read(&path).unwrap_err().to_string().contains("is no history of scores"));
    }

    #[test]
    fn runs_are_told_by_their_times_and_labelled_by_their_commits() {
        let (early, late) = ("2026-01-02T00:00:00Z", "2026-03-02T00:00:00Z");
        let rows = vec![
            row(early, "", "a", "piqa"),
            row(late, "0123456789", "b", "piqa"),
            row(late, "0123456789", "b", AVERAGE),
        ];
        let history = History { rows };
        let labels: Vec<String> = history.runs().iter().map(HistoryRun::label).collect();
        assert_eq!(labels, ["2026-01-02", "0123456"]);
        assert_eq!((history.tasks(), history.systems()), (vec![AVERAGE, "piqa"], vec!["a", "b"]));
    }
}
