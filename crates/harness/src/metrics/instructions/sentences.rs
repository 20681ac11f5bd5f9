//! Sentences of an English text.
//!
//! Source: Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary Detection" (2006), as NLTK 3.10 applies it. NLTK's
//! model counts words of a corpus; here are lists of our own of abbreviations (without those that NLTK's English model does not
//! know, as `e.g.`) and of words that begin sentences.

use std::sync::LazyLock;

use crate::python::{PythonRegex, is_space, strip_end};

/// What is written with a full stop, without it.
const ABBREVIATIONS: [&str; 73] = [
    "mr", "mrs", "ms", "messrs", "dr", "prof", "st", "jr", "sr", "gen", "col", "lt", "maj", "adm", "sen", "rep",
    "reps", "co", "cos", "corp", "inc", "ltd", "bros", "vs", "ave", "ft", "a.m", "p.m", "u.s", "u.k", "u.n", "u.s.a",
    "u.s.s.r", "d.c", "l.a", "n.y", "n.j", "n.c", "s.c", "a.d", "ph.d", "r.i", "calif", "conn", "fla", "ga", "ill",
    "mich", "minn", "pa", "tenn", "va", "wash", "wis", "jan", "feb", "aug", "sept", "oct", "nov", "dec", "mon", "tues",
    "wed", "fri", "ariz", "colo", "okla", "ore", "nev", "vt", "m.b.a", "yr",
];

/// Letters that are mostly abbreviations where a full stop is behind them.
const LETTERS: &str = "cdefghklmnprstvw";

/// Words that are mostly written small, and begin a sentence where they are not.
const STARTERS: [&str; 61] = [
    "he",
    "it",
    "they",
    "this",
    "these",
    "there",
    "your",
    "however",
    "but",
    "although",
    "since",
    "while",
    "when",
    "if",
    "so",
    "yet",
    "meanwhile",
    "moreover",
    "furthermore",
    "therefore",
    "thus",
    "finally",
    "instead",
    "some",
    "many",
    "most",
    "both",
    "such",
    "despite",
    "under",
    "yes",
    "the",
    "in",
    "nor",
    "here",
    "which",
    "i",
    "her",
    "him",
    "them",
    "us",
    "still",
    "always",
    "sometimes",
    "though",
    "unlike",
    "either",
    "neither",
    "between",
    "among",
    "along",
    "without",
    "within",
    "indeed",
    "earlier",
    "recently",
    "tomorrow",
    "yesterday",
    "nevertheless",
    "were",
    "does",
];

/// Characters that end a word before them, and close what stands before them.
const NON_WORD: &str = r"(?:[)\x22;}\]\*:@\'\({\[\u2018\u2019\u201c\u201d\xab\xbb!?])";
/// Marks of several characters.
const MULTIPLE: &str = r"(?:\-{2,}|\.{2,}|(?:\.\s){2,}\.)";

static TOKEN: LazyLock<PythonRegex> = LazyLock::new(|| {
    let begins = r"[^\(\x22\`{\[:;&\#\*@\)}\]\-,]";
    let ends = format!(r"(?=\s|\Z|{NON_WORD}|{MULTIPLE}|,(?=\Z|\s|{NON_WORD}|{MULTIPLE}))");
    constant(&format!(r"{MULTIPLE}|(?={begins})\S+?{ends}|\S"))
});
static NUMBER: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"^-?[\.,]?\d[\d,\.-]*\.?\Z"));
/// What closes a sentence behind its mark.
static CLOSING: LazyLock<PythonRegex> = LazyLock::new(|| {
    constant("^[\"'\\)\\]}\u{2018}\u{2019}\u{201c}\u{201d}\u{ab}\u{bb}]+?(?:\\s+|(?=--)|\\Z|(?=\\n))")
});

fn constant(pattern: &str) -> PythonRegex {
    let pattern = pattern
        .replace(r"\u2018", "\u{2018}")
        .replace(r"\u2019", "\u{2019}")
        .replace(r"\u201c", "\u{201c}")
        .replace(r"\u201d", "\u{201d}");
    PythonRegex::new(&pattern).expect("a constant pattern compiles")
}

/// A mark that may end a sentence.
struct EndMark {
    /// Where it is, and the first byte behind it.
    at: usize,
    end: usize,
    /// Where the word before it begins.
    word: usize,
    /// Where the next sentence begins, if it ends one.
    next: usize,
    /// Where what is looked at behind it ends.
    context: usize,
}

/// The sentences of a text, without the white space between them.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    let mut begin = 0;
    for mark in marks(text) {
        if breaks(&text[mark.word..mark.context]) {
            cuts.push((begin, mark.end));
            begin = mark.next;
        }
    }
    cuts.push((begin, strip_end(text).len().max(begin)));
    closed(text, &cuts)
}

/// Sentences with what closes them behind their marks.
fn closed<'t>(text: &'t str, cuts: &[(usize, usize)]) -> Vec<&'t str> {
    let mut found = Vec::with_capacity(cuts.len());
    let mut skipped = 0;
    for (place, &(begin, end)) in cuts.iter().enumerate() {
        let begin = (begin + skipped).min(end);
        skipped = 0;
        let mut stop = end;
        if let Some(&(next, next_end)) = cuts.get(place + 1)
            && let Some(closing) =
                CLOSING.findall(&text[next..next_end]).first().and_then(|groups| groups.first().copied())
        {
            stop = next + strip_end(closing).len();
            skipped = closing.len();
        }
        if begin < stop {
            found.push(&text[begin..stop]);
        }
    }
    found
}

