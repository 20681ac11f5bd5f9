//! What servers tell is what the model says.

use gac_inference::remote::{RemoteModel, RemoteOptions};
use gac_inference::{Ask, Detail, Extension, LanguageModel, SequenceId, TokenId, Wanted, score_tokens};
use gac_testserver::TestEngine;

use crate::support::{
    ENGINES, assert_same, connect, counting, greedy, ids, mini, options, prompts, rows, serve, serve_counting, start,
};

#[test]
fn lists_of_every_engine_and_length_are_those_of_the_model() {
    let mut local = mini();
    for engine in ENGINES {
        let server = serve(engine, mini());
        for list in [1, 5, 20, rows()] {
            let mut remote = RemoteModel::connect(&RemoteOptions { list, ..options(&[&server]) }).unwrap();
            for prompt in prompts(3) {
                let (_, full) = start(&mut *local, &prompt);
                let (sequence, mut told) = start(&mut remote, &prompt);
                assert_same(&told, &full);
                assert_eq!(told.top().0, full.top().0, "{engine:?}");
                assert_eq!(told.is_complete(), list == rows());

                let wanted = ids([700, 3, full.top().0.0, 11]);
                let detail = Detail::Tokens(&wanted);
                let answer = remote.ask(&[Ask { sequence, length: prompt.len(), detail }]).unwrap().remove(0);
                assert_eq!(answer.iter().map(|(id, _)| *id).collect::<Vec<_>>(), wanted, "{engine:?}");
                told.learn(detail, &answer);
                assert_same(&told, &full);
                assert!(wanted.iter().all(|id| told.knows(*id)));

                let detail = Detail::Top(50);
                let answer = remote.ask(&[Ask { sequence, length: prompt.len(), detail }]).unwrap().remove(0);
                told.learn(detail, &answer);
                assert!(told.known_count() >= 50, "{engine:?}");
                assert_same(&told, &full);
            }
        }
    }
}

#[test]
fn distributions_within_an_extension_know_the_token_that_follows() {
    let mut local = mini();
    let tokens = ids((0..30).map(|at| 15 + at * 13 % 700));
    for engine in ENGINES {
        let server = serve(engine, mini());
        let mut remote = connect(&server);
        for (first, wanted) in [
            (0, Wanted::All),
            (12, Wanted::All),
            (12, Wanted::At(&[3, 4, 9])),
            (12, Wanted::At(&[0, 17])),
            (29, Wanted::Nothing),
        ] {
            let of = |model: &mut dyn LanguageModel| {
                let sequence = model.open(&[]).unwrap();
                let mut told = Vec::new();
                for (tokens, wanted) in [(&tokens[..first], Wanted::Nothing), (&tokens[first..], wanted)] {
                    if !tokens.is_empty() {
                        told = model.extend(&[Extension { sequence, tokens, wanted }]).unwrap().remove(0);
                    }
                }
                model.close(sequence);
                told
            };
            let before = server.asked();
            let (told, full) = (of(&mut remote), of(&mut *local));
            let asked = server.asked() - before;
            assert_eq!(told.len(), full.len());
            for (at, (told, full)) in wanted.indices(tokens.len() - first).into_iter().zip(told.iter().zip(&full)) {
                assert_same(told, full);
                if let Some(next) = tokens.get(first + at + 1) {
                    assert!(told.knows(*next), "{engine:?}, {wanted:?}: {at}");
                }
            }
            let least = usize::from(wanted != Wanted::Nothing);
            assert_eq!(asked, least, "{engine:?}");
        }
    }
}

