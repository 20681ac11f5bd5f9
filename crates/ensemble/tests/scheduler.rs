//! Requests that arrive and leave at any time, for several systems over the same loaded models.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::steps::{settings, sizes, xs};
use common::{Bench, Random, Script, Told, random_prompt, random_speller, request, scoring, stopping, watched};
use gac_ensemble::{
    AnyRequest, BatchLimits, EnsembleError, Finish, Gating, Generation, GenerationRequest, LogLikelihood,
    LogLikelihoodRequest, MemberId, Method, ModelId, Overlong, RequestError, RequestId, Scheduler, SchedulerEvent,
    Settings, Weights,
};
use gac_inference::testkit::tokenizer;

const LIMITS: BatchLimits = BatchLimits { max_samples: 8, chunk: usize::MAX };

/// A system over some models, and the same alone.
struct System {
    settings: Arc<Settings>,
    alone: Bench,
}

/// All kinds of systems over three models.
fn systems(scheduler: &mut Scheduler, scripts: &[Script]) -> Vec<System> {
    let kinds: [(&[usize], Gating, Method); 17] = [
        (&[0], Gating::EveryStep, Method::Gac),
        (&[1], Gating::EveryStep, Method::Gac),
        (&[2], Gating::EveryStep, Method::Gac),
        (&[0, 1, 2], Gating::EveryStep, Method::Gac),
        (&[0, 1], common::gating(0, 0.4), Method::Gac),
        // A gate that is asked about the other's key tokens, and the other way around.
        (&[0, 1], common::gating(1, 0.4), Method::Gac),
        (&[2, 0], common::gating(0, 0.6), Method::Gac),
        (&[1, 2], Gating::Safe { drafter: MemberId(1) }, Method::Gac),
        (&[2, 1, 0], Gating::EveryStep, Method::SampleAMember),
        (&[1, 2, 0], common::gating(1, 0.6), Method::SampleAMember),
        (&[0, 1], common::gating(0, 0.4), Method::SampleAMember),
        (&[0, 2], Gating::EveryStep, Method::ABE),
        (&[1, 2, 0], Gating::EveryStep, Method::Abe { beam: 3 }),
        (&[2, 1], common::gating(1, 0.6), Method::Abe { beam: 2 }),
        (&[0, 2], Gating::EveryStep, Method::Bytes),
        (&[1, 2], common::gating(0, 0.6), Method::Chared),
        (&[2, 0, 1], common::gating(2, 0.8), Method::PROXY),
    ];
    let system = |(models, gating, method): (&[usize], Gating, Method)| {
        let own: Vec<Script> = models.iter().map(|&model| scripts[model].clone()).collect();
        let mut alone = Bench::new(&own, Weights::uniform(models.len()), gating);
        alone.set(|settings| settings.with_method(method));
        let settings = settings(scheduler, models, gating).with_method(method).unwrap();
        System { settings: Arc::new(settings), alone }
    };
    kinds.map(system).into()
}

enum Expected {
    Text(Result<Generation, RequestError>),
    Score(Result<LogLikelihood, RequestError>),
}

fn of_one<T>(result: Result<Vec<T>, EnsembleError>) -> Result<T, RequestError> {
    match result {
        Ok(mut all) => Ok(all.remove(0)),
        Err(EnsembleError::Request { request: 0, source }) => Err(source),
        Err(error) => panic!("{error}"),
    }
}

fn assert_told(told: &Told, request: RequestId, expected: &Expected, lists: bool, what: &str) {
    let kind = std::mem::discriminant::<RequestError>;
    let failed = |error: &RequestError| assert_eq!(kind(&told.failures[&request]), kind(error), "{what}: {error}");
    match expected {
        Expected::Text(Ok(expected)) => {
            let given = &told.generations[&(request, 0)];
            assert_eq!((&given.bytes, given.finish), (&expected.bytes, expected.finish), "{what}");
            assert_eq!((given.tokens, given.ensembled), (expected.tokens, expected.ensembled), "{what}");
            assert_eq!(given.member_tokens, expected.member_tokens, "{what}");
            assert_eq!(given.prompt_tokens, expected.prompt_tokens, "{what}");
            assert!(lists || given.steps == expected.steps, "{what}");
            let streamed = told.streamed.get(&(request, 0)).cloned().unwrap_or_default();
            assert_eq!(streamed, expected.bytes, "{what}: the bytes of its tokens are its response");
        }
        Expected::Score(Ok(expected)) => assert_eq!(&told.scores[&(request, 0)], expected, "{what}"),
        Expected::Text(Err(error)) | Expected::Score(Err(error)) => failed(error),
    }
}

