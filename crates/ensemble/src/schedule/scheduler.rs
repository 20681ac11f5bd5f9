//! The requests in flight: who enters, who reads when, who makes room.

mod room;
mod scores;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use gac_inference::ModelError;

use crate::agree::search::AgreementSearch;
use crate::decode::acceptance::Acceptance;
use crate::decode::sample::Sample;
use crate::devices::waves;
use crate::drafter::Drafter;
use crate::ensemble::{Ensemble, Seat};
use crate::error::{EnsembleError, RequestError, Trouble};
use crate::event::SchedulerEvent;
use crate::forward_pace::ForwardPace;
use crate::member::{Member, ModelId};
use crate::request::{AnyRequest, RequestId};
use crate::resources::Resources;
use crate::schedule::asking::{Unanswered, ask};
use crate::schedule::entry::{EncodedRequest, PreparedRequest, encode_all};
use crate::schedule::forward::{Stuck, read};
use crate::schedule::in_flight::{Cancelled, InFlight};
use crate::schedule::limits::BatchLimits;
use crate::schedule::load::{Load, ModelLoad};
use crate::schedule::order::stages;
use crate::score::continuation::Continuation;
use crate::score::group::ContextGroup;
use crate::settings::Settings;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::ControlSymbols;

/// Most tokens of prompts that a member reads in a step while nobody waits for a next token: a forward of the engine.
const READ_ALONE: usize = 2048;

/// Loaded models, and the requests that they serve.
///
/// Requests arrive and leave at any time, each with the [`Settings`] that it is served by: which of the models take part,
/// and how. A [`step`](Self::step) is one forward of each model over all that it is needed for. What else is in flight
/// changes no answer (but for what a model's own arithmetic makes of it).
///
/// A request that cannot be encoded, does not fit or fails in its own right ends with an event; others go on. Only a
/// model that is gone is an error.
#[derive(Debug, Default)]
pub struct Scheduler {
    models: Vec<Member>,
    ensembles: Vec<Arc<Ensemble>>,
    /// What was worked out about each ensemble's vocabularies.
    segmentations: Vec<Segmentation>,
    /// How often guesses of each ensemble came true.
    acceptances: Vec<Acceptance>,
    /// By model.
    paces: Vec<ForwardPace>,
    /// What holds no sequences, in the order in which it enters.
    waiting: VecDeque<InFlight>,
    /// What is in flight, the one that entered first first.
    active: Vec<InFlight>,
    events: Vec<SchedulerEvent>,
    submitted: u64,
    /// Whether something had to make room and nothing has left since: nobody enters.
    crowded: bool,
    /// Tokens of texts that some model read in the last step.
    texts_read: usize,
}

impl Scheduler {
    /// A scheduler of loaded models.
    pub fn new(models: Vec<Member>) -> Self {
        let mut scheduler = Self::default();
        scheduler.paces = vec![ForwardPace::default(); models.len()];
        scheduler.models = models;
        scheduler
    }

    /// One more model.
    pub fn add(&mut self, model: Member) -> ModelId {
        self.models.push(model);
        self.paces.push(ForwardPace::default());
        ModelId(self.models.len() - 1)
    }

    /// The models, in order.
    pub fn models(&self) -> &[Member] {
        &self.models
    }

    /// The models again, for another scheduler; what is in flight is dropped.
    pub fn into_models(mut self) -> Vec<Member> {
        let mut models = std::mem::take(&mut self.models);
        self.active.drain(..).for_each(|mut item| item.close(&mut models));
        models
    }

    /// The ensemble of these models. Their vocabularies are joined once, however often it is asked for.
    ///
    /// # Errors
    /// Without models, or for one that there is not.
    pub fn ensemble(&mut self, models: &[ModelId]) -> Result<Arc<Ensemble>, EnsembleError> {
        self.ensemble_with(models, ControlSymbols::Keep)
    }

