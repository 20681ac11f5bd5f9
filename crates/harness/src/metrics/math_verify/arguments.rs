//! Commands whose arguments are written without braces, or in parentheses.
//!
//! Source: what the library `latex2sympy2_extended` 1.11 mends before it reads a formula.

/// How an argument is written.
#[derive(Clone, Copy)]
enum ArgumentForm {
    InParentheses,
    InBraces,
    Digit,
    Digits,
}

/// What stands in a formula, and what it is written as.
struct Rewrite {
    name: &'static str,
    mended: &'static str,
    arguments: &'static [ArgumentForm],
}

use ArgumentForm::{Digit, Digits, InBraces, InParentheses};

/// In this order. `sqrt` has no backslash, here or before it.
const COMMANDS: [Rewrite; 7] = [
    Rewrite { name: "^", mended: "^", arguments: &[InParentheses] },
    Rewrite { name: "sqrt", mended: "\\sqrt", arguments: &[InParentheses] },
    Rewrite { name: "\\frac", mended: "\\frac", arguments: &[Digit, Digits] },
    Rewrite { name: "\\log_", mended: "\\log_", arguments: &[Digit, Digits] },
    Rewrite { name: "\\frac", mended: "\\frac", arguments: &[InBraces, Digit] },
    Rewrite { name: "\\frac", mended: "\\frac", arguments: &[Digit, InBraces] },
    Rewrite { name: "\\sqrt", mended: "\\sqrt", arguments: &[Digit] },
];

/// A formula with braces around those arguments.
pub(super) fn in_braces(formula: String) -> String {
    COMMANDS.iter().fold(formula, |formula, command| command.mend(&formula))
}

impl Rewrite {
    fn mend(&self, formula: &str) -> String {
        let mut mended = String::with_capacity(formula.len());
        let mut rest = formula;
        while let Some(at) = rest.find(self.name) {
            let (before, behind) = (&rest[..at], &rest[at + self.name.len()..]);
            mended.push_str(before);
            if let Some((arguments, behind)) = read(behind, self.arguments) {
                mended.push_str(self.mended);
                for argument in arguments {
                    mended.extend(["{", argument, "}"]);
                }
                rest = behind;
            } else {
                mended.push_str(self.name);
                rest = behind;
            }
        }
        mended + rest
    }
}

/// Arguments at the beginning of a text, and what is behind them.
fn read<'t>(text: &'t str, written: &[ArgumentForm]) -> Option<(Vec<&'t str>, &'t str)> {
    let Some((first, others)) = written.split_first() else { return Some((Vec::new(), text)) };
    let trimmed = text.strip_prefix(char::is_whitespace).unwrap_or(text);
    let with_others = |argument: &'t str, behind: &'t str| {
        let (mut arguments, behind) = read(behind, others)?;
        arguments.insert(0, argument);
        Some((arguments, behind))
    };
    let digits = trimmed.find(|c: char| !c.is_numeric()).unwrap_or(trimmed.len());
    let closed = |open: char, close: char| {
        let inner = trimmed.strip_prefix(open)?;
        // At the first bracket behind which the others are.
        inner.match_indices(close).find_map(|(end, bracket)| with_others(&inner[..end], &inner[end + bracket.len()..]))
    };
    match first {
        ArgumentForm::InParentheses => closed('(', ')'),
        ArgumentForm::InBraces => closed('{', '}'),
        ArgumentForm::Digits => {
            (digits > 0).then(|| trimmed.split_at(digits)).and_then(|(all, behind)| with_others(all, behind))
        }
        ArgumentForm::Digit => {
            let one = trimmed[..digits].chars().next()?;
            let (one, behind) = trimmed.split_at(one.len_utf8());
            with_others(one, behind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_get_their_braces() {
        for (formula, mended) in [
            ("2^(n+1)", "2^{n+1}"),
            ("2^ (n)(m)", "2^{n}(m)"),
            ("sqrt(2)+1", "\\sqrt{2}+1"),
            ("\\frac12", "\\frac{1}{2}"),
            ("\\frac 1 234x", "\\frac{1}{234}x"),
            ("\\log_2 8", "\\log_{2}{8}"),
            ("\\frac{a}3", "\\frac{a}{3}"),
            ("\\frac{a}{b}7", "\\frac{a}{b}{7}"),
            ("\\frac 3{a}", "\\frac{3}{a}"),
            ("\\sqrt 3", "\\sqrt{3}"),
            ("\\sqrt", "\\sqrt"),
            ("\\frac{a}{b}", "\\frac{a}{b}"),
            ("^(", "^("),
        ] {
            assert_eq!(in_braces(formula.to_owned()), mended, "{formula}");
        }
    }
}
