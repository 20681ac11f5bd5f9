//! The thread that owns the scheduler, and the way to it and back.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc as commands;
use std::thread::JoinHandle;
use std::time::Instant;

use gac_ensemble::{
    BatchLimits, EnsembleError, Generation, GenerationRequest, PreparedRequest, RequestId, Scheduler, SchedulerEvent,
    Settings, Step, Thinking, TokenLogProbs, TokenScoreRequest,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use crate::error::{ApiError, with_causes};
use crate::metrics::Metrics;
use crate::pace::StepPace;

/// Pieces of an answer that wait for a client to read them. Who is so far behind is given up.
const UNREAD: usize = 4096;

/// One text to continue or to score.
#[derive(Clone, Debug)]
pub(crate) enum TextJob {
    Generate(GenerationRequest),
    Score(TokenScoreRequest),
}

impl TextJob {
    fn prepare(&self, settings: &Arc<Settings>) -> PreparedRequest {
        match self {
            Self::Generate(request) => PreparedRequest::new(request, settings),
            Self::Score(request) => PreparedRequest::new(request, settings),
        }
    }
}

/// What becomes of a job.
#[derive(Debug)]
pub(crate) enum JobProgress {
    /// A token was emitted, where these were asked for.
    Token { bytes: Vec<u8>, thinking: Option<Thinking>, step: Option<Step> },
    /// It is continued.
    Generated(Generation),
    /// It is scored: what is told of each token behind the context.
    Scored(Vec<TokenLogProbs>),
    /// It cannot be served.
    Failed(ApiError),
}

/// A job on its way to the scheduler.
struct Submission {
    ticket: u64,
    prepared: PreparedRequest,
    /// When it came: before it was encoded.
    submitted: Instant,
    /// Whether each token is wanted.
    streams: bool,
    index: usize,
    replies: mpsc::Sender<(usize, JobProgress)>,
}

enum SchedulerCommand {
    Submit(Box<Submission>),
    Cancel(u64),
}

/// The way to the scheduler.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    commands: commands::Sender<SchedulerCommand>,
    tickets: Arc<AtomicU64>,
    taken: Arc<AtomicUsize>,
    max_queue: usize,
    /// Who encodes prompts: one request at a time, so that streams keep the other cores.
    encoding: Arc<Semaphore>,
}

/// Room in the queue for some jobs, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slots {
    taken: Arc<AtomicUsize>,
    count: usize,
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// Some jobs' answers. Dropped, it cancels what has not ended.
pub(crate) struct Answers {
    replies: mpsc::Receiver<(usize, JobProgress)>,
    commands: commands::Sender<SchedulerCommand>,
    /// By index: its ticket, until it has ended.
    open: Vec<Option<u64>>,
}

impl Dispatcher {
    /// Starts the thread. It ends when no handle is left.
    pub(crate) fn start(
        scheduler: Scheduler,
        (max_samples, max_queue): (usize, usize),
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = commands::channel();
        let limits = BatchLimits::streams(max_samples);
        let (running, requests) = (HashMap::new(), HashMap::new());
        let worker = Worker { scheduler, limits, pace: StepPace::default(), metrics, running, requests };
        let thread = std::thread::Builder::new().name("scheduler".into()).spawn(move || worker.run(&receiver))?;
        let (tickets, taken, encoding) = (Arc::default(), Arc::default(), Arc::new(Semaphore::new(1)));
        Ok((Self { commands: sender, tickets, taken, max_queue, encoding }, thread))
    }

