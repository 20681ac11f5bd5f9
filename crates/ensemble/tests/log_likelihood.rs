//! Log-likelihoods of continuations.
#![allow(clippy::unwrap_used, clippy::manual_midpoint, reason = "tests; sums as one would write them by hand")]

mod common;

use std::ops::ControlFlow;

use common::{Bench, Random, Script, gating, random_prompt, random_script, scoring};
use gac_ensemble::{
    BatchLimits, EnsembleError, Gating, LogLikelihood, LogLikelihoodRequest, Overlong, RequestError, Weights,
    log_likelihood,
};
use gac_inference::testkit::tokenizer;
use gac_inference::{Extension, LanguageModel, Symbol, TokenId, Wanted};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

/// The first member has " yes" in two tokens, the second whole and in letters.
fn two() -> [Script; 2] {
    let a = Script::says(
        tokenizer(&["Q", ":", " y", "es", " n", "o", "<eos>"], &["<eos>"]),
        &[(" y", &[("es", 0.8), ("o", 0.1)]), (":", &[(" y", 0.3), (" n", 0.5)])],
    );
    let b = Script::says(
        tokenizer(&["</s>", " ", "y", "e", "s", "Q", ":", "n", "o", "es", " yes", " n"], &["</s>"]),
        &[(" y", &[("es", 0.5), ("e", 0.4)]), (":", &[(" yes", 0.6), (" ", 0.2), (" n", 0.1)])],
    );
    [a, b]
}

#[test]
fn different_segmentations_computed_by_hand() {
    let mut bench = Bench::every_step(&two());
    let scores = bench.score(&[scoring("Q:", " yes"), scoring("Q:", " n")], 2);
    // " y" is no token of the second member: it has no probability of it, and is fed " " and "y".
    let expected = [(0.3_f64 / 2.0).ln(), ((0.8_f64 + 0.5) / 2.0).ln()];
    assert_eq!(scores[0].tokens.len(), 2);
    close(scores[0].tokens[0], expected[0]);
    close(scores[0].tokens[1], expected[1]);
    close(scores[0].sum, expected[0] + expected[1]);
    assert!(!scores[0].greedy);
    // " n" is 0.3 for both together, as much as " yes" of the second member.
    close(scores[1].sum, ((0.5_f64 + 0.1) / 2.0).ln());
    let fed: Vec<Vec<TokenId>> = bench.logs[1].lock().unwrap().iter().flatten().map(|(_, t)| t.clone()).collect();
    assert_eq!(fed, [vec![TokenId(5), TokenId(6)], vec![TokenId(1), TokenId(2)]]);
}

#[test]
fn a_single_model_is_scored_by_its_own_ids() {
    let [a, _] = two();
    let mut bench = Bench::every_step(&[a]);
    let scores = bench.score(&[scoring("Q:", " yes"), scoring("Q: ", "n"), scoring("Q:", " no")], 4);
    close(scores[0].sum, 0.3_f64.ln() + 0.8_f64.ln());
    assert!(!scores[0].greedy);
    // White space at the end of the context moves to the continuation.
    close(scores[1].sum, 0.5_f64.ln());
    assert!(scores[1].greedy);
    assert_eq!(scores[2].tokens.len(), 2);
}

#[test]
fn where_the_gate_is_sure_its_own_probability_counts() {
    let [a, b] = two();
    let score = |threshold: f64| {
        let mut bench = Bench::gated(&[a.clone(), b.clone()], threshold);
        let score = bench.score(&[scoring("Q:", " yes")], 1).remove(0);
        let consulted = bench.logs[1].lock().unwrap().iter().flatten().map(|(_, t)| t.len()).collect::<Vec<_>>();
        (score, consulted)
    };
    // The gate's top probability is 0.5 at the first token and 0.8 at the second.
    let (alone, consulted) = score(0.4);
    close(alone.sum, 0.3_f64.ln() + 0.8_f64.ln());
    assert!(consulted.is_empty());
    let (first, consulted) = score(0.6);
    close(first.sum, 0.15_f64.ln() + 0.8_f64.ln());
    assert_eq!(consulted, [2]);
    let (both, _) = score(1.0);
    let every = Bench::every_step(&[a.clone(), b.clone()]).score(&[scoring("Q:", " yes")], 1);
    assert_eq!([both], every[..]);
    // Only the second token is a key token: context and tokens in one chunk.
    let sure = Script::says(
        tokenizer(&["Q", ":", " y", "es", "<eos>"], &["<eos>"]),
        &[(" y", &[("es", 0.4)]), (":", &[(" y", 0.9)])],
    );
    let mut bench = Bench::gated(&[sure, b.clone()], 0.5);
    let score = bench.score(&[scoring("Q:", " yes")], 1).remove(0);
    close(score.sum, 0.9_f64.ln() + ((0.4_f64 + 0.5) / 2.0).ln());
    assert!(score.greedy);
    assert_eq!(bench.logs[1].lock().unwrap().iter().flatten().map(|(_, t)| t.len()).collect::<Vec<_>>(), [4]);
}

