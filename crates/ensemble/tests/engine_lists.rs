//! Engines that hand up lists, as those on a GPU do: what comes out is what dense distributions give.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::{Told, request, scoring, stopping};
use gac_ensemble::{
    AnyRequest, AskedLogProbs, BatchLimits, Certainty, Decoding, DraftLength, Drafting, EnsembleError, Gating,
    Generation, GenerationRequest, LogLikelihoodRequest, Member, MemberId, Method, Proposer, Sampling, SchedulerEvent,
    Settings, Threshold, TokenLogProbs, TokenScoreRequest, Weighting, Weights,
};
use gac_inference::{Engine, EngineOptions, Handover, LanguageModel, ModelSource, TokenId, Tokenizer};
use gac_needs::{folder, needs};

const LISTS: [usize; 3] = [1, 4, 20];

/// A model that hands up so.
fn member(source: &ModelSource, handover: Handover) -> Member {
    let options = EngineOptions { handover, cache_bytes: 1 << 26, ..EngineOptions::default() };
    let model = Engine::load(source, &options).unwrap();
    let tokenizer = Tokenizer::load(source, Some(model.limits().vocabulary)).unwrap();
    Member { name: source.to_string(), model: Box::new(model), tokenizer: Arc::new(tokenizer) }
}

/// The miniatures, each of which hands up so.
fn minis(handover: Handover) -> Vec<Member> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    ["mini-llama", "mini-qwen"].map(|name| member(&ModelSource::Folder(models.join(name)), handover)).into()
}

type Set<'a> = &'a dyn Fn(Settings) -> Result<Settings, EnsembleError>;

/// What becomes of requests with these members.
fn told(members: Vec<Member>, gating: Gating, set: Set<'_>, requests: &[AnyRequest<'_>], limits: BatchLimits) -> Told {
    let (mut scheduler, settings) = common::ensemble(members, Weights::given(&[0.6, 0.4]).unwrap(), gating).unwrap();
    let settings = Arc::new(set(settings).unwrap());
    scheduler.submit_all(requests, &settings);
    let mut told = Told::default();
    told.run(&mut scheduler, limits);
    assert!(told.failures.is_empty(), "{:?}", told.failures);
    told
}

/// What the miniatures know, and what leaves them without an idea.
fn prompts() -> Vec<String> {
    let known = "Answer these questions:\n\nQ: where does a kunot live?\nA: thorn woods\nQ: ";
    let mut prompts: Vec<String> = ["what is a kuker used for?\nA:", "where does a kuker live?\nA:"]
        .iter()
        .map(|q| format!("{known}{q}"))
        .collect();
    prompts.extend(["The", "rain on 7 of 12 roofs, and then", "zq xv ö 99 ->\n\n"].map(String::from));
    prompts
}

fn generations(tokens: usize) -> Vec<GenerationRequest> {
    prompts().iter().map(|prompt| stopping(prompt, tokens, &["\nQ:"])).collect()
}

fn choices() -> Vec<LogLikelihoodRequest> {
    let choices = [" thorn woods", " bending wire", " a", " xylem 3?"];
    prompts().iter().flat_map(|prompt| choices.map(|choice| scoring(prompt, choice))).collect()
}

fn near(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a - b).abs() < 1e-6
}

/// How often votes on lists needed more.
#[derive(Default, Debug)]
struct Needed {
    steps: usize,
    votes: usize,
    asked: usize,
}