    /// Room for `count` jobs.
    ///
    /// # Errors
    /// When too many are there already, or so many never fit.
    pub(crate) fn slots(&self, count: usize) -> Result<Slots, ApiError> {
        if count > self.max_queue {
            let most = self.max_queue;
            let message = format!("`n` times the prompts are {count} texts at once; this server takes {most}");
            return Err(ApiError::field("n", message));
        }
        let room = |taken: usize| (taken + count <= self.max_queue).then_some(taken + count);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => Ok(Slots { taken: Arc::clone(&self.taken), count }),
            Err(_) => Err(ApiError::queue_full()),
        }
    }

    /// How many jobs there is no room for beside.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Encodes jobs beside the scheduler, whose streams do not wait for it, and hands them over; each answer comes with its
    /// job's index.
    ///
    /// # Errors
    /// When encoding one panics.
    pub(crate) async fn submit(
        &self,
        jobs: Vec<TextJob>,
        settings: &[Arc<Settings>],
        streams: bool,
    ) -> Result<Answers, ApiError> {
        let submitted = Instant::now();
        // It is never closed.
        let permit = Arc::clone(&self.encoding).acquire_owned().await.ok();
        let settings = settings.to_vec();
        let prepare = move || {
            let _permit = permit;
            jobs.iter().zip(&settings).map(|(job, settings)| job.prepare(settings)).collect::<Vec<_>>()
        };
        let jobs = spawn_blocking(prepare).await.map_err(|_| {
            tracing::error!("a request made its encoding panic; it is dropped");
            ApiError::internal("the request made the server fail")
        })?;
        let capacity = if streams { UNREAD } else { jobs.len() };
        let (replies, receiver) = mpsc::channel(capacity.max(1));
        let mut open = Vec::with_capacity(jobs.len());
        for (index, prepared) in jobs.into_iter().enumerate() {
            let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
            let submission = Submission { ticket, prepared, submitted, streams, index, replies: replies.clone() };
            // A thread that has gone drops it, and with it the way back: that is seen there.
            let _ = self.commands.send(SchedulerCommand::Submit(Box::new(submission)));
            open.push(Some(ticket));
        }
        Ok(Answers { replies: receiver, commands: self.commands.clone(), open })
    }
}

impl Answers {
    /// What happens next, with the job's index; nothing when all have ended.
    pub(crate) async fn next(&mut self) -> Option<(usize, JobProgress)> {
        if self.open.iter().all(Option::is_none) {
            return None;
        }
        if let Some((index, progress)) = self.replies.recv().await {
            if !matches!(progress, JobProgress::Token { .. }) {
                self.open[index] = None;
            }
            return Some((index, progress));
        }
        // Given up there: it cannot be told why any more.
        let index = self.open.iter().position(Option::is_some)?;
        self.open[index] = None;
        Some((index, JobProgress::Failed(ApiError::internal("the answer was given up before its end"))))
    }

    /// What all jobs came to, in order.
    ///
    /// # Errors
    /// Of the first that cannot be served.
    pub(crate) async fn all(mut self) -> Result<Vec<JobProgress>, ApiError> {
        let mut ended: Vec<Option<JobProgress>> = self.open.iter().map(|_| None).collect();
        while let Some((index, progress)) = self.next().await {
            match progress {
                JobProgress::Token { .. } => {}
                JobProgress::Failed(error) => return Err(error),
                other => ended[index] = Some(other),
            }
        }
        Ok(ended.into_iter().flatten().collect())
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        for ticket in self.open.iter().flatten() {
            let _ = self.commands.send(SchedulerCommand::Cancel(*ticket));
        }
    }
}

/// A job in the scheduler.
struct Running {
    request: RequestId,
    settings: Arc<Settings>,
    streams: bool,
    index: usize,
    replies: mpsc::Sender<(usize, JobProgress)>,
    submitted: Instant,
    last_token: Option<Instant>,
}

/// Owns the scheduler.
struct Worker {
    scheduler: Scheduler,
    limits: BatchLimits,
    pace: StepPace,
    metrics: Arc<Metrics>,
    /// By ticket.
    running: HashMap<u64, Running>,
    /// Their tickets.
    requests: HashMap<RequestId, u64>,
}

impl Worker {
    fn run(mut self, commands: &commands::Receiver<SchedulerCommand>) {
        loop {
            if self.scheduler.is_idle() {
                self.metrics.observe_load(self.scheduler.load());
                let Ok(command) = commands.recv() else { return };
                self.obey(command);
            }
            while let Ok(command) = commands.try_recv() {
                self.obey(command);
            }
            self.step();
        }
    }

    fn obey(&mut self, command: SchedulerCommand) {
        match command {
            SchedulerCommand::Submit(submission) => self.submit(*submission),
            SchedulerCommand::Cancel(ticket) => {
                if self.cancel(ticket) {
                    self.metrics.cancelled();
                }
            }
        }
    }

    fn submit(&mut self, submission: Submission) {
        let Submission { ticket, prepared, submitted, streams, index, replies } = submission;
        if replies.is_closed() {
            return;
        }
        let (scheduler, settings) = (&mut self.scheduler, Arc::clone(prepared.settings()));
        let taken = catch_unwind(AssertUnwindSafe(|| scheduler.submit_prepared(prepared)));
        let Ok(request) = taken else {
            tracing::error!("a request made the scheduler panic; it is dropped");
            let _ =
                replies.try_send((index, JobProgress::Failed(ApiError::internal("the request made the server fail"))));
            return;
        };
        self.requests.insert(request, ticket);
        let running = Running { request, settings, streams, index, replies, submitted, last_token: None };
        self.running.insert(ticket, running);
    }

