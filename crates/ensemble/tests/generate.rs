//! Generation step by step: what is emitted, and what each member is fed.
#![allow(clippy::unwrap_used, clippy::manual_midpoint, reason = "tests; sums as one would write them by hand")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, stopping};
use gac_ensemble::{Finish, Gating, Generation, MemberId, Weights};
use gac_inference::testkit::{LongestMatch, tokenizer};
use gac_inference::{Symbol, TextKind, TokenId, Tokenizer, Vocabulary};

fn fed(bench: &Bench, member: usize) -> Vec<Vec<TokenId>> {
    let log = bench.logs[member].lock().unwrap();
    log.iter().flatten().map(|(_, tokens)| tokens.clone()).collect()
}

fn ids(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

#[test]
fn two_steps_computed_by_hand() {
    let a = Script::says(
        tokenizer(&["q", "yes", "no", "y", "e", "s", "n", "o", "<eos>"], &["<eos>"]),
        &[("q", &[("yes", 0.5), ("no", 0.45)]), ("no", &[("<eos>", 0.9)])],
    );
    let b = Script::says(
        tokenizer(&["</s>", "q", "n", "o", "no", "yes"], &["</s>"]),
        &[("q", &[("no", 0.8), ("yes", 0.1)]), ("no", &[("</s>", 0.6), ("q", 0.3)])],
    );
    let mut bench = Bench::every_step(&[a, b]);
    let generation = bench.generate(&[request("q", 5)], 1).remove(0);
    assert_eq!(generation.text(), "no");
    assert_eq!(generation.finish, Finish::End);
    assert_eq!((generation.tokens, generation.ensembled), (2, 2));
    assert_eq!(generation.prompt_tokens, [1, 1]);
    assert_eq!(generation.member_tokens, [2, 2]);
    let [first, second] = &generation.steps[..] else { panic!("{:?}", generation.steps) };
    assert!((first.probability - (0.45 + 0.8) / 2.0).abs() < 1e-6, "{}", first.probability);
    assert!((second.probability - (0.9 + 0.6) / 2.0).abs() < 1e-6, "{}", second.probability);
    assert!(second.end && second.bytes.is_empty());
    assert_eq!(fed(&bench, 0), [ids(&[0]), ids(&[2])]);
    assert_eq!(fed(&bench, 1), [ids(&[1]), ids(&[4])]);
}

#[test]
fn a_member_is_fed_the_winner_in_its_own_pieces() {
    let a = Script::says(
        tokenizer(&["q", "yes", "<eos>"], &["<eos>"]),
        &[("q", &[("yes", 0.99)]), ("yes", &[("<eos>", 0.99)])],
    );
    let b = Script::says(tokenizer(&["q", "y", "es", "</s>"], &["</s>"]), &[("yes", &[("</s>", 0.9)])]);
    let mut bench = Bench::every_step(&[a, b]);
    let generation = bench.generate(&[request("q", 5)], 1).remove(0);
    assert_eq!(generation.text(), "yes");
    assert_eq!(generation.member_tokens, [2, 3]);
    assert_eq!(fed(&bench, 1), [ids(&[0]), ids(&[1, 2])]);
}

#[test]
fn weights_decide_whose_vote_counts() {
    let pieces = tokenizer_of(&["q", "x", "y"]);
    let a = Script::says(pieces(), &[("", &[("x", 0.9), ("y", 0.1)])]);
    let b = Script::says(pieces(), &[("", &[("y", 0.9), ("x", 0.1)])]);
    for (weights, expected) in [([2.0, 1.0], "x"), ([1.0, 2.0], "y"), ([0.0, 1.0], "y"), ([1.0, 0.0], "x")] {
        let weights = Weights::given(&weights).unwrap();
        let mut bench = Bench::new(&[a.clone(), b.clone()], weights, Gating::EveryStep);
        assert_eq!(bench.text("q", 1), expected);
    }
}

fn tokenizer_of(pieces: &'static [&'static str]) -> impl Fn() -> Tokenizer {
    move || tokenizer(pieces, &[])
}

