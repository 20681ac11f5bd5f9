//! A policy's file, as written and as checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gac_systems::{RecipeError, parse_toml};
use serde::{Deserialize, Serialize};

/// What a run has to keep to against another before it is accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Probability of each wrong answer that is put up with.
    pub alpha: f64,
    /// Probability of a right answer that plans and advice are made for.
    pub power: f64,
    /// What documents depend on each other by.
    pub groups: Grouping,
    /// What holds for the plain average over tasks.
    pub average: Option<PolicyLimits>,
    /// What holds for tasks that are not named.
    pub each_task: Option<PolicyLimits>,
    /// What holds for tasks that are.
    pub tasks: BTreeMap<String, PolicyLimits>,
}

/// What documents that are not independent of each other have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// The group that their task puts them in (a passage), or their subject. New subjects may be like these.
    #[default]
    Task,
    /// Nothing: every document is by itself. The answer is about these subjects only.
    Document,
}

/// How much a broken limit matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// It has to be shown to hold.
    #[default]
    Critical,
    /// It must not be shown to be broken.
    Supporting,
    /// It is told, and decides nothing.
    Advisory,
}

/// What a task, or the average, has to keep to; shares and scores are 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PolicyLimits {
    /// How much they matter.
    pub tier: Tier,
    /// The largest drop of the score that is put up with.
    pub max_drop: Option<f64>,
    /// The same as a share of the base's score.
    pub max_relative_drop: Option<f64>,
    /// The lowest score.
    pub min_score: Option<f64>,
    /// The most milliseconds per token.
    pub max_ms_per_token: Option<f64>,
    /// By what share of the base's a token may take longer.
    pub max_slowdown: Option<f64>,
    /// The largest share of steps at which members vote.
    pub max_ensembled_share: Option<f64>,
    /// The largest share of documents that failed in one of the runs.
    pub max_failed: f64,
}

/// Every key that a policy may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PolicyFile {
    alpha: Option<f64>,
    power: Option<f64>,
    #[serde(default)]
    groups: Grouping,
    average: Option<LimitsTable>,
    each_task: Option<LimitsTable>,
    #[serde(default)]
    tasks: BTreeMap<String, LimitsTable>,
}

/// Every key that a table of limits may have: scores in percent, drops in points.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitsTable {
    tier: Option<Tier>,
    max_drop: Option<f64>,
    max_relative_drop: Option<f64>,
    min_score: Option<f64>,
    max_ms_per_token: Option<f64>,
    max_slowdown: Option<f64>,
    max_ensembled_share: Option<f64>,
    max_failed: Option<f64>,
}

impl Policy {
    /// Reads a policy's file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, has a key that policies do not know, or a value that cannot be.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| PolicyError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the text of a policy that lies, or would lie, at `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyError> {
        let file: PolicyFile = parse_toml(text, path).map_err(|error| match error {
            RecipeError::Parse { path, line, column, message } => PolicyError::Parse { path, line, column, message },
            RecipeError::Read { path, source } => PolicyError::Read { path, source },
        })?;
        Self::check(file).map_err(|problem| PolicyError::Value { path: path.to_path_buf(), problem })
    }

    /// What holds for a task.
    pub fn of_task(&self, task: &str) -> Option<&PolicyLimits> {
        self.tasks.get(task).or(self.each_task.as_ref())
    }

    fn check(file: PolicyFile) -> Result<Self, PolicyProblem> {
        let probability = |key: &str, value: Option<f64>, default: f64, below: f64| {
            let value = value.unwrap_or(default);
            let valid = value > 0.0 && value < below;
            let range = format!("above 0 and below {below}, such as {default}");
            if valid { Ok(value) } else { Err(PolicyProblem::Range { key: key.to_owned(), value, valid: range }) }
        };
        let each = file.each_task.clone().unwrap_or_default();
        let tasks = file.tasks.into_iter().map(|(task, table)| {
            let limits = table.over(&each).check(&format!("tasks.{task}"))?;
            Ok((task, limits))
        });
        let policy = Self {
            alpha: probability("alpha", file.alpha, 0.05, 0.5)?,
            power: probability("power", file.power, 0.8, 1.0)?,
            groups: file.groups,
            tasks: tasks.collect::<Result<_, _>>()?,
            average: file.average.map(|table| table.check("average")).transpose()?,
            each_task: file.each_task.map(|table| table.check("each-task")).transpose()?,
        };
        let nothing = policy.average.is_none() && policy.each_task.is_none() && policy.tasks.is_empty();
        if nothing { Err(PolicyProblem::Empty) } else { Ok(policy) }
    }
}

impl LimitsTable {
    /// This table, with what it does not say from another.
    fn over(self, other: &Self) -> Self {
        Self {
            tier: self.tier.or(other.tier),
            max_drop: self.max_drop.or(other.max_drop),
            max_relative_drop: self.max_relative_drop.or(other.max_relative_drop),
            min_score: self.min_score.or(other.min_score),
            max_ms_per_token: self.max_ms_per_token.or(other.max_ms_per_token),
            max_slowdown: self.max_slowdown.or(other.max_slowdown),
            max_ensembled_share: self.max_ensembled_share.or(other.max_ensembled_share),
            max_failed: self.max_failed.or(other.max_failed),
        }
    }

