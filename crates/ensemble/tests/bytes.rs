//! Votes on the next byte, step by step with scripted members.
#![allow(clippy::unwrap_used, clippy::manual_midpoint, reason = "tests; sums as one would write them by hand")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_speller, request};
use gac_ensemble::{Decoding, EnsembleError, Finish, Gating, Generation, GenerationRequest, Method, Sampling, Weights};
use gac_inference::testkit::tokenizer;

fn voting(scripts: &[Script], weights: &[f64], method: Method, gating: Gating) -> Bench {
    let mut bench = Bench::new(scripts, Weights::given(weights).unwrap(), gating);
    bench.set(|settings| settings.with_method(method));
    bench
}

fn every_step(scripts: &[Script], method: Method) -> Bench {
    voting(scripts, &vec![1.0; scripts.len()], method, Gating::EveryStep)
}

/// One has "Sofia" whole and says 0.6 "Sofia", 0.3 "Rome", 0.1 "So"; the other says 0.7 "So" and 0.3 "Rom", then "fia" or "on".
fn cities() -> [Script; 2] {
    let letters = ["q", "S", "o", "f", "i", "a", "R", "m", "e", "n", "."];
    let whole = [&letters[..], &["Sofia", "So", "Rome", "<eos>"]].concat();
    let parts = [&letters[..], &["So", "fia", "on", "Rom", "</s>"]].concat();
    [
        Script::says(
            tokenizer(&whole, &["<eos>"]),
            &[
                ("q", &[("Sofia", 0.6), ("Rome", 0.3), ("So", 0.1)]),
                ("Sofia", &[("<eos>", 1.0)]),
                ("So", &[(".", 1.0)]),
            ],
        ),
        Script::says(
            tokenizer(&parts, &["</s>"]),
            &[("q", &[("So", 0.7), ("Rom", 0.3)]), ("Sofia", &[("</s>", 1.0)]), ("So", &[("fia", 0.75), ("on", 0.25)])],
        ),
    ]
}

fn probabilities(generation: &Generation) -> Vec<f64> {
    generation.steps.iter().map(|step| step.probability).collect()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4;
    assert!(found.iter().zip(expected).all(close), "{found:?} is not {expected:?}");
}

#[test]
fn bytes_are_voted_on_wherever_tokens_end() {
    let mut bench = every_step(&cities(), Method::Bytes);
    let generation = bench.generate(&[request("q", 9)], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.finish), ("Sofia", Finish::End));
    // S: 0.7 and 0.7. o: sure. f: 0.6 of the 0.7 that is left to the first one; 0.75 of the second. Then all is sure.
    assert_close(&probabilities(&generation), &[0.7, 1.0, (6.0 / 7.0 + 0.75) / 2.0, 1.0, 1.0, 1.0]);
    assert_eq!(generation.member_tokens, [2, 3], "END is one more for each");
    assert!(generation.steps.iter().all(|step| step.ensembled));
    // The first reads `q`, `So` and `Sofia`: nothing ends elsewhere that is worth asking about.
    let reads = |member: usize| bench.logs[member].lock().unwrap().len();
    assert_eq!((reads(0), reads(1)), (3, 3));
}

#[test]
fn a_product_is_a_geometric_mean_of_bytes() {
    let generation = every_step(&cities(), Method::BytesProduct).generate(&[request("q", 9)], 1).remove(0);
    assert_eq!(generation.text(), "Sofia");
    // After "So" the first goes on with "f" (6/7) or "." (1/7), the second with "f" (3/4) or "o" (1/4): only "f" is both's.
    assert_close(&probabilities(&generation), &[0.7, 1.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn a_gate_decides_alone_on_bytes_that_it_is_sure_of() {
    let mut bench = voting(&cities(), &[1.0, 1.0], Method::Bytes, common::gating(1, 0.72));
    let generation = bench.generate(&[request("q", 9)], 1).remove(0);
    assert_eq!(generation.text(), "Sofia");
    let voted: Vec<bool> = generation.steps.iter().map(|step| step.ensembled).collect();
    // Only of S (0.7) it is not sure.
    assert_eq!(voted, [true, false, false, false, false, false]);
    assert_close(&probabilities(&generation)[1..3], &[1.0, 0.75]);
    // Where it is not asked for a while, a member reads what ended meanwhile and is worth it.
    let mut bench = voting(&cities(), &[1.0, 1.0], Method::Bytes, common::gating(1, 0.76));
    let generation = bench.generate(&[request("q", 9)], 1).remove(0);
    assert_close(&probabilities(&generation)[..3], &[0.7, 1.0, (6.0 / 7.0 + 0.75) / 2.0]);
}

#[test]
fn an_expert_moves_the_base_by_what_it_has_over_its_anti_expert() {
    let pieces = ["q", "x", "y"];
    let says = |x: f64| Script::says(tokenizer(&pieces, &[]), &[("q", &[("x", x), ("y", 1.0 - x)])]);
    let scripts = [says(0.6), says(0.2), says(0.5)];
    let at = |alpha: f64| every_step(&scripts, Method::Proxy { alpha }).generate(&[request("q", 1)], 1).remove(0);
    let one = at(1.0);
    // x: 0.6 * 0.2 / 0.5 = 0.24, y: 0.4 * 0.8 / 0.5 = 0.64.
    assert_eq!(one.text(), "y");
    assert_close(&probabilities(&one), &[0.64 / 0.88]);
    let none = at(0.0);
    assert_eq!(none.text(), "x");
    assert_close(&probabilities(&none), &[0.6]);
    let two = Bench::every_step(&scripts[..2]).settings;
    let refused = (*two).clone().with_method(Method::PROXY);
    assert!(matches!(refused, Err(EnsembleError::Method(_))), "{refused:?}");
}

#[test]
fn a_response_is_as_long_as_tokens_were_asked_for() {
    let mut bench = every_step(&cities(), Method::Bytes);
    let generation = bench.generate(&[request("q", 1)], 1).remove(0);
    // Whether "So" or "Sofia" is written is not sure before "Sofia" is.
    assert_eq!((generation.text().as_str(), generation.finish), ("Sofia", Finish::Length));
}

#[test]
fn members_that_are_alike_say_together_what_one_says() {
    let mut random = Random(91);
    for _ in 0..10 {
        let script = random_speller(&mut random);
        let same = [script.clone(), script.clone(), script];
        let decoding = Some(Decoding::Sampled(Sampling::new(1.0, random.next()).unwrap()));
        let asked = GenerationRequest { decoding, ..request(&random_prompt(&mut random), 12) };
        let said = |members: usize, weights: &[f64], method: Method| {
            let mut bench = voting(&same[..members], weights, method, Gating::EveryStep);
            bench.generate(std::slice::from_ref(&asked), 1).remove(0).text()
        };
        let expected = said(2, &[1.0, 0.0], Method::Bytes);
        assert_eq!(said(2, &[1.0, 3.0], Method::Bytes), expected);
        assert_eq!(said(2, &[1.0, 3.0], Method::BytesProduct), expected);
        assert_eq!(said(3, &[1.0; 3], Method::Proxy { alpha: 2.5 }), expected);
    }
}
