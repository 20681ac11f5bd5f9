//! What an answer is.

use crate::metrics::latex::{Expression, Fraction, exact, real_value};

/// An answer that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MathAnswer {
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
    pub(super) left: MathAnswer,
    pub(super) right: MathAnswer,
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

impl MathAnswer {
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

    /// Whether it is the same as it is written, but for the order of sets.
    pub(super) fn is_written_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Set(one), Self::Set(other)) => {
                one.len() == other.len() && one.iter().all(|element| other.contains(element))
            }
            (one, other) => one == other,
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

/// A relation more: behind others it is one to the last side of them.
pub(super) fn chained(left: MathAnswer, kind: RelationKind, right: MathAnswer) -> MathAnswer {
    match left {
        MathAnswer::Chain(mut relations) => {
            let last = relations.last().map(|relation| relation.right.clone());
            relations.extend(last.map(|left| Relation { kind, left, right }));
            MathAnswer::Chain(relations)
        }
        left => MathAnswer::Chain(vec![Relation { kind, left, right }]),
    }
}

/// The number at an end of an interval; infinite ones, too.
pub(super) fn end(value: &Expression) -> Option<f64> {
    match value {
        Expression::Infinity => Some(f64::INFINITY),
        Expression::Negative(one) if **one == Expression::Infinity => Some(f64::NEG_INFINITY),
        value => real_value(value),
    }
}

/// Elements as a set, or what one is.
pub(super) fn of_elements(mut groups: Vec<Vec<MathAnswer>>) -> MathAnswer {
    if groups.len() == 1 {
        let mut group = groups.remove(0);
        return if group.len() == 1 { group.remove(0) } else { set_of(group) };
    }
    if groups.iter().all(|group| group.len() == 1) {
        return set_of(groups.into_iter().flatten().collect());
    }
    set_of(groups.into_iter().map(MathAnswer::Tuple).collect())
}

/// A set, in which nothing is twice.
pub(super) fn set_of(elements: Vec<MathAnswer>) -> MathAnswer {
    let mut kept: Vec<MathAnswer> = Vec::with_capacity(elements.len());
    for element in elements {
        if !kept.contains(&element) {
            kept.push(element);
        }
    }
    if kept.is_empty() { MathAnswer::Empty } else { MathAnswer::Set(kept) }
}

/// A number in digits, with or without decimals.
pub(super) fn number(digits: &str) -> Expression {
    let value = digits.parse().unwrap_or(f64::NAN);
    let exact = Fraction::decimal(digits);
    if digits.contains('.') { Expression::Decimal(exact, value) } else { Expression::Number(exact, value) }
}
