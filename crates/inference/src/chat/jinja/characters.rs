//! Classes of characters, as Python has them.

use std::sync::LazyLock;

use regex::Regex;

pub(super) static LETTER: LazyLock<Regex> = LazyLock::new(|| class(r"\p{L}"));
pub(super) static TITLE: LazyLock<Regex> = LazyLock::new(|| class(r"\p{Lt}"));
pub(super) static CASED: LazyLock<Regex> = LazyLock::new(|| class(r"[\p{Uppercase}\p{Lowercase}\p{Lt}]"));
pub(super) static DECIMAL: LazyLock<Regex> = LazyLock::new(|| class(r"\p{Nd}"));
/// What Unicode calls numeric, of type digit: superscripts, subscripts, and the digits in circles, brackets and with stops.
pub(super) static DIGIT: LazyLock<Regex> = LazyLock::new(|| {
    class(
        r"[\p{Nd}²³¹\x{1369}-\x{1371}\x{19DA}⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒\x{10A40}-\x{10A43}\x{10E60}-\x{10E68}\x{11052}-\x{1105A}\x{1F100}-\x{1F10A}]",
    )
});
/// Unicode's numbers, and the ideographs that stand for one.
pub(super) static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    class(
        r"[\p{N}㐅㒃㠪㭍一七万三亖九二五亿亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰陆陌陸零\x{F96B}\x{F973}\x{F978}\x{F9B2}\x{F9D1}\x{F9D3}\x{F9FD}]",
    )
});
/// Characters that `repr` writes as escapes.
static NOT_PRINTABLE: LazyLock<Regex> = LazyLock::new(|| class(r"[\p{C}\p{Z}--\x20]"));

/// A class of characters.
fn class(pattern: &'static str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("a pattern of ours: {error}"))
}

/// Whether a character is in a class.
pub(super) fn is_in(class: &Regex, c: char) -> bool {
    class.is_match(c.encode_utf8(&mut [0; 4]))
}

/// What Python takes for white space: Unicode's, and four control characters.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Whether Python's `str.isprintable` holds for a character.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~') || !is_in(&NOT_PRINTABLE, c)
}
