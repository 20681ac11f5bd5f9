//! A run against another, judged by a policy.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::file::{Grouping, Policy, PolicyLimits, Tier};
use crate::compare::pairing::{self, TaskPairs};
use crate::compare::{CompareError, Scope, SystemPair};
use crate::results::{RECORD_VERSION, StoredRun, Timing};
use crate::stats::{Evidence, PairedScores, holm};

/// What a policy says of a run against another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Review {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The base run's folder.
    pub base: String,
    /// The new run's folder.
    pub new: String,
    /// What is asked for.
    pub policy: Policy,
    /// The answer.
    pub ruling: Ruling,
    /// Every limit of every system.
    pub checks: Vec<LimitCheck>,
}

/// What is said of a limit, or of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Ruling {
    /// It is kept to, beyond the doubt that is put up with.
    #[serde(rename = "GO")]
    Go,
    /// It is broken, beyond that doubt.
    #[serde(rename = "NO-GO")]
    NoGo,
    /// The documents cannot tell.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
}

/// One limit, checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitCheck {
    /// The system: its name, or both where they differ.
    pub system: String,
    /// A task, or the average.
    pub scope: Scope,
    /// How much it matters.
    pub tier: Tier,
    /// What is limited.
    pub limit: LimitKind,
    /// The limit: a score or share from 0 to 1, or milliseconds.
    pub allowed: f64,
    /// What was measured, in the same unit; a drop is positive. Absent where nothing could be.
    pub measured: Option<f64>,
    /// What the documents say of it, for limits on scores.
    pub evidence: Option<ScoreEvidence>,
    /// What is said of it.
    pub ruling: Ruling,
    /// Why it could not be measured.
    pub reason: Option<&'static str>,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKind {
    /// By how much the score drops.
    MaxDrop,
    /// By what share of the base's score.
    MaxRelativeDrop,
    /// The new run's score.
    MinScore,
    /// The new run's time per token.
    MaxMsPerToken,
    /// How much longer a token takes.
    MaxSlowdown,
    /// The new run's share of steps at which members vote.
    MaxEnsembledShare,
    /// Documents that failed.
    MaxFailed,
}

/// What documents say of a score or a drop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScoreEvidence {
    /// Documents that both runs have a score of.
    pub documents: usize,
    /// Groups that they come in; as many as documents where each is by itself.
    pub groups: usize,
    /// Lower one-sided confidence bound at the policy's alpha, in the unit of what is measured.
    pub low: f64,
    /// Upper one.
    pub high: f64,
    /// One-sided p-value of the hypothesis that the limit is kept to.
    pub p: f64,
    /// `p`, adjusted for the number of limits on scores (Holm): those that decide together, advisory ones together.
    pub p_adjusted: f64,
    /// The smallest distance from the limit that these documents tell, at the policy's alpha and power.
    pub smallest_told: f64,
    /// How many documents would tell, at that power, that the limit is kept to: by a system that is as good as the base, or
    /// for a lowest score, as good as it was measured.
    pub documents_needed: Option<f64>,
}

/// Judges `new` against `base`: the given systems, or all of the same name.
///
/// # Errors
/// When the runs cannot be paired, or the policy names a task that they do not have.
pub fn review(base: &StoredRun, new: &StoredRun, pairs: &[SystemPair], policy: &Policy) -> Result<Review, ReviewError> {
    let mut checks = Vec::new();
    for (base, new) in pairing::systems(base, new, pairs)? {
        let all: Vec<String> = base.tasks.iter().map(|task| task.entry.name.clone()).collect();
        if let Some(task) = policy.tasks.keys().find(|task| !all.contains(task)) {
            return Err(ReviewError::UnknownTask { task: task.clone(), known: all });
        }
        let only_named = policy.average.is_none() && policy.each_task.is_none();
        let tasks: Vec<String> = if only_named { policy.tasks.keys().cloned().collect() } else { vec![] };
        let tasks = pairing::tasks(base, new, &tasks)?;
        let system = if base.name == new.name { base.name.clone() } else { format!("{} -> {}", base.name, new.name) };
        let observed: Vec<Observed> = tasks.iter().map(|pairs| Observed::task(pairs, policy.groups)).collect();
        for (pairs, observed) in tasks.iter().zip(&observed) {
            if let Some(limits) = policy.of_task(&pairs.base.entry.name) {
                checks.extend(observed.check(&system, limits, policy));
            }
        }
        if let Some(limits) = &policy.average {
            checks.extend(Observed::average(&observed).check(&system, limits, policy));
        }
    }
    adjust(&mut checks, policy.alpha);
    Ok(Review {
        version: RECORD_VERSION,
        base: base.folder.display().to_string(),
        new: new.folder.display().to_string(),
        policy: policy.clone(),
        ruling: overall(&checks),
        checks,
    })
}

