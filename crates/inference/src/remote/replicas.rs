//! Several servers of one model: which of them is asked, and what happens when one is busy, fails or is gone.
//!
//! | what comes | what follows |
//! |---|---|
//! | no connection, a cut, no answer in time | once more at once (an idle connection may have been closed); then the server counts as down, and others are asked |
//! | 429, 503 | waiting as long as `Retry-After` says, or longer and longer |
//! | another 5xx, an answer that makes no sense | again a few times, elsewhere where there is another; then the request fails |
//! | 401, 403 | the model fails: the key is wrong |
//! | another 4xx | the request fails |
//! | every server is down for longer than the patience | the model fails |

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::address::ServerUrl;
use super::http::{Http, HttpFailure};

/// Failures after which a request is held to be their reason, while servers are there.
const ATTEMPTS: u32 = 4;
/// The first wait; each following one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait that no server asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The longest wait that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(2);

/// The place of a server among the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReplicaId(pub(super) usize);

/// Whether a server that was down is back, and still serves what it served.
pub(super) type ReplicaCheck = Box<dyn Fn(&Http, &ServerUrl) -> Result<(), String> + Send + Sync>;

/// Servers of one model.
pub(super) struct Replicas {
    http: Http,
    all: Vec<Replica>,
    check: ReplicaCheck,
    /// How long is waited for servers that are all down or busy.
    patience: Duration,
    waits: AtomicU64,
    /// Requests that were answered, and those that were not.
    requests: AtomicU64,
    failures: AtomicU64,
}

struct Replica {
    server: ServerUrl,
    health: Mutex<Health>,
    in_flight: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
enum Health {
    Up,
    Down { failures: u32, again: Instant },
}

/// Why a request has no answer in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// It is the request's fault.
    Request(String),
    /// No server answers.
    Gone(String),
}

/// Requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) failures: u64,
}

