//! One member is drawn by its weight, and the token is its own: at every step, or at key tokens.
#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, scoring};
use gac_ensemble::{Decoding, Gating, GenerationRequest, Method, Sampling, Weights};
use gac_inference::testkit::tokenizer;

/// One says `x` and `y`, the other `y` and `z`.
fn scripts() -> [Script; 2] {
    [
        Script::says(tokenizer(&["q", "x", "y", "z"], &[]), &[("", &[("x", 0.8), ("y", 0.2)])]),
        Script::says(tokenizer(&["q", "z", "y", "x"], &[]), &[("", &[("y", 0.6), ("z", 0.4)])]),
    ]
}

fn drawing(scripts: &[Script], weights: &[f64], gating: Gating) -> Bench {
    let mut bench = Bench::new(scripts, Weights::given(weights).unwrap(), gating);
    bench.set(|settings| settings.with_method(Method::SampleAMember));
    bench
}

fn drawn(weights: &[f64]) -> Bench {
    drawing(&scripts(), weights, Gating::EveryStep)
}

fn sampled(prompt: &str, tokens: usize, seed: u64) -> GenerationRequest {
    let decoding = Some(Decoding::Sampled(Sampling::new(1.0, seed).unwrap()));
    GenerationRequest { decoding, ..request(prompt, tokens) }
}

#[test]
fn tokens_are_drawn_as_from_the_weighted_average() {
    const COUNT: usize = 4000;
    let requests: Vec<_> = (0..COUNT as u64).map(|seed| sampled("q", 2, seed)).collect();
    let given = drawn(&[1.0, 3.0]).generate(&requests, 64);
    let share = |text: &str| given.iter().filter(|one| one.text() == text).count() as f64 / COUNT as f64;
    let average = [("x", 0.2), ("y", 0.25 * 0.2 + 0.75 * 0.6), ("z", 0.3)];
    for (first, p) in average {
        for (second, q) in average {
            // Four standard errors.
            let (found, expected) = (share(&format!("{first}{second}")), p * q);
            let error = 4.0 * (expected * (1.0 - expected) / COUNT as f64).sqrt();
            assert!((found - expected).abs() < error, "{first}{second}: {found}, not {expected}");
        }
    }
}

#[test]
fn a_step_is_one_forward_of_the_member_that_is_drawn() {
    let mut bench = drawn(&[1.0, 1.0]);
    let generation = bench.generate(&[sampled("qq", 60, 3)], 1).remove(0);
    let reads: Vec<Vec<usize>> = bench
        .logs
        .iter()
        .map(|log| log.lock().unwrap().iter().flatten().map(|(_, tokens)| tokens.len()).collect())
        .collect();
    assert_eq!((reads[0].len() + reads[1].len(), generation.tokens), (60, 60));
    for reads in &reads {
        // What others said meanwhile is read when it is its turn.
        assert!(reads.len() > 10 && reads.iter().sum::<usize>() <= 2 + 60 && reads.iter().any(|&read| read > 1));
    }
    for step in &generation.steps {
        assert_eq!(step.views.iter().flatten().count(), 1, "one member was asked");
        assert!(step.ensembled);
    }
    // Greedy tokens are each member's own.
    let greedy = drawn(&[1.0, 1.0]).text("q", 30);
    assert!(greedy.contains('x') && greedy.contains('y') && !greedy.contains('z'), "{greedy}");
}

#[test]
fn a_member_without_weight_is_never_asked_and_one_with_all_of_it_speaks_alone() {
    let mut bench = drawn(&[0.0, 1.0]);
    let requests: Vec<_> = (0..20).map(|seed| sampled("q", 20, seed)).collect();
    let given: Vec<String> = bench.generate(&requests, 8).iter().map(gac_ensemble::Generation::text).collect();
    assert!(bench.logs[0].lock().unwrap().is_empty());
    let alone = Bench::every_step(&scripts()[1..]).generate(&requests, 8);
    assert_eq!(given, alone.iter().map(gac_ensemble::Generation::text).collect::<Vec<_>>());
}

