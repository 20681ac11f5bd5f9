//! From tokens to an answer, by the grammar of `latex2sympy2_extended`: of several readings of all of a text the first.

mod atoms;
mod combine;
mod components;
mod functions;
mod matrices;
mod sets;

use combine::{grouped, quotient, side_by_side};

use super::answer::{MathAnswer, chained, negative, of_elements};
use super::token::{Bracket, MathToken, MathTokenKind, tokens};
use crate::metrics::latex::{Expression, Function};

/// More tokens than these are no answer.
const LONGEST: usize = 1000;
/// Deeper than this nothing is read.
const DEEPEST: usize = 60;
/// More steps than these are not taken: readings are tried one after the other.
const STEPS: usize = 200_000;

/// Whether what names stand for is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberDomain {
    Real,
    /// Anything but real.
    Complex,
}

/// Whether a function may begin here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FunctionStart {
    Allowed,
    NotAllowed,
}

/// What all of a text says; none where it says nothing that is read.
pub(super) fn read(text: &str, names: NumberDomain) -> Option<MathAnswer> {
    let tokens = tokens(text)?;
    if tokens.len() > LONGEST {
        return None;
    }
    let mut reader = FormulaReader { tokens, at: 0, bars: 0, depth: 0, steps: 0, names, has_unknown: false };
    reader.all(text).or_else(|| {
        // The library reads these.
        let written = || reader.tokens.iter().map(|token| token.text.as_str()).collect();
        reader.has_unknown.then(|| MathAnswer::Unknown(written()))
    })
}

/// Whether an element may be a relation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relations {
    Allowed,
    NotAllowed,
}

struct FormulaReader {
    tokens: Vec<MathToken>,
    at: usize,
    /// Bars that are open: the next one closes.
    bars: usize,
    depth: usize,
    steps: usize,
    names: NumberDomain,
    /// Whether there was something of which no value is known.
    has_unknown: bool,
}

impl FormulaReader {
    /// The first reading of all tokens.
    fn all(&mut self, text: &str) -> Option<MathAnswer> {
        if let Some(answer) = self.attempt(|reader| {
            let answer = reader.assigned_elements()?;
            reader.at_end().then_some(answer)
        }) {
            return Some(answer);
        }
        if let Some(elements) = self.attempt(|reader| {
            let elements = reader.elements(Relations::Allowed)?;
            reader.at_end().then_some(elements)
        }) {
            // Commas before groups of three digits are no commas.
            return match grouped(text) {
                Some(number) => Some(MathAnswer::Value(number)),
                None => Some(of_elements(elements)),
            };
        }
        self.attempt(|reader| {
            let answer = reader.assigned_set()?;
            reader.at_end().then_some(answer)
        })
    }

    fn kind(&self) -> Option<&MathTokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn kind_at(&self, offset: usize) -> Option<&MathTokenKind> {
        self.tokens.get(self.at + offset).map(|token| &token.kind)
    }

    fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn is(&self, kind: &MathTokenKind) -> bool {
        self.kind() == Some(kind)
    }

    /// Goes over a token, if it is there.
    fn skip(&mut self, kind: &MathTokenKind) -> bool {
        let found = self.is(kind);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, kind: &MathTokenKind) -> Option<()> {
        self.skip(kind).then_some(())
    }

    fn next(&mut self) -> Option<MathToken> {
        let token = self.tokens.get(self.at).cloned()?;
        self.at += 1;
        Some(token)
    }

