//! What a comparison finds.

use serde::Serialize;

use super::error::CompareError;
use super::pairing::{self, DocumentPair, SystemPair, TaskPairs};
use super::subjects::{SubjectFinding, subjects};
use super::verdict::{RegressionRule, Verdict};
use crate::results::{RECORD_VERSION, StoredRun};
use crate::stats::{Bootstrap, Discordant, PairedScores, TaskScores, holm, paired_difference};

/// Two runs, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The base run's folder.
    pub base: String,
    /// The new run's folder.
    pub new: String,
    /// What counts as a regression.
    #[serde(rename = "gate")]
    pub rule: RegressionRule,
    /// How intervals were made.
    pub bootstrap: Bootstrap,
    /// System by system.
    pub systems: Vec<SystemComparison>,
}

/// A system, compared with itself or another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SystemComparison {
    /// The system in the base run.
    pub base: String,
    /// The system in the new run.
    pub new: String,
    /// Every task, then all of them together where there are several.
    pub findings: Vec<Finding>,
    /// Every subject of the tasks that have them, sorted by task and name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<SubjectFinding>,
    /// Every document whose verdict changed.
    pub flips: Vec<Flip>,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One task.
    Task(String),
    /// The plain average over all tasks.
    Average,
}

/// The difference on one task, or on average.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub scope: Scope,
    /// Documents on both sides.
    pub documents: usize,
    /// Documents that failed on one of the sides, and are in no figure.
    pub failed: usize,
    /// Mean over documents (of means over documents) in the base run, 0 to 1.
    pub base: f64,
    /// The same in the new run.
    pub new: f64,
    /// New minus base.
    pub difference: f64,
    /// Lower end of the confidence interval of the difference.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Documents on which the new run is above and below.
    pub discordant: Discordant,
    /// Two-sided: McNemar's exact test for a task, for metrics between right and wrong a permutation test; for the average, how much of the bootstrap lies on the other side
    /// of zero, twice.
    pub p: f64,
    /// `p`, adjusted for the number of the system's tasks (Holm). The average is one test of its own.
    pub p_adjusted: f64,
    /// What the rule says.
    pub verdict: Verdict,
}

/// A document whose verdict changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The task.
    pub task: String,
    /// MMLU's subject.
    pub subject: Option<String>,
    /// The document's row in its split.
    pub doc_id: usize,
    /// Which way.
    pub direction: Direction,
}

/// Which way a document went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The new run does worse.
    Lost,
    /// The new run does better.
    Gained,
}

/// Compares `new` with `base`: the given systems (all of the same name where none are given) on the given tasks (all).
///
/// # Errors
/// When they did not answer the same questions by the same protocols; the error names everything that differs.
pub fn compare(
    base: &StoredRun,
    new: &StoredRun,
    pairs: &[SystemPair],
    tasks: &[String],
    rule: RegressionRule,
    bootstrap: Bootstrap,
) -> Result<Comparison, CompareError> {
    let mut systems = Vec::new();
    for (base, new) in pairing::systems(base, new, pairs)? {
        let tasks = pairing::tasks(base, new, tasks)?;
        let mut findings = tasks.iter().map(|task| on_task(task, bootstrap)).collect::<Result<Vec<_>, _>>()?;
        if tasks.len() > 1 {
            findings.push(on_average(&tasks, &findings, bootstrap)?);
        }
        let compared: Vec<&str> = tasks.iter().map(|task| task.base.entry.name.as_str()).collect();
        let subjects = subjects(base, new, &compared)?;
        let flips = tasks.iter().flat_map(flips).collect();
        systems.push(SystemComparison { base: base.name.clone(), new: new.name.clone(), findings, subjects, flips });
    }
    for system in &mut systems {
        judge(system, rule);
    }
    Ok(Comparison {
        version: RECORD_VERSION,
        base: base.folder.display().to_string(),
        new: new.folder.display().to_string(),
        rule,
        bootstrap,
        systems,
    })
}

/// Adjusts the p-values of a system's tasks for their number and passes judgement.
fn judge(system: &mut SystemComparison, rule: RegressionRule) {
    let tasks = system.findings.iter().filter(|finding| finding.scope != Scope::Average);
    let mut adjusted = holm(&tasks.map(|finding| finding.p).collect::<Vec<_>>()).into_iter();
    for finding in &mut system.findings {
        if finding.scope != Scope::Average {
            finding.p_adjusted = adjusted.next().unwrap_or(1.0);
        }
        finding.verdict = rule.judge(finding.difference, finding.p_adjusted);
    }
}

