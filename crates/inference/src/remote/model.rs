//! A model that a server computes, behind the [`LanguageModel`] seam.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::details::{WIDTHS, in_order, lacks, queries, together};
use super::identity::ServerIdentity;
use super::lone::LoneTexts;
use super::pace::Pace;
use super::planner::Planner;
use super::protocol::{TokenQuery, ToldLogProbs};
use super::replicas::ReplicaId;
use super::requester::{Requester, SequenceQueries};
use super::sequence::RemoteSequence;
use crate::ask::{Ask, Detail, LogProbs};
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
    /// Sequences whose prefixes each replica keeps a place for, where it has such places.
    pub(super) slots: Option<usize>,
    /// Most probable tokens that are told of a distribution at first.
    pub(super) list: usize,
    pub(super) pace: Pace,
    pub(super) lone: LoneTexts,
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

    /// A place at `home` that no open sequence has.
    fn free_slot(&self, home: ReplicaId) -> Option<usize> {
        let taken = |slot: &usize| self.sequences.values().any(|other| other.home == home && other.slot == Some(*slot));
        (0..self.slots?).find(|slot| !taken(slot))
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

    fn planner(&self) -> Planner<'_> {
        let (list, ahead, context) = (self.list, self.pace.ahead(), self.limits.context);
        Planner {
            abilities: self.requester.abilities(),
            list,
            ahead,
            lone: &self.lone,
            context,
            tokenizer: &self.tokenizer,
        }
    }

    /// The requests that a batch needs, and those that keep the other sequences as far ahead.
    fn jobs(&self, batch: &[Extension<'_>], appended: &[AppendedTokens]) -> Vec<SequenceQueries> {
        let planner = self.planner();
        let mut needed = Vec::new();
        let mut spare = Vec::new();
        for (extension, AppendedTokens { wanted, .. }) in batch.iter().zip(appended) {
            let Some(sequence) = self.sequences.get(&extension.sequence) else { continue };
            let (home, slot) = (sequence.home, sequence.slot);
            let ask = |queries| SequenceQueries { sequence: extension.sequence, home, slot, queries };
            needed.extend(planner.needed(sequence, wanted).into_iter().map(ask));
            spare.extend(planner.spare(sequence, wanted).map(|query| ask(vec![query])));
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
        let is_next = |query: &TokenQuery| query.from == query.tokens.len();
        if batch.iter().all(|extension| extension.tokens.len() <= SHORT)
            && jobs.iter().all(|job| job.queries.iter().all(is_next))
            && let Some(ahead) = jobs.iter().map(|job| job.queries.iter().map(|query| query.ahead).sum()).max()
        {
            self.pace.took(ahead, since.elapsed());
        }
        // What is known already, before paths go on.
        let known = batch.iter().zip(appended).flat_map(|(extension, AppendedTokens { wanted, .. })| {
            let sequence = self.sequences.get(&extension.sequence);
            let told = move |&length: &usize| Some(((extension.sequence, length), sequence?.told(length)?));
            wanted.iter().filter_map(told)
        });
        let mut told: HashMap<(SequenceId, usize), Arc<ToldLogProbs>> = known.collect();
        for (job, answer) in jobs.iter().zip(answers) {
            let (answers, home) = answer?;
            let Some(sequence) = self.sequences.get_mut(&job.sequence) else { continue };
            for (query, mut answer) in job.queries.iter().zip(answers) {
                let within = std::mem::take(&mut answer.within);
                if query.tokens.len() > sequence.tokens().len() {
                    sequence.branches.learn(&query.tokens, query.from, within);
                    continue;
                }
                for (length, list) in (query.from..).zip(within) {
                    told.insert((job.sequence, length), Arc::new(list));
                }
                if query.tokens.len() < sequence.tokens().len() {
                    if let Some((_, list)) = answer.path.into_iter().next() {
                        told.insert((job.sequence, query.tokens.len()), Arc::new(list));
                    }
                } else if query.ahead > 0 {
                    sequence.go_on(answer, home);
                }
            }
            if sequence.home != home {
                (sequence.home, sequence.slot) = (home, None);
            }
        }
        let abilities = self.requester.abilities();
        let distribution = |id: SequenceId, length: usize| {
            let known = told.get(&(id, length)).cloned().or_else(|| self.sequences.get(&id)?.told(length));
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

    /// Asks about whole continuations that are expected where some of `asks` is about the token that one goes on with, and
    /// gives what is known of each ask then.
    fn ask_of_continuations(&mut self, asks: &[Ask<'_>]) -> Result<Vec<LogProbs>, ModelError> {
        let mut jobs: Vec<SequenceQueries> = Vec::new();
        for Ask { sequence: id, length, detail } in asks {
            let (Detail::Tokens(ids), sequence) = (detail, self.sequence(*id)?) else { continue };
            if *length > sequence.tokens().len() {
                continue;
            }
            for queries in self.planner().of_continuations(sequence, *length, *length, |next| ids.contains(&next)) {
                let (home, slot) = (sequence.home, sequence.slot);
                jobs.push(SequenceQueries { sequence: *id, home, slot, queries });
            }
        }
        for (job, answer) in jobs.iter().zip(self.requester.ask(&jobs)) {
            let (answers, _) = answer?;
            let Some(sequence) = self.sequences.get_mut(&job.sequence) else { continue };
            for (query, answer) in job.queries.iter().zip(answers) {
                sequence.branches.learn(&query.tokens, query.from, answer.within);
            }
        }
        let known = |ask: &Ask<'_>| {
            let Detail::Tokens(_) = ask.detail else { return None };
            let sequence = self.sequences.get(&ask.sequence)?;
            let told = sequence.branches.told(sequence.tokens().get(..ask.length)?)?;
            Some(told.top.iter().chain(&told.others).copied().collect())
        };
        Ok(asks.iter().map(|ask| known(ask).unwrap_or_default()).collect())
    }

    /// Asks once about those of `asks` that are `unanswered`, and adds what is answered to what is `told` of each. All
    /// tokens that are asked for after the same ones are one question.
    fn ask_once(
        &mut self,
        asks: &[Ask<'_>],
        unanswered: &[usize],
        width: usize,
        told: &mut [LogProbs],
    ) -> Result<(), ModelError> {
        let abilities = self.requester.abilities();
        let mut jobs = Vec::new();
        let mut of_asks: Vec<Vec<usize>> = Vec::new();
        for (details, of) in together(asks, unanswered) {
            let Ask { sequence: id, length, .. } = asks[of[0]];
            let sequence = self.sequence(id)?;
            let held = sequence.tokens().len();
            let tokens = sequence.tokens().get(..length).filter(|tokens| !tokens.is_empty());
            let tokens = tokens.ok_or(ModelError::TruncateBeyondEnd { length: held, requested: length })?;
            let queries = queries(&abilities, tokens, details.detail(), width).ok_or_else(|| {
                let longest = abilities.longest_list;
                ModelError::Server(format!("{} lists {longest} tokens at most, which does not decide", self.identity))
            })?;
            for query in queries {
                let (home, slot) = (sequence.home, sequence.slot);
                jobs.push(SequenceQueries { sequence: id, home, slot, queries: vec![query] });
                of_asks.push(of.clone());
            }
            for &index in &of {
                told[index].clear();
            }
        }
        for (answer, of) in self.requester.ask(&jobs).into_iter().zip(of_asks) {
            let (answers, _) = answer?;
            for (_, list) in answers.into_iter().filter_map(|answer| answer.path.into_iter().next()) {
                for &index in &of {
                    told[index].extend(list.top.iter().chain(&list.others));
                }
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
        let home = self.least_busy();
        self.sequences.insert(id, RemoteSequence::new(home, self.free_slot(home)));
        Ok(id)
    }

    fn expect(&mut self, sequence: SequenceId, length: usize, continuations: &[Vec<TokenId>]) {
        if let Some(sequence) = self.sequences.get_mut(&sequence) {
            for tokens in continuations {
                sequence.branches.expect(length, tokens);
            }
        }
    }

    fn expect_greedy(&mut self, sequence: SequenceId, from: usize, to: usize) {
        if let Some(sequence) = self.sequences.get_mut(&sequence) {
            sequence.greedy = from..to;
        }
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let mut copy = self.sequence(sequence)?.clone();
        // Its prefix is read again where nobody else is: its likeness finds it a slot.
        copy.slot = None;
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
        let Some(closed) = self.sequences.remove(&sequence) else { return };
        let emitted = closed.tokens().len().saturating_sub(closed.greedy.start);
        if !closed.greedy.is_empty() && emitted > 0 {
            self.lone.ended(emitted);
        }
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
        let mut told = self.ask_of_continuations(asks)?;
        let is_unanswered = |index: &usize| told[*index].is_empty() || lacks(asks[*index].detail, &told[*index]);
        let mut unanswered: Vec<usize> = (0..asks.len()).filter(is_unanswered).collect();
        for width in WIDTHS {
            if unanswered.is_empty() {
                break;
            }
            self.ask_once(asks, &unanswered, width, &mut told)?;
            unanswered.retain(|&index| lacks(asks[index].detail, &told[index]));
            if width >= self.limits.vocabulary || self.requester.abilities().most_ids > 0 {
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
