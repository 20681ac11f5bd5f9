//! Scripted members, and a watch over what they are asked.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, missing_docs, reason = "a test's own module")]

pub mod steps;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gac_ensemble::{
    BatchLimits, Certainty, DraftLength, Drafting, Ensemble, EnsembleError, Gating, Generation, GenerationRequest,
    LogLikelihood, LogLikelihoodRequest, Member, MemberId, ModelId, Overlong, PromptEncoding, Proposer, RequestError,
    RequestId, Scheduler, SchedulerEvent, Settings, Threshold, Weights, generate, log_likelihood,
};
use gac_inference::testkit::{Listing, Otherwise, ScriptedModel, Wrapped};
use gac_inference::{
    DeviceList, Distribution, Extension, LanguageModel, Limits, ModelError, SequenceId, TokenId, Tokenizer,
};

type Next = Vec<(TokenId, f64)>;
pub type Rule = Arc<dyn Fn(&[TokenId]) -> Vec<(TokenId, f64)> + Send + Sync>;
pub type Log = Arc<Mutex<Vec<Vec<(SequenceId, Vec<TokenId>)>>>>;

/// What a member is made of: enough to make it again and again.
#[derive(Clone)]
pub struct Script {
    pub tokenizer: Arc<Tokenizer>,
    pub rule: Rule,
    pub limits: Limits,
    pub devices: DeviceList,
    /// How many tokens it lists; all where there is no such limit.
    pub listed: Option<usize>,
    pub is_remote: bool,
}

impl Script {
    pub fn new(tokenizer: Tokenizer, rule: impl Fn(&[TokenId]) -> Vec<(TokenId, f64)> + Send + Sync + 'static) -> Self {
        let limits =
            Limits { vocabulary: tokenizer.vocabulary().len(), context: 4096, cache: 1 << 20, sequences: usize::MAX };
        Self {
            tokenizer: Arc::new(tokenizer),
            rule: Arc::new(rule),
            limits,
            devices: DeviceList::default(),
            listed: None,
            is_remote: false,
        }
    }

    /// Says `pieces` by what the text so far ends with: `(ending, [(piece, probability)])`, the first that fits.
    pub fn says(tokenizer: Tokenizer, rules: &[(&str, &[(&str, f64)])]) -> Self {
        let tokenizer = Arc::new(tokenizer);
        let vocabulary = tokenizer.vocabulary().clone();
        let id = |piece: &str| {
            let named = vocabulary.iter().find(|(_, symbol)| match symbol {
                gac_inference::Symbol::Text { bytes, .. } => **bytes == *piece.as_bytes(),
                gac_inference::Symbol::Control { name } => **name == *piece,
                gac_inference::Symbol::Unused => false,
            });
            named.unwrap_or_else(|| panic!("no piece {piece:?}")).0
        };
        let rules: Vec<(Vec<u8>, Next)> = rules
            .iter()
            .map(|(ending, next)| (ending.as_bytes().to_vec(), next.iter().map(|(piece, p)| (id(piece), *p)).collect()))
            .collect();
        let limits = Limits { vocabulary: vocabulary.len(), context: 4096, cache: 1 << 20, sequences: usize::MAX };
        let rule: Rule = Arc::new(move |tokens| {
            let text = vocabulary.decode(tokens);
            let known = rules.iter().find(|(ending, _)| text.ends_with(ending));
            known.map_or_else(Vec::new, |(_, next)| next.clone())
        });
        Self { tokenizer, rule, limits, devices: DeviceList::default(), listed: None, is_remote: false }
    }

    pub fn model(&self) -> ScriptedModel {
        let rule = Arc::clone(&self.rule);
        ScriptedModel::new(self.limits.vocabulary, move |tokens| rule(tokens))
            .with_limits(self.limits)
            .on(self.devices.clone())
    }

    /// The same member, which lists its `k` most probable tokens and no more.
    pub fn listing(&self, k: usize) -> Self {
        Self { listed: Some(k), ..self.clone() }
    }

    /// The same member, said to compute on a server.
    pub fn on_a_server(&self) -> Self {
        Self { is_remote: true, ..self.clone() }
    }

