//! When two expressions are the same.

use std::collections::BTreeSet;

use super::answer::{NumberKind, number_kind, whole};
use crate::metrics::latex::{Constant, Expression, Function, exact, has_same_value, real_value};

/// Decimals are compared to so many places.
const PLACES: f64 = 1e6;
/// What sums may differ and be the same to fifteen digits.
const FIFTEEN_DIGITS: f64 = 1e-15;
/// What a value may be off a whole number that it is.
const NEAR: f64 = 1e-12;

/// Whether two expressions are the same: names by their letters, numbers with decimals to six places, all else by value.
pub(super) fn is_same_value(gold: &Expression, given: &Expression) -> bool {
    if name_of(gold).is_some() || name_of(given).is_some() {
        return is_same_name(gold, given);
    }
    is_same_entry(gold, given)
}

/// As [`is_same_value`], for what stands in a matrix.
pub(super) fn is_same_entry(gold: &Expression, given: &Expression) -> bool {
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
pub(super) fn is_same_percentage(percent: &Expression, value: &Expression) -> bool {
    if (number_kind(percent), number_kind(value)) == (Some(NumberKind::Whole), Some(NumberKind::Whole)) {
        return exact(percent) == exact(value);
    }
    let hundredth = Expression::Quotient(Box::new(percent.clone()), Box::new(whole(100)));
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

/// An expression that is a name, and that name.
fn name_of(value: &Expression) -> Option<&str> {
    match value {
        Expression::Name(name) | Expression::RealName(name) => Some(name),
        _ => None,
    }
}

/// The names of an expression.
pub(super) fn names(value: &Expression) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect<'e>(value: &'e Expression, found: &mut BTreeSet<&'e str>) {
    found.extend(name_of(value));
    value.parts().into_iter().for_each(|part| collect(part, found));
}
