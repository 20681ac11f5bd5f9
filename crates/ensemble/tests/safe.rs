//! Verification (SAFE): drafts of several tokens give what token by token gives, in fewer forwards.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, stopping};
use gac_ensemble::{Finish, Gating, GenerationRequest, MemberId, Weights};
use gac_inference::testkit::tokenizer;
use gac_inference::{Extension, LanguageModel, Symbol, TokenId, Wanted};

fn probabilities(script: &Script, history: &[TokenId]) -> Vec<f64> {
    let mut model = script.model();
    let sequence = model.open(history).unwrap();
    let batch = [Extension { sequence, tokens: history, wanted: Wanted::Last }];
    let distribution = model.extend(&batch).unwrap().remove(0).remove(0);
    (0..script.limits.vocabulary as u32).map(|id| distribution.prob(TokenId(id))).collect()
}

/// A token's bytes; END is none, and other control symbols are their name between zero bytes.
fn key(script: &Script, id: TokenId) -> Vec<u8> {
    let vocabulary = script.tokenizer.vocabulary();
    match vocabulary.symbol(id) {
        _ if vocabulary.is_end(id) => Vec::new(),
        Symbol::Text { bytes, .. } => bytes.to_vec(),
        Symbol::Control { name } => [&b"\0"[..], name.as_bytes(), b"\0"].concat(),
        Symbol::Unused => panic!("no such rows here"),
    }
}

fn ids_of(script: &Script, wanted: &[u8]) -> Vec<TokenId> {
    (0..script.limits.vocabulary as u32).map(TokenId).filter(|&id| key(script, id) == wanted).collect()
}

fn fed(script: &Script, token: &[u8]) -> Vec<TokenId> {
    let own = ids_of(script, token);
    match own.first() {
        _ if token.is_empty() => Vec::new(),
        Some(&id) => vec![id],
        None if token[0] == 0 => Vec::new(),
        None => script.tokenizer.encoder().encode_inner(std::str::from_utf8(token).unwrap()).unwrap(),
    }
}

/// Whether a member would split the last word of a text between the two parts.
fn splits(script: &Script, said: &[u8], next: &[u8]) -> bool {
    let text = String::from_utf8(said.to_vec()).unwrap();
    let word = text.trim_end_matches(|c: char| !c.is_ascii_whitespace());
    let word = &text[word.trim_end_matches(|c: char| c.is_ascii_whitespace()).len()..];
    if word.is_empty() || next.is_empty() || next[0] == 0 {
        return true;
    }
    let whole = [word.as_bytes(), next].concat();
    let ids = script.tokenizer.encoder().encode_inner(std::str::from_utf8(&whole).unwrap()).unwrap();
    let mut length = 0;
    ids.iter().any(|id| {
        length += script.tokenizer.vocabulary().bytes(*id).len();
        length == word.len()
    })
}

/// `(bytes, whether the members voted)` of each step, token by token, everything from scratch.
fn reference(scripts: &[Script], weights: &[f64], drafter: usize, request: &GenerationRequest) -> Vec<(Vec<u8>, bool)> {
    let mut order: Vec<Vec<u8>> = Vec::new();
    for script in scripts {
        for id in 0..script.limits.vocabulary as u32 {
            let key = key(script, TokenId(id));
            if !order.contains(&key) {
                order.push(key);
            }
        }
    }
    let mut histories: Vec<Vec<TokenId>> =
        scripts.iter().map(|script| script.tokenizer.encoder().encode(&request.prompt.last_words()).unwrap()).collect();
    let mut bytes: Vec<u8> = Vec::new();
    let mut steps = Vec::new();
    while steps.len() < request.max_new_tokens {
        let views: Vec<Vec<f64>> =
            scripts.iter().zip(&histories).map(|(s, history)| probabilities(s, history)).collect();
        let top = |member: usize| {
            let p = &views[member];
            let best = (0..p.len()).rev().max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
            TokenId(best as u32)
        };
        let own = |member: usize, token: &[u8]| -> f64 {
            ids_of(&scripts[member], token).iter().map(|id| views[member][id.index()]).sum()
        };
        let q = |token: &[u8]| -> f64 { (0..scripts.len()).map(|member| weights[member] * own(member, token)).sum() };
        let first = |value: &dyn Fn(&[u8]) -> f64, among: &[Vec<u8>]| {
            let mut best: Option<(&Vec<u8>, f64)> = None;
            for token in among {
                let value = value(token);
                if best.is_none_or(|(_, most)| value > most) {
                    best = Some((token, value));
                }
            }
            best.unwrap().0.clone()
        };
        let id = top(drafter);
        let draft = key(&scripts[drafter], id);
        let others = || (0..scripts.len()).filter(|&member| member != drafter);
        let verifiable = others().all(|member| splits(&scripts[member], &bytes, &draft));
        let holds =
            !verifiable || others().all(|member| key(&scripts[member], top(member)) == draft) || q(&draft) > 0.5;
        let token = if holds {
            draft
        } else {
            let winner = first(&q, &order);
            if q(&winner) > 0.5 {
                winner
            } else {
                // Sharpened: a candidate also gets what members who lack it give its first piece.
                let candidates: Vec<Vec<u8>> = order
                    .iter()
                    .filter(|token| {
                        (0..scripts.len()).any(|member| {
                            let mut ids: Vec<usize> = (0..views[member].len()).collect();
                            ids.sort_by(|&a, &b| views[member][b].total_cmp(&views[member][a]).then(a.cmp(&b)));
                            ids.iter().take(10).any(|&id| key(&scripts[member], TokenId(id as u32)) == **token)
                        })
                    })
                    .cloned()
                    .collect();
                let sharpened = |token: &[u8]| -> f64 {
                    let of = |member: usize| match &ids_of(&scripts[member], token)[..] {
                        [] => fed(&scripts[member], token).first().map_or(0.0, |id| views[member][id.index()]),
                        _ => own(member, token),
                    };
                    (0..scripts.len()).map(|member| weights[member] * of(member)).sum()
                };
                first(&sharpened, &candidates)
            }
        };
        for (member, history) in histories.iter_mut().enumerate() {
            if holds && member == drafter && !token.is_empty() {
                history.push(id);
            } else {
                history.extend(fed(&scripts[member], &token));
            }
        }
        let emitted = if token.first() == Some(&0) { Vec::new() } else { token.clone() };
        bytes.extend(&emitted);
        steps.push((emitted, !holds));
        let stopped = request.stop.iter().any(|stop| bytes.windows(stop.len()).any(|part| part == stop.as_bytes()));
        if token.is_empty() || stopped {
            break;
        }
    }
    steps
}

