//! `LongRoPE` against what transformers computes, recorded by `scripts/fixtures/longrope.py`: a pass that ends beyond the
//! original context turns all of its positions by the long factors, and generating reads everything again there.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use gac_inference::{
    Ask, Detail, Distribution, Engine, EngineOptions, Extension, Handover, LanguageModel, ModelError, ModelSource,
    SequenceId, TokenId, Wanted, score_many, score_tokens,
};
use serde::Deserialize;

mod reference;

use reference::{Reference, TOLERANCE, largest_error};

/// The original context.
const BORDER: usize = 48;

#[derive(Deserialize)]
struct Expected {
    passes: Vec<Reference>,
    generations: Vec<Generation>,
}

#[derive(Deserialize)]
struct Generation {
    prompt: Vec<TokenId>,
    generated: Vec<TokenId>,
    steps: Vec<Vec<f64>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/longrope")
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

fn load() -> Engine {
    Engine::load(&ModelSource::Folder(folder()), &EngineOptions::default()).unwrap()
}

fn extend(engine: &mut Engine, sequence: SequenceId, tokens: &[TokenId], wanted: Wanted<'_>) -> Vec<Distribution> {
    engine.extend(&[Extension { sequence, tokens, wanted }]).unwrap().remove(0)
}

fn bits(distribution: &Distribution) -> Vec<u64> {
    (0..120).map(|id| distribution.log_prob(TokenId(id)).to_bits()).collect()
}

#[test]
fn a_pass_is_what_one_forward_of_transformers_gives_in_any_chunks() {
    let mut engine = load();
    for reference in expected().passes {
        let mut whole: Option<Vec<Vec<u64>>> = None;
        for chunk in [1, 7, 50, 1000] {
            let sequence = engine.open(&[]).unwrap();
            engine.announce(sequence, reference.tokens.len());
            let mut found = Vec::new();
            for tokens in reference.tokens.chunks(chunk) {
                found.extend(extend(&mut engine, sequence, tokens, Wanted::All));
            }
            engine.close(sequence);
            let error = largest_error(&reference, &found);
            assert!(error < TOLERANCE, "{} tokens by {chunk}: {error}", reference.tokens.len());
            let found: Vec<Vec<u64>> = found.iter().map(bits).collect();
            assert_eq!(whole.get_or_insert_with(|| found.clone()), &found, "{chunk}");
        }
    }
}

#[test]
fn scores_are_those_of_one_forward_alone_and_together() {
    let expected = expected();
    let sequences: Vec<&[TokenId]> = expected.passes.iter().map(|reference| reference.tokens.as_slice()).collect();
    let alone: Vec<_> = sequences.iter().map(|tokens| score_tokens(&mut load(), tokens).unwrap()).collect();
    let mut together = Vec::new();
    score_many(&mut load(), &sequences, 64, &mut |_, score| {
        together.push(score);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(together, alone);
    for (reference, score) in expected.passes.iter().zip(&alone) {
        reference.assert_scores(&score.logprobs);
    }
}

#[test]
fn generating_across_the_border_is_what_transformers_generates() {
    for Generation { prompt, generated, steps } in expected().generations {
        let mut engine = load();
        let sequence = engine.open(&prompt).unwrap();
        let mut view = extend(&mut engine, sequence, &prompt, Wanted::Last).remove(0);
        for (token, step) in generated.iter().zip(&steps) {
            let error = (0..).zip(step).map(|(id, p)| (view.log_prob(TokenId(id)) - p).abs()).fold(0.0, f64::max);
            assert!(error < TOLERANCE, "{} tokens: {error}", engine.length(sequence));
            assert_eq!(view.top().0, *token);
            view = extend(&mut engine, sequence, &[*token], Wanted::Last).remove(0);
        }
    }
}

/// The distribution after every token from the prompt's last on, token by token by an engine of its own.
fn step_by_step(prompt: &[TokenId], rest: &[TokenId]) -> Vec<Vec<u64>> {
    let mut engine = load();
    let sequence = engine.open(prompt).unwrap();
    let mut found = extend(&mut engine, sequence, prompt, Wanted::Last);
    for token in rest {
        found.extend(extend(&mut engine, sequence, &[*token], Wanted::Last));
    }
    found.iter().map(bits).collect()
}

#[test]
fn a_draft_across_the_border_and_its_truncation_change_no_bit() {
    let Generation { prompt, generated, .. } = expected().generations.remove(0);
    let steps = step_by_step(&prompt, &generated);
    let mut engine = load();
    let sequence = engine.open(&prompt).unwrap();
    extend(&mut engine, sequence, &prompt, Wanted::Nothing);
    // The draft is read in one extension, taken back to some length within or beyond the border, and read again.
    for back in [0, 3, BORDER - prompt.len(), BORDER - prompt.len() + 1, 12] {
        let found = extend(&mut engine, sequence, &generated[..], Wanted::All);
        assert_eq!(found.iter().map(bits).collect::<Vec<_>>(), steps[1..], "after {back}");
        engine.truncate(sequence, prompt.len() + back).unwrap();
        let next = extend(&mut engine, sequence, &generated[back..=back], Wanted::Last);
        assert_eq!(bits(&next[0]), steps[back + 1], "{back}");
        engine.truncate(sequence, prompt.len()).unwrap();
    }
}

#[test]
fn lists_on_both_sides_of_the_border_are_asked_about_later() {
    let Generation { prompt, generated, .. } = expected().generations.remove(0);
    let steps = step_by_step(&prompt, &generated);
    let options = EngineOptions { handover: Handover::Listed(2), ..EngineOptions::default() };
    let mut engine = Engine::load(&ModelSource::Folder(folder()), &options).unwrap();
    let sequence = engine.open(&prompt).unwrap();
    extend(&mut engine, sequence, &prompt, Wanted::Last);
    extend(&mut engine, sequence, &generated, Wanted::All);
    let rows: Vec<TokenId> = (0..120).map(TokenId).collect();
    // At once, where logits are kept, and when the sequence has gone on, where they are computed again.
    for _ in 0..2 {
        for (at, expected) in steps.iter().enumerate() {
            let ask = Ask { sequence, length: prompt.len() + at, detail: Detail::Tokens(&rows) };
            for ((_, told), &expected) in engine.ask(&[ask]).unwrap().remove(0).iter().zip(expected) {
                assert!((told - f64::from_bits(expected)).abs() < 1e-6, "{at}: {told}");
            }
        }
        extend(&mut engine, sequence, &prompt[..1], Wanted::Nothing);
    }
    assert!(prompt.len() < BORDER && prompt.len() + generated.len() > BORDER);
}

#[test]
fn prefixes_of_short_and_of_long_passes_are_not_mixed() {
    let reference = expected().passes.pop().unwrap();
    let (short, long) = (&reference.tokens[..40], &reference.tokens[..80]);
    let alone = |prompt: &[TokenId]| step_by_step(prompt, &[]).remove(0);
    let expected = [alone(short), alone(long)];
    for order in [[0, 1], [1, 0]] {
        let mut engine = load();
        // The second time the prefixes are found, each where it was turned the same.
        for round in 0..2 {
            for place in order {
                let prompt = [short, long][place];
                let sequence = engine.open(prompt).unwrap();
                let held = engine.length(sequence);
                assert_eq!(held > 0, round == 1, "{order:?} {round}");
                let found = extend(&mut engine, sequence, &prompt[held..], Wanted::Last);
                assert_eq!(bits(&found[0]), expected[place]);
                engine.close(sequence);
            }
        }
        // And in one batch, where prompts that begin alike share what is turned alike.
        let sequences = [short, long, &long[..79]].map(|prompt| engine.open(prompt).unwrap());
        let owed: Vec<Vec<TokenId>> = [short, long, &long[..79]]
            .iter()
            .zip(&sequences)
            .map(|(prompt, &sequence)| prompt[engine.length(sequence)..].to_vec())
            .collect();
        let batch: Vec<_> = sequences
            .iter()
            .zip(&owed)
            .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Last })
            .collect();
        let found = engine.extend(&batch).unwrap();
        assert_eq!(bits(&found[0][0]), expected[0]);
        assert_eq!(bits(&found[1][0]), expected[1]);
    }
}

#[test]
fn a_prompt_may_come_in_chunks_whether_or_not_its_length_was_said() {
    let reference = expected().passes.pop().unwrap();
    let prompt = &reference.tokens[..90];
    let expected = step_by_step(prompt, &[]).remove(0);
    for announced in [None, Some(90)] {
        let mut engine = load();
        let sequence = engine.open(&[]).unwrap();
        if let Some(length) = announced {
            engine.announce(sequence, length);
        }
        for chunk in prompt[..85].chunks(17) {
            extend(&mut engine, sequence, chunk, Wanted::Nothing);
        }
        let fork = engine.fork(sequence).unwrap();
        for sequence in [sequence, fork] {
            let found = extend(&mut engine, sequence, &prompt[85..], Wanted::Last);
            assert_eq!(bits(&found[0]), expected, "{announced:?}");
        }
    }
}

#[test]
fn what_has_to_be_read_again_needs_no_more_room_than_it_gives_up() {
    let prompt: Vec<TokenId> = (3..43).map(TokenId).collect();
    let options = EngineOptions { cache_bytes: 0, ..EngineOptions::default() };
    let mut engine = Engine::load(&ModelSource::Folder(folder()), &options).unwrap();
    // The least there is: blocks of sixteen tokens for one context. All but five are taken.
    let room = engine.limits().cache / 16 - 5;
    let filler: Vec<TokenId> = (0..16 * room as u32).map(|id| TokenId(id % 120)).collect();
    let taken = engine.open(&filler).unwrap();
    extend(&mut engine, taken, &filler, Wanted::Nothing);
    let sequence = engine.open(&prompt).unwrap();
    extend(&mut engine, sequence, &prompt, Wanted::Nothing);
    let fork = engine.fork(sequence).unwrap();
    // Alone it fits; beside a fork that holds what it was made of, it does not, and nothing happens.
    let rest: Vec<TokenId> = (3..23).map(TokenId).collect();
    let batch = [Extension { sequence, tokens: &rest, wanted: Wanted::Last }];
    assert!(matches!(engine.extend(&batch), Err(ModelError::CacheFull { .. })));
    assert_eq!(engine.length(sequence), prompt.len());
    engine.close(fork);
    let found = engine.extend(&batch).unwrap();
    assert_eq!(bits(&found[0][0]), step_by_step(&[prompt, rest].concat(), &[]).remove(0));
}
