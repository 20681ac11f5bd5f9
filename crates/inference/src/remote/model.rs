//! A model that a server computes, behind the [`LanguageModel`] seam.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::details::{WIDTHS, in_order, lacks, queries};
use super::identity::ServerIdentity;
use super::pace::Pace;
use super::protocol::{LogProbs, TokenQuery, ToldLogProbs, WantedList};
use super::replicas::ReplicaId;
use super::requester::{Requester, SequenceQueries};
use super::sequence::RemoteSequence;
use crate::ask::{Ask, Detail};
use crate::checkpoint::source::ModelSource;
use crate::device::DeviceSpec;
use crate::distribution::Distribution;
use crate::id::{SequenceId, TokenId};
use crate::language_model::{Extension, LanguageModel, Limits, ModelError};
use crate::vocabulary::Tokenizer;

/// Tokens that all sequences together may hold: they take no memory here, and a server makes room by itself.
pub(super) const CACHE: usize = 1 << 40;
/// A request with more new tokens than this says nothing of how long one token takes.
const SHORT: usize = 16;

/// A model on a server, or on several that are replicas.
///
/// Sequences are lists of tokens here. Every extension becomes one request, all of a batch in flight together; a request
/// runs ahead by the most probable tokens and serves the following extensions as long as those are what is emitted.
pub struct RemoteModel {
    pub(super) requester: Requester,
    pub(super) identity: ServerIdentity,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) tokenizer_source: ModelSource,
    pub(super) limits: Limits,
    /// Most probable tokens that are told of a distribution at first.
    pub(super) list: usize,
    pub(super) pace: Pace,
    /// Distributions that were given.
    pub(super) given: usize,
    pub(super) sequences: HashMap<SequenceId, RemoteSequence>,
    pub(super) next: u64,
}

/// An extension that was appended.
struct AppendedTokens {
    /// Tokens before it.
    before: usize,
    /// The lengths after which distributions are wanted, ascending.
    wanted: Vec<usize>,
}

impl RemoteModel {
    /// What the server says that it serves.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// The model's tokenizer, which is the server's.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// Where the tokenizer and the chat template are.
    pub fn tokenizer_source(&self) -> &ModelSource {
        &self.tokenizer_source
    }

    fn sequence(&self, id: SequenceId) -> Result<&RemoteSequence, ModelError> {
        self.sequences.get(&id).ok_or(ModelError::UnknownSequence(id))
    }

    /// The replica that is up and has the fewest sequences.
    fn least_busy(&self) -> ReplicaId {
        let replicas = self.requester.replicas();
        let mut open = vec![0_usize; replicas.len()];
        for sequence in self.sequences.values() {
            open[sequence.home.0] += 1;
        }
        let busy = |id: &ReplicaId| (!replicas.is_up(*id), open[id.0]);
        (0..open.len()).map(ReplicaId).min_by_key(busy).unwrap_or(ReplicaId(0))
    }