impl Replicas {
    /// `servers`, each with whether it answered just now.
    pub(super) fn new(http: Http, servers: Vec<(ServerUrl, bool)>, patience: Duration, check: ReplicaCheck) -> Self {
        let now = Instant::now();
        let replica = |(server, up)| Replica {
            server,
            health: Mutex::new(if up { Health::Up } else { Health::Down { failures: 1, again: now + FIRST_WAIT } }),
            in_flight: AtomicUsize::new(0),
        };
        Self {
            http,
            all: servers.into_iter().map(replica).collect(),
            check,
            patience,
            waits: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_up(&self, replica: ReplicaId) -> bool {
        matches!(*self.all[replica.0].health(), Health::Up)
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { requests: count(&self.requests), failures: count(&self.failures) }
    }

    /// What `read` makes of the answer to `body` at `path`, and who gave it: `home` where that is up.
    pub(super) fn send<T>(
        &self,
        home: ReplicaId,
        path: &str,
        body: &[u8],
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<(T, ReplicaId), SendError> {
        let mut failed = 0;
        let mut busy: Option<(Instant, u32)> = None;
        let mut fresh_connection = false;
        let mut avoided = None;
        loop {
            let id = self.choose(home, avoided.take())?;
            let replica = &self.all[id.0];
            let failure = match self.once(replica, path, body, &read) {
                Ok(value) => {
                    *replica.health() = Health::Up;
                    return Ok((value, id));
                }
                Err(failure) => failure,
            };
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(server = %replica.server, %failure, "a request failed");
            match &failure {
                HttpFailure::Broken(_) if !fresh_connection => {
                    fresh_connection = true;
                    continue;
                }
                HttpFailure::Broken(_) => {
                    replica.fails(&failure);
                    failed += 1;
                }
                HttpFailure::Busy { after, .. } => {
                    let (since, times) = busy.map_or((Instant::now(), 0), |(since, times)| (since, times + 1));
                    busy = Some((since, times));
                    let wait = after.map_or_else(|| backoff(times), |after| after.min(LONGEST_RETRY_AFTER));
                    if since.elapsed() + wait > self.patience.max(wait.saturating_mul(2)) {
                        return Err(SendError::Gone(format!("{}: {failure}, and stays so", replica.server)));
                    }
                    avoided = Some(id);
                    self.wait(wait);
                    continue;
                }
                HttpFailure::Server { .. } | HttpFailure::Corrupt(_) => {
                    failed += 1;
                    avoided = Some(id);
                }
                HttpFailure::Refused { status: 401 | 403, .. } => {
                    return Err(SendError::Gone(format!("{}: {failure}", replica.server)));
                }
                HttpFailure::Refused { .. } => {
                    return Err(SendError::Request(format!("{}: {failure}", replica.server)));
                }
            }
            busy = None;
            if failed >= ATTEMPTS && self.somebody_answers() {
                return Err(SendError::Request(format!("{}: {failure}, {failed} times", replica.server)));
            }
            if !matches!(failure, HttpFailure::Broken(_)) {
                self.wait(backoff(failed - 1));
            }
        }
    }

    fn once<T>(
        &self,
        replica: &Replica,
        path: &str,
        body: &[u8],
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, HttpFailure> {
        replica.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = self.http.post(&replica.server, path, body);
        replica.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        read(&answer?).map_err(HttpFailure::Corrupt)
    }

    /// Who is to be asked: `home` where it is up, else the least busy one; where all are down, the first that comes back.
    /// One that is `avoided` is asked where there is no other.
    fn choose(&self, home: ReplicaId, avoided: Option<ReplicaId>) -> Result<ReplicaId, SendError> {
        let since = Instant::now();
        loop {
            let again = self.revive();
            if self.is_up(home) && avoided != Some(home) {
                return Ok(home);
            }
            let up = (0..self.len()).map(ReplicaId).filter(|id| self.is_up(*id));
            let in_flight = |id: &ReplicaId| self.all[id.0].in_flight.load(Ordering::Relaxed);
            if let Some(id) = up.min_by_key(|id| (avoided == Some(*id), in_flight(id))) {
                return Ok(id);
            }
            if since.elapsed() >= self.patience {
                let names: Vec<String> = self.all.iter().map(|replica| replica.server.to_string()).collect();
                let reason = format!("no answer from {} for {} s", names.join(", "), self.patience.as_secs());
                return Err(SendError::Gone(reason));
            }
            let wait = again.map_or(FIRST_WAIT, |again| again.saturating_duration_since(Instant::now()));
            self.wait(wait.clamp(Duration::from_millis(10), LONGEST_WAIT));
        }
    }

    /// Looks after the servers that were down for long enough. Gives when the first of the others is looked after.
    fn revive(&self) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for replica in &self.all {
            let Health::Down { failures, again } = *replica.health() else { continue };
            let now = Instant::now();
            if again > now {
                first = Some(first.map_or(again, |first| first.min(again)));
                continue;
            }
            // Whoever else comes by meanwhile finds it waiting.
            let next = now + backoff(failures);
            *replica.health() = Health::Down { failures: failures + 1, again: next };
            match (self.check)(&self.http, &replica.server) {
                Ok(()) => {
                    tracing::info!(server = %replica.server, "it answers again");
                    *replica.health() = Health::Up;
                }
                Err(reason) => {
                    tracing::debug!(server = %replica.server, reason, "still no use");
                    first = Some(first.map_or(next, |first| first.min(next)));
                }
            }
        }
        first
    }

    /// Whether some server answers what every server can.
    fn somebody_answers(&self) -> bool {
        self.all.iter().any(|replica| (self.check)(&self.http, &replica.server).is_ok())
    }

    /// Waits for about as long, so that not all come back at once.
    fn wait(&self, about: Duration) {
        let turn = self.waits.fetch_add(1, Ordering::Relaxed);
        // The fractional parts of multiples of the golden ratio are spread evenly.
        let spread = (turn as f64 * 0.618_033_988_749_895).fract();
        sleep(about.mul_f64(1.0 + 0.25 * spread));
    }
}

impl Replica {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It counts as down from now on.
    fn fails(&self, failure: &HttpFailure) {
        let mut health = self.health();
        if matches!(*health, Health::Up) {
            tracing::warn!(server = %self.server, %failure, "left, and tried again later");
            *health = Health::Down { failures: 1, again: Instant::now() + FIRST_WAIT };
        }
    }
}

/// Twice as long after every failure.
fn backoff(failures: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << failures.min(16)).min(LONGEST_WAIT)
}
