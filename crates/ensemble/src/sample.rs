//! One sample in flight: what it has emitted, and what each member was told of it.

use std::time::Instant;

use gac_inference::{LanguageModel, ModelError, SequenceId, TokenId};

use crate::prompt::EncodedPrompt;
use crate::thinking::{ThinkEnds, Thought};
use crate::{Decoding, Finish, Generation, GenerationRequest, Member, Step, UnionToken, Weights};

/// One member's view of a sample.
///
/// `tokens` is all it should have seen; what its sequence does not hold yet it is owed. So a member that was not
/// consulted for a while, a new one and one whose sequence was taken away are all brought up to date in the same way.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// The prompt, then what was emitted, in this member's ids.
    pub(crate) tokens: Vec<TokenId>,
    /// How many of them are the prompt.
    pub(crate) prompt: usize,
    /// Whether its prompt was cut from the left.
    pub(crate) truncated: bool,
    /// Whether it was ever asked about this sample.
    pub(crate) consulted: bool,
    /// Its sequence, while there is one.
    pub(crate) sequence: Option<SequenceId>,
}

impl Lane {
    /// Makes sure of a sequence that is owed at least one token, so that the next distribution can be asked for, and
    /// gives it with the number of tokens it holds.
    ///
    /// A member that has no token for a control symbol is owed nothing after it: it forgets its last token, to be
    /// told again.
    pub(crate) fn ready(&mut self, model: &mut dyn LanguageModel) -> Result<(SequenceId, usize), ModelError> {
        self.consulted = true;
        let sequence = match self.sequence {
            Some(sequence) => sequence,
            None => *self.sequence.insert(model.open(&self.tokens)?),
        };
        let mut held = model.length(sequence);
        if held >= self.tokens.len() {
            held = self.tokens.len() - 1;
            model.truncate(sequence, held)?;
        }
        Ok((sequence, held))
    }
}

/// Where a sample is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It wants its next token.
    Running,
    /// It had to make room and starts over with what it has.
    Preempted,
    /// It is done.
    Finished(Finish),
}

/// One of the rules (thresholds) that a sample is continued by. Rules that have emitted the same so far share a sample.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Index of the rule.
    pub(crate) rule: usize,
    /// Whether it has ever wanted a vote.
    pub(crate) consulted: bool,
    ensembled: usize,
    steps: Vec<Step>,
}

impl Branch {
    fn new(rule: usize) -> Self {
        Self { rule, consulted: false, ensembled: 0, steps: Vec::new() }
    }

    /// Counts a step, and keeps it where a trace was asked for.
    pub(crate) fn record(&mut self, ensembled: bool, step: Option<Step>) {
        self.ensembled += usize::from(ensembled);
        self.steps.extend(step);
    }
}

/// A request on its way to a [`Generation`], for one rule or for several that agree so far.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Index of the request.
    pub(crate) request: usize,
    pub(crate) state: State,
    pub(crate) lanes: Vec<Lane>,
    /// Ascending by rule, at least one.
    pub(crate) branches: Vec<Branch>,
    /// Tokens emitted.
    pub(crate) emitted: usize,
    /// What has been emitted.
    pub(crate) bytes: Vec<u8>,
    /// Bytes in which stop strings were looked for.
    searched: usize,
    /// Where it stands with its reasoning.
    pub(crate) thought: Thought,
    /// How its tokens are picked.
    pub(crate) decoding: Decoding,
    /// What its draws depend on.
    pub(crate) seed: u64,
    /// Its members' weights, where they follow from its prompt.
    pub(crate) weights: Option<Weights>,
    max_new_tokens: usize,
    admitted: Option<Instant>,
}

impl Sample {
    /// A sample for the rules `0..rules`.
    pub(crate) fn new(request: usize, max_new_tokens: usize, prompts: Vec<EncodedPrompt>, rules: usize) -> Self {
        let lanes = prompts
            .into_iter()
            .map(|prompt| Lane {
                prompt: prompt.ids.len(),
                tokens: prompt.ids,
                truncated: prompt.truncated,
                consulted: false,
                sequence: None,
            })
            .collect();
        Self {
            request,
            state: State::Running,
            lanes,
            branches: (0..rules).map(Branch::new).collect(),
            emitted: 0,
            bytes: Vec::new(),
            searched: 0,
            thought: Thought::Answer { from: 0, closed: false },
            decoding: Decoding::Greedy,
            seed: 0,
            weights: None,
            max_new_tokens,
            admitted: None,
        }
    }

    /// Lets it in: the clock starts, once.
    pub(crate) fn admit(&mut self) {
        self.admitted.get_or_insert_with(Instant::now);
        self.state = if self.is_full() { State::Finished(Finish::Length) } else { State::Running };
    }

    /// Whether it may emit no more tokens.
    pub(crate) fn is_full(&self) -> bool {
        self.emitted >= self.max_new_tokens
    }

    /// Tokens that `member` may come to hold for it: every rule may go its own way.
    pub(crate) fn reserved(&self, member: usize) -> usize {
        let more = self.max_new_tokens.saturating_sub(self.emitted).saturating_mul(self.branches.len());
        self.lanes[member].tokens.len().saturating_add(more)
    }

