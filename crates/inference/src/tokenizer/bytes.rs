//! Which bytes a token stands for.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The two ways in which vocabularies write bytes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// GPT-2's: every byte is a printable character (Radford et al. 2019).
    ByteLevel,
    /// `SentencePiece`'s: `▁` is a space, `<0x0A>` is a byte, anything else is itself.
    SentencePiece,
}

/// The space of `SentencePiece` vocabularies.
const META_SPACE: char = '▁';

/// GPT-2's alphabet, character to byte: printable Latin-1 stands for itself, the other bytes follow from U+0100 on.
static BYTE_OF_CHAR: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let kept = (0..=255u8).filter(|&byte| printable(byte)).map(|byte| (char::from(byte), byte));
    let moved = (0..=255u8).filter(|&byte| !printable(byte)).zip(0x100u32..);
    kept.chain(moved.filter_map(|(byte, code)| Some((char::from_u32(code)?, byte)))).collect()
});

/// The bytes of a piece.
pub(crate) fn piece_bytes(piece: &str, alphabet: Alphabet) -> Vec<u8> {
    match alphabet {
        Alphabet::ByteLevel => piece
            .chars()
            .map(|c| BYTE_OF_CHAR.get(&c).copied())
            .collect::<Option<Vec<u8>>>()
            // A piece outside of the alphabet stands for itself, as in the reference decoder.
            .unwrap_or_else(|| piece.as_bytes().to_vec()),
        Alphabet::SentencePiece => piece.replace(META_SPACE, " ").into_bytes(),
    }
}

/// The byte of a byte-fallback piece `<0xNN>`.
pub(crate) fn fallback_byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character_of_the_byte_level_alphabet() {
        let mut bytes: Vec<u8> = BYTE_OF_CHAR.values().copied().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(BYTE_OF_CHAR[&'Ġ'], b' ');
        assert_eq!(BYTE_OF_CHAR[&'Ċ'], b'\n');
    }

    #[test]
    fn a_part_of_a_character_keeps_its_bytes() {
        // "ðŁĺ" are the first three of the four bytes of an emoji.
        assert_eq!(piece_bytes("ðŁĺ", Alphabet::ByteLevel), [0xF0, 0x9F, 0x98]);
    }

    #[test]
    fn sentencepiece_spaces_and_bytes_are_undone() {
        assert_eq!(piece_bytes("▁the", Alphabet::SentencePiece), b" the");
        assert_eq!(fallback_byte("<0x0A>"), Some(b'\n'));
        assert_eq!(fallback_byte("<0xA>"), None);
        assert_eq!(fallback_byte("<0x+1>"), None);
    }
}
