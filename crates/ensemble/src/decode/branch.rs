//! A rule that a sample is continued by.

use crate::request::Step;

/// One of the rules (thresholds) that a sample is continued by. Rules that have emitted the same so far share a sample.
#[derive(Clone, Debug)]
pub(crate) struct RuleBranch {
    /// Index of the rule.
    pub(crate) rule: usize,
    /// Whether it has ever wanted a vote.
    pub(crate) consulted: bool,
    pub(crate) ensembled: usize,
    pub(crate) steps: Vec<Step>,
}

impl RuleBranch {
    pub(crate) fn new(rule: usize) -> Self {
        Self { rule, consulted: false, ensembled: 0, steps: Vec::new() }
    }

    /// Counts a step, and keeps it where a trace was asked for.
    pub(crate) fn record(&mut self, ensembled: bool, step: Option<Step>) {
        self.ensembled += usize::from(ensembled);
        self.steps.extend(step);
    }
}
