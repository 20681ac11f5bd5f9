//! A model that a server computes, behind the [`LanguageModel`] seam.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::identity::ServerIdentity;
use super::pace::Pace;
use super::protocol::{Answer, Listing, LogProbs, Protocol, Query, Told};
use super::replicas::{ReplicaId, Replicas, SendError};
use super::sequence::Sequence;
use crate::{
    Ask, Detail, DeviceSpec, Distribution, Extension, LanguageModel, Limits, ModelError, ModelSource, SequenceId,
    TokenId, Tokenizer,
};

/// Tokens that all sequences together may hold: they take no memory here, and a server makes room by itself.
pub(super) const CACHE: usize = 1 << 40;
/// A request with more new tokens than this says nothing of how long one token takes.
const SHORT: usize = 16;
/// How long lists are in which tokens are looked for that cannot be named: a long one is seconds of JSON, and a token that a
/// vote hangs on is mostly among the first.
const WIDTHS: [usize; 3] = [2_000, 20_000, usize::MAX];

/// A model on a server, or on several that are replicas.
///
/// Sequences are lists of tokens here. Every extension becomes one request, all of a batch in flight together; a request
/// runs ahead by the most probable tokens and serves the following extensions as long as those are what is emitted.
pub struct RemoteModel {
    pub(super) replicas: Replicas,
    pub(super) protocol: Box<dyn Protocol>,
    pub(super) identity: ServerIdentity,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) tokenizer_source: ModelSource,
    pub(super) limits: Limits,
    /// Most probable tokens that are told of a distribution at first.
    pub(super) list: usize,
    /// Most requests in flight.
    pub(super) in_flight: usize,
    pub(super) pace: Pace,
    /// How long was waited for servers, and how many distributions came of it.
    pub(super) waited: Duration,
    pub(super) given: usize,
    pub(super) sequences: HashMap<SequenceId, Sequence>,
    pub(super) next: u64,
}

/// Requests about one sequence, one after the other: each finds what the one before left in the server's cache.
struct Job {
    sequence: SequenceId,
    home: ReplicaId,
    questions: Vec<Question>,
}

/// A [`Query`], owned.
struct Question {
    tokens: Vec<TokenId>,
    from: usize,
    ahead: usize,
    listing: OwnedListing,
}

enum OwnedListing {
    Top(usize),
    Ids(Vec<TokenId>),
}

impl Question {
    fn query(&self) -> Query<'_> {
        let listing = match &self.listing {
            OwnedListing::Top(count) => Listing::Top(*count),
            OwnedListing::Ids(ids) => Listing::Ids(ids),
        };
        Query { tokens: &self.tokens, from: self.from, ahead: self.ahead, listing }
    }
}

/// An extension that was appended.
struct Appended {
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

    fn sequence(&self, id: SequenceId) -> Result<&Sequence, ModelError> {
        self.sequences.get(&id).ok_or(ModelError::UnknownSequence(id))
    }

    /// The replica that is up and has the fewest sequences.
    fn least_busy(&self) -> ReplicaId {
        let mut open = vec![0_usize; self.replicas.len()];
        for sequence in self.sequences.values() {
            open[sequence.home.0] += 1;
        }
        let busy = |id: &ReplicaId| (!self.replicas.is_up(*id), open[id.0]);
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
    fn append(&mut self, batch: &[Extension<'_>]) -> (Vec<Appended>, Option<bool>) {
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
            Some(Appended { before, wanted })
        });
        // Every sequence was there when the batch was admitted.
        (appended.flatten().collect(), held)
    }

