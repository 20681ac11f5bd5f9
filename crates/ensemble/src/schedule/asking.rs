//! Asking members for more than they have listed.

use gac_inference::{Ask, ModelError, SequenceId};

use crate::devices::{at_once, waves};
use crate::lanes::question::Question;
use crate::member::Member;
use crate::schedule::in_flight::InFlight;
use crate::vocabulary::segmentation::Segmentation;

/// A question with the view that it is about.
struct Asked {
    /// The place in flight.
    at: usize,
    model: usize,
    sequence: SequenceId,
    length: usize,
    question: Question,
}

impl Asked {
    fn ask(&self) -> Ask<'_> {
        Ask { sequence: self.sequence, length: self.length, detail: self.question.detail.detail() }
    }
}

/// Why there is no answer.
pub(crate) struct Unanswered {
    pub(crate) model: usize,
    /// The place in flight whose sequence alone is to blame.
    pub(crate) at: Option<usize>,
    pub(crate) error: ModelError,
}

impl Unanswered {
    fn new(model: usize, error: ModelError, asked: &[Asked]) -> Self {
        let at = match error {
            ModelError::Request { sequence, .. } => {
                let to_blame = |asked: &&Asked| asked.model == model && asked.sequence == sequence;
                asked.iter().find(to_blame).map(|asked| asked.at)
            }
            _ => None,
        };
        Self { model, at, error }
    }
}

/// Asks until what is `ready` in flight can go on: nothing where members give full distributions. All questions of a
/// round to a model are one call. What has to read again before it can be asked about is not ready any more.
///
/// # Errors
/// With the model that failed, and where it failed at one sequence alone, the place in flight of that.
pub(crate) fn ask(
    models: &mut [Member],
    segmentations: &mut [Segmentation],
    in_flight: &mut [InFlight],
    ready: &[usize],
) -> Result<(), Unanswered> {
    loop {
        let mut asked: Vec<Asked> = Vec::new();
        for &at in ready {
            let ensemble = in_flight[at].settings().ensemble().clone();
            for question in in_flight[at].missing(&mut segmentations[ensemble.index]) {
                let model = ensemble.members()[question.member].model.0;
                let Some(lane) = in_flight[at].lane(question.member, question.slot) else { continue };
                if let Some(sequence) = lane.sequence() {
                    // Continuations may have come since it was read.
                    lane.tell_expected(&mut *models[model].model);
                    let length = lane.mark(question.index);
                    asked.push(Asked { at, model, sequence, length, question });
                } else {
                    // A context whose sequence went on with a continuation: it is read once more.
                    lane.want_last();
                }
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        asked.sort_by_key(|asked| asked.model);
        let mut of_models: Vec<usize> = asked.iter().map(|asked| asked.model).collect();
        of_models.dedup();
        for wave in waves(models, &of_models) {
            let batch = |model: usize| asked.iter().filter(|asked| asked.model == model).map(Asked::ask).collect();
            let jobs = wave.iter().map(|&model| (model, batch(model))).collect();
            let answers = at_once(models, jobs, |model, batch: Vec<Ask<'_>>| model.ask(&batch));
            for (&model, answers) in wave.iter().zip(answers) {
                let answers = answers.map_err(|error| Unanswered::new(model, error, &asked))?;
                let of_model = asked.iter().filter(|asked| asked.model == model);
                let mut told = 0;
                for (Asked { at, question, .. }, answer) in of_model.zip(answers) {
                    let Some(lane) = in_flight[*at].lane(question.member, question.slot) else { continue };
                    let view = lane.given_mut(question.index);
                    let before = view.known_count();
                    view.learn(question.detail.detail(), &answer);
                    told += view.known_count() - before;
                    in_flight[*at].count_ask();
                }
                if told == 0 {
                    let error = ModelError::Backend(String::from("it was asked for more and told nothing"));
                    return Err(Unanswered { model, at: None, error });
                }
            }
        }
    }
}
