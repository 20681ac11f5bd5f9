//! How vocabularies write bytes as text.

use std::collections::HashMap;
use std::sync::LazyLock;

/// GPT-2's alphabet, character to byte: printable Latin-1 stands for itself, the other bytes follow from U+0100 on
/// (Radford et al. 2019).
static BYTE_OF_CHAR: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let kept = (0..=255u8).filter(|&byte| printable(byte)).map(|byte| (char::from(byte), byte));
    let moved = (0..=255u8).filter(|&byte| !printable(byte)).zip(0x100u32..);
    kept.chain(moved.filter_map(|(byte, code)| Some((char::from_u32(code)?, byte)))).collect()
});

/// The bytes of a piece in GPT-2's alphabet. A piece outside of it stands for itself, as in the reference decoder.
pub(crate) fn alphabet_bytes(piece: &str) -> Vec<u8> {
    let bytes = piece.chars().map(|c| BYTE_OF_CHAR.get(&c).copied()).collect::<Option<Vec<u8>>>();
    bytes.unwrap_or_else(|| piece.as_bytes().to_vec())
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
        assert_eq!(alphabet_bytes("ðŁĺ"), [0xF0, 0x9F, 0x98]);
    }

    #[test]
    fn byte_fallback_pieces_are_two_digits() {
        assert_eq!(fallback_byte("<0x0A>"), Some(b'\n'));
        assert_eq!(fallback_byte("<0xA>"), None);
        assert_eq!(fallback_byte("<0x+1>"), None);
    }
}