    /// As [`ensemble`](Self::ensemble), with control symbols other than END in its vocabulary or without them.
    ///
    /// # Errors
    /// As `ensemble`.
    pub fn ensemble_with(
        &mut self,
        models: &[ModelId],
        controls: ControlSymbols,
    ) -> Result<Arc<Ensemble>, EnsembleError> {
        let is_same = |known: &&Arc<Ensemble>| known.controls == controls && known.models().eq(models.iter().copied());
        if let Some(known) = self.ensembles.iter().find(is_same) {
            return Ok(Arc::clone(known));
        }
        if let Some(model) = models.iter().find(|model| model.0 >= self.models.len()) {
            return Err(EnsembleError::UnknownModel { model: model.0, loaded: self.models.len() });
        }
        let ensemble = Arc::new(Ensemble::new(self.ensembles.len(), &self.models, models, controls)?);
        self.segmentations.push(ensemble.segmentation());
        self.acceptances.push(Acceptance::default());
        self.ensembles.push(Arc::clone(&ensemble));
        Ok(ensemble)
    }

    /// A model without a vote that proposes tokens to the members of `ensemble`.
    ///
    /// # Errors
    /// For a model that there is not.
    pub fn drafter(&self, ensemble: &Arc<Ensemble>, model: ModelId) -> Result<Drafter, EnsembleError> {
        if model.0 >= self.models.len() {
            return Err(EnsembleError::UnknownModel { model: model.0, loaded: self.models.len() });
        }
        Ok(Drafter::new(Arc::clone(ensemble), Seat::new(&self.models, model)))
    }

    /// Makes every model forget the prompts of earlier requests: the next ones take the time that they take alone.
    pub fn forget_prompts(&mut self) {
        for member in &mut self.models {
            member.model.forget();
        }
    }

