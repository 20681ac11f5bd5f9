//! Members agree on a text in their own tokens, step by step with scripted members.
#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{Bench, Random, Script, random_prompt, random_script, request, stopping};
use gac_ensemble::{
    BatchLimits, Decoding, Finish, Gating, Generation, GenerationRequest, Method, RequestError, Sampling, Threshold,
    Weights, generate_each,
};
use gac_inference::Symbol;
use gac_inference::testkit::tokenizer;

fn agreeing(scripts: &[Script], weights: &[f64], beam: usize, gating: Gating) -> Bench {
    let mut bench = Bench::new(scripts, Weights::given(weights).unwrap(), gating);
    bench.set(|settings| settings.with_method(Method::Abe { beam }));
    bench
}

fn greedy(scripts: &[Script]) -> Bench {
    agreeing(scripts, &vec![1.0; scripts.len()], 1, Gating::EveryStep)
}

/// One has "Sofia" whole, the other writes it "So", "fia".
fn cities() -> [Script; 2] {
    [
        Script::says(
            tokenizer(&["q", "Sofia", "So", "Rome", "S", "<eos>"], &["<eos>"]),
            &[("q", &[("Sofia", 0.6), ("Rome", 0.3), ("So", 0.1)]), ("Sofia", &[("<eos>", 1.0)])],
        ),
        Script::says(
            tokenizer(&["q", "So", "fia", "on", "Rom", "e", "f", "</s>"], &["</s>"]),
            &[("q", &[("So", 0.7), ("Rom", 0.3)]), ("Sofia", &[("</s>", 1.0)]), ("So", &[("on", 0.6), ("fia", 0.4)])],
        ),
    ]
}

/// A random one with one END, and no other control symbol, which nobody says in a search.
fn plain_script(random: &mut Random) -> Script {
    loop {
        let script = random_script(random);
        let vocabulary = script.tokenizer.vocabulary();
        let controls = vocabulary.iter().filter(|(_, symbol)| matches!(symbol, Symbol::Control { .. })).count();
        if vocabulary.ends().len() == 1 && controls == 1 {
            return script;
        }
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-5, "{a} is not {b}");
}

#[test]
fn who_lags_behind_catches_up_along_the_longest_string() {
    let mut bench = greedy(&cities());
    let generation = bench.generate(&[request("q", 9)], 1).remove(0);
    // "Sofia" and "So" go together. Then the second may only say "fia" (or "f"), though it would rather say "on".
    assert_eq!((generation.text().as_str(), generation.finish), ("Sofia", Finish::End));
    assert_eq!(generation.member_tokens, [2, 3]);
    let grown: Vec<&[u8]> = generation.steps.iter().map(|step| &*step.bytes).collect();
    assert_eq!(grown, [&b"Sofia"[..], b""]);
    close(generation.steps[0].probability, (0.6_f64 * 0.7).sqrt());
    assert!(generation.steps[1].end && generation.steps.iter().all(|step| step.ensembled));
    // The first waits: it reads "q" and "Sofia"; the second reads "q", "So" and "fia".
    let reads = |member: usize| bench.logs[member].lock().unwrap().len();
    assert_eq!((reads(0), reads(1)), (2, 3));
}

#[test]
fn of_what_members_can_take_together_the_best_by_weighted_means_is_taken() {
    let says = |x: f64| Script::says(tokenizer(&["q", "x", "y"], &[]), &[("q", &[("x", x), ("y", 1.0 - x)])]);
    let scripts = [says(0.6), says(0.3)];
    let said = |weights: &[f64]| agreeing(&scripts, weights, 1, Gating::EveryStep).text("q", 1);
    // x: 0.6 * 0.3 = 0.18; y: 0.4 * 0.7 = 0.28.
    assert_eq!(said(&[1.0, 1.0]), "y");
    // x: 0.6^3 * 0.3 = 0.0648; y: 0.4^3 * 0.7 = 0.0448.
    assert_eq!(said(&[3.0, 1.0]), "x");
}

#[test]
fn a_beam_finds_what_a_greedy_search_does_not() {
    let pieces = ["q", "a", "b", "c", "d", "<eos>"];
    let rules: [(&str, &[(&str, f64)]); 5] = [
        ("q", &[("a", 0.6), ("b", 0.4)]),
        ("a", &[("c", 0.4), ("d", 0.3)]),
        ("b", &[("<eos>", 0.999)]),
        ("c", &[("<eos>", 0.4)]),
        ("d", &[("<eos>", 0.4)]),
    ];
    let script = Script::says(tokenizer(&pieces, &["<eos>"]), &rules);
    let scripts = [script.clone(), script];
    let said = |beam: usize| agreeing(&scripts, &[1.0, 1.0], beam, Gating::EveryStep).text("q", 5);
    // ln 0.6 + ln 0.4 + ln 0.4 over three tokens is less than ln 0.4 + ln 0.999 over two.
    assert_eq!((said(1).as_str(), said(2).as_str(), said(4).as_str()), ("ac", "b", "b"));
}

