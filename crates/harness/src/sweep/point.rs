//! What a sweep found at each threshold.

use serde::{Deserialize, Serialize};

/// One threshold on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// The system's name: which members, method and weights.
    pub system: String,
    /// The task's name.
    pub task: String,
    /// The threshold.
    pub threshold: f64,
    /// The metric of `value`.
    pub metric: String,
    /// The filter of `value`.
    pub filter: String,
    /// Documents evaluated.
    pub documents: usize,
    /// The task's primary metric, 0 to 1.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
    /// Union tokens emitted; 0 where choices were scored.
    pub tokens: usize,
    /// Steps at which the members voted.
    pub ensembled: usize,
    /// `ensembled / tokens`; absent where nothing was generated.
    pub ensembled_share: Option<f64>,
    /// Sum over documents of the mean over members of the response's length in tokens.
    pub member_tokens: f64,
    /// The latency that [`StepCosts`] give for these steps, in milliseconds per token of `member_tokens`.
    pub modelled_ms_per_token: Option<f64>,
    /// The latency really measured, one document at a time, in the same unit.
    pub measured_ms_per_token: Option<f64>,
}

/// What a step costs, one document at a time, prompts included: measured on a task's first documents.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepCosts {
    /// Milliseconds of a step that the gate decides alone.
    pub alone_ms: f64,
    /// Milliseconds of a step that the members vote on.
    pub vote_ms: f64,
}

/// A sweep on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// One per threshold, in the order given.
    pub points: Vec<SweepPoint>,
    /// What the modelled latencies are made of; absent where nothing was generated.
    pub costs: Option<StepCosts>,
    /// Wall time of decoding all thresholds together, in seconds.
    pub seconds: f64,
}

impl SweepPoint {
    /// Fills in shares and latencies from counts.
    pub(super) fn finish(&mut self, costs: Option<StepCosts>, measured_seconds: Option<f64>) {
        self.ensembled_share = (self.tokens > 0).then(|| self.ensembled as f64 / self.tokens as f64);
        let per_token = |milliseconds: f64| (self.member_tokens > 0.0).then(|| milliseconds / self.member_tokens);
        self.modelled_ms_per_token = costs.and_then(|costs| {
            let alone = (self.tokens - self.ensembled) as f64 * costs.alone_ms;
            per_token(alone + self.ensembled as f64 * costs.vote_ms)
        });
        self.measured_ms_per_token = measured_seconds.and_then(|seconds| per_token(seconds * 1000.0));
    }
}

/// Points as CSV, one line each under a line of column names. What is not known is empty.
///
/// # Panics
/// Never: writing to memory cannot fail, and every line has the same number of fields.
pub fn csv<'a>(points: impl IntoIterator<Item = &'a SweepPoint>) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for point in points {
        writer.serialize(point).expect("memory takes every line");
    }
    let bytes = writer.into_inner().expect("memory takes every line");
    String::from_utf8(bytes).expect("fields are text")
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::{SweepEntry, SweepFile};
    use super::{StepCosts, SweepPoint, SweepReport};

    /// A point of 20 steps and 25 tokens, a share of `threshold` of its steps voted on.
    pub(crate) fn point(system: &str, task: &str, threshold: f64) -> SweepPoint {
        SweepPoint {
            system: system.into(),
            task: task.into(),
            threshold,
            metric: "exact_match".into(),
            filter: "flexible-extract".into(),
            documents: 2,
            value: 0.5,
            stderr: None,
            tokens: 20,
            ensembled: (20.0 * threshold) as usize,
            ensembled_share: None,
            member_tokens: 25.0,
            modelled_ms_per_token: None,
            measured_ms_per_token: None,
        }
    }

    /// A sweep of every system on every task: steps of 10 and of 30 ms, scores that rise with the threshold and the
    /// system's place, standard errors of 3 points.
    pub(crate) fn file(systems: &[&str], tasks: &[&str], thresholds: &[f64]) -> SweepFile {
        let costs = StepCosts { alone_ms: 10.0, vote_ms: 30.0 };
        let mut sweeps = Vec::new();
        for (place, system) in systems.iter().enumerate() {
            for task in tasks {
                let points = thresholds.iter().map(|&threshold| {
                    let mut point = point(system, task, threshold);
                    point.value = 0.5 + 0.1 * place as f64 + 0.2 * threshold;
                    point.stderr = Some(0.03);
                    point.finish(Some(costs), None);
                    point
                });
                let report = SweepReport { points: points.collect(), costs: Some(costs), seconds: 1.0 };
                sweeps.push(SweepEntry {
                    system: (*system).to_owned(),
                    task: (*task).to_owned(),
                    task_version: "3.0".to_owned(),
                    num_fewshot: 1,
                    report,
                });
            }
        }
        SweepFile::new(sweeps)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::point;
    use super::*;

    #[test]
    fn latency_is_modelled_from_what_each_kind_of_step_costs() {
        let mut point = point("a + b", "gsm8k", 0.25);
        point.finish(Some(StepCosts { alone_ms: 10.0, vote_ms: 30.0 }), Some(0.5));
        // 15 steps of 10 ms and 5 of 30 ms, over 25 tokens.
        assert_eq!(point.modelled_ms_per_token, Some(12.0));
        assert_eq!(point.measured_ms_per_token, Some(20.0));
        assert_eq!(point.ensembled_share, Some(0.25));
    }

    #[test]
    fn csv_has_a_line_of_names_and_leaves_empty_what_is_not_known() {
        let text = csv(&[point("a + b", "gsm8k", 0.25)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("system,task,threshold,metric,filter,documents,value,stderr,tokens,ensembled"));
        assert_eq!(lines[1], "a + b,gsm8k,0.25,exact_match,flexible-extract,2,0.5,,20,5,,25.0,,");
    }
}
