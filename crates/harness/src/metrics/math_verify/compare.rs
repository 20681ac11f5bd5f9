//! When two answers are the same.
//!
//! The comparison is not symmetric: where an answer may be given as an equation or without, the solution says which.

use super::answer::{Answer, NumberKind, Relation, RelationKind, number_kind};
use super::name_of;
use super::relations::are_same_relations;
use super::sets::are_same_collections;
use super::spans::Spans;
use crate::metrics::latex::{Constant, Expression, Function, exact, has_same_value, has_value, real_value};

/// Decimals are compared to so many places.
const PLACES: f64 = 1e6;
/// What sums may differ and be the same to fifteen digits.
const FIFTEEN_DIGITS: f64 = 1e-15;
/// What a value may be off a whole number that it is.
const NEAR: f64 = 1e-12;

/// Whether a given answer is the solution's.
pub(super) fn is_same(gold: Answer, given: Answer) -> bool {
    let (gold, given) = in_the_form_of(gold, given);
    let is_set = given.is_collection() && !matches!(given, Answer::Tuple(_));
    let gold = match &gold {
        // Relations are the same as the numbers that fulfil them.
        Answer::Chain(relations) if is_set => match (Spans::of_relations(relations), Spans::of(&given)) {
            (Some(gold), Some(given)) => return gold.is_same(&given),
            (Some(spans), None) => spans.points().map_or(gold, set_of_points),
            (None, _) => gold,
        },
        _ => gold,
    };
    if is_written_alike(&gold, &given) {
        return true;
    }
    match (&gold, &given) {
        (Answer::Chain(gold), Answer::Chain(given)) => are_same_relations(gold, given),
        (gold, given) if gold.is_collection() || given.is_collection() => are_same_collections(gold, given),
        (Answer::Matrix(gold), Answer::Matrix(given)) => {
            let mut entries = gold.iter().flatten().zip(given.iter().flatten());
            gold.len() == given.len()
                && gold.first().map(Vec::len) == given.first().map(Vec::len)
                && entries.all(|(gold, given)| is_same_entry(gold, given))
        }
        (Answer::Value(gold), Answer::Value(given)) | (Answer::Percent(gold), Answer::Percent(given)) => {
            is_same_value(gold, given)
        }
        (Answer::Percent(percent), Answer::Value(value)) | (Answer::Value(value), Answer::Percent(percent)) => {
            is_same_percentage(percent, value)
        }
        _ => false,
    }
}

fn set_of_points(points: Vec<f64>) -> Answer {
    Answer::Set(points.into_iter().map(|point| Answer::Value(Expression::Number(None, point))).collect())
}

/// Both answers as equations or both without: of a chain that begins with a name its first and last side are left.
fn in_the_form_of(gold: Answer, given: Answer) -> (Answer, Answer) {
    let (gold_assigns, given_assigns) = (assigns(&gold), assigns(&given));
    let (gold_equates, given_equates) = (equates(&gold), equates(&given));
    let gold = if gold_assigns { first_and_last(gold) } else { gold };
    let given = if given_assigns { first_and_last(given) } else { given };
    if given_equates && !gold_equates {
        (gold, last_side(given))
    } else if gold_assigns && !given_equates {
        (last_side(gold), given)
    } else {
        (gold, given)
    }
}

fn equates(answer: &Answer) -> bool {
    matches!(answer, Answer::Chain(relations) if relations.iter().all(|relation| relation.kind.is_equation()))
}

/// Whether an answer says what a name stands for.
fn assigns(answer: &Answer) -> bool {
    let first = match answer {
        Answer::Chain(relations) => relations.first(),
        _ => None,
    };
    equates(answer) && first.is_some_and(|first| first.left.has_names_only())
}

fn first_and_last(answer: Answer) -> Answer {
    match answer {
        Answer::Chain(relations) => {
            let ends = relations.first().zip(relations.last());
            let ends = ends.map(|(first, last)| (first.left.clone(), last.right.clone()));
            let relation = ends.map(|(left, right)| Relation { kind: RelationKind::Assigned, left, right });
            Answer::Chain(relation.into_iter().collect())
        }
        answer => answer,
    }
}

/// What is behind the last sign of a chain.
fn last_side(answer: Answer) -> Answer {
    match answer {
        Answer::Chain(mut relations) => relations.pop().map_or(Answer::Empty, |relation| relation.right),
        answer => answer,
    }
}

/// Whether two answers are the same as they are written, and have a value.
fn is_written_alike(gold: &Answer, given: &Answer) -> bool {
    let is_defined = |value: &Expression| number_kind(value).is_some() || has_value(value) || has_infinity(value);
    gold == given && !matches!(gold, Answer::Value(value) | Answer::Percent(value) if !is_defined(value))
}

fn has_infinity(value: &Expression) -> bool {
    value.any(&|part| *part == Expression::Infinity)
}

/// Whether two expressions are the same: names by their letters, numbers with decimals to six places, all else by value.
pub(super) fn is_same_value(gold: &Expression, given: &Expression) -> bool {
    if name_of(gold).is_some() || name_of(given).is_some() {
        return is_same_name(gold, given);
    }
    is_same_entry(gold, given)
}

