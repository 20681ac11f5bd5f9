//! BLEU and chrF of all documents together, 0 to 1.
//!
//! Source: sacrebleu 2.6 with its defaults, as lm-evaluation-harness 0.4.13 calls it: BLEU of up to four words, cut by
//! mteval's rules of version 13a, exponential smoothing; chrF of up to six characters without white space, recall counting
//! four times as much as precision.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::LazyLock;

use fancy_regex::Regex;

use crate::python::{split_whitespace, strip_end};

/// The longest n-grams of words.
const WORDS: usize = 4;
/// The longest n-grams of characters.
const CHARACTERS: usize = 6;
/// Recall's weight against precision's, squared.
const RECALL: f64 = 4.0;

/// A reference and what was written instead.
pub type TextPair<'t> = (&'t str, &'t str);

/// BLEU of a corpus.
pub fn bleu<'t>(pairs: impl IntoIterator<Item = TextPair<'t>>) -> f64 {
    bleu_by(pairs, words)
}

/// BLEU of a corpus whose words are cut by mteval's rules of version 14, `intl` in sacrebleu: punctuation and symbols of all
/// scripts stand alone.
pub(crate) fn bleu_of_words<'t>(pairs: impl IntoIterator<Item = TextPair<'t>>) -> f64 {
    bleu_by(pairs, international_words)
}

fn bleu_by<'t>(pairs: impl IntoIterator<Item = TextPair<'t>>, words: fn(&str) -> Vec<String>) -> f64 {
    let (mut matches, mut totals) = ([0_usize; WORDS], [0_usize; WORDS]);
    let (mut written_length, mut reference_length) = (0, 0);
    for (reference, written) in pairs {
        let (reference, written) = (words(reference), words(written));
        reference_length += reference.len();
        written_length += written.len();
        for n in 1..=WORDS {
            let counts = overlap(&written, &reference, n);
            totals[n - 1] += counts.written;
            matches[n - 1] += counts.both;
        }
    }
    if matches.iter().all(|count| *count == 0) {
        return 0.0;
    }
    let (mut smoothing, mut sum) = (1.0, 0.0);
    for (&matched, &total) in matches.iter().zip(&totals) {
        // Of texts that are too short for n-grams nothing is left.
        if total == 0 {
            return 0.0;
        }
        let precision = if matched == 0 {
            smoothing *= 2.0;
            1.0 / (smoothing * total as f64)
        } else {
            matched as f64 / total as f64
        };
        sum += precision.ln();
    }
    let brevity = if written_length < reference_length {
        (1.0 - reference_length as f64 / written_length as f64).exp()
    } else {
        1.0
    };
    brevity * (sum / WORDS as f64).exp()
}

/// chrF of a corpus.
pub fn chrf<'t>(pairs: impl IntoIterator<Item = TextPair<'t>>) -> f64 {
    let mut sums = [GramCounts::default(); CHARACTERS];
    for (reference, written) in pairs {
        let (reference, written) = (characters(reference), characters(written));
        for (sum, n) in sums.iter_mut().zip(1..) {
            let counts = overlap(&written, &reference, n);
            // What no reference has n-grams for does not count.
            sum.written += if counts.reference > 0 { counts.written } else { 0 };
            sum.reference += counts.reference;
            sum.both += counts.both;
        }
    }
    let known = sums.iter().filter(|sum| sum.written > 0 && sum.reference > 0);
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for GramCounts { written, reference, both } in known {
        precision += *both as f64 / *written as f64;
        recall += *both as f64 / *reference as f64;
        orders += 1.0;
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    (1.0 + RECALL) * precision * recall / (RECALL * precision + recall)
}

/// How many n-grams two texts have, and have in common.
#[derive(Clone, Copy, Debug, Default)]
struct GramCounts {
    written: usize,
    reference: usize,
    both: usize,
}

fn overlap<T: Eq + Hash>(written: &[T], reference: &[T], n: usize) -> GramCounts {
    let counted = |items: &[T]| items.len().saturating_sub(n - 1);
    let mut left: HashMap<&[T], usize> = HashMap::new();
    for gram in reference.windows(n) {
        *left.entry(gram).or_default() += 1;
    }
    let mut both = 0;
    for gram in written.windows(n) {
        if let Some(count) = left.get_mut(gram).filter(|count| **count > 0) {
            *count -= 1;
            both += 1;
        }
    }
    GramCounts { written: counted(written), reference: counted(reference), both }
}

fn characters(text: &str) -> Vec<char> {
    split_whitespace(text).flat_map(str::chars).collect()
}

/// The words of a text by mteval's rules: punctuation stands alone, but for points and commas in numbers.
fn words(text: &str) -> Vec<String> {
    let mut text = strip_end(text).replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if text.contains('&') {
        for (written, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            text = text.replace(written, character);
        }
    }
    let mut chars: Vec<char> = Vec::with_capacity(text.len() + 2);
    for c in std::iter::once(' ').chain(text.chars()).chain([' ']) {
        if is_symbol(c) { chars.extend([' ', c, ' ']) } else { chars.push(c) }
    }
    let is_stop = |c: char| matches!(c, '.' | ',');
    let chars = pairs(&chars, |a, b| (!a.is_ascii_digit() && is_stop(b)).then_some([a, ' ', b, ' ']));
    let chars = pairs(&chars, |a, b| (is_stop(a) && !b.is_ascii_digit()).then_some([' ', a, ' ', b]));
    let chars = pairs(&chars, |a, b| (a.is_ascii_digit() && b == '-').then_some([a, ' ', b, ' ']));
    let text: String = chars.into_iter().collect();
    split_whitespace(&text).map(str::to_owned).collect()
}

/// What mteval's international rules put spaces around, one after the other: punctuation behind what is no digit, before what is
/// none, symbols.
static INTERNATIONAL: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
    let compiled = |pattern| Regex::new(pattern).expect("a constant pattern compiles");
    [(compiled(r"(\P{N})(\p{P})"), "$1 $2 "), (compiled(r"(\p{P})(\P{N})"), " $1 $2"), (compiled(r"(\p{S})"), " $1 ")]
});

/// The words of a text by mteval's international rules.
fn international_words(text: &str) -> Vec<String> {
    let cut = |text: String, (pattern, parted): &(Regex, &str)| pattern.replace_all(&text, *parted).into_owned();
    let text = INTERNATIONAL.iter().fold(strip_end(text).to_owned(), cut);
    split_whitespace(&text).map(str::to_owned).collect()
}

/// Characters that always stand alone.
fn is_symbol(c: char) -> bool {
    matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/')
}

/// Two characters after the other replaced where `replaced` says so, from left to right.
fn pairs(chars: &[char], replaced: impl Fn(char, char) -> Option<[char; 4]>) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        let pair = chars.get(at + 1).and_then(|&next| replaced(chars[at], next));
        if let Some(pair) = pair {
            out.extend(pair);
            at += 2;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}
