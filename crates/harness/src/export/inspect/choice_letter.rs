//! Choices by letters.

/// `A` for the first choice, and so on; from the 27th on `1`, `2`, ..., as inspect_ai counts them.
pub(super) fn choice_letter(index: usize) -> String {
    u8::try_from(index)
        .ok()
        .filter(|index| *index < 26)
        .map_or_else(|| (index - 25).to_string(), |index| char::from(b'A' + index).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_26_choices_are_letters_and_numbers_follow() {
        assert_eq!([0, 25, 26, 300].map(choice_letter), ["A", "Z", "1", "275"]);
    }
}
