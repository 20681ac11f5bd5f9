//! An engine that hands up lists, as one on a GPU does: what it says and what it tells when asked is what dense
//! distributions say.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use gac_inference::{
    Ask, Detail, Distribution, Engine, EngineOptions, Extension, Handover, LanguageModel, ModelError, ModelSource,
    SequenceId, TokenId, Wanted, score_tokens,
};
use gac_needs::{folder, needs};

fn engine(model: &str, handover: Handover) -> Engine {
    let source = ModelSource::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(model));
    Engine::load(&source, &EngineOptions { handover, cache_bytes: 1 << 24, ..EngineOptions::default() }).unwrap()
}

fn tokens(count: usize, seed: u32) -> Vec<TokenId> {
    (0..count as u32).map(|at| TokenId((at * at * 7 + at * seed + seed) % 900)).collect()
}

fn read(engine: &mut Engine, sequence: SequenceId, tokens: &[TokenId], wanted: Wanted<'_>) -> Vec<Distribution> {
    engine.extend(&[Extension { sequence, tokens, wanted }]).unwrap().remove(0)
}

fn assert_near(told: &[(TokenId, f64)], expected: &[(TokenId, f64)], what: &str) {
    assert_eq!(told.len(), expected.len(), "{what}");
    for (a, b) in told.iter().zip(expected) {
        assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-6, "{what}: {a:?} is not {b:?}");
    }
}

/// Asks an engine about a distribution, and compares with the dense one.
fn assert_tells(engine: &mut Engine, sequence: SequenceId, length: usize, dense: &Distribution, what: &str) {
    let ids = [0, 7, 999, 31].map(TokenId);
    for detail in [Detail::Tokens(&ids), Detail::Top(1), Detail::Top(33), Detail::Top(usize::MAX)] {
        let told = engine.ask(&[Ask { sequence, length, detail }]).unwrap().remove(0);
        assert_near(&told, &dense.tell(detail), &format!("{what}: {detail:?}"));
    }
}

#[test]
fn a_list_has_the_most_probable_tokens_of_the_dense_distribution() {
    for model in ["mini-llama", "mini-qwen"] {
        let text = tokens(40, 3);
        let mut dense = engine(model, Handover::Dense);
        let sequence = dense.open(&text).unwrap();
        let dense = read(&mut dense, sequence, &text, Wanted::All);
        for k in [1, 3, 20, 5000] {
            let mut lists = engine(model, Handover::Listed(k));
            let sequence = lists.open(&[]).unwrap();
            for (list, dense) in read(&mut lists, sequence, &text, Wanted::All).iter().zip(&dense) {
                assert_eq!(list.known_count(), k.min(dense.rows()));
                assert_near(&list.tell(Detail::Top(k)), &dense.tell(Detail::Top(k)), model);
                let rest = 1.0 - dense.most_probable(k, |_| true).iter().map(|(_, p)| p).sum::<f64>();
                assert!((list.rest() - rest).abs() < 2e-6);
                assert_eq!(list.is_complete(), k >= dense.rows());
            }
        }
    }
}

#[test]
fn an_engine_on_the_cpu_hands_up_dense_distributions_unless_told_otherwise() {
    let mut engine = engine("mini-llama", Handover::Auto);
    let sequence = engine.open(&[]).unwrap();
    let given = read(&mut engine, sequence, &tokens(3, 1), Wanted::All);
    assert!(given.iter().all(Distribution::is_complete));
    assert_eq!(engine.handed_up_bytes(), 3 * 4 * 1000);
}

#[test]
fn a_list_is_asked_about_at_once_or_later_while_its_sequence_holds_the_tokens() {
    for (model, seed) in [("mini-llama", 5), ("mini-qwen", 9)] {
        let text = tokens(50, seed);
        let mut dense = engine(model, Handover::Dense);
        let sequence = dense.open(&[]).unwrap();
        let dense = read(&mut dense, sequence, &text, Wanted::All);
        let mut lists = engine(model, Handover::Listed(2));

        let sequence = lists.open(&[]).unwrap();
        read(&mut lists, sequence, &text[..37], Wanted::At(&[4, 20, 36]));
        for length in [5, 21, 37] {
            assert_tells(&mut lists, sequence, length, &dense[length - 1], "at once");
        }
        let fork = lists.fork(sequence).unwrap();
        read(&mut lists, sequence, &text[37..], Wanted::Last);
        for length in [1, 16, 17, 21, 37, 50] {
            assert_tells(&mut lists, sequence, length, &dense[length - 1], "after it went on");
        }
        assert_tells(&mut lists, fork, 37, &dense[36], "of a fork");
        lists.truncate(sequence, 37).unwrap();
        assert_tells(&mut lists, sequence, 37, &dense[36], "after it was cut");
        assert_eq!((lists.length(sequence), lists.length(fork)), (37, 37));
        lists.close(fork);

        // Nothing that was asked has changed anything.
        let again = read(&mut lists, sequence, &text[37..], Wanted::Last).remove(0);
        assert_near(&again.tell(Detail::Top(2)), &dense[49].tell(Detail::Top(2)), "going on");
        for length in [0, 51] {
            let asked = lists.ask(&[Ask { sequence, length, detail: Detail::Top(1) }]);
            assert!(
                matches!(asked, Err(ModelError::TruncateBeyondEnd { length: 50, requested }) if requested == length)
            );
        }
        lists.close(sequence);
        let asked = lists.ask(&[Ask { sequence, length: 1, detail: Detail::Top(1) }]);
        assert!(matches!(asked, Err(ModelError::UnknownSequence(_))));
    }
}

