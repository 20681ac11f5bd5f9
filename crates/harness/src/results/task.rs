//! `results.json`: a task's aggregates and timing under one system.

use gac_ensemble::DraftCounts;
use gac_systems::StepCosts;
use serde::{Deserialize, Serialize};

use crate::task::{Aggregate, MetricKey, Outcome, TaskGroup};

/// A finished task under one system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResults {
    /// [`RECORD_VERSION`](super::RECORD_VERSION).
    pub version: u32,
    /// The system's name.
    pub system: String,
    /// The task's name.
    pub task: String,
    /// The version of the task's definition.
    pub task_version: String,
    /// Shots in front of every prompt.
    pub num_fewshot: usize,
    /// Documents evaluated.
    pub documents: usize,
    /// Times that each was asked; samples are as many.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeats: usize,
    /// The metric that stands in leaderboards.
    pub primary: MetricKey,
    /// Its value, 0 to 1.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
    /// Every metric of the task, its groups and its subtasks.
    pub aggregates: Vec<Aggregate>,
    /// How many documents ended how.
    pub outcomes: OutcomeCounts,
    /// Documents whose prompt was cut from the left for some member.
    pub truncated: usize,
    /// Time and tokens.
    pub timing: Timing,
    /// The groups that the task was asked for as a part of, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<TaskGroup>,
}

pub(super) fn once() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_once(repeats: &usize) -> bool {
    *repeats == 1
}

/// How many documents (each time that they were asked) ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// The right answer.
    pub correct: usize,
    /// Another answer.
    pub wrong: usize,
    /// Nothing could be extracted.
    pub no_answer: usize,
    /// The system could not be asked.
    pub failed: usize,
}

/// Time and tokens of a task. Tasks that score choices generate nothing, and have no latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Wall time of the whole task, in seconds.
    pub wall_seconds: f64,
    /// Samples that were generated.
    pub generated: usize,
    /// Their union tokens.
    pub tokens: usize,
    /// Their steps at which the members voted.
    pub ensembled: usize,
    /// Sum over samples of the mean over members of the response's length in tokens.
    pub member_tokens: f64,
    /// Samples whose responses are an earlier run's, from a cache; no time is told of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: usize,
    /// The part of `member_tokens` that is theirs.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub cached_member_tokens: f64,
    /// Milliseconds that `ms_per_token` divides, by its basis.
    pub milliseconds: f64,
    /// `milliseconds / (member_tokens - cached_member_tokens)`; absent where nothing was generated.
    pub ms_per_token: Option<f64>,
    /// What `milliseconds` is.
    pub latency_basis: Option<LatencyBasis>,
    /// `ensembled / tokens`; absent where nothing was generated.
    pub ensembled_share: Option<f64>,
    /// What a step costs, where systems were decoded together and `milliseconds` is made of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_costs: Option<StepCosts>,
    /// What was drafted, where anything was to be: `tokens / verifications` tokens came of one reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<DraftCounts>,
}

/// What a latency is made of. They are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyBasis {
    /// One sample at a time: the sum of the requests' wall times. The latency that the GaC paper reports.
    Request,
    /// Samples in flight together: the task's wall time, a throughput.
    Throughput,
    /// Decoded together with other thresholds of its gate: its steps, each times what one of its kind costs.
    Modelled,
}

impl LatencyBasis {
    /// The name in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Throughput => "throughput",
            Self::Modelled => "modelled",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_nothing(tokens: &f64) -> bool {
    *tokens == 0.0
}

impl OutcomeCounts {
    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Correct => &mut self.correct,
            Outcome::Wrong => &mut self.wrong,
            Outcome::NoAnswer => &mut self.no_answer,
            Outcome::Failed { .. } => &mut self.failed,
        };
        *count += 1;
    }
}

/// The mean over members, of a response's length in their tokens.
fn mean(member_tokens: &[usize]) -> f64 {
    if member_tokens.is_empty() {
        return 0.0;
    }
    member_tokens.iter().sum::<usize>() as f64 / member_tokens.len() as f64
}

impl Timing {
    /// Adds one generated sample: its union tokens, the steps voted on, and its length in each member's tokens.
    pub fn add(&mut self, tokens: usize, ensembled: usize, member_tokens: &[usize]) {
        self.generated += 1;
        self.tokens += tokens;
        self.ensembled += ensembled;
        self.member_tokens += mean(member_tokens);
    }

    /// Says of a sample that was added that it came from a cache: it has tokens, and no time of this run.
    pub fn leave_out(&mut self, member_tokens: &[usize]) {
        self.cached += 1;
        self.cached_member_tokens += mean(member_tokens);
    }

    /// Adds what was drafted for a sample.
    pub fn add_drafts(&mut self, drafts: Option<DraftCounts>) {
        if let Some(drafts) = drafts {
            self.drafts.get_or_insert_default().add(drafts);
        }
    }

    /// Closes a task that took `wall_seconds`, its generated requests `request_seconds` together, of which at most
    /// `batch_size` were in flight at once.
    pub fn finish(&mut self, wall_seconds: f64, request_seconds: f64, batch_size: usize) {
        self.wall_seconds = wall_seconds;
        if self.generated == self.cached {
            self.divide();
            return;
        }
        let (basis, seconds) = if batch_size == 1 {
            (LatencyBasis::Request, request_seconds)
        } else {
            (LatencyBasis::Throughput, wall_seconds)
        };
        self.latency_basis = Some(basis);
        self.milliseconds = seconds * 1000.0;
        self.divide();
    }

