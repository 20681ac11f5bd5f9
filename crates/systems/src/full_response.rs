//! Baselines on whole responses: each member answers alone, then one of the answers is taken.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, EnsembleError, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, RequestError,
    Scheduler, Settings, generate_each, log_likelihood_each,
};

use crate::system::{Finished, ReadAnswer, System, SystemError};

/// Which member's answer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// One with the answer, as it is read, that most members give (self-consistency's
    /// majority, Wang et al. 2203.11171, over models instead of samples). No answer is no vote. Ties go to the answer
    /// of the member that comes first.
    Majority,
    /// That of the member that is surest of its own: the largest mean log-probability of its response's tokens. Ties go
    /// to the member that comes first.
    Surest,
}

/// Members that answer alone, and the choice between their answers.
pub(crate) struct FullResponse<'a> {
    name: String,
    choice: Chosen,
    scheduler: &'a mut Scheduler,
    /// Those of each member, an ensemble of one.
    members: Vec<Arc<Settings>>,
    limits: BatchLimits,
}

/// What a member's response is worth to a choice.
struct Ballot {
    /// What it says; none where nothing can be extracted.
    answer: Option<String>,
    /// Mean log-probability of its tokens.
    sureness: f64,
}

impl<'a> FullResponse<'a> {
    pub(crate) fn new(
        name: String,
        choice: Chosen,
        scheduler: &'a mut Scheduler,
        members: Vec<Arc<Settings>>,
        limits: BatchLimits,
    ) -> Self {
        Self { name, choice, scheduler, members, limits }
    }

    /// Asks every member everything, then chooses response by response. What one member
    /// cannot be asked fails.
    fn choose(
        &mut self,
        requests: &[GenerationRequest],
        read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), EnsembleError> {
        // How sure a member is stands in its steps.
        let traced: Vec<_> = requests.iter().map(|r| GenerationRequest { trace: true, ..r.clone() }).collect();
        let mut responses: Vec<Vec<Result<Generation, RequestError>>> = requests.iter().map(|_| Vec::new()).collect();
        let mut flow = ControlFlow::Continue(());
        let count = self.members.len();
        for member in &self.members {
            generate_each(self.scheduler, member, &traced, self.limits, &mut |request, response| {
                responses[request].push(response.map(|(_, response)| response));
                if responses[request].len() == count {
                    let of_members: Result<Vec<_>, _> = std::mem::take(&mut responses[request]).into_iter().collect();
                    let chosen = of_members.map(|of_members| {
                        let ballot = |generation: &Generation| Ballot {
                            answer: read(request, generation),
                            sureness: mean(generation.steps.iter().map(|step| step.probability.ln())),
                        };
                        let ballots: Vec<Ballot> = of_members.iter().map(ballot).collect();
                        let chosen = self.choice.of(&ballots);
                        together(of_members, chosen, requests[request].trace)
                    });
                    flow = finished(request, chosen.map(|chosen| (0, chosen)));
                }
                flow
            })?;
        }
        Ok(())
    }
}

impl Chosen {
    /// The member whose answer is taken.
    fn of(self, ballots: &[Ballot]) -> usize {
        let value = |ballot: &Ballot| match self {
            Self::Surest => ballot.sureness,
            Self::Majority => match &ballot.answer {
                None => 0.0,
                given => ballots.iter().filter(|other| other.answer == *given).count() as f64,
            },
        };
        first_largest(ballots.iter().map(value))
    }
}

