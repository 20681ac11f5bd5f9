//! Functions that have commands, with what stands below, above and behind these.

use super::combine::{one, quotient};
use super::{FormulaReader, FunctionStart};
use crate::metrics::latex::{Constant, Expression, Fraction, Function, exact};
use crate::metrics::math_verify::answer::{negative, whole};
use crate::metrics::math_verify::token::{Bracket, MathTokenKind, Several};

impl FormulaReader {
    pub(super) fn function(&mut self) -> Option<Expression> {
        match self.next()?.kind {
            MathTokenKind::Function(function) => {
                self.of_one(|argument| Expression::Of(function, argument), Some(function))
            }
            MathTokenKind::Logarithm => self.logarithm(whole(10)),
            MathTokenKind::NaturalLogarithm => self.logarithm(Expression::Constant(Constant::Euler)),
            MathTokenKind::Gamma => {
                let below_one = |argument: Box<Expression>| {
                    let less = Expression::Sum(argument, Box::new(negative(one())));
                    Expression::Of(Function::Factorial, Box::new(less))
                };
                self.of_one(below_one, None)
            }
            MathTokenKind::OperatorName => self.operator(),
            MathTokenKind::Several(several) => self.of_several(several),
            MathTokenKind::Root => self.root(),
            MathTokenKind::Euler => {
                let euler = Expression::Constant(Constant::Euler);
                if !self.skip(&MathTokenKind::Above) {
                    return Some(euler);
                }
                let exponent = self.braced_or_atom()?;
                Some(Expression::Power(Box::new(euler), Box::new(exponent)))
            }
            _ => None,
        }
    }

    /// What stands below and above a function's name, in either order.
    fn scripts(&mut self) -> Option<(Option<Expression>, Option<Expression>)> {
        let (mut below, mut above) = (None, None);
        loop {
            if below.is_none() && self.skip(&MathTokenKind::Below) {
                below = Some(self.braced_or_atom()?);
            } else if above.is_none() && self.skip(&MathTokenKind::Above) {
                above = Some(self.braced_or_atom()?);
            } else {
                return Some((below, above));
            }
        }
    }

    /// What stands in parentheses, or a product.
    fn argument(&mut self) -> Option<Expression> {
        self.attempt(|reader| reader.enclosed(Bracket::Round)).or_else(|| self.product(FunctionStart::NotAllowed))
    }

    fn of_one(
        &mut self,
        apply: impl FnOnce(Box<Expression>) -> Expression,
        function: Option<Function>,
    ) -> Option<Expression> {
        let (_, above) = self.scripts()?;
        let argument = Box::new(self.argument()?);
        let inverse = function.and_then(Function::inverse);
        Some(match (above, inverse) {
            (Some(above), Some(inverse)) if above == whole(-1) => Expression::Of(inverse, argument),
            (Some(above), _) => Expression::Power(Box::new(apply(argument)), Box::new(above)),
            (None, _) => apply(argument),
        })
    }

    fn logarithm(&mut self, base: Expression) -> Option<Expression> {
        let (below, above) = self.scripts()?;
        let number = Box::new(self.argument()?);
        let logarithm = Expression::Logarithm(number, Some(Box::new(below.unwrap_or(base))));
        Some(match above {
            Some(above) => Expression::Power(Box::new(logarithm), Box::new(above)),
            None => logarithm,
        })
    }

    /// `\operatorname` with one of the names that have a meaning.
    fn operator(&mut self) -> Option<Expression> {
        self.expect(&MathTokenKind::Open(Bracket::Brace))?;
        let name = self.next()?.text;
        self.expect(&MathTokenKind::Close(Bracket::Brace))?;
        let function = match name.as_str() {
            "floor" => Function::Floor,
            "ceil" => Function::Ceiling,
            "arsinh" | "arcsinh" => Function::Arsinh,
            "arcosh" | "arccosh" => Function::Arcosh,
            "artanh" | "arctanh" => Function::Artanh,
            "gcd" => return self.of_several(Several::GreatestDivisor),
            "lcm" => return self.of_several(Several::LeastMultiple),
            _ => return None,
        };
        self.of_one(|argument| Expression::Of(function, argument), None)
    }

    fn root(&mut self) -> Option<Expression> {
        let index =
            if self.is(&MathTokenKind::Open(Bracket::Square)) { self.enclosed(Bracket::Square)? } else { whole(2) };
        let base = self.enclosed(Bracket::Brace)?;
        Some(Expression::Power(Box::new(base), Box::new(quotient(one(), index))))
    }

    /// A function of several numbers in parentheses, all known.
    fn of_several(&mut self, several: Several) -> Option<Expression> {
        let (_, above) = self.scripts()?;
        self.expect(&MathTokenKind::Open(Bracket::Round))?;
        let of = self.deeper(|reader| {
            let mut of = vec![exact(&reader.sum()?)?];
            while reader.skip(&MathTokenKind::Comma) {
                of.push(exact(&reader.sum()?)?);
            }
            Some(of)
        })?;
        self.expect(&MathTokenKind::Close(Bracket::Round))?;
        let value = several.of(&of)?;
        let value = Expression::Number(Some(value), value.value());
        // It is worked out, but as an expression that is no number as it is written.
        let value = Expression::Sum(Box::new(value), Box::new(whole(0)));
        Some(match above {
            Some(above) => Expression::Power(Box::new(value), Box::new(above)),
            None => value,
        })
    }
}

impl Several {
    fn of(self, of: &[Fraction]) -> Option<Fraction> {
        let least = |one: Fraction, other: Fraction| if other.value() < one.value() { other } else { one };
        let greatest = |one: Fraction, other: Fraction| if other.value() > one.value() { other } else { one };
        let (first, others) = of.split_first()?;
        match self {
            Self::Least => Some(others.iter().copied().fold(*first, least)),
            Self::Greatest => Some(others.iter().copied().fold(*first, greatest)),
            Self::GreatestDivisor | Self::LeastMultiple => {
                let wholes: Vec<i128> = of.iter().map(|number| number.whole()).collect::<Option<_>>()?;
                let found = wholes.into_iter().map(i128::checked_abs).try_fold(None, |found, number| {
                    let (found, number): (Option<i128>, i128) = (found, number?);
                    let Some(found) = found else { return Some(Some(number)) };
                    let divisor = divisor(found, number);
                    Some(Some(match self {
                        Self::LeastMultiple if divisor != 0 => (found / divisor).checked_mul(number)?,
                        _ => divisor,
                    }))
                });
                Fraction::new(found??, 1)
            }
        }
    }
}

fn divisor(mut one: i128, mut other: i128) -> i128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// What is left of a whole number by another.
pub(super) fn remainder(of: &Expression, by: &Expression) -> Option<Expression> {
    let (number, by) = (exact(of)?.whole()?, exact(by)?.whole().filter(|by| *by != 0)?);
    let left = number.checked_rem_euclid(by)?;
    Some(Expression::Sum(Box::new(whole(left)), Box::new(whole(0))))
}
