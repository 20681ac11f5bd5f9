//! At every step one member is drawn by its weight, and the token is its own.
#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, scoring};
use gac_ensemble::{Decoding, Gating, GenerationRequest, Sampling, Weights};
use gac_inference::testkit::tokenizer;

/// One says `x` and `y`, the other `y` and `z`.
fn scripts() -> [Script; 2] {
    [
        Script::says(tokenizer(&["q", "x", "y", "z"], &[]), &[("", &[("x", 0.8), ("y", 0.2)])]),
        Script::says(tokenizer(&["q", "z", "y", "x"], &[]), &[("", &[("y", 0.6), ("z", 0.4)])]),
    ]
}

fn drawn(weights: &[f64]) -> Bench {
    Bench::new(&scripts(), Weights::given(weights).unwrap(), Gating::DrawnMember)
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
        assert!(!step.ensembled);
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
    for _ in 0..6 {
        let scripts: Vec<Script> = (0..3).map(|_| random_script(&mut random)).collect();
        let bench = |gating| Bench::new(&scripts, Weights::given(&[1.0, 2.0, 3.0]).unwrap(), gating);
        let requests: Vec<_> = (0..6)
            .map(|at| {
                let prompt = random_prompt(&mut random);
                if at % 2 == 0 { sampled(&prompt, 16, at) } else { request(&prompt, 16) }
            })
            .collect();
        let together = bench(Gating::DrawnMember).generate(&requests, 6);
        for (request, expected) in requests.iter().zip(&together) {
            let alone = bench(Gating::DrawnMember).generate(std::slice::from_ref(request), 1);
            assert_eq!(alone[0].text(), expected.text());
        }
        let choices = [scoring("ab", "ba"), scoring("b", "aab")];
        let scores = |gating| bench(gating).try_score(&choices, 2);
        match (scores(Gating::DrawnMember), scores(Gating::EveryStep)) {
            (Ok(drawn), Ok(voted)) => assert_eq!(drawn, voted),
            (drawn, voted) => assert_eq!(drawn.is_err(), voted.is_err()),
        }
    }
}