#[test]
fn a_model_with_itself_says_what_it_says_alone() {
    let mut random = Random(77);
    for _ in 0..12 {
        let script = plain_script(&mut random);
        let asked = stopping(&random_prompt(&mut random), 20, &["ab", "c "]);
        let alone =
            Bench::every_step(std::slice::from_ref(&script)).generate(std::slice::from_ref(&asked), 1).remove(0);
        let both = greedy(&[script.clone(), script]).generate(std::slice::from_ref(&asked), 1).remove(0);
        assert_eq!((both.text(), both.finish), (alone.text(), alone.finish));
        assert_eq!(both.member_tokens, [alone.member_tokens[0]; 2]);
    }
}

#[test]
fn a_gate_goes_on_alone_where_it_is_sure_and_the_others_follow_when_they_are_asked() {
    let mut random = Random(78);
    let mut shares = [0; 3];
    for _ in 0..20 {
        let scripts: Vec<Script> = (0..2 + random.below(2)).map(|_| plain_script(&mut random)).collect();
        let weights = vec![1.0; scripts.len()];
        let gate = random.below(scripts.len());
        let asked = request(&random_prompt(&mut random), 16);
        let said = |beam: usize, gating| {
            agreeing(&scripts, &weights, beam, gating).generate(std::slice::from_ref(&asked), 1).remove(0)
        };
        for (place, threshold) in [0.0, 0.5, 1.0].into_iter().enumerate() {
            let generation = said(1, common::gating(gate, threshold));
            shares[place] += generation.ensembled;
            if place == 0 {
                let alone =
                    Bench::every_step(&scripts[gate..=gate]).generate(std::slice::from_ref(&asked), 1).remove(0);
                assert_eq!((generation.text(), generation.ensembled), (alone.text(), 0));
            }
            if place == 2 && gate == 0 {
                assert_eq!(generation.text(), said(1, Gating::EveryStep).text());
            }
        }
    }
    assert!(shares[0] == 0 && 0 < shares[1] && shares[1] < shares[2], "{shares:?}");
}

#[test]
fn thresholds_of_a_sweep_say_what_each_says_alone() {
    let mut random = Random(79);
    for round in 0..8 {
        let scripts: Vec<Script> = (0..2).map(|_| random_script(&mut random)).collect();
        let asked: Vec<GenerationRequest> = (0..3).map(|_| request(&random_prompt(&mut random), 12)).collect();
        let bench = |threshold: f64| agreeing(&scripts, &[1.0, 2.0], 1 + round % 2, common::gating(0, threshold));
        let thresholds = [0.2, 0.5, 0.9];
        let all = thresholds.map(|it| Threshold::new(it).unwrap());
        let Bench { scheduler, settings, .. } = &mut bench(0.5);
        let swept = Arc::new((**settings).clone().with_thresholds(&all).unwrap());
        let mut found: Vec<Vec<Option<Generation>>> = vec![vec![None; thresholds.len()]; asked.len()];
        let mut take = |at: usize, told: Result<(usize, Generation), RequestError>| {
            let (rule, generation) = told.unwrap();
            found[at][rule] = Some(generation);
            ControlFlow::Continue(())
        };
        generate_each(scheduler, &swept, &asked, BatchLimits::batch(2), &mut take).unwrap();
        for (place, threshold) in thresholds.into_iter().enumerate() {
            for (alone, swept) in bench(threshold).generate(&asked, 3).iter().zip(&found) {
                let swept = swept[place].as_ref().unwrap();
                assert_eq!(
                    (swept.text(), swept.ensembled, swept.finish),
                    (alone.text(), alone.ensembled, alone.finish)
                );
            }
        }
    }
}

#[test]
fn a_search_draws_no_tokens() {
    let decoding = Some(Decoding::Sampled(Sampling::new(1.0, 1).unwrap()));
    let asked = GenerationRequest { decoding, ..request("q", 3) };
    let refused = greedy(&cities()).try_generate(&[asked], 1);
    let gac_ensemble::EnsembleError::Request { source: RequestError::Search { .. }, .. } = refused.unwrap_err() else {
        panic!("another error")
    };
}