impl Needed {
    fn assert_same(&mut self, lists: &Generation, dense: &Generation, what: &str) {
        assert_eq!((&lists.bytes, lists.finish), (&dense.bytes, dense.finish), "{what}");
        assert_eq!((lists.ensembled, &lists.member_tokens), (dense.ensembled, &dense.member_tokens), "{what}");
        for (at, (a, b)) in lists.steps.iter().zip(&dense.steps).enumerate() {
            assert_eq!((a.end, a.ensembled, &a.proposed), (b.end, b.ensembled, &b.proposed), "{what}, {at}");
            assert!(near(a.certainty.unwrap_or(0.0), b.certainty.unwrap_or(0.0)), "{what}, {at}");
            assert!(
                a.probability < b.probability + 1e-6 && b.probability < a.probability + a.beyond + 1e-6,
                "{what}, {at}"
            );
            match (&a.log_probs, &b.log_probs) {
                (Some(a), Some(b)) => assert_told(a, b, what),
                (a, b) => assert!(a.is_none() && b.is_none(), "{what}"),
            }
            self.steps += 1;
            self.votes += usize::from(a.ensembled);
            self.asked += usize::from(a.asks > 0);
        }
    }
}

fn assert_told(lists: &TokenLogProbs, dense: &TokenLogProbs, what: &str) {
    assert_eq!((lists.top.len(), lists.ids.len()), (dense.top.len(), dense.ids.len()), "{what}");
    let told = |all: &TokenLogProbs| [&all.top[..], std::slice::from_ref(&all.token)].concat();
    for (a, b) in told(lists).iter().zip(&told(dense)) {
        assert_eq!((a.id, &a.token), (b.id, &b.token), "{what}");
        assert!(near(a.log_prob, b.log_prob), "{what}: {a:?} is not {b:?}");
    }
    assert!(lists.ids.iter().zip(&dense.ids).all(|(&a, &b)| near(a, b)), "{what}");
}

fn key_tokens(certainty: Certainty, threshold: f64) -> Gating {
    Gating::KeyTokens { gate: MemberId(0), certainty, threshold: Threshold::new(threshold).unwrap() }
}

/// Every way to decide on a token, by a name.
fn ways() -> Vec<(&'static str, Gating, Method, Decoding)> {
    let sampled = Decoding::Sampled(Sampling::new(0.8, 5).unwrap().with_top_p(0.9).unwrap());
    let every = Gating::EveryStep;
    vec![
        ("every step", every, Method::Gac, Decoding::Greedy),
        ("gated by top probability", key_tokens(Certainty::TopProbability, 0.7), Method::Gac, Decoding::Greedy),
        ("gated by margin", key_tokens(Certainty::Margin, 0.5), Method::Gac, Decoding::Greedy),
        ("gated by entropy", key_tokens(Certainty::Entropy, 0.8), Method::Gac, Decoding::Greedy),
        ("unite", every, Method::UNITE, Decoding::Greedy),
        ("geometric", every, Method::GEOMETRIC, Decoding::Greedy),
        ("core", every, Method::Core, Decoding::Greedy),
        ("safe", Gating::Safe { drafter: MemberId(0) }, Method::Gac, Decoding::Greedy),
        ("a drawn member", every, Method::SampleAMember, Decoding::Greedy),
        ("sampled, of a drawn member", every, Method::SampleAMember, sampled),
        ("a drawn member, gated", key_tokens(Certainty::TopProbability, 0.7), Method::SampleAMember, Decoding::Greedy),
        (
            "sampled, of a drawn member, gated",
            key_tokens(Certainty::TopProbability, 0.7),
            Method::SampleAMember,
            sampled,
        ),
        ("sampled", every, Method::Gac, sampled),
        ("sampled, unite", every, Method::UNITE, sampled),
        ("sampled, gated", key_tokens(Certainty::TopProbability, 0.7), Method::Gac, sampled),
    ]
}

