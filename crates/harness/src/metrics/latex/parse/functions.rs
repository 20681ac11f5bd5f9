//! Functions, with what stands below, above and behind their names.

use super::atoms::number;
use super::{Functions, Parser};
use crate::metrics::latex::expression::{Expression, Function};
use crate::metrics::latex::token::LatexToken;

impl Parser {
    pub(super) fn root(&mut self) -> Option<Expression> {
        self.cursor.at += 1;
        let index = if self.cursor.is_sign('[') { Some(self.enclosed('[', ']')?) } else { None };
        let base = self.enclosed('{', '}')?;
        let index = index.unwrap_or_else(|| number("2"));
        let exponent = Expression::Quotient(Box::new(number("1")), Box::new(index));
        Some(Expression::Power(Box::new(base), Box::new(exponent)))
    }

    /// What stands below and above a function's name, in either order.
    fn scripts(&mut self) -> Option<(Option<Expression>, Option<Expression>)> {
        let (mut below, mut above) = (None, None);
        loop {
            if below.is_none() && self.cursor.skip('_') {
                below = Some(self.script()?);
            } else if above.is_none() && self.cursor.skip('^') {
                above = Some(self.script()?);
            } else {
                return Some((below, above));
            }
        }
    }

    /// What stands below or above a function's name. The last of several digits is what the function is of, where nothing
    /// else is.
    fn script(&mut self) -> Option<Expression> {
        if !matches!(self.cursor.peek(), Some(LatexToken::Digit(_))) {
            return self.braced_or_atom();
        }
        let mut digits = self.cursor.digits();
        let goes_on = self.begins(Functions::NotAllowed)
            || matches!(self.cursor.peek(), Some(LatexToken::Sign('+' | '-' | '^' | '_')));
        if !goes_on && digits.len() > 1 {
            digits.pop();
            self.cursor.at -= 1;
        }
        Some(number(&digits))
    }

    /// What a function is of: the first of what stands in parentheses, or a product.
    fn argument(&mut self) -> Option<Expression> {
        if !self.cursor.skip('(') {
            return self.product(Functions::NotAllowed);
        }
        let bars = std::mem::take(&mut self.bars);
        let first = self.sum()?;
        while self.cursor.skip(',') {
            self.sum()?;
        }
        self.bars = bars;
        self.cursor.expect(')')?;
        Some(first)
    }

    pub(super) fn function(&mut self, function: Function) -> Option<Expression> {
        self.cursor.at += 1;
        let (_, above) = self.scripts()?;
        let argument = Box::new(self.argument()?);
        Some(match (above, function.inverse()) {
            (Some(above), Some(inverse)) if above == Expression::Negative(Box::new(number("1"))) => {
                Expression::Of(inverse, argument)
            }
            (Some(above), _) => Expression::Power(Box::new(Expression::Of(function, argument)), Box::new(above)),
            (None, _) => Expression::Of(function, argument),
        })
    }

    pub(super) fn logarithm(&mut self, name: &str) -> Option<Expression> {
        self.cursor.at += 1;
        let (below, above) = self.scripts()?;
        let base = below.or_else(|| (name == "lg").then(|| number("10"))).map(Box::new);
        let logarithm = Expression::Logarithm(Box::new(self.argument()?), base);
        Some(match above {
            Some(above) => Expression::Power(Box::new(logarithm), Box::new(above)),
            None => logarithm,
        })
    }
}