/// The marks that may end sentences; of several in one word the last.
fn marks(text: &str) -> Vec<EndMark> {
    let mut marks: Vec<EndMark> = Vec::new();
    let mut previous: Option<EndMark> = None;
    for (at, mark) in text.char_indices().filter(|(_, c)| matches!(c, '.' | '?' | '!')) {
        let end = at + mark.len_utf8();
        let rest = &text[end..];
        let Some(first) = rest.chars().next() else { continue };
        let (next, context) = if is_non_word(first) {
            (end, end + first.len_utf8())
        } else if is_space(first) {
            let next = end + (rest.len() - rest.trim_start_matches(is_space).len());
            let word = text[next..].find(is_space).map_or(text.len(), |length| next + length);
            if next == text.len() {
                continue;
            }
            (next, word)
        } else {
            continue;
        };
        let from = previous.as_ref().map_or(0, |mark| mark.at);
        let begins = previous.as_ref().map_or(0, |mark| mark.word);
        let word = match text[from..at].rfind([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']) {
            Some(space) if space > 0 => from + space + 1,
            _ => begins,
        };
        let mark = EndMark { at, end, word, next, context };
        if let Some(before) = previous.replace(mark).filter(|before| before.at <= word) {
            marks.push(before);
        }
    }
    marks.extend(previous);
    marks
}

fn is_non_word(c: char) -> bool {
    ")\";}]*:@'({[\u{2018}\u{2019}\u{201c}\u{201d}\u{ab}\u{bb}!?".contains(c)
}

/// Whether a sentence ends between the words of `context`.
fn breaks(context: &str) -> bool {
    let tokens = TOKEN.findall(context);
    let tokens: Vec<&str> = tokens.iter().filter_map(|groups| groups.first().copied()).collect();
    let ends = |place: usize| ends_sentence(tokens[place], tokens.get(place + 1).copied());
    (0..tokens.len().saturating_sub(1)).any(ends)
}

/// Whether a sentence ends behind `token`.
fn ends_sentence(token: &str, next: Option<&str>) -> bool {
    if matches!(token, "." | "?" | "!") {
        return true;
    }
    let Some(stem) = token.strip_suffix('.') else { return false };
    let lower = stem.to_lowercase();
    let is_ellipsis = stem.ends_with('.');
    let is_initial = stem.chars().count() == 1 && stem.chars().all(char::is_alphabetic);
    let is_number = !NUMBER.findall(token).is_empty();
    if is_initial && LETTERS.contains(&lower) {
        return false;
    }
    let is_abbreviation = !is_ellipsis
        && (ABBREVIATIONS.contains(&lower.as_str())
            || lower.rsplit('-').next().is_some_and(|last| ABBREVIATIONS.contains(&last)));
    let Some(next) = next else { return !is_ellipsis && !is_abbreviation };
    let begins = Beginning::of(next);
    // Letters that are no abbreviations are words by themselves, too.
    let is_letter = next.len() == 2 && next.ends_with('.') && !LETTERS.contains(&next[..1].to_lowercase());
    if (is_abbreviation || is_ellipsis) && !is_initial {
        return begins == Beginning::Starter;
    }
    match (is_initial || is_number, begins) {
        (true, Beginning::Inside) => false,
        (true, Beginning::Capital) => !is_initial || is_letter,
        _ => !is_abbreviation,
    }
}

/// What a word says about whether it begins a sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// It does not.
    Inside,
    /// It begins with a capital, as names do.
    Capital,
    /// It begins with a capital, and is mostly written small.
    Starter,
    Unknown,
}

impl Beginning {
    fn of(word: &str) -> Self {
        let first = word.chars().next().unwrap_or(' ');
        if matches!(word, ";" | ":" | "," | "." | "!" | "?") || first.is_lowercase() {
            return Self::Inside;
        }
        if !first.is_uppercase() {
            return Self::Unknown;
        }
        let lower = word.trim_end_matches('.').to_lowercase();
        if STARTERS.contains(&lower.as_str()) { Self::Starter } else { Self::Capital }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_stop_is_not_always_an_end() {
        for (text, count) in [
            ("Dr. Ann went home. She slept.", 2),
            ("It costs 3.50 dollars. Is it much? No!", 3),
            ("He lives in the U.S. He likes it.", 2),
            ("J. Zorb wrote it. (It is old.) Nobody read it.", 3),
            ("Wait... what? \"Yes!\" he said.", 3),
            ("no mark at all", 1),
            ("One.\n\nTwo.\n\n* Three", 3),
            ("", 0),
            ("Really?! Yes.", 2),
            ("She came at 5 p.m. They left.", 2),
            ("We paid 3. Then we went.", 2),
            ("See p. 5 of it. Well.", 2),
        ] {
            assert_eq!(sentences(text).len(), count, "{text}: {:?}", sentences(text));
        }
    }

    #[test]
    fn what_closes_a_sentence_belongs_to_it() {
        assert_eq!(sentences("(It is old.) No."), ["(It is old.)", "No."]);
        assert_eq!(sentences("\u{201c}It is.\u{201d} So"), ["\u{201c}It is.\u{201d}", "So"]);
    }
}
