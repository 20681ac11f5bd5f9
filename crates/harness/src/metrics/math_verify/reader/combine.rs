//! Numbers that make one number, where they stand side by side or in a fraction.

use crate::metrics::latex::{Expression, Fraction, exact};
use crate::metrics::math_verify::answer::{NumberKind, number, number_kind, whole};

/// The number of ways to choose some of so many; where these are not known, as a polynomial.
pub(super) fn binomial(of: Box<Expression>, chosen: Box<Expression>) -> Expression {
    // Of more, nobody writes the polynomial.
    const MOST: i128 = 10;
    let count = exact(&chosen).and_then(Fraction::whole).filter(|count| (1..=MOST).contains(count));
    let Some(count) = count.filter(|_| of.has_names()) else { return Expression::Binomial(of, chosen) };
    let factor = |less: i128| Expression::Sum(of.clone(), Box::new(whole(-less)));
    let above =
        (1..count).fold(factor(0), |product, less| Expression::Product(Box::new(product), Box::new(factor(less))));
    quotient(above, whole((1..=count).product()))
}

/// A quotient; of two whole numbers the fraction.
pub(super) fn quotient(above: Expression, below: Expression) -> Expression {
    let kinds = (number_kind(&above), number_kind(&below));
    let are_whole = kinds == (Some(NumberKind::Whole), Some(NumberKind::Whole));
    let fraction = exact(&above).zip(exact(&below)).and_then(|(above, below)| above.over(below));
    if let Some(fraction) = fraction.filter(|_| are_whole) {
        return Expression::Number(Some(fraction), fraction.value());
    }
    Expression::Quotient(Box::new(above), Box::new(below))
}

/// The product of factors side by side; a whole number before a positive fraction or whole number is added to it.
pub(super) fn side_by_side(factors: Vec<Expression>) -> Option<Expression> {
    factors.into_iter().rev().reduce(|behind, factor| {
        mixed(&factor, &behind).unwrap_or_else(|| Expression::Product(Box::new(factor), Box::new(behind)))
    })
}

/// A mixed number.
fn mixed(factor: &Expression, behind: &Expression) -> Option<Expression> {
    let (first, part) = (number_kind(factor)?, number_kind(behind)?);
    if first != NumberKind::Whole || !matches!(part, NumberKind::Whole | NumberKind::Fraction) {
        return None;
    }
    let (first, part) = (exact(factor)?, exact(behind)?);
    if part.value() <= 0.0 {
        return None;
    }
    let sum = if first.value() < 0.0 { first.plus(part.negative()?)? } else { first.plus(part)? };
    Some(Expression::Number(Some(sum), sum.value()))
}

/// A number with commas before groups of three digits, and nothing else. With a 0 before the commas they are points.
pub(super) fn grouped(text: &str) -> Option<Expression> {
    let text = text.trim();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (groups, part) = unsigned.split_once('.').map_or((unsigned, None), |(groups, part)| (groups, Some(part)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, others) = groups.split_once(',')?;
    let fits = first.len() <= 3 && all_digits(first) && part.is_none_or(all_digits);
    if !fits || !others.split(',').all(|group| group.len() == 3 && all_digits(group)) {
        return None;
    }
    let digits = if text.starts_with('0') { text.replace(',', ".") } else { text.replace(',', "") };
    // With several points it is no number.
    digits.parse::<f64>().ok()?;
    Some(number(&digits))
}

/// The number 1.
pub(super) fn one() -> Expression {
    whole(1)
}
