//! The decoder against transformers' own log-probabilities, recorded by `scripts/fixtures/decoders.py`.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::{Path, PathBuf};

use gac_inference::{
    Distribution, Dtype, Engine, EngineOptions, Extension, LanguageModel, ModelSource, Named, TokenId, Wanted,
};

mod reference;

use reference::{Reference, TOLERANCE, largest_error, references};

fn fixtures() -> Vec<PathBuf> {
    reference::fixtures("fixtures")
}

fn load(folder: &Path) -> Engine {
    Engine::load(&ModelSource::Folder(folder.to_owned()), &EngineOptions::default()).unwrap()
}

/// The same checkpoint with its configuration in the style of transformers 4.
fn load_in_old_style(folder: &Path) -> Engine {
    load(reference::in_old_style(folder).path())
}

fn score_alone(engine: &mut Engine, reference: &Reference) -> Vec<Distribution> {
    let sequence = engine.open(&[]).unwrap();
    let batch = [Extension { sequence, tokens: &reference.tokens, wanted: Wanted::All }];
    let distributions = engine.extend(&batch).unwrap().remove(0);
    engine.close(sequence);
    distributions
}

#[test]
fn log_probabilities_equal_transformers_alone_and_in_both_config_styles() {
    for folder in fixtures() {
        for mut engine in [load(&folder), load_in_old_style(&folder)] {
            for reference in references(&folder) {
                let error = largest_error(&reference, &score_alone(&mut engine, &reference));
                println!("{} {} tokens: {error:.1e}", folder.display(), reference.tokens.len());
                assert!(error < TOLERANCE, "{}: {error}", folder.display());
            }
        }
    }
}

#[test]
fn log_probabilities_equal_transformers_in_one_ragged_batch() {
    for folder in fixtures() {
        let mut engine = load(&folder);
        let references = references(&folder);
        let sequences: Vec<_> = references.iter().map(|_| engine.open(&[]).unwrap()).collect();
        let batch: Vec<_> = references
            .iter()
            .zip(&sequences)
            .map(|(reference, &sequence)| Extension { sequence, tokens: &reference.tokens, wanted: Wanted::All })
            .collect();
        for (reference, distributions) in references.iter().zip(engine.extend(&batch).unwrap()) {
            assert!(largest_error(reference, &distributions) < TOLERANCE, "{}", folder.display());
        }
    }
}

#[test]
fn log_probabilities_do_not_depend_on_how_a_sequence_was_fed() {
    for folder in fixtures() {
        let mut engine = load(&folder);
        let references = references(&folder);
        let longest = references.last().unwrap();
        let sequence = engine.open(&[]).unwrap();
        let mut distributions = Vec::new();
        // Chunks of 1, 2, 3, ... tokens, a wrong turn cut off again after each.
        let (mut from, mut size) = (0, 1);
        while from < longest.tokens.len() {
            let to = (from + size).min(longest.tokens.len());
            let chunk = Extension { sequence, tokens: &longest.tokens[from..to], wanted: Wanted::All };
            distributions.extend(engine.extend(&[chunk]).unwrap().remove(0));
            let wrong = [TokenId(5), TokenId(6)];
            engine.extend(&[Extension { sequence, tokens: &wrong, wanted: Wanted::Nothing }]).unwrap();
            engine.truncate(sequence, to).unwrap();
            (from, size) = (to, size + 1);
        }
        assert!(largest_error(longest, &distributions) < TOLERANCE, "{}", folder.display());
    }
}