#[test]
fn choices_of_one_context_share_its_forward() {
    let letters = Script::says(tokenizer(&["q", "A", "B", "C", "D"], &[]), &[("q", &[("A", 0.4), ("C", 0.3)])]);
    let mut bench = Bench::every_step(&[letters.clone(), letters]);
    let requests: Vec<_> =
        ["qqq", "qq"].iter().flat_map(|context| ["A", "B", "C", "D"].map(|choice| scoring(context, choice))).collect();
    let scores = bench.score(&requests, 8);
    close(scores[6].sum, 0.3_f64.ln());
    assert_eq!(scores.iter().map(|score| score.greedy).collect::<Vec<_>>(), [[true, false, false, false]; 2].concat());
    for log in &bench.logs {
        let sizes: Vec<Vec<usize>> =
            log.lock().unwrap().iter().map(|batch| batch.iter().map(|(_, t)| t.len()).collect()).collect();
        assert_eq!(sizes, [vec![3, 2]], "two contexts, one forward, nothing else");
    }
    // Longer choices go on from forks of the context.
    bench.logs[0].lock().unwrap().clear();
    bench.score(&[scoring("qqq", "AAA"), scoring("qqq", "B"), scoring("qqq", "CC")], 8);
    let sizes: Vec<Vec<usize>> =
        bench.logs[0].lock().unwrap().iter().map(|batch| batch.iter().map(|(_, t)| t.len()).collect()).collect();
    assert_eq!(sizes, [vec![3], vec![2, 1]]);
}

/// Everything from scratch, for texts: one forward over all ids of each member, in plain sums.
fn reference(
    scripts: &[Script],
    weights: &[f64],
    gate: Option<f64>,
    request: &LogLikelihoodRequest,
) -> (Vec<f64>, bool) {
    let encode = |script: &Script, text: &str| script.tokenizer.encoder().encode(text).unwrap();
    let context = request.context.last_words();
    let stripped = context.trim_end();
    let whole = format!("{}{}", context, request.continuation);
    let bytes = |script: &Script, id: u32| match script.tokenizer.vocabulary().symbol(TokenId(id)) {
        Symbol::Text { bytes, .. } => bytes.to_vec(),
        Symbol::Control { name } => panic!("a control symbol {name} in a text"),
        Symbol::Unused => panic!("an unused row in a text"),
    };
    let mut contexts: Vec<Vec<TokenId>> = scripts.iter().map(|script| encode(script, stripped)).collect();
    let own = encode(&scripts[0], &whole)[contexts[0].len()..].to_vec();
    for (script, context) in scripts.iter().zip(&mut contexts) {
        if context.is_empty() {
            context.push(script.tokenizer.vocabulary().ends()[0]);
        }
    }
    let mut scores = Vec::new();
    let mut greedy = true;
    for id in own {
        let text = bytes(&scripts[0], id.0);
        let views: Vec<_> = scripts
            .iter()
            .zip(&contexts)
            .map(|(script, tokens)| {
                let mut model = script.model();
                let sequence = model.open(tokens).unwrap();
                model.extend(&[Extension { sequence, tokens, wanted: Wanted::Last }]).unwrap().remove(0).remove(0)
            })
            .collect();
        let alone = scripts.len() == 1 || gate.is_some_and(|threshold| views[0].top().1 > threshold);
        let mut q: Vec<(Vec<u8>, f64)> = Vec::new();
        for ((script, view), weight) in scripts.iter().zip(&views).zip(weights).take(if alone { 1 } else { 99 }) {
            for (row, symbol) in script.tokenizer.vocabulary().iter() {
                let key = match symbol {
                    _ if script.tokenizer.vocabulary().is_end(row) => b"<end>".to_vec(),
                    Symbol::Text { bytes, .. } => bytes.to_vec(),
                    Symbol::Control { name } => name.as_bytes().to_vec(),
                    Symbol::Unused => continue,
                };
                let p = if alone { 1.0 } else { *weight } * view.log_prob(row).exp();
                match q.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, q)) => *q += p,
                    None => q.push((key, p)),
                }
            }
        }
        let best = q.iter().map(|(_, p)| *p).fold(0.0, f64::max);
        scores.push(q.iter().find(|(key, _)| *key == text).unwrap().1.ln());
        greedy &= if alone { views[0].top().0 == id } else { q.iter().find(|(_, p)| *p >= best).unwrap().0 == text };
        for (member, (script, tokens)) in scripts.iter().zip(&mut contexts).enumerate() {
            if member == 0 {
                tokens.push(id);
            } else {
                tokens.extend(script.tokenizer.encoder().encode_inner(std::str::from_utf8(&text).unwrap()).unwrap());
            }
        }
    }
    (scores, greedy)
}

