//! Models of candle-transformers against transformers' own log-probabilities, recorded by
//! `scripts/fixtures/adapters.py`, and as every other model behind `LanguageModel`.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gac_inference::{
    Backend, CheckpointError, ComputeType, Distribution, Dtype, EngineError, EngineOptions, Extension, LanguageModel,
    ModelError, ModelSource, SequenceId, TokenId, Wanted, check_model, load_model, model_types,
};

mod reference;

use reference::{TOLERANCE, in_old_style, largest_error, references};

fn fixtures() -> Vec<PathBuf> {
    reference::fixtures("adapter_fixtures")
}

fn source(folder: &Path) -> ModelSource {
    ModelSource::Folder(folder.to_owned())
}

fn load(folder: &Path) -> Box<dyn LanguageModel> {
    load_model(&source(folder), &EngineOptions::default()).unwrap()
}

fn feed(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    tokens: &[TokenId],
    wanted: Wanted<'_>,
) -> Vec<Distribution> {
    model.extend(&[Extension { sequence, tokens, wanted }]).unwrap().remove(0)
}

fn same(a: &Distribution, b: &Distribution) -> bool {
    (0..120).all(|id| (a.log_prob(TokenId(id)) - b.log_prob(TokenId(id))).abs() < 1e-4)
}

#[test]
fn log_probabilities_equal_transformers_in_both_config_styles() {
    for folder in fixtures() {
        let old = in_old_style(&folder);
        for folder in [folder.as_path(), old.path()] {
            let mut model = load(folder);
            for reference in references(folder) {
                let sequence = model.open(&[]).unwrap();
                let distributions = feed(model.as_mut(), sequence, &reference.tokens, Wanted::All);
                model.close(sequence);
                let error = largest_error(&reference, &distributions);
                println!("{} {} tokens: {error:.1e}", folder.display(), reference.tokens.len());
                assert!(error < TOLERANCE, "{}: {error}", folder.display());
            }
        }
    }
}

#[test]
fn every_model_type_that_candle_runs_has_a_fixture() {
    let kinds: BTreeSet<String> = fixtures()
        .iter()
        .map(|folder| {
            let config = std::fs::read(folder.join("config.json")).unwrap();
            let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
            config["model_type"].as_str().unwrap().to_owned()
        })
        .collect();
    let listed: BTreeSet<String> = model_types()
        .into_iter()
        .filter(|(_, backend)| *backend == Backend::Candle)
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(listed, kinds);
}

#[test]
fn a_distribution_does_not_depend_on_how_its_sequence_was_fed() {
    for folder in fixtures() {
        let mut model = load(&folder);
        let tokens = &references(&folder).pop().unwrap().tokens[..60].to_vec();
        let sequence = model.open(&[]).unwrap();
        let single = feed(model.as_mut(), sequence, tokens, Wanted::All);
        // At once; in chunks of 1, 2, 3, ...; with some positions wanted.
        let at_once = model.open(tokens).unwrap();
        assert_eq!(model.length(at_once), 0);
        assert!(same(&single[59], &feed(model.as_mut(), at_once, tokens, Wanted::Last)[0]), "{}", folder.display());
        let chunked = model.open(&[]).unwrap();
        let (mut from, mut size) = (0, 1);
        while from < tokens.len() {
            let to = (from + size).min(tokens.len());
            let last = feed(model.as_mut(), chunked, &tokens[from..to], Wanted::Last);
            assert!(same(&single[to - 1], &last[0]), "{}: {from}..{to}", folder.display());
            (from, size) = (to, size + 1);
        }
        let some = model.open(&[]).unwrap();
        let views = feed(model.as_mut(), some, tokens, Wanted::At(&[9, 10, 40]));
        assert!([9, 10, 40].iter().zip(&views).all(|(&at, view)| same(&single[at], view)), "{}", folder.display());
        assert!(feed(model.as_mut(), some, &[TokenId(3)], Wanted::Nothing).is_empty());
    }
}

#[test]
fn a_fork_and_its_original_go_their_own_ways() {
    for folder in fixtures() {
        let mut model = load(&folder);
        let tokens = references(&folder).last().unwrap().tokens[..20].to_vec();
        let original = model.open(&[]).unwrap();
        let plain = feed(model.as_mut(), original, &tokens, Wanted::All);
        model.truncate(original, 10).unwrap();
        let fork = model.fork(original).unwrap();
        feed(model.as_mut(), original, &[TokenId(7); 5], Wanted::Nothing);
        let resumed = feed(model.as_mut(), fork, &tokens[10..], Wanted::All);
        assert!(plain[10..].iter().zip(&resumed).all(|(a, b)| same(a, b)), "{}", folder.display());
        // A fork of a sequence whose state is at hand.
        let second = model.fork(fork).unwrap();
        let token = [TokenId(11)];
        let a = feed(model.as_mut(), fork, &token, Wanted::Last);
        let b = feed(model.as_mut(), second, &token, Wanted::Last);
        assert!(same(&a[0], &b[0]), "{}", folder.display());
        assert_eq!((model.length(original), model.length(fork)), (15, 21));
    }
}

