//! What stands between signs: brackets, fractions, bars, and what else is one thing.

use super::combine::{binomial, quotient};
use super::{FormulaReader, FunctionStart};
use crate::metrics::latex::{Expression, Function};
use crate::metrics::math_verify::token::{Bracket, MathTokenKind};

impl FormulaReader {
    pub(super) fn component(&mut self, functions: FunctionStart) -> Option<Expression> {
        match self.kind()?.clone() {
            MathTokenKind::Open(Bracket::Brace) => {
                self.attempt(|reader| reader.enclosed(Bracket::Brace)).or_else(|| self.chosen_in_braces())
            }
            MathTokenKind::Open(bracket @ (Bracket::Floor | Bracket::LowerCorner)) => {
                Some(Expression::Of(Function::Floor, Box::new(self.enclosed(bracket)?)))
            }
            MathTokenKind::Open(bracket @ (Bracket::Ceiling | Bracket::UpperCorner)) => {
                Some(Expression::Of(Function::Ceiling, Box::new(self.enclosed(bracket)?)))
            }
            MathTokenKind::Open(Bracket::Vert) => {
                Some(Expression::Of(Function::Abs, Box::new(self.enclosed(Bracket::Vert)?)))
            }
            MathTokenKind::Open(Bracket::RoundCommand) => None,
            MathTokenKind::Open(bracket) => self.enclosed(bracket),
            bar @ (MathTokenKind::Bar | MathTokenKind::Vert) => {
                self.at += 1;
                self.bars += 1;
                let inner = self.sum()?;
                self.bars -= 1;
                self.expect(&bar)?;
                Some(Expression::Of(Function::Abs, Box::new(inner)))
            }
            MathTokenKind::Boxed | MathTokenKind::Phantom => {
                self.at += 1;
                self.enclosed(Bracket::Brace)
            }
            MathTokenKind::Fraction => {
                self.at += 1;
                let above = self.enclosed(Bracket::Brace)?;
                // A derivative.
                let names_below = matches!(self.kind_at(1), Some(MathTokenKind::Differential));
                if names_below && self.kind_at(2) == Some(&MathTokenKind::Close(Bracket::Brace)) {
                    self.has_unknown = true;
                    return None;
                }
                Some(quotient(above, self.enclosed(Bracket::Brace)?))
            }
            MathTokenKind::Binomial => {
                self.at += 1;
                let of = Box::new(self.enclosed(Bracket::Brace)?);
                Some(binomial(of, Box::new(self.enclosed(Bracket::Brace)?)))
            }
            MathTokenKind::DeterminantStart => self.determinant(),
            MathTokenKind::BigOperator => {
                self.has_unknown = true;
                None
            }
            _ => self.function_or_atom(functions),
        }
    }

    /// `{a \choose b}`.
    fn chosen_in_braces(&mut self) -> Option<Expression> {
        self.expect(&MathTokenKind::Open(Bracket::Brace))?;
        let of = Box::new(self.deeper(Self::sum)?);
        self.expect(&MathTokenKind::Choose)?;
        let chosen = Box::new(self.deeper(Self::sum)?);
        self.expect(&MathTokenKind::Close(Bracket::Brace))?;
        Some(binomial(of, chosen))
    }
}