    /// A reading, or the place where it began.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let (at, bars, depth) = (self.at, self.bars, self.depth);
        let found = read(self);
        if found.is_none() {
            (self.at, self.bars, self.depth) = (at, bars, depth);
        }
        found
    }

    /// A reading one level deeper, which no bar outside closes.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        self.steps += 1;
        if self.depth > DEEPEST || self.steps > STEPS {
            return None;
        }
        let bars = std::mem::take(&mut self.bars);
        let found = read(self)?;
        self.bars = bars;
        self.depth -= 1;
        Some(found)
    }

    /// An expression in brackets.
    fn enclosed(&mut self, bracket: Bracket) -> Option<Expression> {
        self.expect(&MathTokenKind::Open(bracket))?;
        let inner = self.deeper(Self::sum)?;
        self.expect(&MathTokenKind::Close(bracket))?;
        Some(inner)
    }

    /// An expression or a chain of relations between some.
    fn relation(&mut self) -> Option<MathAnswer> {
        if let Some(matrix) = self.attempt(Self::matrix) {
            return Some(MathAnswer::Matrix(matrix));
        }
        let mut left = MathAnswer::Value(self.sum()?);
        loop {
            let kind = match self.kind() {
                Some(MathTokenKind::Relation(kind)) => *kind,
                Some(MathTokenKind::Approximately) => {
                    self.at += 1;
                    let right = MathAnswer::Value(self.sum()?);
                    // What is near a value is not looked at.
                    if left.has_names_only() {
                        left = right;
                    }
                    continue;
                }
                Some(MathTokenKind::In) => return None,
                _ => return Some(left),
            };
            self.at += 1;
            let right = MathAnswer::Value(self.sum()?);
            left = chained(left, kind, right);
        }
    }

    /// Sums of products.
    fn sum(&mut self) -> Option<Expression> {
        let mut sum = self.product(FunctionStart::Allowed)?;
        loop {
            let product = if self.skip(&MathTokenKind::Plus) {
                self.product(FunctionStart::Allowed)?
            } else if self.skip(&MathTokenKind::Minus) {
                negative(self.product(FunctionStart::Allowed)?)
            } else {
                return Some(sum);
            };
            sum = Expression::Sum(Box::new(sum), Box::new(product));
        }
    }

    /// Products and quotients with a sign between their parts.
    fn product(&mut self, functions: FunctionStart) -> Option<Expression> {
        self.depth += 1;
        self.steps += 1;
        if self.depth > DEEPEST * 3 || self.steps > STEPS {
            return None;
        }
        let mut product = self.signed(functions)?;
        loop {
            if self.skip(&MathTokenKind::Times) {
                product = Expression::Product(Box::new(product), Box::new(self.signed(functions)?));
            } else if self.skip(&MathTokenKind::Divide) {
                product = quotient(product, self.signed(functions)?);
            } else if self.skip(&MathTokenKind::Modulo) {
                product = functions::remainder(&product, &self.signed(functions)?)?;
            } else {
                self.depth -= 1;
                return Some(product);
            }
        }
    }

    /// Factors side by side, with their signs.
    fn signed(&mut self, functions: FunctionStart) -> Option<Expression> {
        let mut is_negative = false;
        loop {
            if self.skip(&MathTokenKind::Minus) {
                is_negative = !is_negative;
            } else if !self.skip(&MathTokenKind::Plus) {
                break;
            }
        }
        // The first one may be a function in either case.
        let mut factors = vec![self.factor(FunctionStart::Allowed)?];
        while self.begins(functions) {
            factors.push(self.factor(functions)?);
        }
        let product = side_by_side(factors)?;
        Some(if is_negative { negative(product) } else { product })
    }

    /// Whether a factor begins here.
    fn begins(&self, functions: FunctionStart) -> bool {
        match self.kind() {
            Some(MathTokenKind::Bar | MathTokenKind::Vert) => self.bars == 0,
            Some(
                MathTokenKind::Function(_)
                | MathTokenKind::Logarithm
                | MathTokenKind::NaturalLogarithm
                | MathTokenKind::Gamma
                | MathTokenKind::Several(_)
                | MathTokenKind::Root
                | MathTokenKind::OperatorName
                | MathTokenKind::BigOperator
                | MathTokenKind::Euler,
            ) => functions == FunctionStart::Allowed,
            Some(
                MathTokenKind::Open(_)
                | MathTokenKind::Fraction
                | MathTokenKind::Binomial
                | MathTokenKind::Boxed
                | MathTokenKind::Phantom
                | MathTokenKind::DeterminantStart
                | MathTokenKind::CapitalE
                | MathTokenKind::Letter
                | MathTokenKind::Whole
                | MathTokenKind::Decimal
                | MathTokenKind::Scientific
                | MathTokenKind::Percent
                | MathTokenKind::Differential
                | MathTokenKind::Name
                | MathTokenKind::Accented(_)
                | MathTokenKind::Infinity,
            ) => true,
            _ => false,
        }
    }

    /// A power, and what stands behind it.
    fn factor(&mut self, functions: FunctionStart) -> Option<Expression> {
        let mut factor = self.power(functions)?;
        loop {
            if self.skip(&MathTokenKind::Exclamation) {
                factor = Expression::Of(Function::Factorial, Box::new(factor));
            } else if !self.skip(&MathTokenKind::Degree) && !self.skip(&MathTokenKind::Transposed) {
                return Some(factor);
            }
        }
    }

    /// Exponents are taken from the left: `2^3^2` is `(2^3)^2`.
    fn power(&mut self, functions: FunctionStart) -> Option<Expression> {
        let mut base = self.component(functions)?;
        while self.skip(&MathTokenKind::Above) {
            let exponent = self.braced_or_atom()?;
            if self.is(&MathTokenKind::Below) {
                self.below()?;
            }
            base = Expression::Power(Box::new(base), Box::new(exponent));
        }
        Some(base)
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::RelationKind;
    use super::*;

    fn value(text: &str) -> Expression {
        match read(text, NumberDomain::Real) {
            Some(MathAnswer::Value(value)) => value,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn numbers_side_by_side_are_mixed() {
        for (text, same) in [
            (r"3\frac{1}{2}", r"\frac{7}{2}"),
            (r"-3\frac{1}{2}", r"-\frac{7}{2}"),
            ("2(3)", "5"),
            ("1,234,567", "1234567"),
            ("0,500", "0.500"),
        ] {
            assert_eq!(value(text), value(same), "{text}");
        }
        assert!(matches!(value("3.5(2)"), Expression::Product(..)));
    }

    #[test]
    fn what_is_not_read_in_full_is_not_read() {
        for text in ["", "3+", r"50\%", r"\frac{1}", "x=", "(1,2", "a<", "2^-1", "x#"] {
            assert_eq!(read(text, NumberDomain::Real), None, "{text}");
        }
        for text in [r"\frac{dy}{dx}", r"\sum_{n=1}^3n"] {
            assert_eq!(
                read(text, NumberDomain::Real),
                Some(MathAnswer::Unknown(text.to_owned())),
                "no value is known of it"
            );
        }
        for piece in ["(", "{", "[", "|", "2^", "((1,", r"\sin ", r"\frac{"] {
            assert_eq!(read(&piece.repeat(1000), NumberDomain::Real), None);
        }
        let deep = format!("{}1{}", "(".repeat(900), ")".repeat(900));
        assert_eq!(read(&deep, NumberDomain::Real), None);
    }

    #[test]
    fn relations_are_chained() {
        let Some(MathAnswer::Chain(relations)) = read("1<x\\le 2", NumberDomain::Real) else { panic!() };
        let kinds: Vec<RelationKind> = relations.iter().map(|relation| relation.kind).collect();
        assert_eq!(kinds, [RelationKind::Less, RelationKind::AtMost]);
        assert_eq!(relations[0].right, relations[1].left);
    }
}