    /// The branches at the places where `leave` is true go on as a sample of their own, with sequences that share what
    /// was computed. Some branch has to leave and some has to stay.
    ///
    /// # Errors
    /// When a sequence cannot be forked; the sample is then unchanged, and no sequence stays open for the other.
    pub(crate) fn split(&mut self, leave: &[bool], members: &mut [Member]) -> Result<Self, (usize, ModelError)> {
        let mut other = Self {
            request: self.request,
            state: self.state,
            lanes: self.lanes.iter().map(|lane| Lane { sequence: None, ..lane.clone() }).collect(),
            branches: Vec::new(),
            emitted: self.emitted,
            bytes: self.bytes.clone(),
            searched: self.searched,
            thought: self.thought,
            decoding: self.decoding,
            seed: self.seed,
            weights: self.weights.clone(),
            max_new_tokens: self.max_new_tokens,
            admitted: self.admitted,
        };
        for (index, (lane, member)) in self.lanes.iter().zip(members.iter_mut()).enumerate() {
            if let Some(sequence) = lane.sequence {
                match member.model.fork(sequence) {
                    Ok(fork) => other.lanes[index].sequence = Some(fork),
                    Err(source) => {
                        other.close(members);
                        return Err((index, source));
                    }
                }
            }
        }
        let (leaving, staying) =
            std::mem::take(&mut self.branches).into_iter().zip(leave).partition::<Vec<_>, _>(|(_, leave)| **leave);
        self.branches = staying.into_iter().map(|(branch, _)| branch).collect();
        other.branches = leaving.into_iter().map(|(branch, _)| branch).collect();
        Ok(other)
    }

    /// Appends a token's bytes; lanes and branches are brought up by the caller.
    pub(crate) fn emit(&mut self, token: &UnionToken, thinking: &ThinkEnds, request: &GenerationRequest) {
        self.emitted += 1;
        let before = self.bytes.len();
        if let UnionToken::Text(bytes) = token {
            self.bytes.extend_from_slice(bytes);
        }
        if thinking.any() {
            self.thought = thinking.after(self.thought, &self.bytes, before, token);
        }
        if *token == UnionToken::End {
            self.state = State::Finished(Finish::End);
        } else if let Some(at) = self.stop(&request.stop) {
            self.bytes.truncate(at);
            self.state = State::Finished(Finish::Stop);
        } else if self.is_full() {
            self.state = State::Finished(Finish::Length);
        }
    }

    /// Where the first stop string begins, in what was not searched yet.
    fn stop(&mut self, stop: &[String]) -> Option<usize> {
        let from = self.thought.stops_from(&self.bytes)?;
        // Behind reasoning, nothing was looked for.
        let before = std::mem::replace(&mut self.searched, self.bytes.len()).max(from);
        Some(from + stop_at(self.bytes.get(from..)?, before - from, stop)?)
    }

    /// Drops its sequences everywhere.
    pub(crate) fn close(&mut self, members: &mut [Member]) {
        for (lane, member) in self.lanes.iter_mut().zip(members) {
            if let Some(sequence) = lane.sequence.take() {
                member.model.close(sequence);
            }
        }
    }

    /// What became of it, by rule. `leads` were asked under every rule, other members only where a rule wanted a vote.
    pub(crate) fn into_generations(self, finish: Finish, leads: &[usize]) -> Vec<(usize, Generation)> {
        // END is a token of the response for every member, though nobody is fed it.
        let end = usize::from(finish == Finish::End);
        let seconds = self.admitted.map_or(0.0, |admitted| admitted.elapsed().as_secs_f64());
        let lanes = &self.lanes;
        let generation = |branch: Branch| Generation {
            bytes: self.bytes.clone(),
            tokens: self.emitted,
            ensembled: branch.ensembled,
            prompt_tokens: lanes
                .iter()
                .enumerate()
                .map(|(member, lane)| {
                    let asked = lane.consulted && (branch.consulted || leads.contains(&member));
                    if asked { lane.prompt } else { 0 }
                })
                .collect(),
            member_tokens: lanes.iter().map(|lane| lane.tokens.len() - lane.prompt + end).collect(),
            truncated: lanes.iter().any(|lane| lane.truncated),
            thinking: self.thought.outcome(&self.bytes),
            finish,
            seconds,
            steps: branch.steps,
        };
        self.branches.into_iter().map(|branch| (branch.rule, generation(branch))).collect()
    }
}

/// Where the first stop string begins in `bytes`, of which `before` had none. Empty stop strings are ignored.
fn stop_at(bytes: &[u8], before: usize, stop: &[String]) -> Option<usize> {
    stop.iter()
        .map(String::as_bytes)
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| {
            let from = (before + 1).saturating_sub(stop.len());
            bytes[from..].windows(stop.len()).position(|window| window == stop).map(|at| from + at)
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::stop_at;

    fn stops(stop: &[&str]) -> Vec<String> {
        stop.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_stop_string_may_begin_in_an_earlier_token() {
        assert_eq!(stop_at(b"ab\n\nQ", 3, &stops(&["\n\nQ"])), Some(2));
        assert_eq!(stop_at(b"ab\n\nQ", 4, &stops(&["\n\nQ"])), Some(2));
        assert_eq!(stop_at(b"ab\n\n", 3, &stops(&["\n\nQ"])), None);
    }

    #[test]
    fn the_earliest_position_wins_over_the_order_of_stop_strings() {
        assert_eq!(stop_at(b"a.\n", 0, &stops(&["\n", ".\n"])), Some(1));
        assert_eq!(stop_at(b"", 0, &stops(&["x"])), None);
        assert_eq!(stop_at(b"abc", 0, &stops(&[""])), None);
    }

    #[test]
    fn a_stop_string_longer_than_everything_is_not_found() {
        assert_eq!(stop_at(b"ab", 0, &stops(&["abcdef"])), None);
    }
}
