//! Numbers, names and fractions.

use super::{Functions, Parser};
use crate::metrics::latex::expression::{Expression, Function};
use crate::metrics::latex::fraction::Fraction;
use crate::metrics::latex::token::LatexToken;

impl Parser {
    pub(super) fn atom(&mut self, functions: Functions) -> Option<Expression> {
        match self.cursor.peek()?.clone() {
            LatexToken::Digit(_) => self.number(),
            LatexToken::Letter(letter) => {
                self.cursor.at += 1;
                self.name(letter.to_string(), true, functions)
            }
            LatexToken::Differential(name) => {
                self.cursor.at += 1;
                Some(Expression::Name(format!("d{name}")))
            }
            LatexToken::Command(name) => match name.as_str() {
                "frac" | "dfrac" | "tfrac" => self.fraction(),
                "binom" | "dbinom" | "tbinom" => {
                    self.cursor.at += 1;
                    let (of, chosen) = (self.enclosed('{', '}')?, self.enclosed('{', '}')?);
                    Some(Expression::Binomial(Box::new(of), Box::new(chosen)))
                }
                "mathit" => self.italic(),
                "{" | "}" | "sqrt" | "overline" | "log" | "ln" | "lg" | "lim" | "int" | "sum" | "prod" | "lfloor"
                | "rfloor" | "lceil" | "rceil" | "langle" | "rangle" | "left|" | "right|" | "to" | "rightarrow"
                | "Rightarrow" | "longrightarrow" | "Longrightarrow" => None,
                name if Function::of_command(name).is_some() => None,
                "infty" => {
                    self.cursor.at += 1;
                    Some(Expression::Infinity)
                }
                name => {
                    self.cursor.at += 1;
                    self.name(name.to_owned(), false, functions)
                }
            },
            _ => None,
        }
    }

    /// A name with what belongs to it; behind it, parentheses make it a function.
    fn name(&mut self, mut name: String, primed: bool, functions: Functions) -> Option<Expression> {
        let (mut below, mut primes) = (false, false);
        loop {
            match self.cursor.peek() {
                Some(LatexToken::Sign('_')) if !below => {
                    let subscript = self.subscript()?;
                    name = format!("{name}_{{{subscript}}}");
                    below = true;
                }
                Some(&LatexToken::Primes(count)) if !primes => {
                    self.cursor.at += 1;
                    if primed {
                        name.push_str(&"'".repeat(count));
                    }
                    primes = true;
                }
                _ => break,
            }
        }
        if functions == Functions::NotAllowed || !self.cursor.skip('(') {
            return Some(Expression::Name(name));
        }
        let bars = std::mem::take(&mut self.bars);
        let mut of = vec![self.sum()?];
        while self.cursor.skip(',') {
            of.push(self.sum()?);
        }
        self.bars = bars;
        self.cursor.expect(')')?;
        Some(Expression::Applied(name, of))
    }

    /// Digits, with commas before groups of three, and decimals.
    fn number(&mut self) -> Option<Expression> {
        let mut digits = self.cursor.digits();
        loop {
            let [comma, a, b, c] = [0, 1, 2, 3].map(|offset| self.cursor.behind(offset).cloned());
            match (comma, a, b, c) {
                (
                    Some(LatexToken::Sign(',')),
                    Some(LatexToken::Digit(a)),
                    Some(LatexToken::Digit(b)),
                    Some(LatexToken::Digit(c)),
                ) => {
                    digits.extend([a, b, c]);
                    self.cursor.at += 4;
                }
                // It had to be looked at.
                (Some(LatexToken::Sign(',')), Some(LatexToken::Unknown), ..)
                | (Some(LatexToken::Sign(',')), Some(LatexToken::Digit(_)), Some(LatexToken::Unknown), _)
                | (
                    Some(LatexToken::Sign(',')),
                    Some(LatexToken::Digit(_)),
                    Some(LatexToken::Digit(_)),
                    Some(LatexToken::Unknown),
                ) => {
                    return None;
                }
                _ => break,
            }
        }
        if self.cursor.is_sign('.') && matches!(self.cursor.behind(1), Some(LatexToken::Digit(_))) {
            self.cursor.at += 1;
            digits.push('.');
            digits.push_str(&self.cursor.digits());
        }
        Some(number(&digits))
    }

    fn fraction(&mut self) -> Option<Expression> {
        self.cursor.at += 1;
        let above = self.part_of_fraction()?;
        // A derivative.
        if matches!(
            (self.cursor.peek(), self.cursor.behind(1), self.cursor.behind(2)),
            (Some(LatexToken::Sign('{')), Some(LatexToken::Differential(_)), Some(LatexToken::Sign('}')))
        ) {
            return None;
        }
        let below = self.part_of_fraction()?;
        Some(Expression::Quotient(Box::new(above), Box::new(below)))
    }

    fn part_of_fraction(&mut self) -> Option<Expression> {
        match self.cursor.peek()? {
            LatexToken::Digit(digit) => {
                let digit = digit.to_string();
                self.cursor.at += 1;
                Some(number(&digit))
            }
            _ => self.enclosed('{', '}'),
        }
    }

    fn italic(&mut self) -> Option<Expression> {
        self.cursor.at += 1;
        self.cursor.expect('{')?;
        let mut name = String::new();
        while let Some(LatexToken::Letter(letter)) = self.cursor.peek() {
            name.push(*letter);
            self.cursor.at += 1;
        }
        self.cursor.expect('}')?;
        Some(Expression::Name(name))
    }
}

pub(super) fn number(digits: &str) -> Expression {
    Expression::Number(Fraction::decimal(digits), digits.parse().unwrap_or(f64::NAN))
}