#[test]
fn one_call_asks_about_many_distributions_of_many_sequences() {
    let text = tokens(30, 2);
    let mut dense = engine("mini-qwen", Handover::Dense);
    let sequence = dense.open(&[]).unwrap();
    let dense = read(&mut dense, sequence, &text, Wanted::All);
    let mut lists = engine("mini-qwen", Handover::Listed(1));
    let [a, b] = [lists.open(&[]).unwrap(), lists.open(&[]).unwrap()];
    let batch = |sequence, to: usize| Extension { sequence, tokens: &text[..to], wanted: Wanted::All };
    lists.extend(&[batch(a, 30), batch(b, 12)]).unwrap();
    read(&mut lists, b, &text[12..14], Wanted::Last);
    let ids = [text[3], TokenId(0)];
    let asked: Vec<(SequenceId, usize, Detail<'_>)> = vec![
        (b, 14, Detail::Top(40)),
        (a, 30, Detail::Tokens(&ids)),
        (b, 3, Detail::Tokens(&ids)),
        (a, 3, Detail::Top(4)),
        (b, 14, Detail::Tokens(&ids[..1])),
        (a, 1, Detail::Tokens(&[])),
    ];
    let asks: Vec<_> = asked.iter().map(|&(sequence, length, detail)| Ask { sequence, length, detail }).collect();
    for ((_, length, detail), told) in asked.iter().zip(lists.ask(&asks).unwrap()) {
        assert_near(&told, &dense[length - 1].tell(*detail), &format!("{length}: {detail:?}"));
    }
}

#[test]
fn texts_are_scored_alike() {
    for model in ["mini-llama", "mini-qwen"] {
        let text = tokens(300, 4);
        let dense = score_tokens(&mut engine(model, Handover::Dense), &text).unwrap();
        for k in [1, 20] {
            let mut lists = engine(model, Handover::Listed(k));
            let scores = score_tokens(&mut lists, &text).unwrap();
            assert_eq!(scores.greedy, dense.greedy);
            for (a, b) in scores.logprobs.iter().zip(&dense.logprobs) {
                assert!((a - b).abs() < 1e-6, "{a} is not {b}");
            }
        }
    }
}

#[needs(real)]
#[test]
fn real_models_hand_up_a_small_part_of_their_logits_and_say_the_same() {
    for (name, text) in [("SmolLM2-135M-Instruct.Q4_1.gguf", 3), ("gemma-3-270m-q4_k_m.gguf", 8)] {
        let source = ModelSource::Gguf(folder!(real).join(name));
        let prompt = tokens(20, text);
        let run = |handover| {
            let mut engine = Engine::load(&source, &EngineOptions { handover, ..EngineOptions::default() }).unwrap();
            let sequence = engine.open(&prompt).unwrap();
            let mut next = read(&mut engine, sequence, &prompt, Wanted::Last).remove(0);
            let mut lists = Vec::new();
            for _ in 0..20 {
                let list = next.tell(Detail::Top(20));
                next = read(&mut engine, sequence, &[list[0].0], Wanted::Last).remove(0);
                lists.push(list);
            }
            (lists, engine.handed_up_bytes() / 21, next.rows() as u64)
        };
        let ((lists, bytes, _), (dense, all, rows)) = (run(Handover::Listed(20)), run(Handover::Dense));
        for (list, dense) in lists.iter().zip(&dense) {
            assert_near(list, dense, name);
        }
        println!("{name}: {bytes} of {all} bytes a distribution");
        assert!(all == 4 * rows && 14 * bytes < all, "{name}: {bytes} of {all}");
    }
}