    /// Takes a job out; whether it was there.
    fn cancel(&mut self, ticket: u64) -> bool {
        let Some(running) = self.running.remove(&ticket) else { return false };
        self.requests.remove(&running.request);
        let scheduler = &mut self.scheduler;
        if catch_unwind(AssertUnwindSafe(|| scheduler.cancel(running.request))).is_err() {
            tracing::error!("cancelling a request made the scheduler panic");
        }
        true
    }

    fn step(&mut self) {
        let began = Instant::now();
        // Where nobody watches a stream, prompts need not wait for one another.
        let is_watched = self.running.values().any(|running| running.streams && running.last_token.is_some());
        let waiting = || self.running.values().filter(|running| running.last_token.is_none()).count();
        let chunk = if is_watched { self.pace.next(waiting()) } else { self.limits.chunk };
        let limits = BatchLimits { chunk, ..self.limits };
        let scheduler = &mut self.scheduler;
        match catch_unwind(AssertUnwindSafe(|| scheduler.step(limits))) {
            Ok(Ok(events)) => {
                let (took, read) = (began.elapsed(), self.scheduler.texts_read());
                tracing::trace!(ms = took.as_secs_f64() * 1e3, read, chunk, "a step");
                self.pace.observe(took, read);
                self.tell(events);
            }
            Ok(Err(error)) => {
                let events = self.scheduler.drain();
                self.tell(events);
                self.lose(&error);
            }
            Err(_) => {
                tracing::error!("a step panicked; what was in flight is dropped");
                let all: Vec<u64> = self.running.keys().copied().collect();
                for ticket in all {
                    self.fail(ticket, ApiError::internal("the server failed while it was at the request"));
                }
            }
        }
        self.metrics.observe_load_sometimes(|| self.scheduler.load());
    }

    /// A member failed: what it takes part in ends.
    fn lose(&mut self, error: &EnsembleError) {
        tracing::error!("{}", with_causes(error));
        let takes_part = |running: &Running| match error {
            EnsembleError::Model { member, .. } => running.settings.ensemble().names().any(|name| name == member),
            _ => true,
        };
        let lost: Vec<u64> =
            self.running.iter().filter(|(_, running)| takes_part(running)).map(|(ticket, _)| *ticket).collect();
        for ticket in lost {
            self.fail(ticket, ApiError::internal(with_causes(error)));
        }
    }

    fn fail(&mut self, ticket: u64, error: ApiError) {
        if let Some(running) = self.running.get(&ticket) {
            let _ = running.replies.try_send((running.index, JobProgress::Failed(error)));
        }
        self.cancel(ticket);
        self.metrics.failed();
    }

    fn tell(&mut self, events: Vec<SchedulerEvent>) {
        let now = Instant::now();
        for event in events {
            let Some(&ticket) = self.requests.get(&event.request()) else { continue };
            let Some(running) = self.running.get_mut(&ticket) else { continue };
            let progress = match event {
                SchedulerEvent::Token { bytes, thinking, step, .. } => {
                    self.metrics.token(running.submitted, running.last_token.replace(now), now);
                    if !running.streams {
                        continue;
                    }
                    JobProgress::Token { bytes, thinking, step }
                }
                SchedulerEvent::Generated { generation, .. } => {
                    self.metrics.generated(&generation);
                    JobProgress::Generated(generation)
                }
                SchedulerEvent::Scored { log_probs, .. } => {
                    self.metrics.scored(log_probs.len());
                    JobProgress::Scored(log_probs)
                }
                SchedulerEvent::Failed { error, .. } => {
                    self.metrics.failed();
                    JobProgress::Failed(ApiError::from(&error))
                }
            };
            let ended = !matches!(progress, JobProgress::Token { .. });
            let told = running.replies.try_send((running.index, progress)).is_ok();
            if ended {
                self.requests.remove(&running.request);
                self.running.remove(&ticket);
            } else if !told {
                // Nobody reads it, or much too slowly.
                self.cancel(ticket);
                self.metrics.cancelled();
            }
        }
    }
}
