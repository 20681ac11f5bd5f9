//! How well each member knows a prompt.

use super::lane::Lane;
use super::question::Question;
use crate::vote::undecided::OwnedDetail;
use crate::vote::weights::Weights;

/// Log-probabilities are added up in parts of so many, so that the sum is the same however they come.
const PART: usize = 128;

/// Members reading their prompts, to be weighed by how probable they find them.
#[derive(Debug)]
pub(crate) struct Weighing {
    temperature: f64,
    members: Vec<Surprise>,
}

/// How improbable one member finds its prompt so far.
#[derive(Debug, Default)]
struct Surprise {
    /// Tokens that were scored, the first excluded.
    scored: usize,
    sum: f64,
    part: f64,
}

impl Surprise {
    fn add(&mut self, log_prob: f64) {
        self.part += log_prob;
        self.scored += 1;
        if self.scored.is_multiple_of(PART) {
            self.sum += std::mem::take(&mut self.part);
        }
    }

    /// Mean negative log-probability of all tokens but the first; not a number where there are no others.
    fn log_perplexity(&self) -> f64 {
        -(self.sum + self.part) / self.scored as f64
    }
}

impl Weighing {
    pub(crate) fn new(temperature: f64, members: usize) -> Self {
        Self { temperature, members: (0..members).map(|_| Surprise::default()).collect() }
    }

    /// Wants the next at most `room` distributions of each member's `lanes`, which hold their prompts.
    pub(crate) fn plan(&self, lanes: &mut [Lane], room: usize) {
        for (lane, surprise) in lanes.iter_mut().zip(&self.members) {
            let next = surprise.scored + 1..lane.tokens().len().min(surprise.scored + 1 + room);
            if !next.is_empty() {
                lane.want(next.collect());
            }
        }
    }

    /// Whether there is something to add up, or nothing is left.
    pub(crate) fn is_ready(&self, lanes: &[Lane]) -> bool {
        let reading = lanes.iter().any(Lane::is_reading);
        !reading && (self.is_known(lanes) || lanes.iter().any(|lane| !lane.given().is_empty()))
    }

    fn is_known(&self, lanes: &[Lane]) -> bool {
        lanes.iter().zip(&self.members).all(|(lane, it)| it.scored + 1 >= lane.tokens().len())
    }

    /// Adds up what the `lanes` were told; the weights, once all is known.
    pub(crate) fn add(&mut self, lanes: &mut [Lane]) -> Option<Weights> {
        for (lane, surprise) in lanes.iter_mut().zip(&mut self.members) {
            for distribution in lane.take_given() {
                surprise.add(distribution.log_prob(lane.tokens()[surprise.scored + 1]));
            }
        }
        self.is_known(lanes).then(|| {
            let logs: Vec<f64> = self.members.iter().map(Surprise::log_perplexity).collect();
            Weights::by_perplexity(&logs, self.temperature)
        })
    }

    /// What has to be asked before the weights are known: the exact probability of the token after each distribution that
    /// the members' lanes were given.
    pub(crate) fn questions(&self, lanes: &[Lane]) -> Vec<Question> {
        let mut questions = Vec::new();
        for (member, lane) in lanes.iter().enumerate() {
            let read = self.members[member].scored + 1;
            for (index, view) in lane.given().iter().enumerate() {
                let id = lane.tokens()[read + index];
                if !view.knows(id) {
                    questions.push(Question { slot: 0, member, index, detail: OwnedDetail::Tokens(vec![id]) });
                }
            }
        }
        questions
    }
}