/// Generations and scores together, on lists of each length and on dense distributions. Says how often lists needed more.
fn assert_same(name: &str, gating: Gating, set: Set<'_>, limits: BatchLimits) -> String {
    let (generations, choices) = (generations(24), choices());
    let requests: Vec<AnyRequest<'_>> =
        generations.iter().map(AnyRequest::from).chain(choices.iter().map(AnyRequest::from)).collect();
    let dense = told(minis(Handover::Dense), gating, set, &requests, limits);
    assert_eq!((dense.generations.len() % generations.len(), dense.scores.len() % choices.len()), (0, 0));
    assert!(!dense.generations.is_empty() && !dense.scores.is_empty());
    let mut all = Vec::new();
    for k in LISTS {
        let mut needed = Needed::default();
        let lists = told(minis(Handover::Listed(k)), gating, set, &requests, limits);
        let what = format!("{name}, lists of {k}");
        assert_eq!(lists.streamed, dense.streamed, "{what}");
        let same = |a: &BTreeMap<_, _>, b: &BTreeMap<_, _>| a.keys().eq(b.keys());
        assert!(same(&lists.generations, &dense.generations), "{what}");
        for (a, b) in lists.generations.values().zip(dense.generations.values()) {
            needed.assert_same(a, b, &what);
        }
        assert_eq!(lists.scores.len(), dense.scores.len());
        for (a, b) in lists.scores.values().zip(dense.scores.values()) {
            assert_eq!((a.greedy, a.tokens.len()), (b.greedy, b.tokens.len()), "{what}");
            assert!(a.tokens.iter().zip(&b.tokens).all(|(&a, &b)| near(a, b)), "{what}: {a:?} is not {b:?}");
            assert!(near(a.sum, b.sum) || (a.sum - b.sum).abs() < 1e-6 * a.tokens.len() as f64, "{what}");
        }
        assert!(needed.steps > 50 && (k > 1 || needed.asked > 0), "{what}: {needed:?}");
        assert_eq!(needed.votes < needed.steps, !matches!(gating, Gating::EveryStep), "{what}: {needed:?}");
        assert!(needed.votes > 0, "{what}: {needed:?}");
        all.push(format!("{what}: {needed:?}"));
    }
    all.join("\n")
}

#[test]
fn texts_and_scores_are_those_of_dense_engines_in_every_way_to_decide() {
    for (name, gating, method, decoding) in ways() {
        let set = |settings: Settings| Ok(settings.with_method(method)?.with_decoding(decoding));
        println!("{}", assert_same(name, gating, &set, BatchLimits::batch(16)));
    }
}

#[test]
fn views_that_wait_while_others_go_on_are_asked_about_later() {
    // Prompts are read in small pieces, so that a member waits for another's while its other sequences are extended.
    let limits = BatchLimits { max_samples: 5, chunk: 7 };
    let gate = key_tokens(Certainty::TopProbability, 0.7);
    println!("{}", assert_same("in pieces", gate, &Ok, limits));
    let weighted = |settings: Settings| settings.with_weighting(Weighting::PromptPerplexity { temperature: 1.0 });
    println!("{}", assert_same("weights by perplexity", Gating::EveryStep, &weighted, limits));
}

#[test]
fn drafts_are_verified_alike() {
    for gating in [Gating::EveryStep, key_tokens(Certainty::TopProbability, 0.7)] {
        let drafting = Drafting { by: Proposer::Prompt, length: DraftLength::Tokens(4) };
        println!(
            "{}",
            assert_same("drafted", gating, &|settings| Ok(settings.with_drafting(drafting)), BatchLimits::batch(3))
        );
    }
}

#[test]
fn all_thresholds_of_a_sweep_come_out_alike() {
    let thresholds = [0.0, 0.3, 0.6, 0.9, 1.0].map(|threshold| Threshold::new(threshold).unwrap());
    let swept = |settings: Settings| settings.with_thresholds(&thresholds);
    println!("{}", assert_same("swept", key_tokens(Certainty::TopProbability, 0.0), &swept, BatchLimits::batch(4)));
}