    fn check(self, table: &str) -> Result<PolicyLimits, PolicyProblem> {
        let within = |key: &str, value: Option<f64>, valid: fn(f64) -> bool, range: &str| match value {
            Some(value) if !valid(value) => {
                Err(PolicyProblem::Range { key: format!("{table}.{key}"), value, valid: range.to_owned() })
            }
            value => Ok(value.map(|value| value / 100.0)),
        };
        let drop = |value: f64| value > 0.0 && value <= 100.0;
        let share = |value: f64| (0.0..=100.0).contains(&value);
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let above_zero = "above 0 and at most 100: that there is no drop at all can be shown by no number of documents";
        let limits = PolicyLimits {
            tier: self.tier.unwrap_or_default(),
            max_drop: within("max-drop", self.max_drop, drop, &format!("percentage points {above_zero}"))?,
            max_relative_drop: within(
                "max-relative-drop",
                self.max_relative_drop,
                drop,
                &format!("percent of the base's score, {above_zero}"),
            )?,
            min_score: within("min-score", self.min_score, share, "a score in percent, 0 to 100")?,
            max_ms_per_token: within("max-ms-per-token", self.max_ms_per_token, positive, "milliseconds above 0")?
                .map(|hundredth| hundredth * 100.0),
            max_slowdown: within(
                "max-slowdown",
                self.max_slowdown,
                |value| value >= 0.0 && value.is_finite(),
                "percent of the base's time per token, 0 or more",
            )?,
            max_ensembled_share: within(
                "max-ensembled-share",
                self.max_ensembled_share,
                share,
                "percent of the steps, 0 to 100",
            )?,
            max_failed: within("max-failed", self.max_failed, share, "percent of the documents, 0 to 100")?
                .unwrap_or(0.0),
        };
        if limits == (PolicyLimits { tier: limits.tier, ..PolicyLimits::default() }) && self.max_failed.is_none() {
            return Err(PolicyProblem::NoLimit { table: table.to_owned() });
        }
        Ok(limits)
    }
}

/// A policy's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("failed to read policy `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a policy.
    #[error("policy `{}`, line {line}, column {column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// Counted from one, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It says what cannot be.
    #[error("policy `{}`: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What.
        problem: PolicyProblem,
    },
}

/// What a policy says that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyProblem {
    /// A number that is none for its key.
    #[error("`{key}` is {value}; it is {valid}")]
    Range {
        /// The key, with its table.
        key: String,
        /// What it says.
        value: f64,
        /// What would be valid.
        valid: String,
    },
    /// A table that asks for nothing.
    #[error("`[{table}]` has no limit")]
    NoLimit {
        /// The table.
        table: String,
    },
    /// A file that asks for nothing.
    #[error("there is no limit in it")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, String> {
        Policy::parse(text, Path::new("policy.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_named_task_takes_what_it_does_not_say_from_each_task() {
        let policy = parse(
            "[each-task]\ntier = \"supporting\"\nmax-drop = 2\nmax-failed = 1\n[tasks.gsm8k]\nmax-drop = 1.5\nmin-score = 60",
        );
        let policy = policy.unwrap();
        let expected = PolicyLimits {
            tier: Tier::Supporting,
            max_drop: Some(0.015),
            min_score: Some(0.6),
            max_failed: 0.01,
            ..PolicyLimits::default()
        };
        assert_eq!(policy.of_task("gsm8k"), Some(&expected));
        assert_eq!(policy.of_task("piqa").unwrap().max_drop, Some(0.02));
        assert_eq!((policy.alpha.to_bits(), policy.power.to_bits()), (0.05_f64.to_bits(), 0.8_f64.to_bits()));
    }

    #[test]
    fn what_cannot_be_is_named_with_its_key_and_what_would_be_valid() {
        for (text, parts) in [
            ("[average]\nmax-drop = 0", ["`average.max-drop` is 0", "above 0 and at most 100"]),
            ("[tasks.\"a b\"]\nmin-score = 101", ["`tasks.a b.min-score` is 101", "0 to 100"]),
            ("alpha = 0.5\n[average]\nmax-drop = 1", ["`alpha` is 0.5", "above 0 and below 0.5"]),
            ("power = nan\n[average]\nmax-drop = 1", ["`power` is NaN", "such as 0.8"]),
            ("[average]\nmax-dorp = 1", ["line 2, column 1", "`max-drop`"]),
            ("[average]\ntier = \"urgent\"", ["line 2", "`critical`"]),
            ("[average]\ntier = \"advisory\"", ["`[average]` has no limit", ""]),
            ("alpha = 0.1", ["no limit", "policy.toml"]),
        ] {
            let error = parse(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
