//! From tokens to expressions.

mod atoms;
mod functions;

use super::cursor::Cursor;
use super::expression::{Expression, Function};
use super::token::{LatexToken, tokens};

/// What a text says, as far as it is an expression. None where it is none, or a relation, or nothing that is known here
/// (integrals, sums, limits, derivatives).
pub(in super::super) fn parse(text: &str) -> Option<Expression> {
    let tokens = tokens(text.trim());
    if tokens.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { cursor: Cursor::new(tokens), bars: 0, depth: 0 };
    let expression = parser.sum()?;
    match parser.cursor.peek() {
        Some(LatexToken::Sign('<' | '=') | LatexToken::Unknown) => None,
        _ => Some(expression),
    }
}

/// More tokens than these are no answer.
const LONGEST: usize = 1000;
/// Deeper than this nothing is read.
const DEEPEST: usize = 100;

struct Parser {
    cursor: Cursor,
    /// Bars that are open: the next one closes.
    bars: usize,
    depth: usize,
}

/// Whether a function may begin here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Functions {
    Allowed,
    NotAllowed,
}

impl Parser {
    /// Sums of products.
    fn sum(&mut self) -> Option<Expression> {
        let mut sum = self.product(Functions::Allowed)?;
        loop {
            let product = if self.cursor.skip('+') {
                self.product(Functions::Allowed)?
            } else if self.cursor.skip('-') {
                Expression::Negative(Box::new(self.product(Functions::Allowed)?))
            } else {
                return Some(sum);
            };
            sum = Expression::Sum(Box::new(sum), Box::new(product));
        }
    }

    /// Products and quotients with a sign between their parts.
    fn product(&mut self, functions: Functions) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut product = self.signed(functions)?;
        loop {
            if self.cursor.skip('*') {
                product = Expression::Product(Box::new(product), Box::new(self.signed(functions)?));
            } else if self.cursor.skip('/') {
                product = Expression::Quotient(Box::new(product), Box::new(self.signed(functions)?));
            } else {
                self.depth -= 1;
                return Some(product);
            }
        }
    }

    /// Factors side by side, with their signs.
    fn signed(&mut self, functions: Functions) -> Option<Expression> {
        let mut negative = false;
        loop {
            if self.cursor.skip('-') {
                negative = !negative;
            } else if !self.cursor.skip('+') {
                break;
            }
        }
        // The first one may be a function in either case.
        let mut factors = vec![self.factor(Functions::Allowed)?];
        while self.begins(functions) {
            factors.push(self.factor(functions)?);
        }
        let product = side_by_side(factors)?;
        Some(if negative { Expression::Negative(Box::new(product)) } else { product })
    }

    /// Whether a factor begins here.
    fn begins(&self, functions: Functions) -> bool {
        match self.cursor.peek() {
            Some(
                LatexToken::Sign('(' | '[' | '{')
                | LatexToken::Digit(_)
                | LatexToken::Letter(_)
                | LatexToken::Differential(_),
            ) => true,
            Some(LatexToken::Sign('|')) => self.bars == 0,
            Some(LatexToken::Command(name)) => match name.as_str() {
                "}" | "right|" | "rangle" | "rfloor" | "rceil" | "to" | "rightarrow" | "Rightarrow"
                | "longrightarrow" | "Longrightarrow" => false,
                "sqrt" | "overline" | "log" | "ln" | "lg" | "lim" | "int" | "sum" | "prod" => {
                    functions == Functions::Allowed
                }
                name => Function::of_command(name).is_none() || functions == Functions::Allowed,
            },
            _ => false,
        }
    }

    /// A power, and what stands behind it.
    fn factor(&mut self, functions: Functions) -> Option<Expression> {
        let mut factor = self.power(functions)?;
        loop {
            if self.cursor.skip('!') {
                factor = Expression::Of(Function::Factorial, Box::new(factor));
            } else if self.cursor.is_sign('|') && matches!(self.cursor.behind(1), Some(LatexToken::Sign('^' | '_'))) {
                // What it is at a place.
                return None;
            } else {
                return Some(factor);
            }
        }
    }

    /// Exponents are taken from the left: `a^b^c` is `(a^b)^c`.
    fn power(&mut self, functions: Functions) -> Option<Expression> {
        let mut base = self.component(functions)?;
        while self.cursor.skip('^') {
            let exponent = self.braced_or_atom()?;
            if self.cursor.is_sign('_') {
                self.subscript()?;
            }
            base = Expression::Power(Box::new(base), Box::new(exponent));
        }
        Some(base)
    }

    fn braced_or_atom(&mut self) -> Option<Expression> {
        if self.cursor.is_sign('{') { self.enclosed('{', '}') } else { self.atom(Functions::NotAllowed) }
    }

    /// What stands below a name, as a part of it.
    fn subscript(&mut self) -> Option<String> {
        self.cursor.expect('_')?;
        Some(match self.braced_or_atom()? {
            Expression::Name(name) => name,
            Expression::Number(_, value) => value.to_string(),
            other => format!("{other:?}"),
        })
    }

    fn enclosed(&mut self, open: char, close: char) -> Option<Expression> {
        self.cursor.expect(open)?;
        // Bars outside do not close inside.
        let bars = std::mem::take(&mut self.bars);
        let inner = self.sum()?;
        self.bars = bars;
        self.cursor.expect(close)?;
        Some(inner)
    }

    fn component(&mut self, functions: Functions) -> Option<Expression> {
        let of = |function, inner| Some(Expression::Of(function, Box::new(inner)));
        match self.cursor.peek()? {
            LatexToken::Sign('(') => self.enclosed('(', ')'),
            LatexToken::Sign('[') => self.enclosed('[', ']'),
            LatexToken::Sign('{') => self.enclosed('{', '}'),
            LatexToken::Sign('|') => {
                self.cursor.expect('|')?;
                self.bars += 1;
                let inner = self.sum()?;
                self.bars -= 1;
                self.cursor.expect('|')?;
                of(Function::Abs, inner)
            }
            LatexToken::Command(name) => match name.clone().as_str() {
                "{" => {
                    self.cursor.at += 1;
                    let inner = self.sum()?;
                    self.cursor.expect_command("}")?;
                    Some(inner)
                }
                "lfloor" => {
                    self.cursor.at += 1;
                    let inner = self.sum()?;
                    self.cursor.expect_command("rfloor")?;
                    of(Function::Floor, inner)
                }
                "lceil" => {
                    self.cursor.at += 1;
                    let inner = self.sum()?;
                    self.cursor.expect_command("rceil")?;
                    of(Function::Ceiling, inner)
                }
                "sqrt" => self.root(),
                "overline" => {
                    self.cursor.at += 1;
                    let inner = self.enclosed('{', '}')?;
                    of(Function::Conjugate, inner)
                }
                "lim" | "int" | "sum" | "prod" | "langle" | "left|" => None,
                name @ ("log" | "ln" | "lg") => self.logarithm(name),
                name => match Function::of_command(name) {
                    Some(function) => self.function(function),
                    None => self.atom(functions),
                },
            },
            _ => self.atom(functions),
        }
    }
}

