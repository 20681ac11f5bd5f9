//! Continuations that are expected take one request each, or less.

use std::collections::HashSet;

use gac_inference::{Ask, Detail, Distribution, Extension, LanguageModel, TokenId, Wanted};
use gac_testserver::TestEngine;

use crate::support::{ENGINES, assert_same, connect, ids, mini, serve, tokenizer};

fn context() -> Vec<TokenId> {
    ids((0..20).map(|at| 15 + at * 31 % 700))
}

fn distributions(model: &mut dyn LanguageModel, tokens: &[TokenId]) -> Vec<Distribution> {
    let sequence = model.open(&[]).unwrap();
    let told = model.extend(&[Extension { sequence, tokens, wanted: Wanted::All }]).unwrap().remove(0);
    model.close(sequence);
    told
}

/// The first tokens' log-probabilities after the context, and those of the others behind forks of it, as scoring asks for
/// them; `late` continuations are expected when the context is already read.
fn score(model: &mut dyn LanguageModel, continuations: &[Vec<TokenId>], late: usize) -> Vec<Vec<Distribution>> {
    let context = context();
    let (early, late) = continuations.split_at(continuations.len() - late);
    let sequence = model.open(&context).unwrap();
    model.expect(sequence, context.len(), early);
    let mut first = model.extend(&[Extension { sequence, tokens: &context, wanted: Wanted::Last }]).unwrap();
    let mut first = first.remove(0).remove(0);
    model.expect(sequence, context.len(), late);
    let next: HashSet<TokenId> = continuations.iter().map(|tokens| tokens[0]).filter(|id| !first.knows(*id)).collect();
    let next: Vec<[TokenId; 1]> = next.into_iter().map(|id| [id]).collect();
    let asks: Vec<Ask<'_>> =
        next.iter().map(|id| Ask { sequence, length: context.len(), detail: Detail::Tokens(id) }).collect();
    for (id, answer) in next.iter().zip(model.ask(&asks).unwrap()) {
        first.learn(Detail::Tokens(id), &answer);
    }
    let forks: Vec<_> = continuations.iter().map(|_| model.fork(sequence).unwrap()).collect();
    let several = forks.iter().zip(continuations).filter(|(_, tokens)| tokens.len() > 1);
    let fed = several.map(|(&sequence, tokens)| (sequence, &tokens[..tokens.len() - 1]));
    let batch: Vec<Extension<'_>> =
        fed.map(|(sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::All }).collect();
    let mut told = model.extend(&batch).unwrap().into_iter();
    let mut all = Vec::new();
    for (&sequence, tokens) in forks.iter().zip(continuations) {
        let mut of = vec![first.clone()];
        of.extend(if tokens.len() > 1 { told.next().unwrap() } else { Vec::new() });
        for (at, (token, told)) in
            tokens.iter().zip(&mut of).enumerate().filter(|(_, (token, told))| !told.knows(**token))
        {
            let detail = Detail::Tokens(std::slice::from_ref(token));
            let answer = model.ask(&[Ask { sequence, length: context.len() + at, detail }]).unwrap().remove(0);
            told.learn(detail, &answer);
        }
        all.push(of);
    }
    all
}

/// How many requests `continuations` took, whose distributions are checked.
fn requests(engine: TestEngine, continuations: &[Vec<TokenId>], late: usize) -> usize {
    let mut local = mini();
    let server = serve(engine, mini());
    let mut remote = connect(&server);
    let before = server.asked();
    let told = score(&mut remote, continuations, late);
    let asked = server.asked() - before;
    for (continuation, told) in continuations.iter().zip(told) {
        let whole = [context(), continuation.clone()].concat();
        let full = distributions(&mut *local, &whole);
        for ((token, told), full) in continuation.iter().zip(&told).zip(&full[context().len() - 1..]) {
            assert_same(told, full);
            assert!(told.knows(*token), "{engine:?}: {token:?} of {continuation:?}");
        }
    }
    asked
}

#[test]
fn continuations_of_several_tokens_take_one_request_each() {
    let continuations: Vec<Vec<TokenId>> =
        [[300, 41, 90, 8], [300, 41, 90, 9], [55, 600, 72, 73], [18, 19, 20, 21]].map(ids).to_vec();
    for engine in ENGINES {
        for late in [0, 1, 3] {
            assert_eq!(requests(engine, &continuations, late), 4, "{engine:?}, {late} of them late");
        }
        assert_eq!(requests(engine, &continuations[..1], 0), 1, "{engine:?}");
    }
}

#[test]
fn continuations_of_one_token_share_a_list_and_one_question_about_the_rest() {
    let continuations: Vec<Vec<TokenId>> = (0..6).map(|at| ids([300 + at * 7])).collect();
    for engine in [TestEngine::Vllm, TestEngine::Sglang, TestEngine::Gac] {
        assert_eq!(requests(engine, &continuations, 0), 2, "{engine:?}");
        assert_eq!(requests(engine, &continuations, 5), 2, "{engine:?}");
    }
    assert_eq!(requests(TestEngine::LlamaCpp, &continuations, 0), 6, "it forces each of them");
    let mixed: Vec<Vec<TokenId>> = [vec![300, 41, 90], vec![307], vec![314], vec![55, 600]].map(ids).to_vec();
    for engine in ENGINES {
        assert!(requests(engine, &mixed, 0) <= 4, "{engine:?}");
    }
}

#[test]
fn llama_cpp_is_not_asked_to_force_the_end_of_a_text() {
    let tokenizer = tokenizer();
    let mut all = tokenizer.vocabulary().iter().map(|(id, _)| id);
    let end = all.find(|id| tokenizer.vocabulary().is_end(*id)).unwrap();
    let continuations = [vec![TokenId(300), TokenId(41), end]];
    // A list for each token, and a longer one where that does not have it.
    assert!(requests(TestEngine::LlamaCpp, &continuations, 0) <= 6);
}
