//! Room: caches that are too small, contexts that end, prompts that are too long; and errors before any work.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::ControlFlow;

use common::{Bench, Random, Script, ensemble, random_prompt, random_script, request};
use gac_ensemble::{
    BatchLimits, EnsembleError, Finish, Gating, GenerationRequest, Member, ModelId, Overlong, PromptEncoding,
    RequestError, Weights, WeightsError, generate,
};
use gac_inference::testkit::tokenizer;
use gac_inference::{TokenId, Tokenizer};

fn xs() -> Script {
    Script::says(tokenizer(&["q", "x"], &[]), &[("", &[("x", 0.9)])])
}

#[test]
fn samples_that_make_room_for_others_lose_nothing() {
    let mut random = Random(41);
    for gating in [Gating::EveryStep, common::gating(0, 0.4)] {
        // Long pieces: a union token of one member is several tokens of the other, more than was reserved.
        let scripts: Vec<Script> = (0..2).map(|_| random_script(&mut random)).collect();
        let requests: Vec<_> = (0..7).map(|_| request(&random_prompt(&mut random), 15)).collect();
        let roomy = Bench::new(&scripts, Weights::uniform(2), gating).generate(&requests, 7);
        let longest = roomy
            .iter()
            .zip(&requests)
            .map(|(g, r)| r.prompt.last_words().len() + g.member_tokens.iter().max().unwrap());
        let longest = longest.max().unwrap();
        for cache in [longest, longest + 5, 2 * longest, 3 * longest] {
            let tight: Vec<Script> = scripts.iter().map(|script| script.with(|limits| limits.cache = cache)).collect();
            let generations = Bench::new(&tight, Weights::uniform(2), gating).generate(&requests, 7);
            for (tight, roomy) in generations.iter().zip(&roomy) {
                assert_eq!((&tight.bytes, &tight.steps, tight.finish), (&roomy.bytes, &roomy.steps, roomy.finish));
            }
        }
    }
}

#[test]
fn no_more_samples_go_on_together_than_a_member_keeps_sequences_of() {
    let scripts = [xs(), xs().with(|limits| limits.sequences = 3)];
    let mut bench = Bench::every_step(&scripts);
    let requests: Vec<_> = (0..8).map(|_| request("q", 6)).collect();
    let generations = bench.generate(&requests, 8);
    assert!(generations.iter().all(|generation| generation.text() == "xxxxxx"));
    let log = bench.logs[0].lock().unwrap();
    assert_eq!(log.iter().map(Vec::len).max(), Some(3));
}

#[test]
fn the_youngest_makes_room_and_enters_again_with_what_it_has() {
    // "xx" is one token for the first member and two for the second, so the reservation is too small.
    let a = Script::says(tokenizer(&["q", "xx"], &[]), &[("", &[("xx", 0.9)])]);
    let b = Script::says(tokenizer(&["q", "x"], &[]), &[]).with(|limits| limits.cache = 14);
    let mut bench = Bench::every_step(&[a, b]);
    let generations = bench.generate(&[request("q", 6), request("q", 6)], 2);
    assert!(generations.iter().all(|generation| generation.text() == "x".repeat(12)));
    let log = bench.logs[1].lock().unwrap();
    let sizes: Vec<Vec<usize>> = log.iter().map(|batch| batch.iter().map(|(_, t)| t.len()).collect()).collect();
    // 7 tokens each after three more steps; the fourth does not fit twice. The other waits until there is room.
    let together = vec![vec![1, 1], vec![2, 2], vec![2, 2], vec![2, 2]];
    let first = vec![vec![2], vec![2]];
    let again = vec![vec![9], vec![2]];
    assert_eq!(sizes, [together, first, again].concat());
}

#[test]
fn samples_enter_while_what_they_may_hold_fits_the_cache() {
    let mut bench = Bench::every_step(&[xs().with(|limits| limits.cache = 12)]);
    bench.generate(&vec![request("qq", 3); 5], 5);
    let sizes: Vec<usize> = bench.logs[0].lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 2, 2, 2, 2, 1, 1, 1]);
}

#[test]
fn a_sample_that_does_not_fit_even_alone_is_an_error() {
    let script = xs().with(|limits| limits.cache = 5);
    let mut bench = Bench::every_step(&[script]);
    assert!(matches!(
        bench.try_generate(&[request("qq", 9)], 3),
        Err(EnsembleError::Request { request: 0, source: RequestError::CacheTooSmall { tokens: 6, cache: 5, .. } })
    ));
    let requests = [request("q", 1), request("qqqqqq", 1)];
    assert!(matches!(
        bench.try_generate(&requests, 3),
        Err(EnsembleError::Request { request: 1, source: RequestError::CacheTooSmall { tokens: 6, cache: 5, .. } })
    ));
}