#[test]
fn log_probabilities_that_are_asked_for_are_told_alike() {
    let asked = AskedLogProbs { top: 5, ids: [3, 900, 41].map(TokenId).to_vec() };
    let request = |prompt: &String| GenerationRequest { log_probs: Some(asked.clone()), ..request(prompt, 6) };
    let requests: Vec<GenerationRequest> = prompts().iter().map(request).collect();
    let requests: Vec<AnyRequest<'_>> = requests.iter().map(AnyRequest::from).collect();
    for gating in [Gating::EveryStep, key_tokens(Certainty::TopProbability, 0.7)] {
        let run = |handover| told(minis(handover), gating, &Ok, &requests, BatchLimits::batch(9)).generations;
        let dense = run(Handover::Dense);
        for k in LISTS {
            let mut needed = Needed::default();
            for (a, b) in run(Handover::Listed(k)).values().zip(dense.values()) {
                assert!(a.steps.iter().all(|step| step.log_probs.is_some()));
                needed.assert_same(a, b, &format!("{gating:?}, {k}"));
            }
        }
    }
}

#[test]
fn what_is_told_of_each_token_of_a_text_is_told_alike() {
    let asked = AskedLogProbs { top: 3, ids: vec![TokenId(7)] };
    let text = "Q: where does a kunot live?\nA: thorn woods, or 9 öz";
    for gating in [Gating::EveryStep, key_tokens(Certainty::TopProbability, 0.7)] {
        let run = |handover| -> Vec<TokenLogProbs> {
            let (mut scheduler, settings) = common::ensemble(minis(handover), Weights::uniform(2), gating).unwrap();
            let tokens = scheduler.models()[0].tokenizer.encode_prompt(text).unwrap();
            let request = TokenScoreRequest { tokens, context: 2, log_probs: asked.clone() };
            scheduler.submit(&request, &Arc::new(settings));
            let mut told = Vec::new();
            while !scheduler.is_idle() {
                for event in scheduler.step(BatchLimits::batch(1)).unwrap() {
                    let SchedulerEvent::Scored { log_probs, .. } = event else { panic!("{event:?}") };
                    told.extend(log_probs);
                }
            }
            told
        };
        let dense = run(Handover::Dense);
        assert!(dense.len() > 8);
        for k in LISTS {
            let lists = run(Handover::Listed(k));
            assert_eq!(lists.len(), dense.len());
            lists.iter().zip(&dense).for_each(|(a, b)| assert_told(a, b, &format!("{gating:?}, {k}")));
        }
    }
}

#[needs(real)]
#[test]
fn texts_of_real_models_come_out_alike_and_lists_of_twenty_seldom_need_more() {
    let folder = folder!(real);
    let names = ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"];
    let prompts = ["The three largest rivers of the north are", "def mean(numbers):\n", "She opened the letter, and"];
    let requests: Vec<GenerationRequest> = prompts.iter().map(|prompt| request(prompt, 24)).collect();
    let choices: Vec<_> = prompts.iter().map(|prompt| scoring(prompt, " quite long, as they say.")).collect();
    let requests: Vec<AnyRequest<'_>> =
        requests.iter().map(AnyRequest::from).chain(choices.iter().map(AnyRequest::from)).collect();
    let run = |handover| {
        let members = names.map(|name| member(&ModelSource::Gguf(folder.join(name)), handover)).into();
        told(members, Gating::EveryStep, &Ok, &requests, BatchLimits::batch(6))
    };
    let (dense, lists) = (run(Handover::Dense), run(Handover::Listed(20)));
    let mut needed = Needed::default();
    for (key, generation) in &lists.generations {
        needed.assert_same(generation, &dense.generations[key], "real models");
    }
    for (key, score) in &lists.scores {
        let expected = &dense.scores[key];
        assert!(score.greedy == expected.greedy && score.tokens.len() == expected.tokens.len());
        assert!(score.tokens.iter().zip(&expected.tokens).all(|(&a, &b)| near(a, b)), "{score:?} is not {expected:?}");
    }
    println!("real models, lists of 20: {needed:?}");
    assert!(needed.steps > 50 && needed.asked < needed.steps / 2, "{needed:?}");
}