#[test]
fn a_texts_score_is_that_of_the_model_in_one_request_but_for_its_last_token() {
    let mut local = mini();
    let tokens = ids((0..40).map(|at| 15 + at * 29 % 700));
    let expected = score_tokens(&mut *local, &tokens).unwrap();
    for engine in ENGINES {
        let server = serve(engine, mini());
        let mut remote = connect(&server);
        let before = server.asked();
        let scores = score_tokens(&mut remote, &tokens).unwrap();
        assert!((scores.sum - expected.sum).abs() < 1e-4, "{engine:?}: {} and {}", scores.sum, expected.sum);
        assert_eq!(scores.greedy, expected.greedy);
        assert!(server.asked() - before <= 2, "{engine:?}: {}", server.asked() - before);
    }
}

#[test]
fn many_sequences_go_on_token_for_token_as_the_models_own() {
    let prompts = prompts(12);
    let (mut mini_here, mut counting_here) = (mini(), counting());
    let expected = [greedy(&mut *mini_here, &prompts, 24), greedy(&mut counting_here, &prompts, 24)];
    for engine in ENGINES {
        let servers = [serve(engine, mini()), serve_counting(engine)];
        for (server, expected) in servers.iter().zip(&expected) {
            assert_eq!(greedy(&mut connect(server), &prompts, 24), *expected, "{engine:?}");
        }
    }
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[test]
fn whatever_is_done_to_sequences_distributions_stay_those_of_their_tokens() {
    let mut random = Random(11);
    let server = serve_counting(TestEngine::Vllm);
    let (mut remote, mut local) = (connect(&server), counting());
    let mut open: Vec<(SequenceId, SequenceId)> = Vec::new();
    let mut most_probable = std::collections::HashMap::new();
    for _ in 0..400 {
        let at = random.below(open.len().max(1));
        match random.below(10) {
            0 | 1 if open.len() < 8 => open.push((remote.open(&[]).unwrap(), local.open(&[]).unwrap())),
            2 if open.len() > 1 && open.len() < 8 => {
                let (a, b) = open[at];
                open.push((remote.fork(a).unwrap(), local.fork(b).unwrap()));
                most_probable.insert(open[open.len() - 1].0, most_probable.get(&a).copied().unwrap_or(TokenId(5)));
            }
            3 if open.len() > 1 => {
                let (a, b) = open.swap_remove(at);
                remote.close(a);
                local.close(b);
            }
            4 if !open.is_empty() => {
                let (a, b) = open[at];
                let length = random.below(remote.length(a) + 1);
                remote.truncate(a, length).unwrap();
                local.truncate(b, length).unwrap();
            }
            _ => {
                let chosen: Vec<usize> = (0..open.len()).filter(|_| random.below(3) > 0).collect();
                let tokens: Vec<Vec<TokenId>> = chosen
                    .iter()
                    .map(|&at| match random.below(4) {
                        0 => ids((0..=random.below(3) as u32).map(|k| 20 + k * 5)),
                        _ => vec![most_probable.get(&open[at].0).copied().unwrap_or(TokenId(30))],
                    })
                    .collect();
                let wanted = [Wanted::Last, Wanted::Last, Wanted::Last, Wanted::All, Wanted::Nothing][random.below(5)];
                let batch = |remote: bool| -> Vec<Extension<'_>> {
                    let sequence = |at: usize| if remote { open[at].0 } else { open[at].1 };
                    let with = |(&at, tokens)| (sequence(at), tokens);
                    let pairs = chosen.iter().zip(&tokens).map(with);
                    pairs.map(|(sequence, tokens): (_, &Vec<_>)| Extension { sequence, tokens, wanted }).collect()
                };
                let (told, full) = (remote.extend(&batch(true)).unwrap(), local.extend(&batch(false)).unwrap());
                for ((at, told), full) in chosen.iter().zip(&told).zip(&full) {
                    assert_eq!(told.len(), full.len());
                    for (told, full) in told.iter().zip(full) {
                        assert_same(told, full);
                        most_probable.insert(open[*at].0, full.top().0);
                    }
                }
            }
        }
        for (a, b) in &open {
            assert_eq!(remote.length(*a), local.length(*b));
        }
    }
    assert!(server.asked() > 50, "{}", server.asked());
}
