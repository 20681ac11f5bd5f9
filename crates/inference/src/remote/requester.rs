//! Queries in flight together, each to the replica that has its prefix.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::protocol::{Abilities, Protocol, ServerAnswer, TokenQuery};
use super::replicas::{Counts, ReplicaId, Replicas, SendError};
use crate::id::SequenceId;
use crate::language_model::ModelError;

/// Queries about one sequence, one after the other: each finds what the one before left in the server's cache.
pub(super) struct SequenceQueries {
    pub(super) sequence: SequenceId,
    pub(super) home: ReplicaId,
    pub(super) slot: Option<usize>,
    pub(super) queries: Vec<TokenQuery>,
}

/// Asks the servers of one model.
pub(super) struct Requester {
    replicas: Replicas,
    protocol: Box<dyn Protocol>,
    /// Most requests in flight.
    most: usize,
    /// How long was waited for servers.
    waited: Duration,
}

impl Requester {
    /// At most `most` requests are in flight.
    pub(super) fn new(replicas: Replicas, protocol: Box<dyn Protocol>, most: usize) -> Self {
        Self { replicas, protocol, most, waited: Duration::ZERO }
    }

    pub(super) fn abilities(&self) -> Abilities {
        self.protocol.abilities()
    }

    pub(super) fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    pub(super) fn counts(&self) -> Counts {
        self.replicas.counts()
    }

    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Asks everything at once. Gives, in the order of `all`, the answers and who gave the last of them.
    pub(super) fn ask(&mut self, all: &[SequenceQueries]) -> Vec<Result<(Vec<ServerAnswer>, ReplicaId), ModelError>> {
        let since = Instant::now();
        let answers = at_once(self.most, all, |queries| {
            self.ask_in_turn(queries).map_err(|error| match error {
                SendError::Request(reason) => ModelError::Request { sequence: queries.sequence, reason },
                SendError::Gone(reason) => ModelError::Server(reason),
            })
        });
        self.waited += since.elapsed();
        answers
    }

    fn ask_in_turn(&self, queries: &SequenceQueries) -> Result<(Vec<ServerAnswer>, ReplicaId), SendError> {
        let mut home = queries.home;
        let mut answers = Vec::with_capacity(queries.queries.len());
        for query in &queries.queries {
            let (path, body) = (self.protocol.path(), self.protocol.body(query, queries.slot));
            let (answer, replica) = self.replicas.send(home, path, &body, |body| self.protocol.answer(query, body))?;
            home = replica;
            answers.push(answer);
        }
        Ok((answers, home))
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