/// The product of factors side by side. An `x` between two that have no names is a sign.
fn side_by_side(factors: Vec<Expression>) -> Option<Expression> {
    let is_sign = |at: usize| {
        let plain = |at: usize| factors.get(at).is_some_and(|factor| !factor.has_names());
        at > 0 && factors[at] == Expression::Name("x".to_owned()) && plain(at - 1) && plain(at + 1)
    };
    let signs: Vec<bool> = (0..factors.len()).map(is_sign).collect();
    let kept = factors.into_iter().zip(signs).filter(|(_, is_sign)| !is_sign).map(|(factor, _)| factor);
    kept.reduce(|product, factor| Expression::Product(Box::new(product), Box::new(factor)))
}

#[cfg(test)]
mod tests {
    use super::atoms::number;
    use super::*;

    #[test]
    fn a_text_is_read_as_far_as_it_is_an_expression() {
        assert_eq!(parse("1,2"), Some(number("1")));
        assert_eq!(parse("1,234.5"), Some(number("1234.5")));
        assert_eq!(parse("21_4"), Some(number("21")));
        for text in ["", "(1,2)", "[2,5)", "x<5", "x=5", r"5\%", "3+", r"\frac{1}", r"\sum_{n=1}^3n", ".5", "x^-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_none() && parse(&"2^".repeat(10_000)).is_none());
    }

    #[test]
    fn parentheses_behind_a_name_are_a_functions() {
        assert_eq!(
            parse("f_1'(x,2)"),
            Some(Expression::Applied("f_{1}'".into(), vec![Expression::Name("x".into()), number("2")]))
        );
        assert!(matches!(parse("(2)x"), Some(Expression::Product(..))));
        assert_eq!(parse("2x3"), parse("2*3"), "between numbers it is a sign");
    }
}
