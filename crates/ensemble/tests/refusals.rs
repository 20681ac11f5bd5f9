//! A member that refuses one sequence, as a server may: that request fails, and all others are as if it had not been.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Random, Script, Told, random_prompt, random_script, request, scoring};
use gac_ensemble::{BatchLimits, Gating, Member, ModelId, RequestError, Scheduler, Settings, Weights};
use gac_inference::testkit::{Listing, Otherwise, Wrapped};
use gac_inference::{Ask, Distribution, Extension, LanguageModel, ModelError, SequenceId, TokenId};

/// When a model refuses a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Never,
    /// When it is extended beyond so many tokens.
    Extending(usize),
    /// When it is asked for more, with so many tokens.
    Asked(usize),
    /// When it is asked about more than so many distributions at once, as one that has to read a token again for each: its
    /// cache is full then.
    Crowded(usize),
}

fn refused(sequence: SequenceId) -> ModelError {
    ModelError::Request { sequence, reason: "HTTP 400: not this one".into() }
}

impl Otherwise for When {
    fn extend(
        &mut self,
        inner: &mut dyn LanguageModel,
        batch: &[Extension<'_>],
    ) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let long = |e: &&Extension<'_>| matches!(self, Self::Extending(most) if inner.length(e.sequence) + e.tokens.len() > *most);
        match batch.iter().find(long) {
            Some(extension) => Err(refused(extension.sequence)),
            None => inner.extend(batch),
        }
    }

    fn ask(&mut self, inner: &mut dyn LanguageModel, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        if matches!(self, Self::Crowded(most) if asks.len() > *most) {
            return Err(ModelError::CacheFull { needed: asks.len(), free: 0 });
        }
        match asks.iter().find(|ask| matches!(self, Self::Asked(most) if ask.length > *most)) {
            Some(ask) => Err(refused(ask.sequence)),
            None => inner.ask(asks),
        }
    }
}

/// What becomes of some texts and scores with members of which the second refuses what is long.
fn told(scripts: &[Script], when: When) -> Told {
    let members = scripts.iter().enumerate().map(|(index, script)| Member {
        name: format!("m{index}"),
        model: Box::new(Wrapped {
            inner: Box::new(Listing::of(Box::new(script.model()), 2)),
            otherwise: if index == 1 { when } else { When::Never },
        }),
        tokenizer: Arc::clone(&script.tokenizer),
    });
    let mut scheduler = Scheduler::new(members.collect());
    let ensemble = scheduler.ensemble(&[ModelId(0), ModelId(1)]).unwrap();
    let settings = Arc::new(Settings::new(ensemble, Weights::uniform(2), Gating::EveryStep).unwrap());
    let mut random = Random(3);
    for number in 0..24 {
        let prompt = random_prompt(&mut random);
        if number % 4 == 3 {
            scheduler.submit(&scoring(&prompt, "ab ca"), &settings);
        } else {
            scheduler.submit(&request(&prompt, 1 + number), &settings);
        }
    }
    let mut told = Told::default();
    told.run(&mut scheduler, BatchLimits::batch(8));
    told
}

#[test]
fn a_sequence_that_a_member_refuses_is_an_error_of_its_request_alone() {
    let mut random = Random(8);
    let mut failed = [0, 0];
    for _ in 0..6 {
        let scripts = [random_script(&mut random), random_script(&mut random)];
        let undisturbed = told(&scripts, When::Never);
        assert!(undisturbed.failures.is_empty());
        for (way, when) in [When::Extending(14), When::Asked(11)].into_iter().enumerate() {
            let disturbed = told(&scripts, when);
            assert!(disturbed.failures.len() < 24, "{when:?}: all failed");
            failed[way] += disturbed.failures.len();
            for error in disturbed.failures.values() {
                match error {
                    RequestError::Refused { member, .. } => assert_eq!(member, "m1"),
                    other => panic!("{other}"),
                }
            }
            for (key, generation) in &disturbed.generations {
                assert_eq!(generation.text(), undisturbed.generations[key].text(), "{when:?}");
            }
            for (key, score) in &disturbed.scores {
                assert_eq!(score.sum.to_bits(), undisturbed.scores[key].sum.to_bits(), "{when:?}");
            }
            let ended = disturbed.generations.len() + disturbed.scores.len() + disturbed.failures.len();
            assert_eq!(ended, 24, "{when:?}");
        }
    }
    assert!(failed.iter().all(|failed| *failed > 5), "{failed:?}");
}

#[test]
fn where_there_is_no_room_to_answer_the_youngest_makes_room_and_comes_out_the_same() {
    let mut random = Random(9);
    for most in [4, 6] {
        let scripts = [random_script(&mut random), random_script(&mut random)];
        let (undisturbed, crowded) = (told(&scripts, When::Never), told(&scripts, When::Crowded(most)));
        assert!(crowded.failures.is_empty(), "{:?}", crowded.failures);
        for (key, generation) in &crowded.generations {
            assert_eq!(generation.text(), undisturbed.generations[key].text(), "{most}");
        }
        for (key, score) in &crowded.scores {
            assert_eq!(score.sum.to_bits(), undisturbed.scores[key].sum.to_bits(), "{most}");
        }
        assert_eq!(crowded.generations.len() + crowded.scores.len(), 24, "{most}");
    }
}