/// Random requests to random systems, arriving over time; each is answered as it is alone, with the same models.
///
/// With `lists`, they list a few tokens; alone they give full distributions.
fn crowd(
    seed: u64,
    rounds: usize,
    lists: bool,
    limits: impl Fn(&mut Random) -> BatchLimits,
    cache: impl Fn(&mut Random) -> usize,
) {
    let mut random = Random(seed);
    let (mut failures, mut texts, mut scores) = (0, 0, 0);
    for round in 0..rounds {
        let cache = cache(&mut random);
        let scripts: Vec<Script> =
            (0..3).map(|_| random_speller(&mut random).with(|limits| limits.cache = cache)).collect();
        let listing: Vec<Script> =
            scripts.iter().map(|it| if lists { it.listing(1 + random.below(5)) } else { it.clone() }).collect();
        let (members, _, open) = watched(&listing, usize::MAX);
        let mut scheduler = Scheduler::new(members);
        let mut systems = systems(&mut scheduler, &scripts);
        let limits = limits(&mut random);
        let mut told = Told::default();
        let mut expected: BTreeMap<RequestId, Expected> = BTreeMap::new();
        let mut context = random_prompt(&mut random);
        for _ in 0..30 {
            let system = random.below(systems.len());
            let System { settings, alone } = &mut systems[system];
            if random.below(2) == 0 {
                let stop = [&["ab", "b "][..], &["\n"], &[]][random.below(3)];
                let asked = stopping(&random_prompt(&mut random), random.below(14), stop);
                let id = scheduler.submit(&asked, settings);
                expected.insert(id, Expected::Text(of_one(alone.try_generate(std::slice::from_ref(&asked), 1))));
            } else {
                if random.below(3) == 0 {
                    context = random_prompt(&mut random);
                }
                let asked: Vec<LogLikelihoodRequest> =
                    ["a", "bé", " cab", "a b"].iter().map(|choice| scoring(&context, choice)).collect();
                let asked = &asked[..=random.below(4)];
                let all: Vec<AnyRequest<'_>> = asked.iter().map(AnyRequest::from).collect();
                for (id, asked) in scheduler.submit_all(&all, settings).into_iter().zip(asked) {
                    expected.insert(id, Expected::Score(of_one(alone.try_score(std::slice::from_ref(asked), 1))));
                }
            }
            for _ in 0..random.below(4) {
                told.add(scheduler.step(limits).unwrap());
            }
        }
        told.run(&mut scheduler, limits);
        assert_eq!(open.load(Ordering::Relaxed), 0, "sequences were left open");
        for (request, expected) in &expected {
            assert_told(&told, *request, expected, lists, &format!("round {round}, cache {cache}, {request:?}"));
        }
        failures += told.failures.len();
        texts += told.generations.len();
        scores += told.scores.len();
    }
    assert!(texts > 5 * rounds && scores > 5 * rounds, "{texts} texts, {scores} scores, {failures} failures");
}

#[test]
fn requests_of_many_systems_that_arrive_over_time_are_answered_as_if_each_were_alone() {
    let limits = |random: &mut Random| BatchLimits { max_samples: 1 + random.below(20), chunk: 1 + random.below(40) };
    crowd(61, 60, false, limits, |_| 1 << 20);
}

#[test]
fn with_tiny_caches_everything_ends_and_is_what_it_is_alone() {
    let limits = |random: &mut Random| BatchLimits { max_samples: 1 + random.below(20), chunk: 1 + random.below(40) };
    crowd(62, 150, false, limits, |random| 4 + random.below(40));
}

#[test]
fn members_that_list_answer_a_crowd_as_full_distributions_answer_each_alone() {
    let limits = |random: &mut Random| BatchLimits { max_samples: 1 + random.below(20), chunk: 1 + random.below(40) };
    crowd(63, 40, true, limits, |random| 10 + random.below(60));
}