    /// Takes a request in. Its prompt is encoded now; where that fails, an event tells.
    ///
    /// # Panics
    /// When the settings' ensemble is another scheduler's.
    pub fn submit<'r>(&mut self, request: impl Into<AnyRequest<'r>>, settings: &Arc<Settings>) -> RequestId {
        self.submit_all(&[request.into()], settings)[0]
    }

    /// Takes many requests in, which are encoded on all cores. Contexts that follow each other and are equal are read
    /// once for all their continuations.
    ///
    /// # Panics
    /// When the settings' ensemble is another scheduler's.
    pub fn submit_all(&mut self, requests: &[AnyRequest<'_>], settings: &Arc<Settings>) -> Vec<RequestId> {
        self.check_own(settings);
        encode_all(requests, settings).into_iter().map(|encoded| self.take_in(settings, encoded)).collect()
    }

    /// Takes a request in that is encoded already.
    ///
    /// # Panics
    /// When the settings' ensemble is another scheduler's.
    pub fn submit_prepared(&mut self, request: PreparedRequest) -> RequestId {
        let (settings, encoded) = request.into_parts();
        self.check_own(&settings);
        self.take_in(&settings, encoded)
    }

    fn check_own(&self, settings: &Settings) {
        let ensemble = settings.ensemble();
        let own = self.ensembles.get(ensemble.index).is_some_and(|own| Arc::ptr_eq(own, ensemble));
        assert!(own, "the settings are for another scheduler's models");
    }

    /// Has a request wait, or tells why it cannot.
    fn take_in(&mut self, settings: &Arc<Settings>, encoded: Result<EncodedRequest<'_>, RequestError>) -> RequestId {
        let request = RequestId(self.submitted);
        self.submitted += 1;
        match self.enter(request, settings, encoded) {
            Ok(item) => self.waiting.push_back(item),
            Err(error) => self.events.push(SchedulerEvent::Failed { request, error }),
        }
        request
    }

    fn enter(
        &mut self,
        request: RequestId,
        settings: &Arc<Settings>,
        encoded: Result<EncodedRequest<'_>, RequestError>,
    ) -> Result<InFlight, RequestError> {
        match encoded? {
            EncodedRequest::Sample(asked, prompts, drafter) => {
                if let Some(width) = settings.beam() {
                    let search = AgreementSearch::new(request, Arc::clone(settings), width, &prompts, &asked)?;
                    return Ok(InFlight::Search(Box::new(search)));
                }
                let sample = Sample::new(request, Arc::clone(settings), prompts, &asked).with_drafter(drafter);
                Ok(InFlight::Sample(Box::new(sample)))
            }
            EncodedRequest::Continuation(encoded, log_probs) => {
                let segmentation = &mut self.segmentations[settings.ensemble().index];
                let mut choice = Continuation::new(settings, segmentation, encoded)?;
                if let Some(InFlight::Group(before)) = self.waiting.back().or(self.active.last()) {
                    choice = choice.sharing(&before.context);
                }
                let group = ContextGroup::new(request, Arc::clone(settings), choice, log_probs.map(Cow::into_owned));
                Ok(InFlight::Group(Box::new(group)))
            }
        }
    }

    /// Drops a request that is no longer wanted, and what members hold for it, at once; whether it was there. Nothing
    /// more is told of it.
    pub fn cancel(&mut self, request: RequestId) -> bool {
        self.events.retain(|event| event.request() != request);
        self.take_out(request)
    }

    /// Drops all that there is of a request; whether there was any.
    fn take_out(&mut self, request: RequestId) -> bool {
        let Self { waiting, active, models, .. } = self;
        let mut found = false;
        let mut keep = |item: &mut InFlight| {
            let cancelled = item.cancel(request, models);
            found |= cancelled != Cancelled::Nothing;
            cancelled != Cancelled::Whole
        };
        waiting.retain_mut(&mut keep);
        active.retain_mut(&mut keep);
        self.crowded &= !found;
        if found {
            // A context is kept only for what still waits for it.
            self.leave();
        }
        found
    }

    /// Whether nothing is left to do or to tell.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.active.is_empty() && self.events.is_empty()
    }

    /// How much there is to do.
    pub fn load(&self) -> Load {
        let requests = |item: &InFlight| item.requests().len();
        let model = |(at, member): (usize, &Member)| ModelLoad {
            name: member.name.clone(),
            held: self.active.iter().map(|item| item.reserved_at(at)).sum(),
            cache: member.model.limits().cache,
        };
        Load {
            waiting: self.waiting.iter().map(requests).sum(),
            running: self.active.iter().map(requests).sum(),
            models: self.models.iter().enumerate().map(model).collect(),
        }
    }

    /// Tokens of texts that the model which read most of them read in the last step, beside what was just emitted.
    pub fn texts_read(&self) -> usize {
        self.texts_read
    }

    /// What has happened since it was last told, without doing anything.
    pub fn drain(&mut self) -> Vec<SchedulerEvent> {
        std::mem::take(&mut self.events)
    }

    /// Everything in flight goes on by one forward of each model that it needs: a sample by one token, or by those that
    /// were drafted; a prompt by a part of it. Gives what has happened.
    ///
    /// # Errors
    /// When a model fails. What had happened is told by [`drain`](Self::drain), and what was in flight still is.
    pub fn step(&mut self, limits: BatchLimits) -> Result<Vec<SchedulerEvent>, EnsembleError> {
        self.texts_read = 0;
        self.admit(limits.max_samples.max(1));
        self.plan();
        self.advance()?;
        let chunk = match limits.chunk {
            chunk if self.active.iter().any(InFlight::is_streaming) => chunk,
            chunk => chunk.max(READ_ALONE),
        };
        for stage in stages(&self.active) {
            for wave in waves(&self.models, &stage) {
                self.read(wave, chunk)?;
            }
            self.advance()?;
            self.leave();
        }
        self.leave();
        Ok(self.drain())
    }

    /// One forward of each model of a wave. Where a cache is full, somebody makes room first.
    fn read(&mut self, mut wave: Vec<usize>, chunk: usize) -> Result<(), EnsembleError> {
        while !wave.is_empty() {
            let outcomes = read(&mut self.models, &mut self.active, &wave, chunk, &mut self.paces);
            let mut again = Vec::new();
            let mut refused = Vec::new();
            for (model, outcome) in wave.into_iter().zip(outcomes) {
                match outcome {
                    Ok(texts) => self.texts_read = self.texts_read.max(texts),
                    Err(Stuck::Full) => again.push(model),
                    Err(Stuck::Refused { guilty, error }) => {
                        again.push(model);
                        refused.push((model, guilty, error));
                    }
                    Err(Stuck::Gone(source)) => return Err(self.gone(model, source)),
                }
            }
            if let Some((model, guilty, error)) = refused.into_iter().next() {
                let requests: Vec<RequestId> = guilty.iter().flat_map(|&at| self.active[at].requests()).collect();
                self.refuse(model, &requests, error);
            } else if let Some(&model) = again.first() {
                // What one gives up makes room at the others too.
                self.make_room(model)?;
            }
            wave = again;
        }
        Ok(())
    }

    /// Everything that has read what it asked for goes on: asks somebody else, or emits, or scores.
    fn advance(&mut self) -> Result<(), EnsembleError> {
        loop {
            let mut ready: Vec<usize> = (0..self.active.len()).filter(|&at| self.active[at].is_ready()).collect();
            if ready.is_empty() {
                return Ok(());
            }
            match ask(&mut self.models, &mut self.segmentations, &mut self.active, &ready) {
                Ok(()) => {}
                Err(Unanswered { model, at: Some(at), error }) => {
                    self.refuse(model, &self.active[at].requests(), error);
                    continue;
                }
                // To tell more, a model may have to read a token again.
                Err(Unanswered { model, at: None, error: ModelError::CacheFull { .. } }) => {
                    self.make_room(model)?;
                    continue;
                }
                Err(Unanswered { model, at: None, error }) => return Err(self.gone(model, error)),
            }
            ready.retain(|&at| self.active[at].is_ready());
            let told = self.events.len();
            let mut failed = Vec::new();
            for at in ready {
                let ensemble = self.active[at].settings().ensemble().index;
                let Self { models, segmentations, acceptances, paces, active, events, .. } = self;
                let in_flight = active.len();
                let segmentation = &mut segmentations[ensemble];
                let acceptance = &mut acceptances[ensemble];
                let mut resources = Resources { models, segmentation, acceptance, paces, in_flight, events };
                match active[at].advance(&mut resources) {
                    Ok(None) => {}
                    Ok(Some(other)) => active.push(other),
                    Err(Trouble::Request(error)) => failed.push((active[at].requests(), error)),
                    Err(Trouble::Model(model, source)) => return Err(self.gone(model, source)),
                }
            }
            for (requests, error) in failed {
                if let [request] = requests[..] {
                    self.fail(request, error);
                }
            }
            // A continuation that is scored leaves room.
            self.crowded &= !self.events[told..].iter().any(|event| matches!(event, SchedulerEvent::Scored { .. }));
        }
    }

    /// Takes out what is done.
    fn leave(&mut self) {
        self.tell_groups();
        for mut item in std::mem::take(&mut self.active) {
            if item.is_finished() {
                item.close(&mut self.models);
                item.tell(&mut self.events);
                self.crowded = false;
            } else {
                self.active.push(item);
            }
        }
    }

    /// Requests end because `model` does not take their tokens.
    fn refuse(&mut self, model: usize, requests: &[RequestId], error: ModelError) {
        let mut source = Some(error);
        for &request in requests {
            let source = source.take().unwrap_or_else(|| ModelError::Backend(String::from("as another request")));
            let member = self.models[model].name.clone();
            self.fail(request, RequestError::Refused { member, source });
        }
    }

    /// A request ends with an error.
    fn fail(&mut self, request: RequestId, error: RequestError) {
        if self.take_out(request) {
            self.events.push(SchedulerEvent::Failed { request, error });
        }
    }

    fn gone(&self, model: usize, source: ModelError) -> EnsembleError {
        EnsembleError::Model { member: self.models[model].name.clone(), source }
    }
}

impl Drop for Scheduler {
    /// However it ends, no sequence stays open. Tells what each model was asked, and how long that took.
    fn drop(&mut self) {
        for item in &mut self.active {
            item.close(&mut self.models);
        }
        for (Member { name, .. }, pace) in self.models.iter().zip(&self.paces).filter(|(_, pace)| pace.forwards > 0) {
            let ms = pace.time.as_secs_f64() * 1000.0;
            tracing::debug!(model = name, forwards = pace.forwards, tokens = pace.tokens, ms, "done with a model");
        }
    }
}