/// What was measured of a task, or of all.
pub(super) struct Observed {
    pub(super) scope: Scope,
    /// Without documents that have a score in both runs there is none.
    pub(super) scores: Option<Scores>,
    pub(super) documents: usize,
    pub(super) groups: usize,
    /// Documents, those that failed among them.
    asked: usize,
    base_timing: Timing,
    new_timing: Timing,
}

pub(super) struct Scores {
    pub(super) difference: Evidence,
    base: Evidence,
    new: Evidence,
}

impl Observed {
    pub(super) fn task(pairs: &TaskPairs<'_>, grouping: Grouping) -> Self {
        let mut scores = PairedScores::default();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut groups = Vec::new();
        let asked = pairs.documents();
        for document in &asked {
            let (Some(base), Some(new)) = (document.base, document.new) else { continue };
            scores.base.push(base);
            scores.new.push(new);
            let next = places.len();
            let group = document.sample.group.as_deref().or(document.sample.subject.as_deref());
            groups.extend(group.map(|group| *places.entry(group).or_insert(next)));
        }
        let documents = scores.base.len();
        // Subjects of one kind only say nothing about others.
        if grouping == Grouping::Task && groups.len() == documents && places.len() > 1 {
            scores.groups = Some(groups);
        }
        Self {
            scope: Scope::Task(pairs.base.entry.name.clone()),
            groups: if scores.groups.is_some() { places.len() } else { documents },
            scores: (documents > 0).then(|| Scores {
                difference: scores.difference(),
                base: scores.base_mean(),
                new: scores.new_mean(),
            }),
            documents,
            asked: asked.len(),
            base_timing: pairs.base.results.timing,
            new_timing: pairs.new.results.timing,
        }
    }

    pub(super) fn average(tasks: &[Self]) -> Self {
        let sum = |count: fn(&Self) -> usize| tasks.iter().map(count).sum();
        let scores: Option<Vec<&Scores>> = tasks.iter().map(|task| task.scores.as_ref()).collect();
        let average = |scores: &[&Scores], of: fn(&Scores) -> &Evidence| {
            Evidence::average(scores.iter().map(|scores| of(scores).clone()))
        };
        Self {
            scope: Scope::Average,
            scores: scores.map(|scores| Scores {
                difference: average(&scores, |scores| &scores.difference),
                base: average(&scores, |scores| &scores.base),
                new: average(&scores, |scores| &scores.new),
            }),
            documents: sum(|task| task.documents),
            groups: sum(|task| task.groups),
            asked: sum(|task| task.asked),
            base_timing: Timing::total(tasks.iter().map(|task| &task.base_timing)),
            new_timing: Timing::total(tasks.iter().map(|task| &task.new_timing)),
        }
    }

    fn check(&self, system: &str, limits: &PolicyLimits, policy: &Policy) -> Vec<LimitCheck> {
        let check = |limit, allowed| LimitCheck {
            system: system.to_owned(),
            scope: self.scope.clone(),
            tier: limits.tier,
            limit,
            allowed,
            measured: None,
            evidence: None,
            ruling: Ruling::Inconclusive,
            reason: None,
        };
        let mut checks = Vec::new();
        for (limit, allowed) in [
            (LimitKind::MaxDrop, limits.max_drop),
            (LimitKind::MaxRelativeDrop, limits.max_relative_drop),
            (LimitKind::MinScore, limits.min_score),
        ] {
            checks.extend(allowed.map(|allowed| self.of_score(check(limit, allowed), policy)));
        }
        for (limit, allowed, measured) in [
            (LimitKind::MaxMsPerToken, limits.max_ms_per_token, self.ms_per_token()),
            (LimitKind::MaxSlowdown, limits.max_slowdown, self.slowdown()),
            (
                LimitKind::MaxEnsembledShare,
                limits.max_ensembled_share,
                self.new_timing.ensembled_share.ok_or(NOTHING_GENERATED),
            ),
        ] {
            checks.extend(allowed.map(|allowed| of_budget(check(limit, allowed), measured)));
        }
        let failed = self.asked - self.documents;
        if failed > 0 {
            let share = failed as f64 / self.asked as f64;
            checks.push(of_budget(check(LimitKind::MaxFailed, limits.max_failed), Ok(share)));
        }
        checks
    }

