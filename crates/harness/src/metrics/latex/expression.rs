//! What LaTeX says, as a tree.

use super::fraction::Fraction;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Expression {
    /// A number; none where it has more digits than are kept exactly.
    Number(Option<Fraction>, f64),
    /// A number with decimals, where a reader tells it from an exact one.
    Decimal(Option<Fraction>, f64),
    /// A name.
    Name(String),
    /// A name of a real number.
    RealName(String),
    Constant(Constant),
    Infinity,
    Sum(Box<Self>, Box<Self>),
    Negative(Box<Self>),
    Product(Box<Self>, Box<Self>),
    Quotient(Box<Self>, Box<Self>),
    /// Base and exponent.
    Power(Box<Self>, Box<Self>),
    /// Number and base.
    Logarithm(Box<Self>, Option<Box<Self>>),
    Of(Function, Box<Self>),
    /// The number of ways to choose the second of the first.
    Binomial(Box<Self>, Box<Self>),
    /// A function of a name, and what it is applied to.
    Applied(String, Vec<Self>),
}

/// A number that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Constant {
    Pi,
    Euler,
    EulerMascheroni,
    ImaginaryUnit,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Function {
    Exp,
    Sin,
    Cos,
    Tan,
    Csc,
    Sec,
    Cot,
    Arcsin,
    Arccos,
    Arctan,
    Arccsc,
    Arcsec,
    Arccot,
    Sinh,
    Cosh,
    Tanh,
    Arsinh,
    Arcosh,
    Artanh,
    Abs,
    Floor,
    Ceiling,
    Conjugate,
    Factorial,
}

impl Expression {
    /// Whether a name stands in it.
    pub(in super::super) fn has_names(&self) -> bool {
        self.any(&|part| matches!(part, Self::Name(_) | Self::RealName(_)))
    }

    /// Whether something holds of it or of one of its parts.
    pub(in super::super) fn any(&self, holds: &impl Fn(&Self) -> bool) -> bool {
        holds(self) || self.parts().into_iter().any(|part| part.any(holds))
    }

    /// What it is made of.
    pub(in super::super) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Number(..)
            | Self::Decimal(..)
            | Self::Name(_)
            | Self::RealName(_)
            | Self::Constant(_)
            | Self::Infinity => Vec::new(),
            Self::Negative(one) | Self::Of(_, one) | Self::Logarithm(one, None) => vec![one],
            Self::Sum(one, other)
            | Self::Product(one, other)
            | Self::Quotient(one, other)
            | Self::Power(one, other)
            | Self::Logarithm(one, Some(other))
            | Self::Binomial(one, other) => vec![one, other],
            Self::Applied(_, of) => of.iter().collect(),
        }
    }
}

impl Function {
    /// The function of a command, where it is one that may be raised or go without parentheses.
    pub(in super::super) fn of_command(name: &str) -> Option<Self> {
        Some(match name {
            "exp" => Self::Exp,
            "sin" => Self::Sin,
            "cos" => Self::Cos,
            "tan" => Self::Tan,
            "csc" => Self::Csc,
            "sec" => Self::Sec,
            "cot" => Self::Cot,
            "arcsin" => Self::Arcsin,
            "arccos" => Self::Arccos,
            "arctan" => Self::Arctan,
            "arccsc" => Self::Arccsc,
            "arcsec" => Self::Arcsec,
            "arccot" => Self::Arccot,
            "sinh" => Self::Sinh,
            "cosh" => Self::Cosh,
            "tanh" => Self::Tanh,
            "arsinh" => Self::Arsinh,
            "arcosh" => Self::Arcosh,
            "artanh" => Self::Artanh,
            _ => return None,
        })
    }

    /// What it is to the power of -1 in LaTeX, where that is its inverse.
    pub(in super::super) fn inverse(self) -> Option<Self> {
        Some(match self {
            Self::Sin => Self::Arcsin,
            Self::Cos => Self::Arccos,
            Self::Tan => Self::Arctan,
            Self::Csc => Self::Arccsc,
            Self::Sec => Self::Arcsec,
            Self::Cot => Self::Arccot,
            Self::Sinh => Self::Arsinh,
            Self::Cosh => Self::Arcosh,
            Self::Tanh => Self::Artanh,
            _ => return None,
        })
    }
}
