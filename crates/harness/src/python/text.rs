//! Python's string methods where Rust's differ.

/// Whether `str.isspace` holds: Unicode white space and the four ASCII separators U+001C to U+001F.
pub(crate) fn is_space(c: char) -> bool {
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

/// `str.rstrip()`.
pub(crate) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.split()`.
pub(crate) fn split_whitespace(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}

/// `str.capitalize()`: the first character as a title's, the others in lower case.
pub(crate) fn capitalize(text: &str) -> String {
    let Some(first) = text.chars().next() else { return String::new() };
    // As part of the whole text: a sigma at its end is a final one.
    let lower = text.to_lowercase();
    let rest = first.to_lowercase().map(char::len_utf8).sum::<usize>();
    title(first) + &lower[rest..]
}

/// A character as a title begins with it: where upper case takes several characters, only the first of them is upper.
fn title(c: char) -> String {
    let digraph = match c {
        '\u{1c4}'..='\u{1c6}' => Some('\u{1c5}'),
        '\u{1c7}'..='\u{1c9}' => Some('\u{1c8}'),
        '\u{1ca}'..='\u{1cc}' => Some('\u{1cb}'),
        '\u{1f1}'..='\u{1f3}' => Some('\u{1f2}'),
        _ => None,
    };
    if let Some(digraph) = digraph {
        return digraph.to_string();
    }
    let mut upper = c.to_uppercase();
    upper.next().into_iter().chain(upper.flat_map(char::to_lowercase)).collect()
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
    fn a_capital_stands_in_front_of_lower_case() {
        assert_eq!(capitalize("tHE \u{c9}ND"), "The \u{e9}nd");
        assert_eq!(capitalize("\u{df}a \u{fb03}"), "Ssa \u{fb03}");
        assert_eq!(capitalize("\u{1c6}A\u{3a3}"), "\u{1c5}a\u{3c2}");
        assert_eq!(capitalize(""), "");
    }

    #[test]
    fn escaping_lengthens_by_one_per_special_character() {
        assert_eq!(escaped_length("a b"), 4);
        assert_eq!(escaped_length("(é)"), 5);
        assert_eq!(escaped_length("a,b"), 3, "a comma is not escaped");
    }
}
