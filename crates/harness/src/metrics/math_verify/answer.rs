//! What an answer is.

use crate::metrics::latex::{Expression, Fraction, exact};

/// An answer that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Value(Expression),
    /// Parts of a hundred.
    Percent(Expression),
    /// Elements in the order in which they are written.
    Set(Vec<Self>),
    Tuple(Vec<Self>),
    Interval(Interval),
    /// A chain of relations, each from one part to the next; of one at least.
    Chain(Vec<Relation>),
    /// Rows.
    Matrix(Vec<Vec<Expression>>),
    Domain(Domain),
    Empty,
    Combined(SetOperation, Box<Self>, Box<Self>),
    /// With a sum, product, limit, integral or derivative, of which no value is known here: its text.
    Unknown(String),
}

/// Numbers between two.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) from: Expression,
    pub(super) to: Expression,
    pub(super) without_from: bool,
    pub(super) without_to: bool,
}

/// One of the sets that have a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    Naturals,
    Integers,
    Rationals,
    Reals,
    Complexes,
}

/// Two sets made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetOperation {
    Union,
    Intersection,
    Difference,
}

/// That two sides are in a relation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Relation {
    pub(super) kind: RelationKind,
    pub(super) left: Answer,
    pub(super) right: Answer,
}

/// Which relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelationKind {
    /// `=`, which may also say what a name stands for.
    Assigned,
    /// `\equiv`.
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What kind of number stands for itself, as `SymPy` tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberKind {
    Whole,
    Fraction,
    Decimal,
    Infinite,
}

impl RelationKind {
    pub(super) fn is_equation(self) -> bool {
        matches!(self, Self::Assigned | Self::Equal)
    }

    /// The relation of the sides in the other order.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }
}

impl Answer {
    /// Whether it is made of names only: what is assigned to.
    pub(super) fn has_names_only(&self) -> bool {
        match self {
            Self::Value(value) => names_only(value),
            Self::Tuple(parts) | Self::Set(parts) => !parts.is_empty() && parts.iter().all(Self::has_names_only),
            Self::Chain(relations) => {
                relations.iter().all(|relation| relation.left.has_names_only() && relation.right.has_names_only())
            }
            _ => false,
        }
    }

    /// Whether it is a set or a tuple.
    pub(super) fn is_collection(&self) -> bool {
        matches!(
            self,
            Self::Set(_) | Self::Tuple(_) | Self::Interval(_) | Self::Domain(_) | Self::Empty | Self::Combined(..)
        )
    }
}

fn names_only(value: &Expression) -> bool {
    match value {
        Expression::Name(_) | Expression::RealName(_) => true,
        Expression::Sum(one, other) | Expression::Product(one, other) | Expression::Quotient(one, other) => {
            names_only(one) && names_only(other)
        }
        Expression::Power(base, exponent) => names_only(base) && names_only(exponent),
        Expression::Of(_, one) => names_only(one),
        Expression::Applied(_, of) => of.iter().all(names_only),
        _ => false,
    }
}

/// A whole number.
pub(super) fn whole(value: i128) -> Expression {
    Expression::Number(Fraction::new(value, 1), value as f64)
}

/// What kind of number an expression is as it is written; none where it is more than a number.
pub(super) fn number_kind(value: &Expression) -> Option<NumberKind> {
    match value {
        Expression::Number(Some(_), _) => Some(match exact(value)?.whole() {
            Some(_) => NumberKind::Whole,
            None => NumberKind::Fraction,
        }),
        Expression::Number(None, value) => {
            Some(if value.fract() == 0.0 { NumberKind::Whole } else { NumberKind::Fraction })
        }
        Expression::Decimal(..) => Some(NumberKind::Decimal),
        Expression::Infinity => Some(NumberKind::Infinite),
        Expression::Negative(one) if **one == Expression::Infinity => Some(NumberKind::Infinite),
        _ => None,
    }
}

/// An expression with the other sign: of a number, the number.
pub(super) fn negative(value: Expression) -> Expression {
    let turned = |exact: Option<Fraction>| exact.and_then(Fraction::negative);
    match value {
        Expression::Number(exact, value) => Expression::Number(turned(exact), -value),
        Expression::Decimal(exact, value) => Expression::Decimal(turned(exact), -value),
        Expression::Negative(one) if *one == Expression::Infinity => Expression::Infinity,
        value => Expression::Negative(Box::new(value)),
    }
}

/// What one expression is less another.
pub(super) fn difference(one: &Expression, other: &Expression) -> Expression {
    Expression::Sum(Box::new(one.clone()), Box::new(Expression::Negative(Box::new(other.clone()))))
}