/// Every byte as a byte token, and some longer pieces.
fn bytes_and(pieces: &[&[u8]]) -> Tokenizer {
    let text = |bytes: &[u8], kind| Symbol::Text { bytes: bytes.into(), kind };
    let mut symbols: Vec<Symbol> = (0..=255_u8).map(|byte| text(&[byte], TextKind::ByteFallback)).collect();
    symbols.extend(pieces.iter().map(|piece| text(piece, TextKind::Piece)));
    let end = TokenId(symbols.len() as u32);
    symbols.push(Symbol::Control { name: "<eos>".into() });
    let vocabulary = Vocabulary::new(symbols, [end]);
    Tokenizer::new(vocabulary.clone(), LongestMatch { vocabulary })
}

#[test]
fn an_emoji_that_one_member_has_whole_and_the_other_in_broken_pieces() {
    let emoji = "😀".as_bytes();
    let whole = bytes_and(&[b"q", emoji]);
    let (q, one, end) = (TokenId(u32::from(b'q')), TokenId(257), TokenId(258));
    let a = Script::new(whole, move |tokens| match *tokens.last().unwrap() {
        last if last == one => vec![(end, 0.9)],
        last if last == q => vec![(one, 0.4), (TokenId(u32::from(emoji[0])), 0.3)],
        _ => vec![],
    });
    // Two pieces of two bytes, neither of them UTF-8.
    let halves = bytes_and(&[b"q", &emoji[..2], &emoji[2..]]);
    let (left, right) = (TokenId(257), TokenId(258));
    let b = Script::new(halves, move |tokens| match *tokens.last().unwrap() {
        last if last == left => vec![(right, 0.9)],
        last if last == right => vec![(TokenId(259), 0.9)],
        _ => vec![(left, 0.35)],
    });
    // The whole wins: the other is fed it in its own way.
    let mut bench = Bench::new(&[a.clone(), b.clone()], Weights::given(&[2.0, 1.0]).unwrap(), Gating::EveryStep);
    let generation = bench.generate(&[request("q", 5)], 1).remove(0);
    assert_eq!(generation.text(), "😀");
    assert_eq!(generation.finish, Finish::End);
    assert_eq!(fed(&bench, 1)[1], [left, right]);
    // The halves win, one after the other: invalid UTF-8 in flight, and the other is fed bytes.
    let mut bench = Bench::new(&[a, b], Weights::given(&[1.0, 3.0]).unwrap(), Gating::EveryStep);
    let generation = bench.generate(&[request("q", 5)], 1).remove(0);
    assert_eq!(generation.steps[0].bytes, &emoji[..2]);
    assert_eq!(generation.text(), "😀");
    assert_eq!(fed(&bench, 0)[1], ids(&[0xf0, 0x9f]));
    let cut = bench.generate(&[request("q", 1)], 1).remove(0);
    assert_eq!(cut.bytes, &emoji[..2]);
    assert_eq!(cut.text(), "\u{fffd}");
}

#[test]
fn a_byte_token_and_a_piece_of_the_same_byte_are_one_and_the_piece_is_fed() {
    let byte = TokenId(u32::from(b'q'));
    let a = Script::new(bytes_and(&[b"q"]), move |_| vec![(byte, 0.6)]);
    let b = Script::says(tokenizer(&["q", "r"], &[]), &[("", &[("q", 0.5), ("r", 0.5)])]);
    let mut bench = Bench::every_step(&[a.clone(), b]);
    assert_eq!(bench.text("q", 2), "qq");
    assert_eq!(fed(&bench, 0)[1], ids(&[256]));
    // Alone, its own token is taken as it is.
    let mut alone = Bench::every_step(&[a]);
    assert_eq!(alone.text("q", 2), "qq");
    assert_eq!(fed(&alone, 0)[1], [byte]);
}