#[test]
fn drafts_give_token_for_token_what_one_by_one_gives() {
    let mut random = Random(81);
    let (mut accepted, mut overruled) = (0, 0);
    for round in 0..120 {
        let members = 2 + random.below(2);
        let mut scripts: Vec<Script> = (0..members).map(|_| random_script(&mut random)).collect();
        if round % 3 == 0 {
            // Members that often agree: drafts grow long.
            let like = scripts[0].clone();
            scripts[1] = like;
        }
        let cache = if round % 4 == 1 { 30 + random.below(40) } else { 1 << 20 };
        let scripts: Vec<Script> = scripts.iter().map(|script| script.with(|limits| limits.cache = cache)).collect();
        let raw: Vec<f64> = (0..members).map(|_| 0.2 + random.unit()).collect();
        let weights = Weights::given(&raw).unwrap();
        let drafter = random.below(members);
        let requests: Vec<_> = (0..5)
            .map(|_| {
                let stop = [&["ab", "b "][..], &["\n"], &[]][random.below(3)];
                stopping(&random_prompt(&mut random), random.below(16), stop)
            })
            .collect();
        let mut bench = Bench::new(&scripts, weights.clone(), Gating::Safe { drafter: MemberId(drafter) });
        for (request, generation) in requests.iter().zip(bench.generate(&requests, [1, 3, 9][round % 3])) {
            let steps: Vec<(Vec<u8>, bool)> =
                generation.steps.iter().map(|step| (step.bytes.clone(), step.ensembled)).collect();
            assert_eq!(steps, reference(&scripts, weights.get(), drafter, request), "round {round}, {request:?}");
            overruled += generation.ensembled;
            accepted += generation.tokens - generation.ensembled;
        }
    }
    println!("{accepted} accepted, {overruled} overruled");
    assert!(accepted > 400 && overruled > 400, "{accepted} accepted, {overruled} overruled");
}

#[test]
fn drafts_that_hold_are_verified_in_few_forwards() {
    let script = || Script::says(tokenizer(&["q", "a", "b"], &[]), &[("a", &[("b", 0.8)]), ("", &[("a", 0.8)])]);
    let mut safe = Bench::new(&[script(), script()], Weights::uniform(2), Gating::Safe { drafter: MemberId(0) });
    let generation = safe.generate(&[request("q", 23)], 1).remove(0);
    assert_eq!((generation.text(), generation.finish), (format!("{}a", "ab".repeat(11)), Finish::Length));
    let forwards: Vec<usize> = safe.logs.iter().map(|log| log.lock().unwrap().len()).collect();
    // Drafts of 1, 2, then 4 tokens.
    assert_eq!(forwards, [23, 7]);
    let fed: Vec<usize> =
        safe.logs[1].lock().unwrap().iter().map(|batch| batch.iter().map(|(_, tokens)| tokens.len()).sum()).collect();
    assert_eq!(fed, [1, 2, 4, 4, 4, 4, 4]);
}

#[test]
fn a_draft_ends_where_the_text_does_and_where_a_member_has_no_more_room() {
    let pieces = ["q", "a", "b", "<eos>"];
    let says = |end: &'static str| {
        Script::says(tokenizer(&pieces, &["<eos>"]), &[("aaaaa", &[(end, 0.8)]), ("", &[("a", 0.8)])])
    };
    let safe = |scripts: [Script; 2]| Bench::new(&scripts, Weights::uniform(2), Gating::Safe { drafter: MemberId(0) });
    let ended = safe([says("<eos>"), says("<eos>")]).generate(&[request("q", 99)], 1).remove(0);
    assert_eq!((ended.text().as_str(), ended.finish, ended.tokens), ("aaaaa", Finish::End, 6));
    let stopped = safe([says("b"), says("b")]).generate(&[stopping("q", 99, &["aaaa"])], 1).remove(0);
    assert_eq!((stopped.text().as_str(), stopped.finish, stopped.tokens), ("", Finish::Stop, 4));
    for short in [0, 1] {
        let mut scripts = [says("b"), says("b")];
        scripts[short] = scripts[short].with(|limits| limits.context = 5);
        let full = safe(scripts).generate(&[request("q", 99)], 1).remove(0);
        assert_eq!((full.text().as_str(), full.finish), ("aaaaa", Finish::Context), "member {short}");
    }
}
