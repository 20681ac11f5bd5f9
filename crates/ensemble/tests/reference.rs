//! Generation against a slow reference that shares nothing with it: plain loops over maps of bytes, everything
//! recomputed at every step.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;

use common::{Bench, Random, Script, random_prompt, random_script, stopping};
use gac_ensemble::{Certainty, Finish, Gating, GenerationRequest, MemberId, Method, Threshold, Weights};
use gac_inference::{Distribution, Extension, LanguageModel, Symbol, TokenId, Wanted};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    End,
    Text(Vec<u8>),
    Control(String),
}

fn key(script: &Script, id: TokenId) -> Option<Key> {
    let vocabulary = script.tokenizer.vocabulary();
    match vocabulary.symbol(id) {
        _ if vocabulary.is_end(id) => Some(Key::End),
        Symbol::Text { bytes, .. } => Some(Key::Text(bytes.to_vec())),
        Symbol::Control { name } => Some(Key::Control(name.to_string())),
        Symbol::Unused => None,
    }
}

fn probabilities(script: &Script, history: &[TokenId]) -> Vec<f64> {
    let mut model = script.model();
    let sequence = model.open(history).unwrap();
    let batch = [Extension { sequence, tokens: history, wanted: Wanted::Last }];
    let distribution: Distribution = model.extend(&batch).unwrap().remove(0).remove(0);
    (0..script.limits.vocabulary as u32).map(|id| distribution.log_prob(TokenId(id)).exp()).collect()
}

fn fed(script: &Script, token: &Key) -> Vec<TokenId> {
    let rows = 0..script.limits.vocabulary as u32;
    if *token == Key::End {
        return Vec::new();
    }
    if let Some(own) = rows.clone().map(TokenId).find(|&id| key(script, id).as_ref() == Some(token)) {
        return vec![own];
    }
    let Key::Text(bytes) = token else { return Vec::new() };
    let mut ids = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (length, id) = (at + 1..=bytes.len())
            .rev()
            .find_map(|end| {
                let piece = Key::Text(bytes[at..end].to_vec());
                Some((end - at, rows.clone().map(TokenId).find(|&id| key(script, id).as_ref() == Some(&piece))?))
            })
            .expect("the alphabet spells everything");
        ids.push(id);
        at += length;
    }
    ids
}

struct Reference {
    bytes: Vec<u8>,
    ensembled: Vec<bool>,
    finish: Finish,
    member_tokens: Vec<usize>,
}

fn certain(certainty: Certainty, p: &[f64]) -> f64 {
    let mut sorted = p.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    match certainty {
        Certainty::TopProbability => sorted[0],
        Certainty::Margin => sorted[0] - sorted[1],
        Certainty::Entropy => 1.0 + p.iter().map(|p| p * p.ln()).sum::<f64>() / (p.len() as f64).ln(),
    }
}

/// One member's probability of a key: the sum over its ids.
fn of_key(script: &Script, p: &[f64], wanted: &Key) -> Option<f64> {
    let ids: Vec<usize> = (0..p.len()).filter(|&id| key(script, TokenId(id as u32)).as_ref() == Some(wanted)).collect();
    (!ids.is_empty()).then(|| ids.iter().map(|&id| p[id]).sum())
}