    /// The same member, said to compute on `devices`.
    pub fn on(&self, devices: &str) -> Self {
        Self { devices: devices.parse().unwrap(), ..self.clone() }
    }

    pub fn with(&self, change: impl FnOnce(&mut Limits)) -> Self {
        let mut script = self.clone();
        change(&mut script.limits);
        script
    }
}

/// Counts open sequences, and fails on demand.
pub struct Watch {
    open: Arc<AtomicUsize>,
    /// Calls of `extend` until it fails.
    fuse: usize,
    is_remote: bool,
}

impl Otherwise for Watch {
    fn is_remote(&self) -> bool {
        self.is_remote
    }

    fn open(&mut self, inner: &mut dyn LanguageModel, prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        self.open.fetch_add(1, Ordering::Relaxed);
        inner.open(prompt)
    }

    fn fork(&mut self, inner: &mut dyn LanguageModel, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        self.open.fetch_add(1, Ordering::Relaxed);
        inner.fork(sequence)
    }

    fn close(&mut self, inner: &mut dyn LanguageModel, sequence: SequenceId) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        inner.close(sequence);
    }

    fn extend(
        &mut self,
        inner: &mut dyn LanguageModel,
        batch: &[Extension<'_>],
    ) -> Result<Vec<Vec<Distribution>>, ModelError> {
        self.fuse = self.fuse.checked_sub(1).ok_or_else(|| ModelError::Backend("the fuse burnt".into()))?;
        inner.extend(batch)
    }
}

/// What a scheduler told of its requests.
#[derive(Default)]
pub struct Told {
    /// Bytes told with tokens, by request and rule.
    pub streamed: BTreeMap<(RequestId, usize), Vec<u8>>,
    pub generations: BTreeMap<(RequestId, usize), Generation>,
    pub scores: BTreeMap<(RequestId, usize), LogLikelihood>,
    pub failures: BTreeMap<RequestId, RequestError>,
}

impl Told {
    pub fn add(&mut self, events: Vec<SchedulerEvent>) {
        for event in events {
            let twice = match event {
                SchedulerEvent::Token { request, rule, bytes, .. } => {
                    assert!(!self.generations.contains_key(&(request, rule)), "a token after the end");
                    self.streamed.entry((request, rule)).or_default().extend(bytes);
                    false
                }
                SchedulerEvent::Generated { request, rule, generation } => {
                    self.generations.insert((request, rule), generation).is_some()
                }
                SchedulerEvent::Scored { request, rule, score, .. } => {
                    self.scores.insert((request, rule), score).is_some()
                }
                SchedulerEvent::Failed { request, error } => self.failures.insert(request, error).is_some(),
            };
            assert!(!twice, "a request ended twice");
        }
    }

    /// Steps until nothing is left to do.
    pub fn run(&mut self, scheduler: &mut Scheduler, limits: BatchLimits) {
        for step in 0.. {
            assert!(step < 100_000, "it never ends");
            if scheduler.is_idle() {
                break;
            }
            self.add(scheduler.step(limits).unwrap());
        }
    }
}

/// Members with a watch over each, their logs, and the number of sequences that are open.
pub fn watched(scripts: &[Script], fuse: usize) -> (Vec<Member>, Vec<Log>, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let mut logs = Vec::new();
    let members = scripts.iter().enumerate().map(|(index, script)| {
        let watched = Watch { open: Arc::clone(&open), fuse, is_remote: script.is_remote };
        let (member, log) = watch(script, format!("m{index}"), watched);
        logs.push(log);
        member
    });
    (members.collect(), logs, open)
}

fn watch(script: &Script, name: String, otherwise: Watch) -> (Member, Log) {
    let model = script.model();
    let log = model.log();
    let inner: Box<dyn LanguageModel> = match script.listed {
        Some(k) => Box::new(Listing::of(Box::new(model), k)),
        None => Box::new(model),
    };
    let model = Box::new(Wrapped { inner, otherwise });
    (Member { name, model, tokenizer: Arc::clone(&script.tokenizer) }, log)
}

/// An ensemble with a watch over each member, and settings to use it with.
pub struct Bench {
    pub scheduler: Scheduler,
    pub settings: Arc<Settings>,
    pub logs: Vec<Log>,
    open: Arc<AtomicUsize>,
}