    /// Checks a batch against vocabulary and context, changing nothing.
    fn admit(&self, batch: &[Extension<'_>]) -> Result<(), ModelError> {
        let Limits { vocabulary, context, .. } = self.limits;
        for extension in batch {
            if let Some(token) = extension.tokens.iter().find(|token| token.index() >= vocabulary) {
                return Err(ModelError::UnknownToken { token: token.0, vocabulary });
            }
            let length = self.sequence(extension.sequence)?.tokens().len() + extension.tokens.len();
            if length > context {
                return Err(ModelError::ContextFull { length, context });
            }
        }
        Ok(())
    }

    /// Appends a batch. Tells whether all sequences with a path followed it; none where none tells.
    fn append(&mut self, batch: &[Extension<'_>]) -> (Vec<AppendedTokens>, Option<bool>) {
        let mut held = None;
        let appended = batch.iter().map(|extension| {
            let sequence = self.sequences.get_mut(&extension.sequence)?;
            let before = sequence.tokens().len();
            let wanted = extension.wanted.indices(extension.tokens.len());
            let wanted: Vec<usize> = wanted.into_iter().map(|index| before + index + 1).collect();
            if let Some(follows) = sequence.append(extension.tokens)
                && !wanted.is_empty()
            {
                held = Some(held.unwrap_or(true) && follows);
            }
            Some(AppendedTokens { before, wanted })
        });
        // Every sequence was there when the batch was admitted.
        (appended.flatten().collect(), held)
    }

    /// The requests that a batch needs, and those that keep the other sequences as far ahead.
    fn jobs(&self, batch: &[Extension<'_>], appended: &[AppendedTokens]) -> Vec<SequenceQueries> {
        let ahead = self.pace.ahead();
        let mut needed = Vec::new();
        let mut spare = Vec::new();
        for (extension, AppendedTokens { wanted, .. }) in batch.iter().zip(appended) {
            let Some(sequence) = self.sequences.get(&extension.sequence) else { continue };
            let unknown: Vec<usize> =
                wanted.iter().copied().filter(|&length| sequence.told(length).is_none()).collect();
            let length = sequence.tokens().len();
            let ask = |queries| SequenceQueries { sequence: extension.sequence, home: sequence.home, queries };
            let listing = WantedList::Top(self.list);
            match unknown[..] {
                [] if wanted.last() == Some(&length) && sequence.known_ahead() < ahead => {
                    let tokens = sequence.tokens_ahead();
                    let room = self.limits.context + 1 - tokens.len().min(self.limits.context + 1);
                    let more = (ahead - sequence.known_ahead()).min(room);
                    if more > 0 {
                        spare.push(ask(vec![TokenQuery { from: tokens.len(), tokens, ahead: more, listing }]));
                    }
                }
                [] => {}
                [only] if only == length => {
                    let ahead = ahead.min(self.limits.context + 1 - length);
                    let tokens = sequence.tokens().to_vec();
                    needed.push(ask(vec![TokenQuery { from: length, tokens, ahead, listing }]));
                }
                [first, ..] if self.requester.abilities().within => {
                    // What follows the last one that is wanted is not needed; the token behind it tells itself.
                    let end = unknown.last().map_or(length, |last| (last + 1).min(length));
                    let tokens = sequence.tokens()[..end].to_vec();
                    needed.push(ask(vec![TokenQuery { tokens, from: first, ahead: 1, listing }]));
                }
                _ => {
                    let query = |&length: &usize| TokenQuery {
                        tokens: sequence.tokens()[..length].to_vec(),
                        from: length,
                        ahead: 1,
                        listing: listing.clone(),
                    };
                    needed.push(ask(unknown.iter().map(query).collect()));
                }
            }
        }
        if !needed.is_empty() {
            needed.append(&mut spare);
        }
        needed
    }

    /// The distributions that were wanted of an appended batch.
    fn answer(
        &mut self,
        batch: &[Extension<'_>],
        appended: &[AppendedTokens],
    ) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let jobs = self.jobs(batch, appended);
        let since = Instant::now();
        let answers = self.requester.ask(&jobs);
        self.given += appended.iter().map(|AppendedTokens { wanted, .. }| wanted.len()).sum::<usize>();
        if batch.iter().all(|extension| extension.tokens.len() <= SHORT)
            && let Some(ahead) = jobs.iter().map(|job| job.queries.iter().map(|query| query.ahead).sum()).max()
        {
            self.pace.took(ahead, since.elapsed());
        }
        // What is known already, before paths go on.
        let known = batch.iter().zip(appended).flat_map(|(extension, AppendedTokens { wanted, .. })| {
            let sequence = self.sequences.get(&extension.sequence);
            let told = move |&length: &usize| Some(((extension.sequence, length), Arc::clone(sequence?.told(length)?)));
            wanted.iter().filter_map(told)
        });
        let mut told: HashMap<(SequenceId, usize), Arc<ToldLogProbs>> = known.collect();
        for (job, answer) in jobs.iter().zip(answers) {
            let (answers, home) = answer?;
            let Some(sequence) = self.sequences.get_mut(&job.sequence) else { continue };
            for (query, mut answer) in job.queries.iter().zip(answers) {
                for (length, list) in (query.from..).zip(std::mem::take(&mut answer.within)) {
                    told.insert((job.sequence, length), Arc::new(list));
                }
                if query.tokens.len() < sequence.tokens().len() {
                    if let Some((_, list)) = answer.path.into_iter().next() {
                        told.insert((job.sequence, query.tokens.len()), Arc::new(list));
                    }
                } else {
                    sequence.go_on(answer, home);
                }
            }
            sequence.home = home;
        }
        let abilities = self.requester.abilities();
        let distribution = |id: SequenceId, length: usize| {
            let known = told.get(&(id, length)).or_else(|| self.sequences.get(&id)?.told(length));
            let Some(known) = known else {
                return Err(ModelError::Backend(String::from("an answer without a distribution that was asked for")));
            };
            let mut distribution = Distribution::listed_within(abilities.rows, &known.top, abilities.rounding);
            distribution.learn(Detail::Tokens(&[]), &known.others);
            Ok(distribution)
        };
        batch
            .iter()
            .zip(appended)
            .map(|(extension, AppendedTokens { wanted, .. })| {
                wanted.iter().map(|&length| distribution(extension.sequence, length)).collect()
            })
            .collect()
    }

    /// Asks once about those of `asks` that are `unanswered`, and adds what is answered to what is `told` of each.
    fn ask_once(
        &mut self,
        asks: &[Ask<'_>],
        unanswered: &[usize],
        width: usize,
        told: &mut [LogProbs],
    ) -> Result<(), ModelError> {
        let abilities = self.requester.abilities();
        let mut jobs = Vec::with_capacity(unanswered.len());
        let mut of_ask = Vec::with_capacity(unanswered.len());
        for &index in unanswered {
            let ask = &asks[index];
            let sequence = self.sequence(ask.sequence)?;
            let held = sequence.tokens().len();
            let tokens = sequence
                .tokens()
                .get(..ask.length)
                .filter(|tokens| !tokens.is_empty())
                .ok_or(ModelError::TruncateBeyondEnd { length: held, requested: ask.length })?;
            let queries = queries(&abilities, tokens, ask.detail, width).ok_or_else(|| {
                let longest = abilities.longest_list;
                ModelError::Server(format!("{} lists {longest} tokens at most, which does not decide", self.identity))
            })?;
            for query in queries {
                jobs.push(SequenceQueries { sequence: ask.sequence, home: sequence.home, queries: vec![query] });
                of_ask.push(index);
            }
            told[index].clear();
        }
        for (answer, index) in self.requester.ask(&jobs).into_iter().zip(of_ask) {
            let (answers, _) = answer?;
            for (_, list) in answers.into_iter().filter_map(|answer| answer.path.into_iter().next()) {
                told[index].extend(list.top.into_iter().chain(list.others));
            }
        }
        Ok(())
    }
}

impl LanguageModel for RemoteModel {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn devices(&self) -> &[DeviceSpec] {
        &[]
    }

    fn open(&mut self, _prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, RemoteSequence::new(self.least_busy()));
        Ok(id)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let copy = self.sequence(sequence)?.clone();
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, copy);
        Ok(id)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError> {
        let found = self.sequences.get_mut(&sequence).ok_or(ModelError::UnknownSequence(sequence))?;
        if length > found.tokens().len() {
            return Err(ModelError::TruncateBeyondEnd { length: found.tokens().len(), requested: length });
        }
        found.truncate(length);
        Ok(())
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.sequences.get(&sequence).map_or(0, |sequence| sequence.tokens().len())
    }

    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        self.admit(batch)?;
        let (appended, held) = self.append(batch);
        let answer = self.answer(batch, &appended);
        match &answer {
            Ok(_) => held.into_iter().for_each(|held| self.pace.called(held)),
            Err(_) => {
                for (extension, AppendedTokens { before, .. }) in batch.iter().zip(&appended) {
                    if let Some(sequence) = self.sequences.get_mut(&extension.sequence) {
                        sequence.roll_back(*before);
                    }
                }
            }
        }
        answer
    }

    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        let mut told: Vec<LogProbs> = vec![Vec::new(); asks.len()];
        let mut unanswered: Vec<usize> = (0..asks.len()).collect();
        for width in WIDTHS {
            self.ask_once(asks, &unanswered, width, &mut told)?;
            unanswered.retain(|&index| lacks(asks[index].detail, &told[index]));
            if unanswered.is_empty() || width >= self.limits.vocabulary || self.requester.abilities().most_ids > 0 {
                break;
            }
        }
        Ok(asks.iter().zip(told).map(|(ask, told)| in_order(ask.detail, told)).collect())
    }
}

impl Drop for RemoteModel {
    fn drop(&mut self) {
        let counts = self.requester.counts();
        tracing::info!(model = %self.identity, requests = counts.requests, failures = counts.failures,
            distributions = self.given, waited_ms = self.requester.waited().as_millis() as u64, "done with a server");
    }
}