fn fuse(scripts: &[Script], weights: &[f64], views: &[Vec<f64>], order: &[Key], method: Method) -> HashMap<Key, f64> {
    let mut q: HashMap<Key, f64> = HashMap::new();
    match method {
        Method::Gac => {
            for ((script, p), weight) in scripts.iter().zip(views).zip(weights) {
                for (id, p) in p.iter().enumerate() {
                    let Some(key) = key(script, TokenId(id as u32)) else { continue };
                    *q.entry(key).or_insert(0.0) += weight * p;
                }
            }
        }
        Method::Geometric { floor } => {
            for key in order {
                let factors = scripts.iter().zip(views).zip(weights);
                let product: f64 =
                    factors.map(|((s, p), w)| of_key(s, p, key).unwrap_or(0.0).max(floor).powf(*w)).product();
                q.insert(key.clone(), product);
            }
        }
        Method::Core => {
            let own = |member: usize, key: &Key| of_key(&scripts[member], &views[member], key).unwrap_or(0.0);
            let members = scripts.len();
            let mean = |key: &Key| (0..members).map(|member| own(member, key)).sum::<f64>() / members as f64;
            let agrees = |member: usize, key: &Key| {
                let lowest = (-2.0_f64).exp();
                let distance = (own(member, key) - mean(key)).abs();
                let masked = own(member, key) + own(0, key) <= 1e-12;
                if masked { 0.0 } else { ((-2.0 * distance).exp() - lowest) / (1.0 - lowest) }
            };
            let sums: Vec<f64> = (0..members).map(|m| order.iter().map(|key| agrees(m, key)).sum()).collect();
            let counts: Vec<usize> =
                (0..members).map(|m| order.iter().filter(|key| agrees(m, key) > 0.0).count()).collect();
            let entropy = |p: &[f64]| -p.iter().map(|p| p * p.ln()).sum::<f64>();
            let mut scores: Vec<f64> = (0..members).map(|m| weights[m] * sums[m] / entropy(&views[m])).collect();
            scores[0] = scores[0].max(scores[1..].iter().sum());
            for key in order {
                let part = |m: usize| {
                    let by_token = if m == 0 { 1.0 } else { agrees(m, key) / sums[m] * counts[m] as f64 };
                    scores[m] * by_token * own(m, key)
                };
                q.insert(key.clone(), (0..members).map(part).sum());
            }
            let best = order.iter().rev().max_by(|a, b| q[*a].total_cmp(&q[*b])).unwrap().clone();
            let p = &views[0];
            let top = (0..p.len()).rev().max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
            let top = key(&scripts[0], TokenId(top as u32)).unwrap();
            if let (Key::Text(a), Key::Text(b)) = (&best, &top)
                && (a.starts_with(b) || b.starts_with(a))
            {
                let (of_best, of_top) = (q[&best], q[&top]);
                q.insert(best, of_top);
                q.insert(top, of_best);
            }
        }
        Method::SampleAMember
        | Method::Bytes
        | Method::BytesProduct
        | Method::Chared
        | Method::Abe { .. }
        | Method::Proxy { .. } => {
            unreachable!("no vote on tokens")
        }
        Method::Unite { top_k } => {
            let mut candidates: Vec<Key> = Vec::new();
            for (script, p) in scripts.iter().zip(views) {
                let mut ids: Vec<usize> = (0..p.len()).collect();
                ids.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
                candidates.extend(ids.iter().take(top_k).filter_map(|&id| key(script, TokenId(id as u32))));
            }
            for ((script, p), weight) in scripts.iter().zip(views).zip(weights) {
                let value = |candidate: &Key| {
                    let first = || fed(script, candidate).first().map_or(0.0, |id| p[id.index()]);
                    of_key(script, p, candidate).unwrap_or_else(first)
                };
                let distinct: std::collections::HashSet<&Key> = candidates.iter().collect();
                let total: f64 = distinct.iter().map(|candidate| value(candidate)).sum();
                for candidate in distinct {
                    *q.entry(candidate.clone()).or_insert(0.0) += weight * value(candidate) / total;
                }
            }
        }
    }
    q
}

fn reference(
    scripts: &[Script],
    weights: &[f64],
    gate: Option<(usize, Certainty, f64)>,
    method: Method,
    request: &GenerationRequest,
) -> Reference {
    // The order of first appearance, for ties.
    let mut order: Vec<Key> = Vec::new();
    for script in scripts {
        for id in 0..script.limits.vocabulary as u32 {
            let Some(key) = key(script, TokenId(id)) else { continue };
            if !order.contains(&key) {
                order.push(key);
            }
        }
    }
    let prompts: Vec<Vec<TokenId>> =
        scripts.iter().map(|script| script.tokenizer.encoder().encode(&request.prompt.last_words()).unwrap()).collect();
    let mut histories = prompts.clone();
    let mut bytes: Vec<u8> = Vec::new();
    let mut ensembled = Vec::new();
    let finish = loop {
        if ensembled.len() == request.max_new_tokens {
            break Finish::Length;
        }
        let mut own: Option<(usize, TokenId)> = None;
        let alone = if scripts.len() == 1 { Some((0, Certainty::TopProbability, -1.0)) } else { gate };
        if let Some((member, certainty, threshold)) = alone {
            let p = probabilities(&scripts[member], &histories[member]);
            let best = (0..p.len()).rev().max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
            if certain(certainty, &p) > threshold {
                own = Some((member, TokenId(best as u32)));
            }
        }
        ensembled.push(own.is_none());
        let winner = if let Some((member, id)) = own {
            key(&scripts[member], id).unwrap()
        } else {
            let views: Vec<Vec<f64>> =
                scripts.iter().zip(&histories).map(|(script, history)| probabilities(script, history)).collect();
            let q = fuse(scripts, weights, &views, &order, method);
            let mut best = order[0].clone();
            for key in &order {
                if q.get(key).unwrap_or(&0.0) > q.get(&best).unwrap_or(&0.0) {
                    best = key.clone();
                }
            }
            best
        };
        for (member, (script, history)) in scripts.iter().zip(&mut histories).enumerate() {
            match own {
                Some((alone, id)) if alone == member && winner != Key::End => history.push(id),
                _ => history.extend(fed(script, &winner)),
            }
        }
        match winner {
            Key::End => break Finish::End,
            Key::Text(text) => bytes.extend(text),
            Key::Control(_) => {}
        }
        let stop = request
            .stop
            .iter()
            .filter_map(|stop| (0..bytes.len()).find(|&at| bytes[at..].starts_with(stop.as_bytes())));
        if let Some(at) = stop.min() {
            bytes.truncate(at);
            break Finish::Stop;
        }
    };
    let end = usize::from(finish == Finish::End);
    let member_tokens = histories.iter().zip(&prompts).map(|(all, prompt)| all.len() - prompt.len() + end).collect();
    Reference { bytes, ensembled, finish, member_tokens }
}

