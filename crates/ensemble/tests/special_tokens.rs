//! Special tokens that win a vote, and that may not.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Script, Told, request, watched};
use gac_ensemble::{BatchLimits, ControlSymbols, Gating, ModelId, Scheduler, Settings, Weights};
use gac_inference::testkit::LongestMatch;
use gac_inference::{Symbol, TextKind, TokenId, Tokenizer, Vocabulary};

#[test]
fn special_tokens_win_votes_unless_they_are_dropped() {
    let speaks = |end: &str| {
        let control = |name: &str| Symbol::Control { name: name.into() };
        let text = |text: &str| Symbol::Text { bytes: text.as_bytes().into(), kind: TextKind::Piece };
        let vocabulary = Vocabulary::new(vec![text("q"), text("x"), control("<pad>"), control(end)], [TokenId(3)]);
        Tokenizer::new(vocabulary.clone(), LongestMatch { vocabulary })
    };
    let next = |tokens: &[TokenId]| match tokens.last() {
        Some(TokenId(0)) => vec![(TokenId(2), 0.6), (TokenId(1), 0.3)],
        _ => vec![(TokenId(3), 0.9)],
    };
    let script = |end| Script::new(speaks(end), next);
    let (members, ..) = watched(&[script("<eos>"), script("</s>")], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    for models in [&[ModelId(0)][..], &[ModelId(0), ModelId(1)]] {
        for gating in [Gating::EveryStep, common::gating(0, 0.5)] {
            let mut said = |special| {
                let ensemble = scheduler.ensemble_with(models, special).unwrap();
                let settings = Settings::new(ensemble, Weights::uniform(models.len()), gating).unwrap();
                let request = scheduler.submit(&request("q", 4), &Arc::new(settings));
                let mut told = Told::default();
                told.run(&mut scheduler, BatchLimits::batch(8));
                told.generations.remove(&(request, 0)).unwrap()
            };
            let (kept, dropped) = (said(ControlSymbols::Keep), said(ControlSymbols::Drop));
            assert_eq!((kept.text(), kept.tokens), (String::new(), 2));
            assert_eq!((dropped.text(), dropped.tokens), ("x".to_owned(), 2));
            assert!((dropped.steps[0].probability - 0.3).abs() < 1e-6, "the mass of others is dropped");
        }
    }
}
