//! Where a text may be handed from one member's tokens to another's (SAFE, arXiv 2510.15346, "OOV-like tokens").

use gac_inference::Tokenizer;

/// Bytes of the last word that are looked at.
const WINDOW: usize = 64;

/// Whether a member with `tokenizer` would split a text that ends in `emitted` and goes on with `next` between the two.
///
/// Where it would not, `emitted` ends in a piece that the member never sees there in its own tokens ("So" of a word
/// that it has as "Sofia"), and what it expects after it is worth little. Only the last word is looked at: tokenizers do not
/// join across a space that follows a word.
pub(crate) fn splits_between(tokenizer: &Tokenizer, emitted: &[u8], next: &[u8]) -> bool {
    let word = last_word(emitted);
    if word.is_empty() || next.is_empty() {
        return true;
    }
    let whole = [word, next].concat();
    // Inside of a character nobody splits.
    let Ok(text) = std::str::from_utf8(&whole) else { return false };
    let Ok(ids) = tokenizer.encoder().encode_inner(text) else { return false };
    let mut length = 0;
    ids.into_iter().any(|id| {
        length += tokenizer.vocabulary().bytes(id).len();
        length == word.len()
    })
}

/// The end of `text` from the white space before its last word on, from a whole character on.
fn last_word(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let word = text.iter().rposition(is_space).map_or(0, |space| space + 1);
    let spaces = text[..word].iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
    let mut start = spaces.max(text.len().saturating_sub(WINDOW));
    while start < text.len() && text[start] & 0xc0 == 0x80 {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use gac_inference::testkit::tokenizer;

    use super::*;

    #[test]
    fn a_piece_of_what_a_member_has_whole_is_no_place_to_hand_over() {
        let whole = tokenizer(&[" Sofia", " So", "f", "i", "a", "s", " is", "S", "o", " "], &[]);
        assert!(!splits_between(&whole, b" So", b"fia"));
        assert!(splits_between(&whole, b" So", b" is"));
        assert!(splits_between(&whole, b" Sofia", b"s"));
        assert!(splits_between(&whole, b"", b" Sofia"));
        assert!(splits_between(&whole, b" So", b""), "before END every place is one");
    }

    #[test]
    fn nobody_splits_inside_of_a_character() {
        let tokenizer = tokenizer(&["é", "a"], &[]);
        assert!(!splits_between(&tokenizer, &"é".as_bytes()[..1], &"é".as_bytes()[1..]));
        assert!(splits_between(&tokenizer, "é".as_bytes(), b"a"));
        assert!(!splits_between(&tokenizer, b"a", b"unknown"));
    }

    #[test]
    fn the_last_word_begins_with_its_white_space_and_a_whole_character() {
        assert_eq!(last_word(b"one two"), b" two");
        assert_eq!(last_word(b"one\n\n"), b"\n\n");
        assert_eq!(last_word(b"one"), b"one");
        assert_eq!(last_word(b""), b"");
        let long = "é".repeat(WINDOW);
        assert_eq!(last_word(format!("{long}a").as_bytes()).len(), WINDOW - 1);
    }
}