    /// Judges a limit on a score but for the adjustment for the number of limits.
    fn of_score(&self, check: LimitCheck, policy: &Policy) -> LimitCheck {
        let Some(scores) = &self.scores else {
            return LimitCheck { reason: Some("no document has a score in both runs"), ..check };
        };
        // What has to be above `limit`, and what stands in the record for a mean: the score, or how much it drops.
        let (evidence, limit) = match check.limit {
            LimitKind::MinScore => (scores.new.clone(), check.allowed),
            LimitKind::MaxRelativeDrop => {
                let parts = vec![(1.0, scores.difference.clone()), (check.allowed, scores.base.clone())];
                (Evidence::Sum(parts), 0.0)
            }
            _ => (scores.difference.clone(), -check.allowed),
        };
        let base = scores.base.value();
        let shown = |mean: f64| match check.limit {
            LimitKind::MinScore => mean,
            LimitKind::MaxRelativeDrop => check.allowed - mean / base,
            _ => -mean,
        };
        let (lower, upper) = (evidence.lower(policy.alpha), evidence.upper(policy.alpha));
        let (a, b) = (shown(lower), shown(upper));
        let smallest_told = evidence.smallest_told(policy.alpha, policy.power);
        // How far a system that keeps to the limit is from it: one that is no worse than the base.
        let margin = match check.limit {
            LimitKind::MinScore => evidence.value() - limit,
            LimitKind::MaxRelativeDrop => check.allowed * base,
            _ => check.allowed,
        };
        let needed = self.documents as f64 * (smallest_told / margin).powi(2);
        let p = evidence.p_below(limit);
        LimitCheck {
            measured: Some(shown(evidence.value())),
            evidence: Some(ScoreEvidence {
                documents: self.documents,
                groups: self.groups,
                low: a.min(b),
                high: a.max(b),
                p,
                p_adjusted: p,
                smallest_told: if check.limit == LimitKind::MaxRelativeDrop {
                    smallest_told / base
                } else {
                    smallest_told
                },
                documents_needed: (margin > 0.0 && needed.is_finite()).then(|| needed.ceil()),
            }),
            ruling: if lower > limit { Ruling::Go } else { Ruling::Inconclusive },
            ..check
        }
    }

    fn ms_per_token(&self) -> Result<f64, &'static str> {
        self.new_timing.ms_per_token.ok_or(NOTHING_GENERATED)
    }

    fn slowdown(&self) -> Result<f64, &'static str> {
        let (Some(base), Some(new)) = (self.base_timing.ms_per_token, self.new_timing.ms_per_token) else {
            return Err(NOTHING_GENERATED);
        };
        if self.base_timing.latency_basis != self.new_timing.latency_basis {
            return Err("one run's time is a latency and the other's a throughput");
        }
        Ok(new / base - 1.0)
    }
}

const NOTHING_GENERATED: &str = "nothing was generated, or tasks were timed in different ways";

/// Judges a limit on what was counted or timed, with which no doubt is connected.
fn of_budget(check: LimitCheck, measured: Result<f64, &'static str>) -> LimitCheck {
    match measured {
        Ok(measured) => {
            let ruling = if measured > check.allowed + 1e-9 { Ruling::NoGo } else { Ruling::Go };
            LimitCheck { measured: Some(measured), ruling, ..check }
        }
        Err(reason) => LimitCheck { reason: Some(reason), ..check },
    }
}

/// Says no where a limit is broken whatever the number of limits that could have been.
fn adjust(checks: &mut [LimitCheck], alpha: f64) {
    for advisory in [false, true] {
        let mut family: Vec<&mut LimitCheck> =
            checks.iter_mut().filter(|check| (check.tier == Tier::Advisory) == advisory).collect();
        let found = family.iter().filter_map(|check| Some(check.evidence?.p));
        let mut adjusted = holm(&found.collect::<Vec<_>>()).into_iter();
        for check in &mut family {
            let Some(evidence) = &mut check.evidence else { continue };
            evidence.p_adjusted = adjusted.next().unwrap_or(1.0);
            if evidence.p_adjusted <= alpha {
                check.ruling = Ruling::NoGo;
            }
        }
    }
}

fn overall(checks: &[LimitCheck]) -> Ruling {
    let any = |tiers: &[Tier], ruling| checks.iter().any(|check| tiers.contains(&check.tier) && check.ruling == ruling);
    if any(&[Tier::Critical, Tier::Supporting], Ruling::NoGo) {
        Ruling::NoGo
    } else if any(&[Tier::Critical], Ruling::Inconclusive) {
        Ruling::Inconclusive
    } else {
        Ruling::Go
    }
}

impl Ruling {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Go => "GO",
            Self::NoGo => "NO-GO",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }
}

impl Review {
    /// The systems, in order.
    pub fn systems(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.checks.iter().map(|check| check.system.as_str()).filter(|system| seen.insert(*system)).collect()
    }
}

/// A policy cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The runs cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// It names a task that the runs do not have.
    #[error("the policy names task `{task}`, which the base run does not have")]
    UnknownTask {
        /// The task.
        task: String,
        /// The tasks there are.
        known: Vec<String>,
    },
}
