//! Continuations whose pass ends beyond `LongRoPE`'s original context beside ones whose pass ends within it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, Gating, LogLikelihoodRequest, Member, ModelId, Overlong, Prompt, PromptEncoding, Scheduler, Settings,
    Weights, log_likelihood,
};
use gac_inference::testkit::tokenizer;
use gac_inference::{Engine, EngineOptions, Extension, LanguageModel, ModelSource, TokenId, Wanted};

/// The fixture of `scripts/fixtures/longrope.py`; its original context is 48 tokens.
fn engine() -> Engine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/longrope");
    Engine::load(&ModelSource::Folder(folder), &EngineOptions::default()).unwrap()
}

fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|at| 3 + (at * 37 + at * at) % 110).collect()
}

fn text(ids: &[u32]) -> String {
    ids.iter().map(|id| format!("{id:03}")).collect::<Vec<_>>().concat()
}

#[test]
fn a_continuation_is_scored_in_the_pass_of_its_own_length_whatever_shares_its_context() {
    let pieces: Vec<String> = (0..120).map(|id| format!("{id:03}")).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let tokenizer = Arc::new(tokenizer(&pieces, &[]));
    // Of the same context, passes of 46 to 57 tokens, and one far beyond, in an order that mixes them.
    let cases = [(46, 2), (46, 12), (46, 1), (46, 3), (46, 4), (46, 8), (40, 5), (80, 3), (80, 1)];
    let all = ids(100);
    let requests: Vec<LogLikelihoodRequest> = cases
        .iter()
        .map(|&(context, continuation)| LogLikelihoodRequest {
            context: Prompt::Text(text(&all[..context])),
            continuation: text(&all[context..context + continuation]),
            encoding: PromptEncoding::WithSpecial,
            overlong: Overlong::Refuse,
        })
        .collect();
    let member = Member { name: "a".into(), model: Box::new(engine()), tokenizer };
    let mut scheduler = Scheduler::new(vec![member]);
    let alone = scheduler.ensemble(&[ModelId(0)]).unwrap();
    let settings = Arc::new(Settings::new(alone, Weights::uniform(1), Gating::EveryStep).unwrap());
    for max_samples in [1, 4, 64] {
        let mut found = Vec::new();
        let limits = BatchLimits::batch(max_samples);
        let scored = log_likelihood(&mut scheduler, &settings, &requests, limits, &mut |_, score| {
            found.push(score.tokens);
            ControlFlow::Continue(())
        });
        scored.unwrap();
        for (&(context, continuation), found) in cases.iter().zip(&found) {
            let tokens: Vec<TokenId> = all[..context + continuation].iter().copied().map(TokenId).collect();
            let (_, pass) = tokens.split_last().unwrap();
            let mut engine = engine();
            let sequence = engine.open(&[]).unwrap();
            engine.announce(sequence, pass.len());
            let views = engine.extend(&[Extension { sequence, tokens: pass, wanted: Wanted::All }]).unwrap().remove(0);
            let expected: Vec<f64> =
                views[context - 1..].iter().zip(&tokens[context..]).map(|(view, &id)| view.log_prob(id)).collect();
            assert_eq!(*found, expected, "{context} + {continuation} tokens, {max_samples} at a time");
        }
    }
}
