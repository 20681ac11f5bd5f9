//! `WikiText`'s pages, which are stored in tokens, as running text.
//!
//! Source: lm-evaluation-harness 0.4.13, `tasks/wikitext/preprocess_wikitext.py`, whose slips are kept.

use std::sync::LazyLock;

use crate::python::PythonRegex;

/// What stands for what between words.
const BETWEEN_WORDS: [(&str, &str); 9] = [
    (" @-@ ", "-"),
    (" @,@ ", ","),
    (" @.@ ", "."),
    (" : ", ": "),
    (" ; ", "; "),
    (" . ", ". "),
    (" ! ", "! "),
    (" ? ", "? "),
    (" , ", ", "),
];

/// What stands for what once brackets and quotation marks are closed up.
const LAST: [(&str, &str); 8] = [
    ("= = = =", "===="),
    ("= = =", "==="),
    ("= =", "=="),
    (" \u{b0} ", "\u{b0}"),
    (" \n", "\n"),
    ("\n ", "\n"),
    (" N ", " 1 "),
    (" 's", "'s"),
];

/// Patterns with what their matches become: brackets and quotation marks lose the space inside of them.
static PAIRS: LazyLock<[(PythonRegex, &str); 5]> = LazyLock::new(|| {
    let pairs = [
        (r"\(\s*([^\)]*?)\s*\)", r"(\1)"),
        (r"\[\s*([^\]]*?)\s*\]", r"[\1]"),
        (r"{\s*([^}]*?)\s*}", r"{\1}"),
        (r#"\"\s*([^\"]*?)\s*\""#, r#""\1""#),
        (r"'\s*([^']*?)\s*'", r"'\1'"),
    ];
    pairs.map(|(pattern, template)| (constant(pattern), template))
});

/// A feature of a year, written with slashes by mistake: what it becomes has no digit in it.
static YEAR: LazyLock<PythonRegex> = LazyLock::new(|| constant("/' [0-9]/"));

fn constant(pattern: &str) -> PythonRegex {
    PythonRegex::new(pattern).expect("a constant pattern compiles")
}

/// A page as running text.
pub(super) fn running_text(page: &str) -> String {
    let replaced = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    let text = YEAR.replace_all(&page.replace("s '", "s'"), "/'[0-9]/");
    let text = BETWEEN_WORDS.iter().fold(text, replaced);
    let text = PAIRS.iter().fold(text, |text, (pattern, template)| pattern.sub(&text, template));
    LAST.iter().fold(text, replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_as_people_write() {
        // From lm_eval.tasks.wikitext.preprocess_wikitext.wikitext_detokenizer 0.4.13.
        for (page, text) in [
            (
                " = Zorb = \n Zorb is a well @-@ known town of 1 @,@ 200 . \n",
                " = Zorb =\nZorb is a well-known town of 1,200.\n",
            ),
            (
                " = = Law = = \n \" It is  \" ( so they say ) , she said ! ",
                " == Law ==\n\"It is\" (so they say), she said! ",
            ),
            ("the towns ' walls and Zorb 's gate ", "the towns'walls and Zorb's gate "),
            (" of N { a } [ b ; c ] 20 \u{b0} N", " of 1 {a} [b; c] 20\u{b0}N"),
            ("/' 9/ and ' x ' ? no ", "/'[0-9]/ and' x '? no "),
            ("", ""),
        ] {
            assert_eq!(running_text(page), text);
        }
    }
}
