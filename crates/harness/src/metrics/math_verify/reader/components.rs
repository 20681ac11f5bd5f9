//! What stands between signs: brackets, fractions, bars, and what else is one thing.

use super::combine::{binomial, quotient};
use super::{Functions, Reader};
use crate::metrics::latex::{Expression, Function};
use crate::metrics::math_verify::token::{Bracket, Kind};

impl Reader {
    pub(super) fn component(&mut self, functions: Functions) -> Option<Expression> {
        match self.kind()?.clone() {
            Kind::Open(Bracket::Brace) => {
                self.attempt(|reader| reader.enclosed(Bracket::Brace)).or_else(|| self.chosen_in_braces())
            }
            Kind::Open(bracket @ (Bracket::Floor | Bracket::LowerCorner)) => {
                Some(Expression::Of(Function::Floor, Box::new(self.enclosed(bracket)?)))
            }
            Kind::Open(bracket @ (Bracket::Ceiling | Bracket::UpperCorner)) => {
                Some(Expression::Of(Function::Ceiling, Box::new(self.enclosed(bracket)?)))
            }
            Kind::Open(Bracket::Vert) => Some(Expression::Of(Function::Abs, Box::new(self.enclosed(Bracket::Vert)?))),
            Kind::Open(Bracket::RoundCommand) => None,
            Kind::Open(bracket) => self.enclosed(bracket),
            bar @ (Kind::Bar | Kind::Vert) => {
                self.at += 1;
                self.bars += 1;
                let inner = self.sum()?;
                self.bars -= 1;
                self.expect(&bar)?;
                Some(Expression::Of(Function::Abs, Box::new(inner)))
            }
            Kind::Boxed | Kind::Phantom => {
                self.at += 1;
                self.enclosed(Bracket::Brace)
            }
            Kind::Fraction => {
                self.at += 1;
                let above = self.enclosed(Bracket::Brace)?;
                // A derivative.
                let names_below = matches!(self.kind_at(1), Some(Kind::Differential));
                if names_below && self.kind_at(2) == Some(&Kind::Close(Bracket::Brace)) {
                    self.has_unknown = true;
                    return None;
                }
                Some(quotient(above, self.enclosed(Bracket::Brace)?))
            }
            Kind::Binomial => {
                self.at += 1;
                let of = Box::new(self.enclosed(Bracket::Brace)?);
                Some(binomial(of, Box::new(self.enclosed(Bracket::Brace)?)))
            }
            Kind::DeterminantStart => self.determinant(),
            Kind::BigOperator => {
                self.has_unknown = true;
                None
            }
            _ => self.function_or_atom(functions),
        }
    }

    /// `{a \choose b}`.
    fn chosen_in_braces(&mut self) -> Option<Expression> {
        self.expect(&Kind::Open(Bracket::Brace))?;
        let of = Box::new(self.deeper(Self::sum)?);
        self.expect(&Kind::Choose)?;
        let chosen = Box::new(self.deeper(Self::sum)?);
        self.expect(&Kind::Close(Bracket::Brace))?;
        Some(binomial(of, chosen))
    }
}
