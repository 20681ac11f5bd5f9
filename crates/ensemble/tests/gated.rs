//! Key-token gating: who is consulted when, and what they are fed.
#![allow(clippy::unwrap_used, clippy::manual_midpoint, reason = "tests; sums as one would write them by hand")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request};
use gac_ensemble::Generation;
use gac_inference::TokenId;
use gac_inference::testkit::tokenizer;

fn sure_and_unsure() -> [Script; 2] {
    // The gate is sure of a, b and c, and unsure after c.
    let gate = Script::says(
        tokenizer(&["q", "a", "b", "c", "d", "e", "<eos>"], &["<eos>"]),
        &[
            ("q", &[("a", 0.9)]),
            ("a", &[("b", 0.9)]),
            ("b", &[("c", 0.9)]),
            ("c", &[("d", 0.4), ("e", 0.35)]),
            ("e", &[("<eos>", 0.9)]),
        ],
    );
    let supporter = Script::says(tokenizer(&["q", "ab", "a", "b", "c", "d", "e"], &[]), &[("c", &[("e", 0.8)])]);
    [gate, supporter]
}

#[test]
fn a_supporting_member_catches_up_in_one_chunk_after_gated_steps() {
    let mut bench = Bench::gated(&sure_and_unsure(), 0.5);
    let generation = bench.generate(&[request("q", 9)], 1).remove(0);
    assert_eq!(generation.text(), "abce");
    let ensembled: Vec<bool> = generation.steps.iter().map(|step| step.ensembled).collect();
    assert_eq!(ensembled, [false, false, false, true, false]);
    assert_eq!((generation.tokens, generation.ensembled), (5, 1));
    let log = bench.logs[1].lock().unwrap();
    let ids: Vec<Vec<TokenId>> = log.iter().flatten().map(|(_, tokens)| tokens.clone()).collect();
    // The prompt and three tokens, each as its own piece.
    assert_eq!(ids, [[0, 2, 3, 4].map(TokenId).to_vec()]);
    assert!((generation.steps[0].probability - 0.9).abs() < 1e-6);
    assert!((generation.steps[3].probability - (0.35 + 0.8) / 2.0).abs() < 1e-6);
}

#[test]
fn a_member_that_was_never_consulted_never_sees_the_prompt() {
    let mut bench = Bench::gated(&sure_and_unsure(), 0.1);
    let generation = bench.generate(&[request("q", 3)], 1).remove(0);
    assert_eq!(generation.text(), "abc");
    assert_eq!(generation.prompt_tokens, [1, 0]);
    assert_eq!(generation.member_tokens, [3, 3]);
    assert!(bench.logs[1].lock().unwrap().is_empty());
}

#[test]
fn supporting_members_run_only_the_samples_at_a_key_token() {
    let mut bench = Bench::gated(&sure_and_unsure(), 0.5);
    bench.generate(&[request("q", 9), request("c", 9), request("b", 9)], 3);
    let sizes = |member: usize| -> Vec<Vec<usize>> {
        bench.logs[member].lock().unwrap().iter().map(|batch| batch.iter().map(|(_, t)| t.len()).collect()).collect()
    };
    assert_eq!(sizes(0), [vec![1, 1, 1], vec![1, 1, 1], vec![1, 1], vec![1], vec![1]]);
    assert_eq!(sizes(1), [vec![1], vec![2], vec![4]]);
}

fn texts(generations: &[Generation]) -> Vec<String> {
    generations.iter().map(Generation::text).collect()
}

#[test]
fn threshold_0_is_the_gate_alone_and_threshold_1_every_step() {
    let mut random = Random(31);
    for _ in 0..15 {
        let scripts: Vec<Script> = (0..3).map(|_| random_script(&mut random)).collect();
        let requests: Vec<_> = (0..4).map(|_| request(&random_prompt(&mut random), 12)).collect();
        let never = Bench::gated(&scripts, 0.0).generate(&requests, 4);
        assert_eq!(texts(&never), texts(&Bench::every_step(&scripts[..1]).generate(&requests, 4)));
        assert!(never.iter().all(|generation| generation.ensembled == 0));
        let always = Bench::gated(&scripts, 1.0).generate(&requests, 4);
        let every = Bench::every_step(&scripts).generate(&requests, 4);
        assert_eq!(texts(&always), texts(&every));
        let told = |generation: &Generation| -> Vec<(Vec<u8>, bool, u64)> {
            let steps = generation.steps.iter();
            steps.map(|step| (step.bytes.clone(), step.ensembled, step.probability.to_bits())).collect()
        };
        assert!(always.iter().zip(&every).all(|(a, b)| told(a) == told(b)));
    }
}

#[test]
fn a_gate_that_is_not_the_first_member() {
    let [gate, supporter] = sure_and_unsure();
    let scripts = [supporter, gate];
    let weights = gac_ensemble::Weights::uniform(2);
    let mut bench = Bench::new(&scripts, weights, common::gating(1, 0.5));
    assert_eq!(bench.text("q", 9), "abce");
    assert_eq!(bench.logs[0].lock().unwrap().len(), 1);
}