impl Bench {
    pub fn new(scripts: &[Script], weights: Weights, gating: Gating) -> Self {
        Self::with_fuse(scripts, weights, gating, usize::MAX)
    }

    pub fn every_step(scripts: &[Script]) -> Self {
        Self::new(scripts, Weights::uniform(scripts.len()), Gating::EveryStep)
    }

    /// The first member is the gate.
    pub fn gated(scripts: &[Script], threshold: f64) -> Self {
        Self::new(scripts, Weights::uniform(scripts.len()), gating(0, threshold))
    }

    pub fn with_fuse(scripts: &[Script], weights: Weights, gating: Gating, fuse: usize) -> Self {
        let (members, logs, open) = watched(scripts, fuse);
        let (scheduler, settings) = ensemble(members, weights, gating).unwrap();
        Self { scheduler, settings: Arc::new(settings), logs, open }
    }

    /// The same with other settings.
    pub fn set(&mut self, change: impl FnOnce(Settings) -> Result<Settings, EnsembleError>) {
        self.settings = Arc::new(change((*self.settings).clone()).unwrap());
    }

    /// The same with a drafter that has no vote; its log is the last.
    pub fn draft_by(&mut self, script: &Script, length: DraftLength) {
        let watched = Watch { open: Arc::clone(&self.open), fuse: usize::MAX, is_remote: script.is_remote };
        let (model, log) = watch(script, "drafter".to_owned(), watched);
        self.logs.push(log);
        let model = self.scheduler.add(model);
        let drafter = self.scheduler.drafter(self.settings.ensemble(), model).unwrap();
        self.set(|settings| {
            Ok(settings.with_drafter(drafter)?.with_drafting(Drafting { by: Proposer::Drafter, length }))
        });
    }

    pub fn ensemble(&self) -> &Ensemble {
        self.settings.ensemble()
    }