#[test]
fn a_control_symbol_emits_nothing_and_who_does_not_have_it_is_asked_again() {
    let a = Script::says(
        tokenizer(&["q", "x", "<sep>", "<eos>"], &["<eos>"]),
        &[("q", &[("<sep>", 0.9)]), ("x", &[("<eos>", 0.9)])],
    );
    let b =
        Script::says(tokenizer(&["q", "x", "<eos>"], &["<eos>"]), &[("q", &[("x", 0.4)]), ("x", &[("<eos>", 0.9)])]);
    // After <sep> the first member says <sep> again (its text is still q): three times, then the length ends it.
    let mut bench = Bench::every_step(&[a.clone(), b.clone()]);
    let generation = bench.generate(&[request("q", 3)], 1).remove(0);
    assert_eq!((generation.text(), generation.tokens), (String::new(), 3));
    assert_eq!(generation.member_tokens, [3, 0]);
    assert_eq!(fed(&bench, 1), [ids(&[0]), ids(&[0]), ids(&[0])]);
    // The same samples next to others.
    let together = bench.generate(&[request("x", 3), request("q", 3)], 2);
    assert_eq!(together[0].finish, Finish::End);
    assert_eq!(together[1].steps, generation.steps);
}

#[test]
fn tokens_that_are_prefixes_of_a_stop_string_are_only_cut_when_it_is_whole() {
    let pieces = ["q", "\n", "\n\n", "Q:", "x", "<eos>"];
    let script = |rules: &[(&str, &[(&str, f64)])]| Script::says(tokenizer(&pieces, &["<eos>"]), rules);
    let stops =
        script(&[("\n\nQ:", &[("x", 0.9)]), ("\n\n", &[("Q:", 0.9)]), ("x", &[("\n\n", 0.9)]), ("q", &[("x", 0.9)])]);
    let generation = Bench::every_step(&[stops]).generate(&[stopping("q", 9, &["\n\nQ:"])], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.finish), ("x", Finish::Stop));
    assert_eq!(generation.tokens, 3);
    let goes_on =
        script(&[("\n\nx", &[("<eos>", 0.9)]), ("\n\n", &[("x", 0.9)]), ("x", &[("\n\n", 0.9)]), ("q", &[("x", 0.9)])]);
    let generation = Bench::every_step(&[goes_on]).generate(&[stopping("q", 9, &["\n\nQ:"])], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.finish), ("x\n\nx", Finish::End));
}

#[test]
fn a_stop_string_inside_of_one_token_is_cut_off() {
    let script = Script::says(tokenizer(&["q", "a.b"], &[]), &[("", &[("a.b", 0.9)])]);
    let generation = Bench::every_step(&[script]).generate(&[stopping("q", 9, &["b", "."])], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.finish), ("a", Finish::Stop));
}

#[test]
fn a_model_alone_takes_its_own_token_and_nobody_votes() {
    let script = Script::says(
        tokenizer(&["q", "x", "<eos>", "<eot>"], &["<eos>", "<eot>"]),
        &[("q", &[("x", 0.4), ("<eos>", 0.3), ("<eot>", 0.3)]), ("x", &[("<eot>", 0.9)])],
    );
    let generation = Bench::every_step(std::slice::from_ref(&script)).generate(&[request("q", 5)], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.ensembled, generation.tokens), ("x", 0, 2));
    assert!((generation.steps[0].probability - 0.4).abs() < 1e-6);
    assert!(!generation.steps[0].ensembled);
    // A gate with nobody to consult is a model alone.
    let gated = Bench::gated(&[script], 1.0).generate(&[request("q", 5)], 1).remove(0);
    assert_eq!(gated.steps, generation.steps);
}

