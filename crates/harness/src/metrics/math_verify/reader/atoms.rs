//! Numbers and names.

use super::{FormulaReader, FunctionStart, NumberDomain};
use crate::metrics::latex::{Constant, Expression, Fraction};
use crate::metrics::math_verify::answer::number;
use crate::metrics::math_verify::token::{Bracket, MathTokenKind};

impl FormulaReader {
    pub(super) fn atom(&mut self) -> Option<Expression> {
        let token = self.tokens.get(self.at)?.clone();
        match token.kind {
            MathTokenKind::Letter | MathTokenKind::Name | MathTokenKind::Accented(_) => self.scripted_name(),
            MathTokenKind::Whole | MathTokenKind::Decimal => {
                self.at += 1;
                // In another base or not, it is the number.
                if self.is(&MathTokenKind::Below) {
                    self.below()?;
                }
                Some(number(&token.text))
            }
            MathTokenKind::Scientific => {
                self.at += 1;
                let value: f64 = token.text.replace('−', "-").parse().ok()?;
                Some(Expression::Decimal(Fraction::decimal(&value.to_string()), value))
            }
            MathTokenKind::CapitalE => {
                self.at += 1;
                Some(self.symbol("e"))
            }
            MathTokenKind::Differential => {
                self.at += 1;
                let name = token.text.replace('\\', "");
                Some(self.symbol(&name))
            }
            MathTokenKind::Infinity => {
                self.at += 1;
                Some(Expression::Infinity)
            }
            _ => None,
        }
    }

    /// A name as what it stands for.
    fn symbol(&self, name: &str) -> Expression {
        match self.names {
            NumberDomain::Real => Expression::RealName(name.to_owned()),
            NumberDomain::Complex => Expression::Name(name.to_owned()),
        }
    }

    /// What is written for a name, without what stands below it.
    pub(super) fn base_of_name(&mut self) -> Option<String> {
        let token = self.next()?;
        match token.kind {
            MathTokenKind::Letter => Some(token.text),
            MathTokenKind::Name => Some(greek_name(&token.text)),
            MathTokenKind::Accented(name) => Some(name),
            _ => None,
        }
    }

    /// A name with what stands below and above it.
    pub(super) fn scripted_name(&mut self) -> Option<Expression> {
        let mut name = self.base_of_name()?;
        let (mut below, mut above) = (None, None);
        loop {
            if below.is_none() && self.is(&MathTokenKind::Below) {
                below = Some(self.below()?);
            } else if above.is_none() && self.skip(&MathTokenKind::Above) {
                above = Some(self.braced_or_atom()?);
            } else {
                break;
            }
        }
        if name == "I" {
            return Some(Expression::Constant(Constant::ImaginaryUnit));
        }
        if let Some(below) = below {
            name = with_below(&name, &below);
        }
        let lower = name.to_lowercase();
        let base = match lower.as_str() {
            "pi" => Expression::Constant(Constant::Pi),
            "gamma" => Expression::Constant(Constant::EulerMascheroni),
            lower => self.symbol(lower),
        };
        Some(match above {
            Some(above) => Expression::Power(Box::new(base), Box::new(above)),
            None => base,
        })
    }

    /// An expression in braces, or one number or name.
    pub(super) fn braced_or_atom(&mut self) -> Option<Expression> {
        if self.is(&MathTokenKind::Open(Bracket::Brace)) {
            self.enclosed(Bracket::Brace)
        } else {
            self.deeper(Self::atom)
        }
    }

    /// What stands below, as it is written.
    pub(super) fn below(&mut self) -> Option<String> {
        self.expect(&MathTokenKind::Below)?;
        let is_braced = self.is(&MathTokenKind::Open(Bracket::Brace));
        let from = self.at + usize::from(is_braced);
        if is_braced {
            self.at += 1;
            self.deeper(|reader| {
                reader.sum()?;
                while reader.skip(&MathTokenKind::Comma) {
                    reader.sum()?;
                }
                Some(())
            })?;
        } else {
            self.deeper(Self::atom)?;
        }
        let text = self.tokens[from..self.at].iter().map(|token| token.text.as_str()).collect();
        if is_braced {
            self.expect(&MathTokenKind::Close(Bracket::Brace))?;
        }
        Some(text)
    }

    /// A name with parentheses behind it, as a function of what stands in them: one number or name, or several expressions.
    pub(super) fn application(&mut self) -> Option<Expression> {
        let mut name = self.base_of_name()?;
        if self.is(&MathTokenKind::Below) {
            let below = self.below()?;
            name = with_below(&name, &below);
        }
        let above = if self.skip(&MathTokenKind::Above) { Some(self.braced_or_atom()?) } else { None };
        let is_braced = self.skip(&MathTokenKind::Open(Bracket::Brace));
        let bracket =
            [Bracket::Round, Bracket::Square].into_iter().find(|bracket| self.is(&MathTokenKind::Open(*bracket)))?;
        self.at += 1;
        let of = self.deeper(|reader| {
            let close = MathTokenKind::Close(bracket);
            if let Some(one) = reader.attempt(|reader| {
                let one = reader.atom()?;
                reader.is(&close).then_some(one)
            }) {
                return Some(vec![one]);
            }
            let mut of = vec![reader.sum()?];
            reader.expect(&MathTokenKind::Comma)?;
            while !reader.is(&close) {
                of.push(reader.sum()?);
                if !reader.skip(&MathTokenKind::Comma) {
                    break;
                }
            }
            Some(of)
        })?;
        self.expect(&MathTokenKind::Close(bracket))?;
        if is_braced {
            self.expect(&MathTokenKind::Close(Bracket::Brace))?;
        }
        let applied = Expression::Applied(name, of);
        Some(match above {
            Some(above) => Expression::Power(Box::new(applied), Box::new(above)),
            None => applied,
        })
    }

    pub(super) fn function_or_atom(&mut self, functions: FunctionStart) -> Option<Expression> {
        let is_name =
            matches!(self.kind(), Some(MathTokenKind::Letter | MathTokenKind::Name | MathTokenKind::Accented(_)));
        if functions == FunctionStart::NotAllowed {
            return self.atom();
        }
        let applied = if is_name { self.attempt(Self::application) } else { self.attempt(Self::function) };
        applied.or_else(|| self.atom())
    }
}

fn with_below(name: &str, below: &str) -> String {
    if below.chars().count() > 1 { format!("{name}_{{{below}}}") } else { format!("{name}_{below}") }
}

/// A command's name, or the name of a Greek letter.
fn greek_name(text: &str) -> String {
    match text.strip_prefix('\\') {
        Some(name) => name.to_owned(),
        None => crate::metrics::math_verify::token::letter_name(text).unwrap_or(text).to_owned(),
    }
}