/// The first of the largest values; 0 for none, or where all are not numbers.
fn first_largest(values: impl Iterator<Item = f64>) -> usize {
    let largest = values.enumerate().filter(|(_, value)| !value.is_nan()).fold(None, |best, (at, value)| match best {
        Some((_, most)) if value <= most => best,
        _ => Some((at, value)),
    });
    largest.map_or(0, |(at, _)| at)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// The chosen response; what all members did for it is its cost.
fn together(responses: Vec<Generation>, chosen: usize, trace: bool) -> Generation {
    let seconds = responses.iter().map(|response| response.seconds).sum();
    let prompt_tokens = responses.iter().flat_map(|response| response.prompt_tokens.clone()).collect();
    let member_tokens = responses.iter().flat_map(|response| response.member_tokens.clone()).collect();
    let truncated = responses.iter().any(|response| response.truncated);
    let mut generation = responses.into_iter().nth(chosen).expect("the choice is one of the responses");
    if !trace {
        generation.steps.clear();
    }
    Generation { seconds, prompt_tokens, member_tokens, truncated, ..generation }
}

impl System for FullResponse<'_> {
    fn thinks(&self) -> bool {
        self.members.iter().any(|settings| settings.thinks())
    }

    fn generate(
        &mut self,
        _asked: &[usize],
        requests: &[GenerationRequest],
        read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), SystemError> {
        self.choose(requests, read, finished).map_err(|error| failed(&self.name, error))
    }

    /// Continuations of one context are one question; a member's answer is its most probable continuation, and how sure
    /// it is of it is that one's probability among them.
    fn log_likelihood(
        &mut self,
        _asked: &[usize],
        requests: &[LogLikelihoodRequest],
        finished: &mut Finished<'_, LogLikelihood>,
    ) -> Result<(), SystemError> {
        let mut scores: Vec<Vec<LogLikelihood>> = Vec::with_capacity(self.members.len());
        // What some member could not be asked: the first one's reason.
        let mut failures: BTreeMap<usize, RequestError> = BTreeMap::new();
        for member in &self.members {
            let mut of_member = vec![nothing(); requests.len()];
            let scored = log_likelihood_each(self.scheduler, member, requests, self.limits, &mut |request, score| {
                match score {
                    Ok((_, score)) => of_member[request] = score,
                    Err(error) => drop(failures.entry(request).or_insert(error)),
                }
                ControlFlow::Continue(())
            });
            scored.map_err(|error| failed(&self.name, error))?;
            scores.push(of_member);
        }
        let mut start = 0;
        for question in requests.chunk_by(|a, b| a.context == b.context) {
            let range = start..start + question.len();
            start = range.end;
            let ballots: Vec<Ballot> = scores.iter().map(|of_member| of_choices(&of_member[range.clone()])).collect();
            let chosen = &scores[self.choice.of(&ballots)];
            for (request, score) in range.clone().zip(&chosen[range]) {
                let score = failures.remove(&request).map_or_else(|| Ok((0, score.clone())), Err);
                if finished(request, score).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Stands for a score that there is none of.
fn nothing() -> LogLikelihood {
    LogLikelihood { sum: f64::NEG_INFINITY, greedy: false, tokens: Vec::new(), truncated: false }
}

fn of_choices(scores: &[LogLikelihood]) -> Ballot {
    let best = first_largest(scores.iter().map(|score| score.sum));
    let most = scores.get(best).map_or(f64::NEG_INFINITY, |score| score.sum);
    let total: f64 = scores.iter().map(|score| (score.sum - most).exp()).sum();
    Ballot { answer: Some(best.to_string()), sureness: -total.ln() }
}

fn failed(name: &str, error: EnsembleError) -> SystemError {
    SystemError { system: name.to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballots(of: &[(Option<&str>, f64)]) -> Vec<Ballot> {
        of.iter().map(|(answer, sureness)| Ballot { answer: answer.map(str::to_owned), sureness: *sureness }).collect()
    }

    #[test]
    fn the_majority_decides_and_no_answer_is_no_vote() {
        let majority = |of| Chosen::Majority.of(&ballots(of));
        assert_eq!(majority(&[(Some("5"), -1.0), (Some("4"), -2.0), (Some("4"), -3.0)]), 1);
        assert_eq!(majority(&[(None, -1.0), (None, -1.0), (Some("4"), -9.0)]), 2);
        assert_eq!(majority(&[(Some("5"), -9.0), (Some("4"), -1.0)]), 0, "a tie is the first member's");
        assert_eq!(majority(&[(None, -1.0), (None, -2.0)]), 0);
    }

    #[test]
    fn the_surest_member_decides() {
        let surest = |of| Chosen::Surest.of(&ballots(of));
        assert_eq!(surest(&[(Some("5"), -0.5), (Some("4"), -0.2), (Some("5"), -0.3)]), 1);
        assert_eq!(surest(&[(Some("5"), f64::NAN), (Some("4"), -0.2)]), 1);
        assert_eq!(surest(&[(Some("5"), -0.2), (Some("4"), -0.2)]), 0);
    }

    #[test]
    fn how_sure_a_choice_is_is_its_share_among_the_choices() {
        let score = |sum: f64| LogLikelihood { sum, greedy: false, tokens: vec![sum], truncated: false };
        let ballot = of_choices(&[score(0.1_f64.ln()), score(0.3_f64.ln())]);
        assert_eq!(ballot.answer.as_deref(), Some("1"));
        assert!((ballot.sureness - 0.75_f64.ln()).abs() < 1e-12);
    }
}
