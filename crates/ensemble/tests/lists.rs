//! Members that list their most probable tokens, as servers do: what comes out is what full distributions give.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, scoring, stopping};
use gac_ensemble::{
    Certainty, Decoding, EnsembleError, Gating, Generation, MemberId, Method, Sampling, Settings, Step, Threshold,
    UnionToken, Weighting, Weights,
};
use gac_inference::testkit::tokenizer;

/// A step without how it was found out.
fn told(step: &Step) -> (&[u8], bool, bool, Option<&UnionToken>) {
    (&step.bytes, step.end, step.ensembled, step.proposed.as_ref())
}

/// What was asked, and of how many steps.
#[derive(Default, Debug)]
struct Asks {
    steps: usize,
    asked: usize,
    questions: usize,
}

impl Asks {
    fn assert_same(&mut self, lists: &[Generation], full: &[Generation], what: &str) {
        for (lists, full) in lists.iter().zip(full) {
            assert_eq!((lists.text(), lists.finish), (full.text(), full.finish), "{what}");
            assert_eq!((&lists.member_tokens, &lists.prompt_tokens), (&full.member_tokens, &full.prompt_tokens));
            for (a, b) in lists.steps.iter().zip(&full.steps) {
                assert_eq!(told(a), told(b), "{what}");
                let certainties = a.certainty.unwrap_or(0.0) - b.certainty.unwrap_or(0.0);
                assert!(certainties.abs() < 1e-12 && a.certainty.is_some() == b.certainty.is_some(), "{what}");
                assert!(
                    a.probability <= b.probability + 1e-12 && b.probability <= a.probability + a.beyond + 1e-12,
                    "{what}: {} and {} more is not {}",
                    a.probability,
                    a.beyond,
                    b.probability
                );
                assert_eq!((b.beyond.to_bits(), b.asks), (0.0_f64.to_bits(), 0));
                let bound = a.beyond + 1e-9;
                assert!(a.runner_up <= b.runner_up + bound, "{what}");
                self.steps += 1;
                self.asked += usize::from(a.asks > 0);
                self.questions += a.asks;
            }
        }
    }
}

/// Every way to vote, by a name.
fn ways() -> Vec<(&'static str, Gating, Method, Decoding)> {
    let gate = |certainty| Gating::KeyTokens { gate: MemberId(0), certainty, threshold: Threshold::new(0.4).unwrap() };
    let sampled = Decoding::Sampled(Sampling::new(0.8, 5).unwrap().with_top_p(0.9).unwrap());
    let safe = Gating::Safe { drafter: MemberId(0) };
    let every = Gating::EveryStep;
    vec![
        ("every step", every, Method::Gac, Decoding::Greedy),
        ("gated by top probability", gate(Certainty::TopProbability), Method::Gac, Decoding::Greedy),
        ("gated by margin", gate(Certainty::Margin), Method::Gac, Decoding::Greedy),
        ("gated by entropy", gate(Certainty::Entropy), Method::Gac, Decoding::Greedy),
        ("unite", every, Method::Unite { top_k: 3 }, Decoding::Greedy),
        ("geometric", every, Method::Geometric { floor: 0.01 }, Decoding::Greedy),
        ("safe", safe, Method::Gac, Decoding::Greedy),
        ("safe over unite", safe, Method::Unite { top_k: 3 }, Decoding::Greedy),
        ("sampled", every, Method::Gac, sampled),
        ("sampled by the gate", gate(Certainty::TopProbability), Method::Gac, sampled),
    ]
}

#[test]
fn texts_and_steps_are_those_of_full_distributions_in_every_way_to_vote() {
    for (name, gating, method, decoding) in ways() {
        let mut random = Random(71);
        let mut asks = Asks::default();
        for round in 0..20 {
            let members = 1 + random.below(3);
            let full: Vec<Script> = (0..members).map(|_| random_script(&mut random)).collect();
            // Some list, others know everything.
            let lists: Vec<Script> = full
                .iter()
                .map(|script| match random.below(4) {
                    0 => script.clone(),
                    _ => script.listing(1 + random.below(6)),
                })
                .collect();
            let raw: Vec<f64> = (0..members).map(|_| 0.1 + random.unit()).collect();
            let weighting = match random.below(3) {
                0 => Weighting::PromptPerplexity { temperature: 1.0 },
                _ => Weighting::Given,
            };
            let requests: Vec<_> =
                (0..4).map(|_| stopping(&random_prompt(&mut random), random.below(12), &["ab"])).collect();
            let generate = |scripts: &[Script]| {
                let mut bench = Bench::new(scripts, Weights::given(&raw).unwrap(), gating);
                let set = |settings: Settings| -> Result<Settings, EnsembleError> {
                    Ok(settings.with_method(method)?.with_weighting(weighting)?.with_decoding(decoding))
                };
                bench.set(set);
                bench.generate(&requests, 3)
            };
            asks.assert_same(&generate(&lists), &generate(&full), &format!("{name}, round {round}"));
        }
        println!("{name}: {asks:?}");
        assert!(asks.asked > 0 && asks.steps > 100, "{name}: {asks:?}");
    }
}

#[test]
fn scores_are_those_of_full_distributions_and_exact() {
    let mut random = Random(72);
    for round in 0..40 {
        let (_, gating, method, _) = ways()[random.below(8)];
        let members = 1 + random.below(3);
        let full: Vec<Script> = (0..members).map(|_| random_script(&mut random)).collect();
        let lists: Vec<Script> = full.iter().map(|script| script.listing(1 + random.below(6))).collect();
        let weighting = match random.below(3) {
            0 => Weighting::PromptPerplexity { temperature: 1.0 },
            _ => Weighting::Given,
        };
        let context = random_prompt(&mut random);
        let requests = ["a", "bca", " éb", "cc c"].map(|choice| scoring(&context, choice));
        let score = |scripts: &[Script]| {
            let mut bench = Bench::new(scripts, Weights::uniform(members), gating);
            bench.set(|settings| settings.with_method(method)?.with_weighting(weighting));
            bench.try_score(&requests, 4)
        };
        match (score(&lists), score(&full)) {
            (Ok(lists), Ok(full)) => assert_eq!(lists, full, "round {round}, {method:?}, {gating:?}"),
            (Err(_), Err(_)) => {}
            (lists, full) => panic!("{lists:?}, {full:?}"),
        }
    }
}

#[test]
fn a_vote_that_lists_decide_asks_nothing() {
    let pieces = ["q", "x", "y", "z", "w", "<eos>"];
    let script =
        |p: &'static [(&'static str, f64)]| Script::says(tokenizer(&pieces, &["<eos>"]), &[("", p)]).listing(2);
    // Two listed each: the first's third has at most 0.1, the second's at most 0.1.
    let agree = [script(&[("x", 0.8), ("y", 0.15)]), script(&[("x", 0.7), ("z", 0.2)])];
    let step = Bench::every_step(&agree).generate(&[request("q", 1)], 1).remove(0).steps.remove(0);
    assert_eq!((&step.bytes[..], step.asks), (&b"x"[..], 0));
    assert!((step.probability - 0.75).abs() < 1e-6 && step.beyond < 1e-12, "both have listed it");
    // x has 0.35 and y 0.3, beside half of the 0.2 that the first may give it.
    let close = [script(&[("x", 0.5), ("z", 0.3)]), script(&[("x", 0.2), ("y", 0.6)])];
    let step = Bench::every_step(&close).generate(&[request("q", 1)], 1).remove(0).steps.remove(0);
    assert_eq!((&step.bytes[..], step.asks), (&b"x"[..], 1), "the first is asked about y");
}