    /// Closes a task of several systems that were decoded together: a system's steps cost what `costs` say. `wall_seconds`
    /// is its share of their time.
    pub fn finish_together(&mut self, wall_seconds: f64, costs: Option<StepCosts>) {
        self.wall_seconds = wall_seconds;
        if let Some(costs) = costs.filter(|_| self.generated > 0) {
            let alone = (self.tokens - self.ensembled) as f64 * costs.alone_ms;
            self.milliseconds = alone + self.ensembled as f64 * costs.vote_ms;
            self.latency_basis = Some(LatencyBasis::Modelled);
            self.step_costs = Some(costs);
        }
        self.divide();
        if self.latency_basis.is_none() {
            self.ms_per_token = None;
        }
    }

    /// The timing of several tasks together; without a latency where their bases differ.
    pub fn total<'a>(timings: impl IntoIterator<Item = &'a Timing>) -> Self {
        let mut total = Self::default();
        let mut mixed = false;
        for timing in timings {
            total.wall_seconds += timing.wall_seconds;
            total.generated += timing.generated;
            total.tokens += timing.tokens;
            total.ensembled += timing.ensembled;
            total.member_tokens += timing.member_tokens;
            total.cached += timing.cached;
            total.cached_member_tokens += timing.cached_member_tokens;
            total.add_drafts(timing.drafts);
            total.milliseconds += timing.milliseconds;
            if let Some(basis) = timing.latency_basis {
                mixed |= total.latency_basis.is_some_and(|other| other != basis);
                total.latency_basis = Some(basis);
            }
        }
        total.divide();
        if mixed {
            (total.ms_per_token, total.latency_basis) = (None, None);
        }
        total
    }

    fn divide(&mut self) {
        let timed = self.member_tokens - self.cached_member_tokens;
        let is_timed = self.generated > self.cached && timed > 0.0;
        self.ms_per_token = is_timed.then(|| self.milliseconds / timed);
        self.ensembled_share = (self.tokens > 0).then(|| self.ensembled as f64 / self.tokens as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_a_cache_has_tokens_and_no_time() {
        let mut timing = Timing::default();
        timing.add(10, 5, &[10]);
        timing.add(30, 0, &[30]);
        timing.leave_out(&[30]);
        timing.finish(2.0, 0.1, 8);
        assert_eq!((timing.tokens, timing.ms_per_token, timing.ensembled_share), (40, Some(200.0), Some(0.125)));
        let mut cached = Timing::default();
        cached.add(10, 5, &[10]);
        cached.leave_out(&[10]);
        cached.finish(2.0, 0.0, 8);
        assert_eq!((cached.ms_per_token, cached.latency_basis, cached.ensembled_share), (None, None, Some(0.5)));
    }

    fn timing(batch_size: usize) -> Timing {
        let mut timing = Timing::default();
        timing.add(10, 5, &[10, 14]);
        timing.add(10, 0, &[8, 8]);
        timing.finish(3.0, 2.0, batch_size);
        timing
    }

    #[test]
    fn latency_is_the_requests_time_over_the_members_mean_length_at_batch_one() {
        // (12 + 8) tokens in 2,000 ms.
        assert_eq!(timing(1).ms_per_token, Some(100.0));
        assert_eq!(timing(1).latency_basis, Some(LatencyBasis::Request));
        assert_eq!(timing(1).ensembled_share, Some(0.25));
    }

    #[test]
    fn latency_is_the_tasks_time_over_the_same_when_batched() {
        assert_eq!(timing(8).ms_per_token, Some(150.0));
        assert_eq!(timing(8).latency_basis, Some(LatencyBasis::Throughput));
    }

    #[test]
    fn latency_is_modelled_from_what_each_kind_of_step_costs_where_systems_were_decoded_together() {
        let mut timing = Timing::default();
        timing.add(20, 5, &[20, 30]);
        timing.finish_together(1.0, Some(StepCosts { alone_ms: 10.0, vote_ms: 30.0 }));
        // 15 steps of 10 ms and 5 of 30 ms, over 25 tokens.
        assert_eq!((timing.ms_per_token, timing.latency_basis), (Some(12.0), Some(LatencyBasis::Modelled)));
        assert_eq!(timing.ensembled_share, Some(0.25));
        let mut timing = Timing::default();
        timing.add(20, 5, &[20, 30]);
        timing.finish_together(1.0, None);
        assert_eq!((timing.ms_per_token, timing.latency_basis, timing.ensembled_share), (None, None, Some(0.25)));
    }

    #[test]
    fn a_task_that_generates_nothing_has_no_latency() {
        let mut timing = Timing::default();
        timing.finish(3.0, 0.0, 1);
        assert_eq!((timing.ms_per_token, timing.latency_basis, timing.ensembled_share), (None, None, None));
        assert_eq!(timing.wall_seconds.to_bits(), 3.0_f64.to_bits());
    }

    #[test]
    fn totals_weigh_tasks_by_their_tokens_and_never_mix_bases() {
        let mut choices = Timing::default();
        choices.finish(9.0, 0.0, 1);
        assert_eq!(Timing::total([&timing(1), &choices]).ms_per_token, Some(100.0));
        let mixed = Timing::total([&timing(1), &timing(8)]);
        assert_eq!((mixed.ms_per_token, mixed.latency_basis), (None, None));
        assert_eq!(mixed.ensembled_share, Some(0.25));
    }
}