#[test]
fn a_step_is_one_forward_of_each_model_for_all_systems() {
    // The gate is never sure: the supporter is asked at every step, beside its own texts.
    let scripts = [Script::says(tokenizer(&["q", "x"], &[]), &[("", &[("x", 0.6)])]), xs()];
    let (members, logs, _) = watched(&scripts, usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let gated = Arc::new(settings(&mut scheduler, &[0, 1], common::gating(0, 0.9)));
    let every = Arc::new(settings(&mut scheduler, &[1, 0], Gating::EveryStep));
    let alone = Arc::new(settings(&mut scheduler, &[1], Gating::EveryStep));
    for settings in [&gated, &every, &alone] {
        scheduler.submit(&request("q", 3), settings);
    }
    let mut told = Told::default();
    told.run(&mut scheduler, LIMITS);
    assert_eq!(sizes(&logs[0]), vec![vec![1; 2]; 3]);
    assert_eq!(sizes(&logs[1]), vec![vec![1; 3]; 3]);
    assert!(told.generations.values().all(|generation| generation.text() == "xxx"));
}

#[test]
fn the_same_models_are_one_ensemble_however_often_it_is_asked_for() {
    let (members, ..) = watched(&[xs(), xs()], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let ensemble = scheduler.ensemble(&[ModelId(0), ModelId(1)]).unwrap();
    assert!(Arc::ptr_eq(&ensemble, &scheduler.ensemble(&[ModelId(0), ModelId(1)]).unwrap()));
    assert!(!Arc::ptr_eq(&ensemble, &scheduler.ensemble(&[ModelId(1), ModelId(0)]).unwrap()));
    // A model may be a member twice.
    let twice = Arc::new(settings(&mut scheduler, &[1, 1], common::gating(0, 1.0)));
    let id = scheduler.submit(&request("q", 4), &twice);
    let mut told = Told::default();
    told.run(&mut scheduler, LIMITS);
    assert_eq!(told.generations[&(id, 0)].text(), "xxxx");
}

#[test]
#[should_panic(expected = "another scheduler's models")]
fn settings_of_another_scheduler_are_refused() {
    let mut scheduler = Scheduler::new(watched(&[xs()], usize::MAX).0);
    let mut other = Scheduler::new(watched(&[xs()], usize::MAX).0);
    let foreign = Arc::new(settings(&mut other, &[0], Gating::EveryStep));
    scheduler.submit(&request("q", 1), &foreign);
}

#[test]
fn a_request_that_cannot_be_served_ends_alone() {
    let short = xs().with(|limits| (limits.context, limits.cache) = (8, 8));
    let cannot_spell = Script::says(tokenizer(&["q", "z"], &[]), &[("", &[("z", 0.9)])]);
    let nan = Script::new(tokenizer(&["q", "x"], &[]), |tokens| {
        let p = if tokens.len() > 2 { f64::NAN } else { 0.5 };
        vec![(gac_inference::TokenId(1), p)]
    });
    let (members, _, open) = watched(&[short, cannot_spell, nan], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let [alone, pair, nan] =
        [&[0][..], &[0, 1], &[2]].map(|models| Arc::new(settings(&mut scheduler, models, Gating::EveryStep)));
    let fine = scheduler.submit(&request("q", 5), &alone);
    let unknown = scheduler.submit(&request("a", 5), &alone);
    let long = scheduler.submit(&request(&"q".repeat(9), 5), &alone);
    let unspellable = scheduler.submit(&request("q", 5), &pair);
    let unusable = scheduler.submit(&request("q", 5), &nan);
    let empty = scheduler.submit(&scoring("q", ""), &alone);
    let score = scheduler.submit(&scoring("q", "x"), &alone);
    let mut told = Told::default();
    told.run(&mut scheduler, LIMITS);
    assert_eq!(told.generations.keys().map(|(id, _)| *id).collect::<Vec<_>>(), [fine]);
    assert_eq!(told.scores.keys().map(|(id, _)| *id).collect::<Vec<_>>(), [score]);
    let failure = |id| &told.failures[&id];
    assert!(matches!(failure(unknown), RequestError::Encode { .. }));
    assert!(matches!(failure(long), RequestError::TooLong { tokens: 10, context: 8, .. }));
    assert!(
        matches!(failure(unspellable), RequestError::Unspellable { member, .. } if member == "m0" || member == "m1")
    );
    assert!(matches!(failure(unusable), RequestError::NoProbabilities { member } if member == "m2"));
    assert!(matches!(failure(empty), RequestError::EmptyContinuation));
    assert_eq!((told.failures.len(), open.load(Ordering::Relaxed)), (5, 0));
}

#[test]
fn a_model_that_is_gone_is_an_error_and_what_was_finished_is_told() {
    let (members, _, open) = watched(&[xs()], 4);
    let mut scheduler = Scheduler::new(members);
    let alone = Arc::new(settings(&mut scheduler, &[0], Gating::EveryStep));
    let (short, long) = (scheduler.submit(&request("q", 2), &alone), scheduler.submit(&request("q", 9), &alone));
    let mut told = Told::default();
    let error = loop {
        match scheduler.step(LIMITS) {
            Ok(events) => told.add(events),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, EnsembleError::Model { member, .. } if member == "m0"), "{error:?}");
    assert!(told.generations.contains_key(&(short, 0)) && !told.generations.contains_key(&(long, 0)));
    assert_eq!(open.load(Ordering::Relaxed), 1);
    drop(scheduler);
    assert_eq!(open.load(Ordering::Relaxed), 0, "dropping it closes everything");
}

#[test]
fn cancelling_frees_what_members_hold_at_once_and_nothing_more_is_told() {
    let scripts = [xs().with(|limits| limits.cache = 40), xs().with(|limits| limits.cache = 40)];
    let (members, _, open) = watched(&scripts, usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let every = Arc::new(settings(&mut scheduler, &[0, 1], Gating::EveryStep));
    let held = || open.load(Ordering::Relaxed);
    let first = scheduler.submit(&request(&"q".repeat(20), 99), &every);
    let second = scheduler.submit(&request(&"q".repeat(20), 9), &every);
    let choices = ["xx", "yy"].map(|choice| scoring("qq", choice));
    let choices = choices.each_ref().map(|choice| scheduler.submit(choice, &every));
    for _ in 0..3 {
        scheduler.step(LIMITS).unwrap();
    }
    assert_eq!(held(), 2, "the others wait for room");
    assert!(scheduler.cancel(first) && held() == 0 && !scheduler.cancel(first));
    let mut told = Told::default();
    told.add(scheduler.step(LIMITS).unwrap());
    assert_eq!(told.streamed.keys().next(), Some(&(second, 0)), "there is room for the next");
    assert!(scheduler.cancel(second));
    // Of two continuations of one context, the other stays.
    assert!(scheduler.cancel(choices[0]));
    told.run(&mut scheduler, LIMITS);
    assert_eq!(told.scores.keys().collect::<Vec<_>>(), [&(choices[1], 0)]);
    assert!(told.generations.is_empty() && held() == 0 && scheduler.is_idle());
}

#[test]
fn a_beginning_stop_string_is_held_back_until_it_is_known_for_one() {
    let script = Script::says(
        tokenizer(&["q", "a", "\n", "b", "<eos>"], &["<eos>"]),
        &[
            ("a\n\n", &[("b", 0.9)]),
            ("a\n", &[("\n", 0.9)]),
            ("a", &[("\n", 0.9)]),
            ("q", &[("a", 0.9)]),
            ("b", &[("a", 0.9)]),
        ],
    );
    let mut scheduler = Scheduler::new(watched(&[script], usize::MAX).0);
    let alone = Arc::new(settings(&mut scheduler, &[0], Gating::EveryStep));
    let asked = GenerationRequest { overlong: Overlong::Refuse, ..stopping("q", 6, &["\n\nc", "ba\n\n"]) };
    scheduler.submit(&asked, &alone);
    let mut pieces = Vec::new();
    while !scheduler.is_idle() {
        for event in scheduler.step(LIMITS).unwrap() {
            match event {
                SchedulerEvent::Token { bytes, .. } => pieces.push(String::from_utf8(bytes).unwrap()),
                SchedulerEvent::Generated { generation, .. } => {
                    assert_eq!((generation.text().as_str(), generation.finish), ("a\n\nba\n", Finish::Length));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(pieces, ["a", "", "", "\n\n", "", "ba\n"]);
}
