//! Prompts as ids, log-probabilities of what is emitted, and texts that are scored token by token.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, Random, Script, gating, random_prompt, random_script, request, scoring};
use gac_ensemble::{
    AskedLogProbs, BatchLimits, Decoding, Gating, GenerationRequest, Method, Prompt, RequestError, Sampling,
    SchedulerEvent, TokenLogProbs, TokenScoreRequest, Weights,
};
use gac_inference::TokenId;
use gac_inference::testkit::tokenizer;

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

fn ids(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

fn asked(top: usize) -> AskedLogProbs {
    AskedLogProbs { top, ids: Vec::new() }
}

/// The first member has "ab" whole, the second in letters.
fn two() -> [Script; 2] {
    let a = Script::says(
        tokenizer(&["q", "ab", "c", "<eos>"], &["<eos>"]),
        &[("q", &[("ab", 0.7), ("c", 0.2)]), ("ab", &[("c", 0.6), ("<eos>", 0.3)])],
    );
    let b = Script::says(
        tokenizer(&["</s>", "a", "b", "c", "q"], &["</s>"]),
        &[("q", &[("a", 0.5), ("c", 0.4)]), ("ab", &[("</s>", 0.8), ("c", 0.1)])],
    );
    [a, b]
}

fn score(bench: &mut Bench, tokens: &[TokenId], context: usize, top: usize) -> (Vec<f64>, Vec<TokenLogProbs>) {
    let asked = TokenScoreRequest { tokens: tokens.to_vec(), context, log_probs: asked(top) };
    bench.scheduler.submit(&asked, &bench.settings);
    let mut scored = None;
    while !bench.scheduler.is_idle() {
        for event in bench.scheduler.step(BatchLimits::streams(8)).unwrap() {
            match event {
                SchedulerEvent::Scored { score, log_probs, .. } => scored = Some((score.tokens, log_probs)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(bench.open_sequences(), 0);
    scored.unwrap()
}

#[test]
fn a_prompt_of_ids_is_read_as_it_is_by_the_first_member_and_as_its_text_by_the_others() {
    let mut bench = Bench::every_step(&two());
    let prompt = Prompt::Tokens(ids(&[0, 1]));
    let generation = bench.generate(&[GenerationRequest { prompt, ..request("", 1) }], 1).remove(0);
    assert_eq!(generation.prompt_tokens, [2, 3]);
    let read = |member: usize| bench.logs[member].lock().unwrap().concat()[0].1.clone();
    assert_eq!((read(0), read(1)), (ids(&[0, 1]), ids(&[4, 1, 2])));
}

#[test]
fn ids_that_there_are_not_and_ids_that_are_no_text_fail_alone() {
    let mut bench = Bench::every_step(&two());
    let fails = |bench: &mut Bench, prompt: Vec<TokenId>| {
        bench
            .scheduler
            .submit(&GenerationRequest { prompt: Prompt::Tokens(prompt), ..request("", 1) }, &bench.settings);
        match bench.scheduler.drain().remove(0) {
            SchedulerEvent::Failed { error, .. } => error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        fails(&mut bench, ids(&[0, 99])),
        RequestError::UnknownToken { token: 99, rows: 4, member } if member == "m0"
    ));
    // The first half of a character.
    let halves = gac_inference::Vocabulary::new(
        vec![gac_inference::Symbol::Text { bytes: [0xc3].into(), kind: gac_inference::TextKind::Piece }],
        [],
    );
    let encoder = gac_inference::testkit::LongestMatch { vocabulary: halves.clone() };
    let half = Script::new(gac_inference::Tokenizer::new(halves, encoder), |_| Vec::new());
    let mut bench = Bench::every_step(&[half, two()[1].clone()]);
    assert!(matches!(fails(&mut bench, ids(&[0])), RequestError::NotText { member } if member == "m1"));
}

#[test]
fn draws_do_not_depend_on_how_a_prompt_is_given() {
    let mut random = Random(5);
    let script = random_script(&mut random);
    let decoding = Some(Decoding::Sampled(Sampling::new(1.5, 7).unwrap()));
    let text = random_prompt(&mut random);
    let tokens = script.tokenizer.encode_prompt(&text).unwrap();
    let mut bench = Bench::every_step(&[script]);
    let by_text = GenerationRequest { decoding, ..request(&text, 12) };
    let by_ids = GenerationRequest { decoding, prompt: Prompt::Tokens(tokens), ..request("", 12) };
    let both = bench.generate(&[by_text, by_ids], 2);
    assert_eq!(both[0].bytes, both[1].bytes);
}

#[test]
fn emitted_tokens_come_with_the_log_probabilities_of_the_union_distribution() {
    let mut bench = Bench::every_step(&two());
    let log_probs = Some(AskedLogProbs { top: 2, ids: ids(&[2]) });
    let generation = bench.generate(&[GenerationRequest { log_probs, trace: false, ..request("q", 3) }], 1).remove(0);
    let steps: Vec<&TokenLogProbs> = generation.steps.iter().map(|step| step.log_probs.as_ref().unwrap()).collect();
    // "ab" 0.35 against "c" 0.3 and "a" 0.25; then END 0.55 and "c" 0.35.
    close(steps[0].token.log_prob, 0.35_f64.ln());
    assert_eq!(steps[0].token.id, Some(TokenId(1)));
    close(steps[0].top[1].log_prob, 0.3_f64.ln());
    close(steps[0].ids[0], 0.3_f64.ln());
    close(steps[1].token.log_prob, 0.55_f64.ln());
    assert_eq!(steps[1].top[0].id, Some(TokenId(3)));
    assert!(generation.steps.iter().all(|step| step.views.is_empty()), "no trace was asked for");
}

#[test]
fn where_the_gate_decides_alone_its_own_log_probabilities_are_told() {
    let mut bench = Bench::gated(&two(), 0.65);
    let log_probs = Some(asked(1));
    let generation = bench.generate(&[GenerationRequest { log_probs, ..request("q", 2) }], 1).remove(0);
    let log_prob = |step: usize| generation.steps[step].log_probs.as_ref().unwrap().token.log_prob;
    assert_eq!((generation.steps[0].ensembled, generation.steps[1].ensembled), (false, true));
    close(log_prob(0), 0.7_f64.ln());
    close(log_prob(1), 0.55_f64.ln());
}

#[test]
fn tokens_behind_a_context_are_scored_as_continuations_are() {
    let mut random = Random(11);
    for round in 0..30 {
        let scripts = [random_script(&mut random), random_script(&mut random)];
        let (context, continuation) = (random_prompt(&mut random), random_prompt(&mut random));
        let tokenizer = &scripts[0].tokenizer;
        let whole = tokenizer.encode_prompt(&format!("{context}{continuation}")).unwrap();
        let before = tokenizer.encode_prompt(&context).unwrap();
        // White space at the end of a context goes to the continuation.
        if !whole.starts_with(&before) || whole.len() == before.len() || context.trim_end() != context {
            continue;
        }
        let gates = [Gating::EveryStep, gating(0, 0.4), gating(1, 0.4)];
        let mut bench = Bench::new(&scripts, Weights::uniform(2), gates[round % 3]);
        if round % 2 == 1 {
            bench.set(|settings| settings.with_method(Method::UNITE));
        }
        let expected = bench.score(&[scoring(&context, &continuation)], 1).remove(0);
        let (tokens, told) = score(&mut bench, &whole, before.len(), 1);
        assert_eq!(tokens, expected.tokens);
        let is_top = |told: &TokenLogProbs| told.token.log_prob.to_bits() == told.top[0].log_prob.to_bits();
        assert_eq!(told.iter().all(is_top), expected.greedy);
        for (told, log_prob) in told.iter().zip(&expected.tokens) {
            close(told.token.log_prob, *log_prob);
        }
    }
}

#[test]
fn members_that_list_tell_the_same_log_probabilities() {
    let mut random = Random(3);
    for _ in 0..10 {
        let scripts = [random_script(&mut random), random_script(&mut random)];
        let prompt = random_prompt(&mut random);
        let tokens = scripts[0].tokenizer.encode_prompt(&prompt).unwrap();
        let told = |scripts: &[Script]| {
            let mut bench = Bench::gated(scripts, 0.5);
            let asked = GenerationRequest { log_probs: Some(asked(4)), ..request(&prompt, 6) };
            let steps = bench.generate(&[asked], 1).remove(0).steps;
            let steps: Vec<_> = steps.into_iter().map(|step| step.log_probs).collect();
            let scored = (tokens.len() > 1).then(|| score(&mut bench, &tokens, 1, 3));
            (steps, scored)
        };
        assert_eq!(told(&scripts), told(&scripts.clone().map(|script| script.listing(2))));
    }
}
