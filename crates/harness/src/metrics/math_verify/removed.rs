//! What a formula is read without: layout, currency and quotes.

/// Commands that go without a trace, the longer first where one begins as another does.
const COMMANDS: [&str; 3] = ["\\mathrm{th}", "\\displaystyle", "\\$"];

/// A formula without that.
pub(super) fn without_layout(formula: &str) -> String {
    let mut kept = String::with_capacity(formula.len());
    let mut rest = formula;
    let mut escaped = false;
    while let Some(first) = rest.chars().next() {
        if let Some(behind) = removed(rest).or_else(|| rest.strip_prefix(['"', '\'']).filter(|_| !escaped)) {
            // A backslash that goes is none that a quote stands behind.
            escaped = false;
            rest = behind;
        } else {
            escaped = first == '\\';
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    kept
}

/// What is behind something that goes, where a text begins with it.
fn removed(text: &str) -> Option<&str> {
    let command = COMMANDS.iter().find_map(|command| text.strip_prefix(command)).or_else(|| text.strip_prefix('$'));
    let space = || text.strip_prefix("\\!").map(str::trim_start);
    let empty = || text.strip_prefix("\\text")?.trim_start().strip_prefix('{')?.trim_start().strip_prefix('}');
    command.or_else(space).or_else(empty)
}

/// A formula with fractions of factorials for falling factorials, `(n)_{k}`.
pub(super) fn with_factorials(formula: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "_+*/\\ -".contains(c);
    let mut written = String::with_capacity(formula.len());
    let mut rest = formula;
    while let Some(close) = rest.find(")_{") {
        let (before, behind) = (&rest[..close], &rest[close + 3..]);
        let of = before.rfind('(').map(|open| (&before[..open], &before[open + 1..]));
        let by = behind.find('}').map(|end| (&behind[..end], &behind[end + 1..]));
        match (of, by) {
            (Some((before, n)), Some((k, behind)))
                if !n.is_empty() && !k.is_empty() && n.chars().chain(k.chars()).all(is_part) =>
            {
                written.extend([before, "\\frac{(", n, ")!}{((", n, ")-(", k, "))!}"]);
                rest = behind;
            }
            _ => {
                written.push_str(&rest[..=close]);
                rest = &rest[close + 1..];
            }
        }
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_goes_and_escaped_quotes_stay() {
        for (formula, kept) in [
            ("\\displaystyle 3", " 3"),
            ("\\$5", "5"),
            ("5\\mathrm{th}", "5"),
            ("1\\! 000", "1000"),
            ("5\\text { }", "5"),
            ("$x$ \"y\" z'", "x y z"),
            ("\\'e", "\\'e"),
            ("\\text{a}", "\\text{a}"),
        ] {
            assert_eq!(without_layout(formula), kept, "{formula}");
        }
    }

    #[test]
    fn falling_factorials_are_fractions() {
        assert_eq!(with_factorials("1+(n)_{k}"), "1+\\frac{(n)!}{((n)-(k))!}");
        assert_eq!(with_factorials("(a,b)_{2}(n)_{}"), "(a,b)_{2}(n)_{}");
        assert_eq!(with_factorials("(a,b)_{2}+(n)_{2}"), "(a,b)_{2}+\\frac{(n)!}{((n)-(2))!}");
    }
}