#[test]
fn scores_equal_a_reference_from_scratch_in_any_batch_and_with_little_cache() {
    let mut random = Random(51);
    let mut all_greedy = 0;
    for round in 0..60 {
        let members = 1 + random.below(3);
        let mut scripts: Vec<Script> = (0..members).map(|_| random_script(&mut random)).collect();
        let gate = (random.below(2) == 0 && members > 1).then(|| random.unit());
        let raw: Vec<f64> = (0..members).map(|_| 0.1 + random.unit()).collect();
        let weights = Weights::given(&raw).unwrap();
        let mut requests = Vec::new();
        for _ in 0..4 {
            let context = if random.below(6) == 0 { String::new() } else { random_prompt(&mut random) };
            for _ in 0..=random.below(4) {
                let length = random.below(4);
                let continuation: String = random_prompt(&mut random).chars().take(length).collect();
                requests.push(scoring(&context, &format!("{continuation}b")));
            }
        }
        if round % 2 == 1 {
            scripts = scripts.iter().map(|script| script.with(|limits| limits.cache = 24)).collect();
        }
        let how = gate.map_or(Gating::EveryStep, |threshold| gating(0, threshold));
        let max_samples = [1, 2, 5, 100][random.below(4)];
        let scores = Bench::new(&scripts, weights.clone(), how).try_score(&requests, max_samples);
        // Merges over the border may leave the continuation without a token of its own.
        let scores = match scores {
            Err(EnsembleError::Request { source: RequestError::EmptyContinuation, .. }) => continue,
            other => other.unwrap(),
        };
        for (request, score) in requests.iter().zip(scores) {
            let (expected, greedy) = reference(&scripts, weights.get(), gate, request);
            assert_eq!(score.tokens.len(), expected.len(), "round {round}, {request:?}");
            for (a, b) in score.tokens.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-9, "round {round}, {request:?}: {a} is not {b}");
            }
            assert_eq!(score.greedy, greedy, "round {round}, {request:?}");
            assert!((score.sum - expected.iter().sum::<f64>()).abs() < 1e-9);
            all_greedy += usize::from(greedy);
        }
    }
    assert!(all_greedy > 5, "some continuations are greedy: {all_greedy}");
}

#[test]
fn end_and_control_symbols_can_be_scored() {
    struct WithSymbols(gac_inference::testkit::LongestMatch);
    impl gac_inference::TextEncoder for WithSymbols {
        fn encode(&self, text: &str) -> Result<Vec<TokenId>, gac_inference::TokenizerError> {
            // "q", "x", "<sep>", "<eos>", "<eot>" as one letter each.
            Ok(text.chars().map(|c| TokenId("qxSET".find(c).unwrap() as u32)).collect())
        }
        fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, gac_inference::TokenizerError> {
            self.encode(text)
        }
        fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, gac_inference::TokenizerError> {
            self.0.encode_inner(text)
        }
    }
    let vocabulary = tokenizer(&["q", "x", "<sep>", "<eos>", "<eot>"], &["<eos>", "<eot>"]).vocabulary().clone();
    let encoder = WithSymbols(gac_inference::testkit::LongestMatch { vocabulary: vocabulary.clone() });
    let a = Script::new(gac_inference::Tokenizer::new(vocabulary, encoder), |tokens| match tokens.last() {
        Some(TokenId(2)) => vec![(TokenId(4), 0.3), (TokenId(3), 0.2), (TokenId(1), 0.5)],
        _ => vec![(TokenId(2), 0.6)],
    });
    let b = Script::says(tokenizer(&["x", "q", "S", "E", "T", "</s>"], &["</s>"]), &[("q", &[("</s>", 0.7)])]);
    // The second member has no <sep>: it is fed nothing and asked again, at the border of the context.
    let score = Bench::every_step(&[a.clone(), b]).score(&[scoring("q", "SE")], 1).remove(0);
    close(score.tokens[0], 0.3_f64.ln());
    close(score.tokens[1], ((0.3_f64 + 0.2 + 0.7) / 2.0).ln());
    // Alone, an END id is itself.
    let score = Bench::every_step(&[a]).score(&[scoring("q", "ST")], 1).remove(0);
    close(score.sum, 0.6_f64.ln() + 0.3_f64.ln());
}