#[test]
fn a_full_context_ends_a_sample() {
    let scripts = [xs(), xs().with(|limits| limits.context = 4)];
    let generation = Bench::every_step(&scripts).generate(&[request("qq", 99)], 1).remove(0);
    // Four tokens fit; the distribution after the fourth gives one more.
    assert_eq!((generation.text().as_str(), generation.finish), ("xxx", Finish::Context));
    // A gate that is sure of itself does not need the others' room.
    let generation = Bench::gated(&scripts, 0.5).generate(&[request("qq", 9)], 1).remove(0);
    assert_eq!((generation.tokens, generation.finish), (9, Finish::Length));
    let generation = Bench::gated(&scripts, 1.0).generate(&[request("qq", 99)], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.finish), ("xxx", Finish::Context));
}

#[test]
fn a_prompt_that_is_too_long_is_refused_before_any_work() {
    let scripts = [xs(), xs().with(|limits| limits.context = 4)];
    let mut bench = Bench::every_step(&scripts);
    let error = bench.try_generate(&[request("q", 5), request("qqqq", 5)], 2).unwrap_err();
    let EnsembleError::Request { request: 1, source: RequestError::TooLong { member, tokens: 5, context: 4 } } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(member, "m1");
    assert!(bench.logs.iter().all(|log| log.lock().unwrap().is_empty()));
}

#[test]
fn a_long_prompt_is_cut_from_the_left_per_member() {
    let script = Script::says(tokenizer(&["q", "r", "x"], &[]), &[("", &[("x", 0.9)])]);
    let scripts = [script.clone(), script.with(|limits| limits.context = 6)];
    let mut bench = Bench::every_step(&scripts);
    let cut = |prompt: &str, n| GenerationRequest { overlong: Overlong::TruncateLeft, ..request(prompt, n) };
    let generations = bench.generate(&[cut("qqqqqqr", 2), cut("qr", 2), cut("qqqqr", 50)], 1);
    assert_eq!(generations[0].prompt_tokens, [7, 4]);
    assert!(generations[0].truncated && !generations[1].truncated && generations[2].truncated);
    assert_eq!(generations[0].finish, Finish::Length);
    // No room for so many new tokens: one token of the prompt is kept.
    assert_eq!(generations[2].prompt_tokens, [5, 1]);
    assert_eq!(generations[2].finish, Finish::Context);
    let log = bench.logs[1].lock().unwrap();
    assert_eq!(log[0][0].1, [0, 0, 0, 1].map(TokenId));
}

#[test]
fn an_empty_prompt_begins_with_the_end_symbol_or_is_refused() {
    let script = Script::says(tokenizer(&["x", "<eos>"], &["<eos>"]), &[("", &[("x", 0.9)])]);
    let mut bench = Bench::every_step(&[script]);
    assert_eq!(bench.text("", 2), "xx");
    assert_eq!(bench.logs[0].lock().unwrap()[0][0].1, [TokenId(1)]);
    let error = Bench::every_step(&[xs()]).try_generate(&[request("", 2)], 1).unwrap_err();
    assert!(
        matches!(error, EnsembleError::Request { request: 0, source: RequestError::EmptyPrompt { .. } }),
        "{error:?}"
    );
}

#[test]
fn a_text_that_a_member_cannot_encode_or_spell_is_an_error_with_its_name() {
    let a = Script::says(tokenizer(&["q", "z"], &[]), &[("", &[("z", 0.99)])]);
    let mut bench = Bench::every_step(&[a, xs()]);
    let error = bench.try_generate(&[request("q", 2)], 1).unwrap_err();
    let EnsembleError::Request { request: 0, source: RequestError::Unspellable { member, bytes } } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((member.as_str(), &bytes[..]), ("m1", &b"z"[..]));
    let error = bench.try_generate(&[request("q", 2), request("z", 2)], 1).unwrap_err();
    assert!(matches!(error, EnsembleError::Request { request: 1, source: RequestError::Encode { .. } }), "{error:?}");
}

