//! Sums in prose, as Python reads them.

use super::answer::number;
use crate::metrics::latex::Expression;
use crate::python::strip_start;

/// Deeper than this nothing is read.
const DEEPEST: usize = 50;

/// A sum as an expression, with `^` for powers; none where Python would not read it.
pub(super) fn arithmetic(text: &str) -> Option<Expression> {
    let text = text.replace('^', "**");
    let mut sum = Sum { rest: crate::python::strip(&text), depth: 0 };
    let value = sum.sum()?;
    sum.rest.is_empty().then_some(value)
}

struct Sum<'t> {
    rest: &'t str,
    depth: usize,
}

impl Sum<'_> {
    /// Goes over a sign that is no part of another one.
    fn skip(&mut self, sign: &str, but: &str) -> bool {
        let found = self.rest.starts_with(sign) && (but.is_empty() || !self.rest.starts_with(but));
        if found {
            self.rest = strip_start(&self.rest[sign.len()..]);
        }
        found
    }

    fn sum(&mut self) -> Option<Expression> {
        let mut sum = self.product()?;
        loop {
            let product = if self.skip("+", "") {
                self.product()?
            } else if self.skip("-", "") {
                Expression::Negative(Box::new(self.product()?))
            } else {
                return Some(sum);
            };
            sum = Expression::Sum(Box::new(sum), Box::new(product));
        }
    }

    fn product(&mut self) -> Option<Expression> {
        let mut product = self.signed()?;
        loop {
            if self.skip("*", "**") {
                product = Expression::Product(Box::new(product), Box::new(self.signed()?));
            } else if self.skip("/", "//") {
                product = Expression::Quotient(Box::new(product), Box::new(self.signed()?));
            } else {
                return Some(product);
            }
        }
    }

    fn signed(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = if self.skip("-", "") {
            super::answer::negative(self.signed()?)
        } else if self.skip("+", "") {
            self.signed()?
        } else {
            let base = self.atom()?;
            if self.skip("**", "") { Expression::Power(Box::new(base), Box::new(self.signed()?)) } else { base }
        };
        self.depth -= 1;
        Some(value)
    }

    fn atom(&mut self) -> Option<Expression> {
        if self.skip("(", "") {
            let inner = self.sum()?;
            return self.skip(")", "").then_some(inner);
        }
        let length = self.rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (digits, behind) = self.rest.split_at(length);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        // Whole numbers do not begin with a 0.
        let has_zeros = whole == digits && whole.starts_with('0') && whole.bytes().any(|byte| byte != b'0');
        if part.contains('.') || (whole.is_empty() && part.is_empty()) || has_zeros {
            return None;
        }
        self.rest = strip_start(behind);
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(number(&if digits.contains('.') { format!("{whole}.{part}") } else { whole.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::latex::real_value;

    #[test]
    fn sums_are_read_as_python_reads_them() {
        for (text, value) in
            [("1/2.", 0.5), ("2^3^2", 512.0), ("-(3 + 4)*2", -14.0), ("2*-3", -6.0), ("10 - 2 - 3", 5.0), ("(5) ", 5.0)]
        {
            assert_eq!(arithmetic(text).and_then(|sum| real_value(&sum)), Some(value), "{text}");
        }
        for text in ["2(3)", "1 2", "(1", "3//2", "4×5", "05+1", "1.2.3+1", "", "2024-01-05", "3+"] {
            assert_eq!(arithmetic(text), None, "{text}");
        }
        assert_eq!(arithmetic(&"(".repeat(10_000)), None);
    }
}
