//! Texts that are scored in windows.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, Script, scoring};
use gac_ensemble::{EnsembleError, LogLikelihood, LogLikelihoodRequest, Overlong, RequestError};
use gac_inference::testkit::tokenizer;
use gac_inference::{TokenId, Tokenizer};

/// Gives each text token `1 / (3 + n)` where it has read `n` tokens, and the end the rest: a score tells how many were read
/// before it.
fn counting(tokenizer: Tokenizer, context: usize) -> Script {
    let texts = u32::try_from(tokenizer.vocabulary().len() - 1).unwrap();
    let rule = move |tokens: &[TokenId]| {
        let each = 1.0 / (3.0 + tokens.len() as f64);
        let end = (TokenId(0), 1.0 - f64::from(texts) * each);
        (1..=texts).map(|row| (TokenId(row), each)).chain([end]).collect()
    };
    Script::new(tokenizer, rule).with(|limits| limits.context = context)
}

/// Reads "a" and "b" as tokens.
fn letters(context: usize) -> Script {
    counting(tokenizer(&["<eos>", "a", "b"], &["<eos>"]), context)
}

/// Reads "ab" as one token.
fn pairs(context: usize) -> Script {
    counting(tokenizer(&["<eos>", "ab", "a", "b"], &["<eos>"]), context)
}

fn text(text: &str) -> LogLikelihoodRequest {
    LogLikelihoodRequest { overlong: Overlong::Windows, ..scoring("", text) }
}

/// How many tokens a member alone had read before each token; `voters` that share the probability.
fn read(score: &LogLikelihood, voters: f64) -> Vec<usize> {
    score.tokens.iter().map(|log| ((-log).exp() / voters - 3.0).round() as usize).collect()
}

#[test]
fn windows_are_those_of_lm_evaluation_harness() {
    // lm_eval.utils.get_rolling_token_windows 0.4.13 of 13 tokens with max_seq_len 5 and context_len 1, made disjoint: the
    // prefix and 4, 5 of which 1 are context, and for the last 3 tokens 5 of which 3 are.
    let scores = Bench::every_step(&[letters(5)]).score(&[text("aabababbabaab")], 1);
    assert_eq!(read(&scores[0], 1.0), [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 3, 4, 5]);
    let sum: f64 = scores[0].tokens.iter().sum();
    assert!((scores[0].sum - sum).abs() < 1e-12 && !scores[0].truncated);
    // One more than fits, as much as fits, and a context of one.
    let of =
        |context, letters_: &str| read(&Bench::every_step(&[letters(context)]).score(&[text(letters_)], 1)[0], 1.0);
    assert_eq!(of(5, "ababab"), [1, 2, 3, 4, 5, 5]);
    assert_eq!(of(5, "ababa"), [1, 2, 3, 4, 5]);
    assert_eq!(of(1, "aba"), [1, 1, 1]);
}

#[test]
fn the_member_with_the_least_room_decides_for_all() {
    // The second reads two tokens for each of the first: begin-of-text and two of them, then one and one more.
    let [long, short] = [pairs(64), letters(5)];
    let scores = Bench::every_step(&[long.clone(), short.clone()]).score(&[text(&"ab".repeat(8))], 1);
    // The second has no token "ab".
    assert_eq!(read(&scores[0], 2.0), [1, 2, 3, 1, 2, 1, 2, 2]);
    // The other way round it is asked about its own tokens, of which the other one has none.
    let scores = Bench::every_step(&[short, long]).score(&[text("ab")], 1);
    assert_eq!(scores[0].tokens.len(), 2);
}

#[test]
fn scores_are_the_same_whatever_is_read_together() {
    let texts: Vec<_> = (1..40).map(|length| text(&"abba".repeat(length)[..length])).collect();
    let alone = Bench::every_step(&[letters(7)]).score(&texts, 1);
    assert_eq!(Bench::every_step(&[letters(7)]).score(&texts, 16), alone);
    assert!(alone.iter().zip(1..).all(|(score, length)| score.tokens.len() == length));
}

#[test]
fn what_fits_no_window_is_refused_alone() {
    let short = letters(3);
    // A token of the first is four of the second.
    let first = counting(tokenizer(&["<eos>", "abab", "b"], &["<eos>"]), 64);
    let error = Bench::every_step(&[first, short]).try_score(&[text("bb"), text("ababababbb")], 1).unwrap_err();
    assert!(
        matches!(&error, EnsembleError::Request { request: 1, source: RequestError::TooLong { member, context: 3, .. } } if member == "m1"),
        "{error:?}"
    );
}

#[test]
fn behind_a_context_nothing_is_cut() {
    let request = LogLikelihoodRequest { overlong: Overlong::Windows, ..scoring("ab", "abab") };
    let error = Bench::every_step(&[letters(4)]).try_score(&[request], 1).unwrap_err();
    assert!(matches!(error, EnsembleError::Request { source: RequestError::TooLong { .. }, .. }), "{error:?}");
}