#[test]
fn nothing_to_emit_needs_no_forward() {
    let mut bench = Bench::every_step(&[xs()]);
    let generation = bench.generate(&[request("q", 0)], 1).remove(0);
    assert_eq!((generation.tokens, generation.finish), (0, Finish::Length));
    assert_eq!(generation.prompt_tokens, [0]);
    assert!(bench.generate(&[], 0).is_empty());
    assert!(bench.logs[0].lock().unwrap().is_empty());
}

#[test]
fn no_sequence_stays_open_when_a_member_fails_or_the_caller_has_enough() {
    for fuse in 0..4 {
        for gating in [Gating::EveryStep, common::gating(0, 1.0)] {
            let mut bench = Bench::with_fuse(&[xs(), xs()], Weights::uniform(2), gating, fuse);
            let error = bench.try_generate(&vec![request("q", 9); 3], 2).unwrap_err();
            assert!(matches!(error, EnsembleError::Model { .. }), "{error:?}");
        }
    }
    let mut bench = Bench::every_step(&[xs(), xs()]);
    let mut count = 0;
    let (requests, limits) = (vec![request("q", 3); 5], BatchLimits::batch(2));
    let result = generate(&mut bench.scheduler, &bench.settings, &requests, limits, &mut |_, _| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(result.is_ok());
    assert_eq!((count, bench.open_sequences()), (1, 0));
}

#[test]
fn logits_that_are_not_numbers_are_an_error_with_the_members_name() {
    let nan = Script::new(tokenizer(&["q", "x"], &[]), |_| vec![(TokenId(0), f64::NAN)]);
    for scripts in [&[nan.clone()][..], &[xs(), nan.clone()], &[nan, xs()]] {
        let error = Bench::every_step(scripts).try_generate(&[request("q", 2)], 1).unwrap_err();
        assert!(
            matches!(error, EnsembleError::Request { request: 0, source: RequestError::NoProbabilities { .. } }),
            "{error:?}"
        );
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let member = || {
        let script = xs();
        Member { name: String::from("m"), model: Box::new(script.model()), tokenizer: script.tokenizer }
    };
    let new = |weights, gating| ensemble(vec![member(), member()], weights, gating);
    assert!(matches!(
        new(Weights::uniform(3), Gating::EveryStep),
        Err(EnsembleError::Weights(WeightsError::Count { weights: 3, members: 2 }))
    ));
    assert!(matches!(
        new(Weights::uniform(2), common::gating(2, 0.5)),
        Err(EnsembleError::UnknownGate { gate: 2, members: 2 })
    ));
    assert!(matches!(ensemble(vec![], Weights::uniform(1), Gating::EveryStep), Err(EnsembleError::NoMembers)));
    let (mut scheduler, settings) = new(Weights::uniform(2), Gating::EveryStep).unwrap();
    assert!(matches!(scheduler.ensemble(&[ModelId(2)]), Err(EnsembleError::UnknownModel { model: 2, loaded: 2 })));
    assert!(settings.clone().with_gating(common::gating(1, 0.5)).is_ok());
    assert!(matches!(settings.with_thresholds(&[]), Err(EnsembleError::ThresholdsWithoutGate)));
}

#[test]
fn the_encoding_of_the_prompt_is_the_requests() {
    struct Begins;
    impl gac_inference::TextEncoder for Begins {
        fn encode(&self, text: &str) -> Result<Vec<TokenId>, gac_inference::TokenizerError> {
            Ok([vec![TokenId(2)], self.encode_inner(text)?].concat())
        }
        fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, gac_inference::TokenizerError> {
            self.encode_inner(text)
        }
        fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, gac_inference::TokenizerError> {
            Ok(text.bytes().map(|byte| TokenId(u32::from(byte == b'x'))).collect())
        }
    }
    let vocabulary = tokenizer(&["q", "x", "<bos>"], &[]).vocabulary().clone();
    let script = Script::new(Tokenizer::new(vocabulary, Begins), |_| vec![(TokenId(1), 0.9)]);
    let mut bench = Bench::every_step(&[script]);
    let without = |prompt| GenerationRequest { encoding: PromptEncoding::WithoutSpecial, ..request(prompt, 1) };
    bench.generate(&[request("q", 1), without("q"), request("", 1), without("")], 1);
    let log = bench.logs[0].lock().unwrap();
    let fed: Vec<Vec<u32>> = log.iter().map(|batch| batch[0].1.iter().map(|id| id.0).collect()).collect();
    assert_eq!(fed, [vec![2, 0], vec![0], vec![2], vec![2]]);
}