#[test]
fn a_long_continuation_is_scored_in_pieces() {
    let script = Script::says(tokenizer(&["q", "x"], &[]), &[("", &[("x", 0.75), ("q", 0.25)])]);
    let mut bench = Bench::every_step(&[script.clone(), script]);
    let requests = [scoring("q", &"x".repeat(300)), scoring("q", &"x".repeat(300))];
    let scores = bench.score(&requests, 2);
    for score in scores {
        assert_eq!(score.tokens.len(), 300);
        close(score.sum / 300.0, 0.75_f64.ln());
        assert!(score.greedy);
    }
    let most = bench.logs[0].lock().unwrap().iter().map(|b| b.iter().map(|(_, t)| t.len()).sum::<usize>()).max();
    assert!(most.unwrap() <= 256, "{most:?} distributions at once");
}

#[test]
fn too_long_empty_and_impossible_requests() {
    let script = || Script::says(tokenizer(&["q", "x"], &[]), &[("", &[("x", 0.75)])]);
    let short = script().with(|limits| limits.context = 4);
    let score = |scripts: &[Script], request| Bench::every_step(scripts).try_score(&[scoring("q", "x"), request], 2);
    // Four tokens are read; the last of the continuation is not.
    assert!(score(std::slice::from_ref(&short), scoring("qqq", "xx")).is_ok());
    let error = score(&[script(), short.clone()], scoring("qqqq", "xx")).unwrap_err();
    assert!(
        matches!(&error, EnsembleError::Request { request: 1, source: RequestError::TooLong { member, tokens: 5, context: 4 } } if member == "m1")
    );
    let cut = LogLikelihoodRequest { overlong: Overlong::TruncateLeft, ..scoring("qqqq", "xx") };
    let scores = score(std::slice::from_ref(&short), cut).unwrap();
    assert!(scores[1].truncated && !scores[0].truncated);
    let cut = LogLikelihoodRequest { overlong: Overlong::TruncateLeft, ..scoring("qqqq", "xxxxxx") };
    assert!(matches!(
        score(&[short], cut),
        Err(EnsembleError::Request { request: 1, source: RequestError::TooLong { .. } })
    ));
    assert!(matches!(
        score(&[script()], scoring("q", "")),
        Err(EnsembleError::Request { request: 1, source: RequestError::EmptyContinuation })
    ));
    assert!(matches!(
        score(&[script()], scoring("", "x")),
        Err(EnsembleError::Request { request: 1, source: RequestError::EmptyPrompt { .. } })
    ));
    let small = script().with(|limits| limits.cache = 4);
    assert!(matches!(
        score(&[small], scoring("qqqq", "xx")),
        Err(EnsembleError::Request { request: 1, source: RequestError::CacheTooSmall { tokens: 5, cache: 4, .. } })
    ));
}

#[test]
fn no_sequence_stays_open_when_scoring_ends_early() {
    let script = || Script::says(tokenizer(&["q", "x"], &[]), &[("", &[("x", 0.75)])]);
    let requests = [scoring("q", "xx"), scoring("q", "xxx"), scoring("qq", "x")];
    for fuse in 0..4 {
        let mut bench = Bench::with_fuse(&[script(), script()], Weights::uniform(2), gating(0, 1.0), fuse);
        let result = bench.try_score(&requests, 2);
        assert!(fuse == 3 || matches!(result, Err(EnsembleError::Model { .. })), "{result:?}");
    }
    let mut bench = Bench::every_step(&[script(), script()]);
    let mut seen: Vec<LogLikelihood> = Vec::new();
    let limits = BatchLimits::batch(9);
    let result = log_likelihood(&mut bench.scheduler, &bench.settings, &requests, limits, &mut |_, score| {
        seen.push(score);
        ControlFlow::Break(())
    });
    assert!(result.is_ok());
    assert_eq!((seen.len(), bench.open_sequences()), (1, 0));
}