#[test]
fn sequences_of_one_batch_do_not_touch_each_other() {
    for folder in fixtures() {
        let mut model = load(&folder);
        let references = references(&folder);
        let longest = &references.last().unwrap().tokens;
        let prompts = [&longest[..12], &longest[30..37], &longest[50..63]];
        let alone: Vec<Vec<Distribution>> = prompts
            .iter()
            .map(|prompt| {
                let sequence = model.open(&[]).unwrap();
                let views = feed(model.as_mut(), sequence, prompt, Wanted::All);
                model.close(sequence);
                views
            })
            .collect();
        let sequences = prompts.map(|_| model.open(&[]).unwrap());
        // Their first five tokens, then one more of each at a time.
        for step in 0..3 {
            let (from, to) = if step == 0 { (0, 5) } else { (4 + step, 5 + step) };
            let batch: Vec<_> = prompts
                .iter()
                .zip(sequences)
                .map(|(prompt, sequence)| Extension { sequence, tokens: &prompt[from..to], wanted: Wanted::Last })
                .collect();
            for (alone, together) in alone.iter().zip(model.extend(&batch).unwrap()) {
                assert!(same(&alone[to - 1], &together[0]), "{}", folder.display());
            }
        }
    }
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let folder = &fixtures()[0];
    let mut model = load(folder);
    let limits = model.limits();
    let sequence = model.open(&[]).unwrap();
    let mut refused = |tokens: &[TokenId]| {
        let error = model.extend(&[Extension { sequence, tokens, wanted: Wanted::Last }]).unwrap_err();
        assert_eq!(model.length(sequence), 0);
        error
    };
    assert!(matches!(refused(&[TokenId(1), TokenId(5000)]), ModelError::UnknownToken { token: 5000, vocabulary: 120 }));
    assert!(matches!(refused(&vec![TokenId(1); limits.context + 1]), ModelError::ContextFull { .. }));
    assert!(matches!(model.truncate(sequence, 1), Err(ModelError::TruncateBeyondEnd { length: 0, requested: 1 })));
    model.close(sequence);
    assert!(matches!(model.fork(sequence), Err(ModelError::UnknownSequence(_))));
}

#[test]
fn a_full_cache_takes_sequences_again_when_others_are_closed() {
    let options = EngineOptions { cache_bytes: 0, ..EngineOptions::default() };
    let mut model = load_model(&source(&fixtures()[0]), &options).unwrap();
    let limits = model.limits();
    assert_eq!(limits.cache, limits.context);
    let first = model.open(&[]).unwrap();
    feed(model.as_mut(), first, &vec![TokenId(1); limits.context - 1], Wanted::Nothing);
    let second = model.open(&[]).unwrap();
    let extension = Extension { sequence: second, tokens: &[TokenId(1), TokenId(2)], wanted: Wanted::Last };
    assert!(matches!(model.extend(&[extension]), Err(ModelError::CacheFull { needed: 2, free: 1 })));
    model.close(first);
    assert_eq!(model.extend(&[extension]).unwrap()[0].len(), 1);
}

#[test]
fn a_model_of_candle_computes_in_f32_alone() {
    let folder = source(&fixtures()[0]);
    let options = EngineOptions { compute: ComputeType::Bf16, ..EngineOptions::default() };
    for error in [check_model(&folder, &options).unwrap_err(), load_model(&folder, &options).err().unwrap()] {
        assert!(error.to_string().contains("bf16") && error.to_string().contains("candle-transformers"), "{error}");
        assert!(matches!(error, EngineError::Checkpoint(CheckpointError::ComputesElsewhere { .. })));
    }
}

#[test]
fn quantising_a_model_of_candle_is_refused_before_and_at_loading() {
    let folder = source(&fixtures()[0]);
    let options = EngineOptions { dtype: Some(Dtype::Q8_0), ..EngineOptions::default() };
    for error in [check_model(&folder, &options).unwrap_err(), load_model(&folder, &options).err().unwrap()] {
        assert!(error.to_string().contains("`deepseek_v2`") && error.to_string().contains("q8_0"), "{error}");
        assert!(matches!(error, EngineError::Checkpoint(CheckpointError::NotQuantisable { .. })));
    }
    assert!(check_model(&folder, &EngineOptions::default()).is_ok());
}

#[test]
fn an_unknown_architecture_is_named_with_everything_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "mpt"}"#).unwrap();
    let error = check_model(&source(folder.path()), &EngineOptions::default()).unwrap_err().to_string();
    assert!(error.contains("`mpt`") && error.contains("llama, mamba, mamba2, mistral"), "{error}");
}
