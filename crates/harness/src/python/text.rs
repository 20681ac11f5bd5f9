//! Python's string methods where Rust's differ.

/// Whether `str.isspace` holds: Unicode white space and the four ASCII separators U+001C to U+001F.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.lstrip()`.
pub(crate) fn strip_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// `str.split()`.
pub(crate) fn split_whitespace(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}

/// Whether `c` is in `string.punctuation`.
pub(crate) fn is_ascii_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
}

/// `len(re.escape(text))`, in characters.
pub(crate) fn escaped_length(text: &str) -> usize {
    text.chars().map(|c| if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripping_takes_the_ascii_separators_and_the_ideographic_space() {
        assert_eq!(strip("\u{1c}\u{3000} a b\u{a0}\u{1f}\n"), "a b");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a", "a zero-width space is no white space");
    }

    #[test]
    fn escaping_lengthens_by_one_per_special_character() {
        assert_eq!(escaped_length("a b"), 4);
        assert_eq!(escaped_length("(é)"), 5);
        assert_eq!(escaped_length("a,b"), 3, "a comma is not escaped");
    }
}