#[test]
fn forks_and_shared_prefixes_change_nothing() {
    for folder in fixtures() {
        let mut engine = load(&folder);
        let references = references(&folder);
        let longest = references.last().unwrap();
        let plain = score_alone(&mut engine, longest);
        // The blocks of the closed sequence are found again.
        let again = engine.open(&longest.tokens).unwrap();
        let held = engine.length(again);
        assert!(held >= 80, "{held} tokens found");
        let fork = engine.fork(again).unwrap();
        let other = [TokenId(9); 40];
        let rest = Extension { sequence: again, tokens: &longest.tokens[held..], wanted: Wanted::All };
        let turn = Extension { sequence: fork, tokens: &other, wanted: Wanted::Last };
        let resumed = engine.extend(&[turn, rest]).unwrap().remove(1);
        for (plain, resumed) in plain[held..].iter().zip(&resumed) {
            assert!((plain.log_prob(TokenId(3)) - resumed.log_prob(TokenId(3))).abs() < 1e-5);
        }
    }
}

#[test]
fn a_batch_that_does_not_fit_changes_nothing() {
    let folder = &fixtures()[0];
    let mut engine = load(folder);
    let sequence = engine.open(&[]).unwrap();
    let many = vec![TokenId(1); engine.limits().context + 1];
    let tokens = [TokenId(100_000)];
    for tokens in [many.as_slice(), &tokens] {
        assert!(engine.extend(&[Extension { sequence, tokens, wanted: Wanted::Last }]).is_err());
        assert_eq!(engine.length(sequence), 0);
    }
}

#[test]
fn prompts_of_one_batch_share_the_computation_of_their_common_beginning() {
    for folder in fixtures() {
        let mut engine = load(&folder);
        let references = references(&folder);
        let longest = &references.last().unwrap().tokens;
        let prompts: Vec<Vec<TokenId>> = (0..6u32)
            .map(|last| longest[..80 + last as usize].iter().copied().chain([TokenId(last + 3)]).collect())
            .collect();
        let alone: Vec<Distribution> = prompts
            .iter()
            .map(|prompt| {
                let mut engine = load(&folder);
                let sequence = engine.open(&[]).unwrap();
                engine
                    .extend(&[Extension { sequence, tokens: prompt, wanted: Wanted::Last }])
                    .unwrap()
                    .remove(0)
                    .remove(0)
            })
            .collect();
        let sequences: Vec<_> = prompts.iter().map(|prompt| engine.open(prompt).unwrap()).collect();
        let batch: Vec<_> = prompts
            .iter()
            .zip(&sequences)
            .map(|(tokens, &sequence)| Extension { sequence, tokens, wanted: Wanted::Last })
            .collect();
        let together = engine.extend(&batch).unwrap();
        for (prompt, &sequence) in prompts.iter().zip(&sequences) {
            assert_eq!(engine.length(sequence), prompt.len());
        }
        for (alone, together) in alone.iter().zip(&together) {
            let id = TokenId(3);
            assert!((alone.log_prob(id) - together[0].log_prob(id)).abs() < 1e-5, "{}", folder.display());
        }
    }
}

#[test]
fn quantised_weights_stay_close_to_the_stored_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama");
    let tokens: Vec<TokenId> = (5..60).map(|id| TokenId(id * 7 % 800)).collect();
    let score = |dtype: Option<Dtype>| {
        let options = EngineOptions { dtype, ..EngineOptions::default() };
        let mut engine = Engine::load(&ModelSource::Folder(folder.clone()), &options).unwrap();
        let sequence = engine.open(&[]).unwrap();
        let views = engine.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::All }]).unwrap().remove(0);
        tokens[1..].iter().zip(&views).map(|(&token, view)| view.log_prob(token)).collect::<Vec<f64>>()
    };
    let stored = score(None);
    let scale = stored.iter().map(|value| value.abs()).sum::<f64>() / stored.len() as f64;
    for (dtype, most) in [(Dtype::Q8_0, 0.03), (Dtype::Q4K, 0.03)] {
        let quantised = score(Some(dtype));
        let difference = stored.iter().zip(&quantised).map(|(a, b)| (a - b).abs()).sum::<f64>() / stored.len() as f64;
        assert!(difference > 0.0 && difference < most * scale, "{}: {difference} of {scale}", dtype.name());
    }
}