#[test]
fn what_is_said_depends_on_nothing_else_in_flight_and_choices_are_scored_by_the_vote() {
    let mut random = Random(77);
    for _ in 0..12 {
        let scripts: Vec<Script> = (0..3).map(|_| random_script(&mut random)).collect();
        let weights = [1.0, 2.0, 3.0];
        let gating = if random.below(2) == 0 { Gating::EveryStep } else { common::gating(random.below(3), 0.6) };
        let drawn = || drawing(&scripts, &weights, gating);
        let voting = || Bench::new(&scripts, Weights::given(&weights).unwrap(), gating);
        let requests: Vec<_> = (0..6)
            .map(|at| {
                let prompt = random_prompt(&mut random);
                if at % 2 == 0 { sampled(&prompt, 16, at) } else { request(&prompt, 16) }
            })
            .collect();
        let together = drawn().generate(&requests, 6);
        for (request, expected) in requests.iter().zip(&together) {
            let alone = drawn().generate(std::slice::from_ref(request), 1);
            assert_eq!(alone[0].text(), expected.text());
        }
        let choices = [scoring("ab", "ba"), scoring("b", "aab")];
        match (drawn().try_score(&choices, 2), voting().try_score(&choices, 2)) {
            (Ok(drawn), Ok(voted)) => assert_eq!(drawn, voted),
            (drawn, voted) => assert_eq!(drawn.is_err(), voted.is_err()),
        }
    }
}

/// A gate that is sure after `q`, and another that contradicts it wherever it is asked.
fn unsure() -> [Script; 2] {
    let gate = [("q", &[("x", 0.9), ("y", 0.1)][..]), ("", &[("x", 0.5), ("y", 0.3), ("z", 0.2)])];
    [
        Script::says(tokenizer(&["q", "x", "y", "z"], &[]), &gate),
        Script::says(tokenizer(&["q", "z", "y", "x"], &[]), &[("", &[("y", 0.75), ("z", 0.25)])]),
    ]
}

#[test]
fn at_key_tokens_a_member_is_drawn_and_elsewhere_the_gate_says_its_own() {
    const COUNT: usize = 4000;
    let requests: Vec<_> = (0..COUNT as u64).map(|seed| sampled("q", 2, seed)).collect();
    let given = drawing(&unsure(), &[1.0, 3.0], common::gating(0, 0.6)).generate(&requests, 64);
    let share = |text: &str| given.iter().filter(|one| one.text() == text).count() as f64 / COUNT as f64;
    let average = [("x", 0.25 * 0.5), ("y", 0.25 * 0.3 + 0.75 * 0.75), ("z", 0.25 * 0.2 + 0.75 * 0.25)];
    for (first, p) in [("x", 0.9), ("y", 0.1)] {
        for (second, q) in average {
            let (found, expected) = (share(&format!("{first}{second}")), p * q);
            let error = 4.0 * (expected * (1.0 - expected) / COUNT as f64).sqrt();
            assert!((found - expected).abs() < error, "{first}{second}: {found}, not {expected}");
        }
    }
    assert!(given.iter().all(|one| one.ensembled == 1 && one.tokens == 2));
}

#[test]
fn a_key_token_is_one_forward_of_the_member_that_is_drawn() {
    let mut bench = drawing(&unsure(), &[1.0, 1.0], common::gating(0, 0.6));
    let generation = bench.generate(&[sampled("q", 60, 3)], 1).remove(0);
    let forwards = |member: usize| bench.logs[member].lock().unwrap().len();
    // The gate reads every step; the other only where it was drawn, about half of the key tokens.
    let by_other = generation.steps.iter().filter(|step| step.views[1].is_some()).count();
    assert_eq!((forwards(0), forwards(1), generation.ensembled), (60, by_other, 59));
    assert!((15..45).contains(&by_other), "{by_other}");
}

#[test]
fn a_threshold_of_1_draws_at_every_step_and_of_0_never() {
    let requests: Vec<_> = (0..20).map(|seed| sampled("q", 20, seed)).collect();
    let texts = |mut bench: Bench| -> Vec<String> {
        bench.generate(&requests, 8).iter().map(gac_ensemble::Generation::text).collect()
    };
    let weights = [1.0, 2.0];
    let at = |threshold| texts(drawing(&unsure(), &weights, common::gating(0, threshold)));
    assert_eq!(at(1.0), texts(drawing(&unsure(), &weights, Gating::EveryStep)));
    assert_eq!(at(0.0), texts(Bench::every_step(&unsure()[..1])));
}