/// As [`is_same_value`], for what stands in a matrix.
fn is_same_entry(gold: &Expression, given: &Expression) -> bool {
    if (is_decimal(gold) || is_decimal(given)) && is_same_rounded(gold, given) {
        return true;
    }
    if has_decimals(gold) || has_decimals(given) {
        if let (Some(one), Some(other)) = (in_binary(gold), in_binary(given)) {
            // Fifteen digits count of what is more than a number.
            let is_number = number_kind(gold).is_some() || number_kind(given).is_some();
            let difference = (one - other).abs();
            return if is_number { difference == 0.0 } else { difference < FIFTEEN_DIGITS };
        }
        // To `SymPy` a root is nothing with decimals, though it is near it.
        if has_decimal_exponent(gold) != has_decimal_exponent(given) {
            return false;
        }
    }
    has_same_value(gold, given)
}

/// Whether an expression is one number with decimals.
fn is_decimal(value: &Expression) -> bool {
    number_kind(value) == Some(NumberKind::Decimal)
}

fn has_decimals(value: &Expression) -> bool {
    value.any(&|part| matches!(part, Expression::Decimal(..)))
}

/// Whether a number that is no square or the like is raised to a power with decimals.
fn has_decimal_exponent(value: &Expression) -> bool {
    value.any(&|part| {
        let Expression::Power(base, exponent) = part else { return false };
        let is_whole = real_value(part).is_some_and(|value| (value - value.round()).abs() < NEAR);
        has_decimals(exponent) && !base.has_names() && !is_whole
    })
}

/// The value of an expression of fractions and decimals as binary numbers come to it: where there are decimals, each step is rounded.
fn in_binary(value: &Expression) -> Option<f64> {
    if let (false, Some(fraction)) = (has_decimals(value), exact(value)) {
        return Some(fraction.value());
    }
    Some(match value {
        Expression::Decimal(_, value) => *value,
        Expression::Negative(one) => -in_binary(one)?,
        Expression::Sum(one, other) => in_binary(one)? + in_binary(other)?,
        Expression::Product(one, other) => in_binary(one)? * in_binary(other)?,
        Expression::Quotient(one, other) => in_binary(one)? * in_binary(other)?.recip(),
        _ => return None,
    })
}

/// Whether two values are the same to six places. `SymPy` leaves whole numbers as they are, which no decimal equals then.
fn is_same_rounded(gold: &Expression, given: &Expression) -> bool {
    let is_whole = |value: &Expression| {
        !is_decimal(value)
            && match exact(value) {
                Some(fraction) => fraction.whole().is_some(),
                None => real_value(value).is_some_and(|value| (value - value.round()).abs() < NEAR),
            }
    };
    match (real_value(gold), real_value(given)) {
        (Some(one), Some(other)) => {
            let rounded = |value: f64| (value * PLACES).round_ties_even();
            is_whole(gold) == is_whole(given) && rounded(one) - rounded(other) == 0.0
        }
        _ => false,
    }
}

/// Whether parts of a hundred are a value, or a whole number of them is that number.
fn is_same_percentage(percent: &Expression, value: &Expression) -> bool {
    if (number_kind(percent), number_kind(value)) == (Some(NumberKind::Whole), Some(NumberKind::Whole)) {
        return exact(percent) == exact(value);
    }
    let hundredth = Expression::Quotient(Box::new(percent.clone()), Box::new(super::answer::whole(100)));
    ((is_decimal(percent) || is_decimal(value)) && is_same_rounded(&hundredth, value))
        || has_same_value(&hundredth, value)
}

/// Whether a name is what is given, or letters side by side are.
fn is_same_name(gold: &Expression, given: &Expression) -> bool {
    let euler = Expression::Constant(Constant::Euler);
    let (gold_name, given_name) = (name_of(gold), name_of(given));
    match (gold_name, given_name) {
        (Some(one), Some(other)) => one == other,
        (Some(name), None) | (None, Some(name)) => {
            let other = if gold_name.is_some() { given } else { gold };
            (name == "e" && *other == euler)
                || letters(other).is_some_and(|letters| name.to_lowercase() == letters.to_lowercase())
                || written(other).is_some_and(|written| written == name)
        }
        (None, None) => false,
    }
}

/// Names side by side as one word.
fn letters(value: &Expression) -> Option<String> {
    fn add(value: &Expression, letters: &mut String) -> Option<()> {
        match value {
            Expression::Name(name) | Expression::RealName(name) => letters.push_str(name),
            Expression::Constant(Constant::Euler) => letters.push('e'),
            Expression::Product(one, other) => {
                add(one, letters)?;
                add(other, letters)?;
            }
            _ => return None,
        }
        Some(())
    }
    let mut found = String::new();
    matches!(value, Expression::Product(..)).then(|| add(value, &mut found))??;
    Some(found)
}

/// A number as it is shown.
fn written(value: &Expression) -> Option<String> {
    match value {
        Expression::Number(..) => Some(exact(value)?.to_string()),
        Expression::Constant(Constant::Pi) => Some("pi".to_owned()),
        Expression::Infinity => Some("oo".to_owned()),
        Expression::Of(Function::Factorial, one) => Some(format!("factorial({})", written(one)?)),
        _ => None,
    }
}
