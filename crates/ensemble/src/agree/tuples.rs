//! The best tuples of tokens that members agree on.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use super::hypothesis::{Candidate, Hypothesis};
use crate::settings::Settings;

/// Most tuples that are looked at in a step.
const LOOKED_AT: usize = 20_000;

/// What becomes of a hypothesis in a step.
#[derive(Clone, Debug)]
pub(super) struct Successor {
    /// Its place in the beam.
    pub(super) place: usize,
    /// What its members take; nothing where it is finished.
    pub(super) taken: Vec<(usize, Candidate)>,
}

/// Members of a hypothesis that take a token each, with what they may take.
pub(super) struct TupleChoices {
    pub(super) place: usize,
    pub(super) members: Vec<(usize, Vec<Candidate>)>,
}

/// A tuple: the place of the token that each member takes among what it may take.
#[derive(Debug, PartialEq)]
struct Tuple {
    score: f64,
    choices: usize,
    ranks: Vec<usize>,
}

impl Eq for Tuple {}

impl Ord for Tuple {
    /// The best last; of equals, the first hypothesis and the most probable tokens.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |tuple: &Self| (tuple.choices, tuple.ranks.clone());
        self.score.total_cmp(&other.score).then_with(|| key(other).cmp(&key(self)))
    }
}

impl PartialOrd for Tuple {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best `count` of what `choices` agree on and of the `finished` (places with their scores), best first.
///
/// Each member's tokens come by their probability, so that the best tuple that was not looked at is always next to one that
/// was.
pub(super) fn best(
    beam: &[Hypothesis],
    choices: &[TupleChoices],
    finished: Vec<(usize, f64)>,
    settings: &Settings,
    count: usize,
) -> Vec<Successor> {
    let weights = settings.weights().get();
    let score = |choices: &TupleChoices, ranks: &[usize]| {
        let hypothesis = &beam[choices.place];
        let taken = choices.members.iter().zip(ranks);
        let gained = taken.map(|((member, candidates), rank)| {
            let voice = &hypothesis.voices[*member];
            weights[*member] * (voice.mean(Some(candidates[*rank].log_prob)) - voice.mean(None))
        });
        hypothesis.score(weights) + gained.sum::<f64>()
    };
    let tuple = |at: usize, ranks: Vec<usize>| Tuple { score: score(&choices[at], &ranks), choices: at, ranks };
    let mut open: BinaryHeap<Tuple> =
        (0..choices.len()).map(|at| tuple(at, vec![0; choices[at].members.len()])).collect();
    let mut seen: BTreeSet<(usize, Vec<usize>)> = open.iter().map(|it| (it.choices, it.ranks.clone())).collect();
    let mut finished = finished;
    finished.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let mut found: Vec<Successor> = Vec::new();
    for _ in 0..LOOKED_AT {
        if found.len() == count {
            break;
        }
        let done = finished.last().filter(|(_, score)| open.peek().is_none_or(|tuple| *score >= tuple.score)).copied();
        if let Some((place, _)) = done {
            finished.pop();
            found.push(Successor { place, taken: Vec::new() });
            continue;
        }
        let Some(Tuple { choices: at, ranks, .. }) = open.pop() else { break };
        let TupleChoices { place, members } = &choices[at];
        let taken: Vec<(usize, Candidate)> =
            members.iter().zip(&ranks).map(|((member, candidates), rank)| (*member, candidates[*rank])).collect();
        for position in 0..ranks.len() {
            let mut next = ranks.clone();
            next[position] += 1;
            if next[position] < members[position].1.len() && seen.insert((at, next.clone())) {
                open.push(tuple(at, next));
            }
        }
        if beam[*place].agrees(settings, &taken) {
            found.push(Successor { place: *place, taken });
        }
    }
    found
}