    pub fn open_sequences(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Generations in the order of `requests`; checks that each is given once and no sequence stays open.
    pub fn try_generate(
        &mut self,
        requests: &[GenerationRequest],
        max_samples: usize,
    ) -> Result<Vec<Generation>, EnsembleError> {
        let mut all: Vec<Option<Generation>> = requests.iter().map(|_| None).collect();
        let limits = BatchLimits::batch(max_samples);
        let result = generate(&mut self.scheduler, &self.settings, requests, limits, &mut |index, generation| {
            assert!(all[index].replace(generation).is_none(), "request {index} finished twice");
            ControlFlow::Continue(())
        });
        assert_eq!(self.open_sequences(), 0, "sequences were left open");
        result.map(|()| all.into_iter().map(|generation| generation.expect("a request without a generation")).collect())
    }

    pub fn generate(&mut self, requests: &[GenerationRequest], max_samples: usize) -> Vec<Generation> {
        self.try_generate(requests, max_samples).unwrap()
    }

    pub fn text(&mut self, prompt: &str, max_new_tokens: usize) -> String {
        self.generate(&[request(prompt, max_new_tokens)], 1).remove(0).text()
    }

    pub fn try_score(
        &mut self,
        requests: &[LogLikelihoodRequest],
        max_samples: usize,
    ) -> Result<Vec<LogLikelihood>, EnsembleError> {
        let mut all = Vec::new();
        let limits = BatchLimits::batch(max_samples);
        let result = log_likelihood(&mut self.scheduler, &self.settings, requests, limits, &mut |index, score| {
            assert_eq!(index, all.len(), "scores come in order");
            all.push(score);
            ControlFlow::Continue(())
        });
        assert_eq!(self.open_sequences(), 0, "sequences were left open");
        result.map(|()| all)
    }

    pub fn score(&mut self, requests: &[LogLikelihoodRequest], max_samples: usize) -> Vec<LogLikelihood> {
        self.try_score(requests, max_samples).unwrap()
    }
}

/// All of `members` as one ensemble.
pub fn ensemble(
    members: Vec<Member>,
    weights: Weights,
    gating: Gating,
) -> Result<(Scheduler, Settings), EnsembleError> {
    let all: Vec<ModelId> = (0..members.len()).map(ModelId).collect();
    let mut scheduler = Scheduler::new(members);
    let settings = Settings::new(scheduler.ensemble(&all)?, weights, gating)?;
    Ok((scheduler, settings))
}

pub fn gating(gate: usize, threshold: f64) -> Gating {
    Gating::KeyTokens {
        gate: MemberId(gate),
        certainty: Certainty::TopProbability,
        threshold: Threshold::new(threshold).unwrap(),
    }
}

pub fn request(prompt: &str, max_new_tokens: usize) -> GenerationRequest {
    GenerationRequest {
        log_probs: None,
        decoding: None,
        prompt: prompt.into(),
        encoding: PromptEncoding::WithSpecial,
        stop: Vec::new(),
        max_new_tokens,
        overlong: Overlong::Refuse,
        trace: true,
    }
}

pub fn stopping(prompt: &str, max_new_tokens: usize, stop: &[&str]) -> GenerationRequest {
    GenerationRequest { stop: stop.iter().map(ToString::to_string).collect(), ..request(prompt, max_new_tokens) }
}

pub fn scoring(context: &str, continuation: &str) -> LogLikelihoodRequest {
    LogLikelihoodRequest {
        context: context.into(),
        continuation: continuation.into(),
        encoding: PromptEncoding::WithSpecial,
        overlong: Overlong::Refuse,
    }
}

/// Numbers that look random and are the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Pieces that every random tokenizer has, so that each can spell everything.
const ALPHABET: [&str; 6] = ["a", "b", "c", " ", "é", "\n"];

/// A random tokenizer over the alphabet, with several END ids.
pub fn random_tokenizer(random: &mut Random) -> Tokenizer {
    tokenizer_with(&[], random)
}

/// The same with some pieces more.
fn tokenizer_with(more: &[&str], random: &mut Random) -> Tokenizer {
    let mut pieces: Vec<String> = ALPHABET.iter().map(ToString::to_string).collect();
    for _ in 0..random.below(10) {
        let length = 2 + random.below(3);
        let piece: String = (0..length).map(|_| ALPHABET[random.below(ALPHABET.len())]).collect();
        if !pieces.contains(&piece) {
            pieces.push(piece);
        }
    }
    let ends = ["<eos>", "<eot>", "</s>"];
    let first = random.below(3);
    let ends = &ends[first..=first + random.below(3 - first)];
    pieces.extend(ends.iter().map(ToString::to_string));
    if random.below(2) == 0 {
        pieces.push("<sep>".into());
    }
    for last in (1..pieces.len()).rev() {
        pieces.swap(last, random.below(last + 1));
    }
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).chain(more.iter().copied()).collect();
    gac_inference::testkit::tokenizer(&pieces, ends)
}

/// A random member: its distribution depends on all the tokens so far, now flat, now sure of itself.
pub fn random_script(random: &mut Random) -> Script {
    let tokenizer = random_tokenizer(random);
    random_rule(random, tokenizer)
}

/// The same with a token for every byte, for votes on bytes.
pub fn random_speller(random: &mut Random) -> Script {
    let tokenizer = tokenizer_with(&["<0xC3>", "<0xA9>"], random);
    random_rule(random, tokenizer)
}

fn random_rule(random: &mut Random, tokenizer: Tokenizer) -> Script {
    let rows = tokenizer.vocabulary().len();
    let seed = random.next();
    Script::new(tokenizer, move |tokens| {
        let mut of_history = Random(tokens.iter().fold(seed, |hash, token| {
            let mut next = Random(hash ^ u64::from(token.0 + 1));
            next.next()
        }));
        let sharpness = [1.0, 3.0, 8.0][of_history.below(3)];
        let raw: Vec<f64> = (0..rows).map(|_| (sharpness * of_history.unit() * 2.0).exp()).collect();
        let sum: f64 = raw.iter().sum();
        (0..).map(TokenId).zip(raw.into_iter().map(|p| p / sum)).collect()
    })
}

pub fn random_prompt(random: &mut Random) -> String {
    (0..=random.below(12)).map(|_| ALPHABET[random.below(ALPHABET.len())]).collect()
}