fn on_task(pairs: &TaskPairs<'_>, bootstrap: Bootstrap) -> Result<Finding, CompareError> {
    let paired = paired_difference(&[pairs.base.scores()], &[pairs.new.scores()], bootstrap)?;
    // The documents that the difference is over.
    let (base, new): (Vec<f64>, Vec<f64>) =
        pairs.documents().iter().filter_map(|document| Some((document.base?, document.new?))).unzip();
    let count = base.len() as f64;
    let base_mean = base.iter().sum::<f64>() / count;
    let new_mean = new.iter().sum::<f64>() / count;
    let discordant = Discordant::count(base.iter().zip(&new).map(|(base, new)| new - base));
    let scores = PairedScores { base, new, groups: None };
    let p = if scores.is_binary() { discordant.p_value() } else { scores.permutation_p_value() };
    Ok(Finding {
        scope: Scope::Task(pairs.base.entry.name.clone()),
        documents: paired.documents,
        failed: paired.failed,
        base: base_mean,
        new: new_mean,
        difference: paired.difference,
        low: paired.low,
        high: paired.high,
        discordant,
        p,
        p_adjusted: p,
        verdict: Verdict::NoRegression,
    })
}

fn on_average(tasks: &[TaskPairs<'_>], findings: &[Finding], bootstrap: Bootstrap) -> Result<Finding, CompareError> {
    let scores = |side: fn(&TaskPairs<'_>) -> TaskScores| tasks.iter().map(side).collect::<Vec<_>>();
    let paired = paired_difference(&scores(|task| task.base.scores()), &scores(|task| task.new.scores()), bootstrap)?;
    let mean = |value: fn(&Finding) -> f64| findings.iter().map(value).sum::<f64>() / findings.len() as f64;
    Ok(Finding {
        scope: Scope::Average,
        documents: paired.documents,
        failed: paired.failed,
        base: mean(|finding| finding.base),
        new: mean(|finding| finding.new),
        difference: paired.difference,
        low: paired.low,
        high: paired.high,
        discordant: Discordant {
            better: findings.iter().map(|finding| finding.discordant.better).sum(),
            worse: findings.iter().map(|finding| finding.discordant.worse).sum(),
        },
        p: paired.p,
        p_adjusted: paired.p,
        verdict: Verdict::NoRegression,
    })
}

fn flips(pairs: &TaskPairs<'_>) -> Vec<Flip> {
    let flip = |document: &DocumentPair<'_>| {
        let change = document.new? - document.base?;
        let direction = if change < 0.0 { Direction::Lost } else { Direction::Gained };
        (change != 0.0).then(|| Flip {
            task: pairs.base.entry.name.clone(),
            subject: document.sample.subject.clone(),
            doc_id: document.sample.doc_id,
            direction,
        })
    };
    pairs.documents().iter().filter_map(flip).collect()
}

impl Comparison {
    /// Every finding that is a regression, with its system in the new run.
    pub fn regressions(&self) -> impl Iterator<Item = (&SystemComparison, &Finding)> {
        let all = self.systems.iter().flat_map(|system| system.findings.iter().map(move |finding| (system, finding)));
        all.filter(|(_, finding)| finding.verdict == Verdict::Regression)
    }
}

impl SystemComparison {
    /// The findings on single tasks.
    pub fn tasks(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.scope != Scope::Average)
    }

    /// Its name, or both where they differ.
    pub fn name(&self) -> String {
        if self.base == self.new { self.new.clone() } else { format!("{} -> {}", self.base, self.new) }
    }
}

impl Scope {
    /// The task's name, or `average`.
    pub fn name(&self) -> &str {
        match self {
            Self::Task(task) => task,
            Self::Average => "average",
        }
    }
}

impl Flip {
    /// `12`, or `anatomy/12` where there are subjects.
    pub fn document(&self) -> String {
        self.subject.as_ref().map_or_else(|| self.doc_id.to_string(), |subject| format!("{subject}/{}", self.doc_id))
    }
}
