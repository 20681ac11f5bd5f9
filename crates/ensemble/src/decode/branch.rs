//! A rule that a sample is continued by.

use crate::request::Step;

/// One of the rules (thresholds) that a sample is continued by. Rules that have emitted the same so far share a sample.
#[derive(Clone, Debug)]
pub(crate) struct RuleBranch {
    /// Index of the rule.
    pub(crate) rule: usize,
    /// By member: whether it was ever asked because this rule wanted a vote.
    pub(crate) consulted: Vec<bool>,
    pub(crate) ensembled: usize,
    pub(crate) steps: Vec<Step>,
}

impl RuleBranch {
    /// With nobody of so many `members` asked.
    pub(crate) fn new(rule: usize, members: usize) -> Self {
        Self { rule, consulted: vec![false; members], ensembled: 0, steps: Vec::new() }
    }

    /// A vote is wanted of some members.
    pub(crate) fn consult(&mut self, members: impl Iterator<Item = usize>) {
        members.for_each(|member| self.consulted[member] = true);
    }

    /// Counts a step, and keeps it where a trace was asked for.
    pub(crate) fn record(&mut self, ensembled: bool, step: Option<Step>) {
        self.ensembled += usize::from(ensembled);
        self.steps.extend(step);
    }
}