#[test]
fn a_model_with_itself_says_what_it_says_alone() {
    let mut random = Random(21);
    for _ in 0..10 {
        let script = random_script(&mut random);
        if script.tokenizer.vocabulary().ends().len() > 1 {
            // Several END ids add up in a vote: then the two may differ, by definition.
            continue;
        }
        let prompt = random_prompt(&mut random);
        let alone = Bench::every_step(std::slice::from_ref(&script)).text(&prompt, 20);
        assert_eq!(Bench::every_step(&[script.clone(), script.clone()]).text(&prompt, 20), alone);
        assert_eq!(Bench::every_step(&vec![script; 3]).text(&prompt, 20), alone);
    }
}

#[test]
fn the_members_order_does_not_change_the_text() {
    let mut random = Random(22);
    for _ in 0..20 {
        let scripts: Vec<Script> = (0..3).map(|_| random_script(&mut random)).collect();
        let prompt = random_prompt(&mut random);
        let text = Bench::every_step(&scripts).text(&prompt, 15);
        let turned = [scripts[2].clone(), scripts[0].clone(), scripts[1].clone()];
        assert_eq!(Bench::every_step(&turned).text(&prompt, 15), text);
    }
}

fn same(a: &[Generation], b: &[Generation]) {
    for (a, b) in a.iter().zip(b) {
        assert_eq!((&a.bytes, a.finish, &a.steps), (&b.bytes, b.finish, &b.steps));
        assert_eq!((&a.prompt_tokens, &a.member_tokens), (&b.prompt_tokens, &b.member_tokens));
    }
}

#[test]
fn seven_ragged_samples_together_are_what_each_is_alone() {
    let mut random = Random(23);
    for gating in [Gating::EveryStep, common::gating(1, 0.3)] {
        let scripts: Vec<Script> = (0..2).map(|_| random_script(&mut random)).collect();
        let requests: Vec<_> =
            (0..7).map(|_| stopping(&random_prompt(&mut random), random.below(20), &["\n"])).collect();
        let bench = |n: usize| Bench::new(&scripts, Weights::uniform(2), gating).generate(&requests, n);
        let alone = bench(1);
        same(&bench(7), &alone);
        same(&bench(3), &alone);
    }
}

#[test]
fn all_samples_of_a_step_share_one_forward_per_member() {
    let script = |piece: &'static str| Script::says(tokenizer(&["q", "x", "y"], &[]), &[("", &[(piece, 0.9)])]);
    let mut bench = Bench::every_step(&[script("x"), script("y")]);
    bench.generate(&[request("q", 3), request("qqqq", 5), request("qq", 3)], 3);
    for log in &bench.logs {
        let sizes: Vec<Vec<usize>> =
            log.lock().unwrap().iter().map(|batch| batch.iter().map(|(_, tokens)| tokens.len()).collect()).collect();
        assert_eq!(sizes, [vec![1, 4, 2], vec![1, 1, 1], vec![1, 1, 1], vec![1], vec![1]]);
    }
    // Two at a time: the third enters when the first has left, its whole prompt beside a single token.
    bench.logs[0].lock().unwrap().clear();
    bench.generate(&[request("q", 3), request("qqqq", 5), request("qq", 3)], 2);
    let sizes: Vec<Vec<usize>> =
        bench.logs[0].lock().unwrap().iter().map(|batch| batch.iter().map(|(_, t)| t.len()).collect()).collect();
    assert_eq!(sizes, [vec![1, 4], vec![1, 1], vec![1, 1], vec![1, 2], vec![1, 1], vec![1]]);
}

#[test]
fn the_ensemble_tells_what_it_is_made_of() {
    let script = Script::says(tokenizer(&["q", "x"], &[]), &[]);
    let bench = Bench::gated(&[script.clone(), script], 0.5);
    assert_eq!(bench.ensemble().names().collect::<Vec<_>>(), ["m0", "m1"]);
    assert_eq!(bench.ensemble().union().len(), 2);
    assert_eq!(bench.settings.weights(), &Weights::uniform(2));
    assert_eq!(bench.ensemble().union().projection(MemberId(1)).rows(), 2);
}
