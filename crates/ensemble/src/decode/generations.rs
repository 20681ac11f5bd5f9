//! What became of a sample: its generations, one for each rule that it stands for.

use crate::bytes::covering::Covering;
use crate::decode::branch::RuleBranch;
use crate::decode::sample::{Sample, SamplePhase};
use crate::event::SchedulerEvent;
use crate::request::{Finish, Generation};

impl Sample {
    /// Tells what became of it.
    pub(crate) fn tell(mut self, events: &mut Vec<SchedulerEvent>) {
        let SamplePhase::Finished(finish) = self.phase else { return };
        let request = self.request;
        let bytes = self.stream();
        if !bytes.is_empty() {
            let rules = self.branches.iter().map(|branch| branch.rule);
            let thinking = self.text.thinking();
            let token = |rule| SchedulerEvent::Token { request, rule, bytes: bytes.clone(), thinking, step: None };
            events.extend(rules.map(token));
        }
        for (rule, generation) in self.into_generations(finish) {
            events.push(SchedulerEvent::Generated { request, rule, generation });
        }
    }

    /// What became of it, by rule. Leads were asked under every rule, other members only where a rule wanted a vote.
    fn into_generations(self, finish: Finish) -> Vec<(usize, Generation)> {
        // END is a token of the response for every member, though nobody is fed it.
        let end = usize::from(finish == Finish::End);
        let seconds = self.admitted.map_or(0.0, |admitted| admitted.elapsed().as_secs_f64());
        let leads = self.settings.leads();
        let generation = |branch: RuleBranch| Generation {
            bytes: self.text.bytes().to_vec(),
            tokens: self.emitted,
            ensembled: branch.ensembled,
            prompt_tokens: self
                .told
                .iter()
                .enumerate()
                .map(|(member, told)| {
                    let asked = told.consulted && (branch.consulted[member] || leads.contains(&member));
                    if asked { told.tokens } else { 0 }
                })
                .collect(),
            member_tokens: self
                .lanes
                .iter()
                .zip(&self.told)
                .map(|(lane, told)| {
                    lane.covering().map_or_else(|| lane.tokens().len() - told.tokens, Covering::written) + end
                })
                .collect(),
            truncated: self.told.iter().any(|told| told.truncated),
            thinking: self.text.thinking(),
            finish,
            seconds,
            drafts: self.guesses.as_ref().map(|guesses| guesses.counts).unwrap_or_default(),
            steps: branch.steps,
        };
        self.branches.into_iter().map(|branch| (branch.rule, generation(branch))).collect()
    }
}