#[test]
fn generation_equals_the_slow_reference_on_random_ensembles() {
    let mut random = Random(7);
    let (mut votes, mut alone, mut finishes) = (0, 0, [0; 3]);
    for round in 0..120 {
        let members = 1 + random.below(3);
        let scripts: Vec<Script> = (0..members).map(|_| random_script(&mut random)).collect();
        let raw: Vec<f64> = (0..members).map(|_| 0.1 + random.unit()).collect();
        let weights = Weights::given(&raw).unwrap();
        let kinds = [Certainty::TopProbability, Certainty::Entropy, Certainty::Margin];
        let gate = (random.below(3) > 0).then(|| (random.below(members), kinds[random.below(3)], random.unit()));
        let method = match random.below(4) {
            2 => Method::Core,
            0 => Method::Unite { top_k: 1 + random.below(4) },
            1 => Method::Geometric { floor: 0.001 },
            _ => Method::Gac,
        };
        let requests: Vec<GenerationRequest> = (0..7)
            .map(|_| {
                let stop = [&["ab", "b "][..], &["\n"], &[]][random.below(3)];
                stopping(&random_prompt(&mut random), random.below(14), stop)
            })
            .collect();
        // Every other round with too little cache for all of them: samples have to make room.
        let scripts: Vec<Script> = scripts
            .iter()
            .map(|script| {
                script.with(|limits| {
                    if round % 2 == 1 {
                        limits.cache = 60 + 10 * (round % 5);
                    }
                })
            })
            .collect();
        let how = gate.map_or(Gating::EveryStep, |(gate, certainty, threshold)| Gating::KeyTokens {
            gate: MemberId(gate),
            certainty,
            threshold: Threshold::new(threshold).unwrap(),
        });
        let max_samples = [1, 3, 7, 100][random.below(4)];
        let mut bench = Bench::new(&scripts, weights.clone(), how);
        bench.set(|settings| settings.with_method(method));
        let generations = bench.generate(&requests, max_samples);
        for (request, generation) in requests.iter().zip(generations) {
            let expected = reference(&scripts, weights.get(), gate, method, request);
            let ensembled: Vec<bool> = generation.steps.iter().map(|step| step.ensembled).collect();
            let expected_votes: Vec<bool> = expected.ensembled.iter().map(|&e| e && members > 1).collect();
            assert_eq!(ensembled, expected_votes, "round {round}, {request:?}");
            assert_eq!(generation.text(), String::from_utf8_lossy(&expected.bytes), "round {round}, {request:?}");
            assert_eq!(generation.bytes, expected.bytes);
            assert_eq!(generation.finish, expected.finish, "round {round}, {request:?}");
            assert_eq!(generation.member_tokens, expected.member_tokens, "round {round}, {request:?}");
            assert_eq!(generation.tokens, ensembled.len());
            assert_eq!(generation.ensembled, ensembled.iter().filter(|&&e| e).count());
            votes += generation.ensembled;
            alone += generation.tokens - generation.ensembled;
            finishes[match expected.finish {
                Finish::End => 0,
                Finish::Stop => 1,
                Finish::Length | Finish::Context => 2,
            }] += 1;
        }
    }
    assert!(votes > 300 && alone > 300, "both kinds of step were met: {votes} votes, {alone} alone");
    assert!(finishes.iter().all(|&count| count > 20), "all ends were met: {finishes:?}");
}
