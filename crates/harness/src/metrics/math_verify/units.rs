//! Units and other words behind a number.

use crate::python::{strip, strip_end};

/// Units, and words that count as such. A point in one stands for any character. Some are letters that are names elsewhere:
/// of `3t` only 3 is read. `|` is between two.
const UNITS: &str = "\
     m east|a .|a . m|ab|acre|am|apple|are|b .|bc|by|c|c .|cc|cent|children ticket|cm|cm 2|coin|cu . m|cu cm|\
    cube|cubic|d|d .|day|decrease|deg|degree|digit|dm|e .|east|edge|excess|f .|feet|ft|g|g .|gain|gal|gallon|\
    gm|h|h .|hectare|hour|hr|inch|inches|increase|integerpoint|kg|km|kmh|kmph|l|lb|less|liter|litre|loss|lt|m|\
    m square|man|mark|meal|men|meter|metre|mile|min|minute|minw|mm|monkey|month|more|mp|mph|mt|mtr|multiple|\
    no change|noon|number|o|ohm|p . m|per|pi sq m|pie|pm|pound|prime|profit|profit of rs|pure|q .|ratio|rd|\
    rise|rounds|rs|rs .|rupee|s|s .|sec|second|soldier|sq|sq . m|sq inch|sq m|square|st|student|sue|Surface|t|\
    th|tile|toy|unit|v â € ™|way|west|woman|women|yard|year|yr|° f|π r 2|∏ cm ³";

/// A text without units at its end, unless nothing else is left.
pub(super) fn without_units(text: String) -> String {
    let shorter = strip(without_text(&text));
    let mut text = if shorter.is_empty() { text } else { shorter.to_owned() };
    for _ in 0..2 {
        if let Some(shorter) = without_unit(&text) {
            text = shorter;
        }
    }
    text
}

/// Without what is from the first text in it on, where that or another text is the end of it, with an exponent or without.
fn without_text(text: &str) -> &str {
    let opening = |name: &'static str| text.find(name).map(|at| (at, name));
    let Some((at, name)) = ["\\text{", "\\mbox{"].into_iter().filter_map(opening).min() else { return text };
    let inner = &text[at + name.len()..];
    let exponent = |end: &str| {
        let end = inner.strip_suffix(end)?;
        end.strip_suffix(char::is_numeric)?.strip_suffix('^')
    };
    let before = exponent("").or_else(|| exponent("}")?.strip_suffix('{')).unwrap_or(inner);
    if before.ends_with('}') || inner.ends_with('}') { &text[..at] } else { text }
}

/// A text without one unit at its end, where a digit, a brace or white space is before it: of several ends the longest.
fn without_unit(text: &str) -> Option<String> {
    let end = strip_end(text);
    let starts = end.char_indices().rev().map(|(at, _)| at).take_while(|at| end.len() - at <= LONGEST);
    let kept = starts.filter(|start| is_unit(&end[*start..])).filter_map(|start| {
        let before = strip_end(&end[..start]);
        let is_number = before.ends_with(|c: char| c.is_numeric() || c == '}');
        let space = end[before.len()..start].chars().next();
        if is_number { Some(before.len()) } else { space.map(|space| before.len() + space.len_utf8()) }
    });
    kept.min().map(|kept| text[..kept].to_owned())
}

/// Whether a text is a unit, in the plural or not.
fn is_unit(text: &str) -> bool {
    let is = |text: &str| UNITS.split('|').any(|unit| is_written(unit, text));
    let plural = |ending: &str| text.strip_suffix(ending).is_some_and(is);
    text.len() <= LONGEST && (is(text) || plural("s") || plural("es"))
}

/// No unit is longer, in bytes.
const LONGEST: usize = 40;

fn is_written(unit: &str, text: &str) -> bool {
    let mut characters = text.chars();
    unit.chars().all(|expected| characters.next().is_some_and(|c| c == expected || expected == '.'))
        && characters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_at_the_end_go_unless_they_are_all() {
        for (text, kept) in [
            ("5 cm", "5"),
            ("5 apples", "5"),
            ("5\\text{ cm}^2", "5"),
            ("\\text{cm}", "\\text{cm}"),
            ("2x", "2x"),
            ("3 sq m", "3"),
            ("x + y m", "x + y "),
            ("7 hours", "7"),
        ] {
            assert_eq!(without_units(text.to_owned()), kept, "{text}");
        }
        // No matter how long it is.
        assert_eq!(without_units(" ".repeat(5000)).len(), 5000);
    }
}