    /// The requests that a batch needs, and those that keep the other sequences as far ahead.
    fn jobs(&self, batch: &[Extension<'_>], appended: &[Appended]) -> Vec<Job> {
        let ahead = self.pace.ahead();
        let mut needed = Vec::new();
        let mut spare = Vec::new();
        for (extension, Appended { wanted, .. }) in batch.iter().zip(appended) {
            let Some(sequence) = self.sequences.get(&extension.sequence) else { continue };
            let unknown: Vec<usize> =
                wanted.iter().copied().filter(|&length| sequence.told(length).is_none()).collect();
            let length = sequence.tokens().len();
            let job = |questions| Job { sequence: extension.sequence, home: sequence.home, questions };
            let list = OwnedListing::Top(self.list);
            match unknown[..] {
                [] if wanted.last() == Some(&length) && sequence.known_ahead() < ahead => {
                    let tokens = sequence.tokens_ahead();
                    let room = self.limits.context + 1 - tokens.len().min(self.limits.context + 1);
                    let more = (ahead - sequence.known_ahead()).min(room);
                    if more > 0 {
                        spare.push(job(vec![Question { from: tokens.len(), tokens, ahead: more, listing: list }]));
                    }
                }
                [] => {}
                [only] if only == length => {
                    let ahead = ahead.min(self.limits.context + 1 - length);
                    let tokens = sequence.tokens().to_vec();
                    needed.push(job(vec![Question { from: length, tokens, ahead, listing: list }]));
                }
                [first, ..] if self.protocol.abilities().within => {
                    // What follows the last one that is wanted is not needed; the token behind it tells itself.
                    let end = unknown.last().map_or(length, |last| (last + 1).min(length));
                    let tokens = sequence.tokens()[..end].to_vec();
                    needed.push(job(vec![Question { tokens, from: first, ahead: 1, listing: list }]));
                }
                _ => {
                    let question = |&length: &usize| Question {
                        tokens: sequence.tokens()[..length].to_vec(),
                        from: length,
                        ahead: 1,
                        listing: OwnedListing::Top(self.list),
                    };
                    needed.push(job(unknown.iter().map(question).collect()));
                }
            }
        }
        if !needed.is_empty() {
            needed.append(&mut spare);
        }
        needed
    }

    /// Asks everything at once; answers in the order of `jobs`.
    fn ask_all(&self, jobs: &[Job]) -> Vec<Result<(Vec<Answer>, ReplicaId), SendError>> {
        let ask = |job: &Job| {
            let mut home = job.home;
            let mut answers = Vec::with_capacity(job.questions.len());
            for question in &job.questions {
                let query = question.query();
                let (path, body) = (self.protocol.path(), self.protocol.body(&query));
                let (answer, replica) =
                    self.replicas.send(home, path, &body, |body| self.protocol.answer(&query, body))?;
                home = replica;
                answers.push(answer);
            }
            Ok((answers, home))
        };
        at_once(self.in_flight, jobs, ask)
    }

    /// The distributions that were wanted of an appended batch.
    fn answer(&mut self, batch: &[Extension<'_>], appended: &[Appended]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let jobs = self.jobs(batch, appended);
        let since = Instant::now();
        let answers = self.ask_all(&jobs);
        self.waited += since.elapsed();
        self.given += appended.iter().map(|Appended { wanted, .. }| wanted.len()).sum::<usize>();
        if batch.iter().all(|extension| extension.tokens.len() <= SHORT)
            && let Some(ahead) = jobs.iter().map(|job| job.questions.iter().map(|question| question.ahead).sum()).max()
        {
            self.pace.took(ahead, since.elapsed());
        }
        // What is known already, before paths go on.
        let known = batch.iter().zip(appended).flat_map(|(extension, Appended { wanted, .. })| {
            let sequence = self.sequences.get(&extension.sequence);
            let told = move |&length: &usize| Some(((extension.sequence, length), Arc::clone(sequence?.told(length)?)));
            wanted.iter().filter_map(told)
        });
        let mut told: HashMap<(SequenceId, usize), Arc<Told>> = known.collect();
        for (job, answer) in jobs.iter().zip(answers) {
            let (answers, home) = answer.map_err(|error| failed(job.sequence, error))?;
            let Some(sequence) = self.sequences.get_mut(&job.sequence) else { continue };
            for (question, mut answer) in job.questions.iter().zip(answers) {
                for (length, list) in (question.from..).zip(std::mem::take(&mut answer.within)) {
                    told.insert((job.sequence, length), Arc::new(list));
                }
                if question.tokens.len() < sequence.tokens().len() {
                    if let Some((_, list)) = answer.path.into_iter().next() {
                        told.insert((job.sequence, question.tokens.len()), Arc::new(list));
                    }
                } else {
                    sequence.go_on(answer, home);
                }
            }
            sequence.home = home;
        }
        let abilities = self.protocol.abilities();
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
            .map(|(extension, Appended { wanted, .. })| {
                wanted.iter().map(|&length| distribution(extension.sequence, length)).collect()
            })
            .collect()
    }

    /// The questions that tell `detail`; where tokens cannot be named, lists of `width` that may have them.
    fn questions(&self, tokens: &[TokenId], detail: Detail<'_>, width: usize) -> Result<Vec<Question>, ModelError> {
        let abilities = self.protocol.abilities();
        let question = |listing| Question { tokens: tokens.to_vec(), from: tokens.len(), ahead: 1, listing };
        let named = |ids: &[TokenId]| -> Vec<Question> {
            ids.chunks(abilities.most_ids.max(1)).map(|ids| question(OwnedListing::Ids(ids.to_vec()))).collect()
        };
        Ok(match detail {
            Detail::Tokens(ids) if abilities.most_ids > 0 => named(ids),
            Detail::Tokens(_) if abilities.longest_list >= abilities.rows => {
                vec![question(OwnedListing::Top(width.min(abilities.rows)))]
            }
            Detail::Top(count) if count <= abilities.longest_list => vec![question(OwnedListing::Top(count))],
            // Longer than its lists: every token by name.
            Detail::Top(_) if abilities.most_ids > 0 => {
                named(&(0..abilities.rows as u32).map(TokenId).collect::<Vec<_>>())
            }
            Detail::Tokens(_) | Detail::Top(_) => {
                return Err(ModelError::Server(format!(
                    "{} lists {} tokens at most, which does not decide",
                    self.identity, abilities.longest_list
                )));
            }
        })
    }

    /// Asks once about those of `asks` that are `unanswered`, and adds what is answered to what is `told` of each.
    fn ask_once(
        &mut self,
        asks: &[Ask<'_>],
        unanswered: &[usize],
        width: usize,
        told: &mut [LogProbs],
    ) -> Result<(), ModelError> {
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
            for question in self.questions(tokens, ask.detail, width)? {
                jobs.push(Job { sequence: ask.sequence, home: sequence.home, questions: vec![question] });
                of_ask.push(index);
            }
            told[index].clear();
        }
        let since = Instant::now();
        let answers = self.ask_all(&jobs);
        self.waited += since.elapsed();
        for ((job, index), answer) in jobs.iter().zip(of_ask).zip(answers) {
            let (answers, _) = answer.map_err(|error| failed(job.sequence, error))?;
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
        self.sequences.insert(id, Sequence::new(self.least_busy()));
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
                for (extension, Appended { before, .. }) in batch.iter().zip(&appended) {
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
            if unanswered.is_empty() || width >= self.limits.vocabulary || self.protocol.abilities().most_ids > 0 {
                break;
            }
        }
        Ok(asks.iter().zip(told).map(|(ask, told)| in_order(ask.detail, told)).collect())
    }
}

impl Drop for RemoteModel {
    fn drop(&mut self) {
        let counts = self.replicas.counts();
        tracing::info!(model = %self.identity, requests = counts.requests, failures = counts.failures,
            distributions = self.given, waited_ms = self.waited.as_millis() as u64, "done with a server");
    }
}

/// Whether a token that was named is not among what was told.
fn lacks(detail: Detail<'_>, told: &LogProbs) -> bool {
    match detail {
        Detail::Top(_) => false,
        Detail::Tokens(ids) => ids.iter().any(|id| told.iter().all(|(other, _)| other != id)),
    }
}

/// What was wanted of what was told.
fn in_order(detail: Detail<'_>, mut told: LogProbs) -> LogProbs {
    match detail {
        Detail::Top(_) => told,
        Detail::Tokens(ids) => {
            told.sort_unstable_by_key(|(id, _)| *id);
            let of = |id: &TokenId| told.binary_search_by_key(id, |(id, _)| *id).ok().map(|at| told[at]);
            ids.iter().filter_map(of).collect()
        }
    }
}

fn failed(sequence: SequenceId, error: SendError) -> ModelError {
    match error {
        SendError::Request(reason) => ModelError::Request { sequence, reason },
        SendError::Gone(reason) => ModelError::Server(reason),
    }
}

/// Does `work` with all `jobs`, at most `most` at a time; results in their order. A single one stays on this thread.
fn at_once<J: Sync, R: Send>(most: usize, jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    if jobs.len() <= 1 {
        return jobs.iter().map(work).collect();
    }
    let results: Vec<Mutex<Option<R>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..most.clamp(1, jobs.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { break };
                    let result = work(job);
                    *results[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    let of = |result: Mutex<Option<R>>| result.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().filter_map(of).collect()
}
