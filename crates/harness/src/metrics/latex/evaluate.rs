//! Whether two expressions have the same value, whatever their names stand for.

use super::approximate::Approximate;
use super::complex::Complex;
use super::expression::{Constant, Expression, Function};
use super::fraction::Fraction;

/// How many times names are given values. Different expressions have different values almost everywhere.
const TRIES: u64 = 6;

/// Whether two expressions have the same value: exactly where both are fractions, otherwise as far as rounding tells, with
/// complex numbers drawn for names. What has no value (a division by zero, infinity) has that of nothing.
pub(in super::super) fn has_same_value(one: &Expression, other: &Expression) -> bool {
    if let (Some(one), Some(other)) = (exact(one), exact(other)) {
        return one == other;
    }
    let tries = if one.has_names() || other.has_names() { TRIES } else { 1 };
    (0..tries).map(Names::Drawn).all(|names| match (approximate(one, names), approximate(other, names)) {
        (Some(one), Some(other)) => one.may_be(other),
        _ => false,
    })
}

/// The number by which one expression is the other, where it is the same and is not 0 whatever their names stand for.
pub(in super::super) fn constant_ratio(one: &Expression, other: &Expression) -> Option<f64> {
    let mut ratio: Option<Approximate> = None;
    for names in (0..TRIES).map(Names::Drawn) {
        let next = approximate(one, names)?.over(approximate(other, names)?)?;
        if ratio.is_some_and(|ratio| !ratio.may_be(next)) {
            return None;
        }
        ratio = Some(next);
    }
    ratio?.real().filter(|ratio| *ratio != 0.0)
}

/// The value of an expression without names, where it is real; none where it has none that is finite.
pub(in super::super) fn real_value(expression: &Expression) -> Option<f64> {
    if expression.has_names() { None } else { real_value_at(expression, 0.0) }
}

/// The value of an expression where all of its names stand for the same real number.
pub(in super::super) fn real_value_at(expression: &Expression, at: f64) -> Option<f64> {
    approximate(expression, Names::Given(at))?.real()
}

/// Whether an expression has a value that is finite.
pub(in super::super) fn has_value(expression: &Expression) -> bool {
    approximate(expression, Names::Drawn(0)).is_some()
}

/// What names stand for.
#[derive(Clone, Copy)]
enum Names {
    /// What is drawn at a try.
    Drawn(u64),
    /// A real number.
    Given(f64),
}

/// The value of an expression as a fraction, where it is one that fits.
pub(in super::super) fn exact(expression: &Expression) -> Option<Fraction> {
    match expression {
        Expression::Number(exact, _) | Expression::Decimal(exact, _) => *exact,
        Expression::Sum(one, other) => exact(one)?.plus(exact(other)?),
        Expression::Negative(one) => exact(one)?.negative(),
        Expression::Product(one, other) => exact(one)?.times(exact(other)?),
        Expression::Quotient(one, other) => exact(one)?.over(exact(other)?),
        Expression::Power(base, exponent) => exact(base)?.power(exact(exponent)?.whole()?),
        Expression::Of(Function::Abs, one) => {
            let value = exact(one)?;
            if value.value() < 0.0 { value.negative() } else { Some(value) }
        }
        Expression::Of(Function::Floor, one) => Some(exact(one)?.floor()),
        Expression::Of(Function::Ceiling, one) => exact(one)?.negative()?.floor().negative(),
        Expression::Of(Function::Conjugate, one) => exact(one),
        Expression::Of(Function::Factorial, one) => product(1, exact(one)?.whole()?),
        Expression::Binomial(of, chosen) => {
            let (of, chosen) = (exact(of)?.whole()?, exact(chosen)?.whole()?);
            if chosen < 0 || of < 0 {
                return None;
            }
            if chosen > of { Fraction::new(0, 1) } else { product(of - chosen + 1, of)?.over(product(1, chosen)?) }
        }
        _ => None,
    }
}

/// The product of whole numbers from `from` to `to`.
fn product(from: i128, to: i128) -> Option<Fraction> {
    // More than these never fit.
    if to < 0 || to - from > 100 {
        return None;
    }
    (from..=to).try_fold(1_i128, i128::checked_mul).and_then(|product| Fraction::new(product, 1))
}

/// The value of an expression, with what its names stand for.
fn approximate(expression: &Expression, names: Names) -> Option<Approximate> {
    if let Some(fraction) = exact(expression) {
        return Approximate::new(Complex::real(fraction.value()));
    }
    let of = |expression: &Expression| approximate(expression, names);
    let drawn = |name: &str| drawn(name, if let Names::Drawn(draw) = names { draw } else { 0 });
    match expression {
        Expression::Number(_, value) | Expression::Decimal(_, value) => Approximate::new(Complex::real(*value)),
        Expression::Name(name) | Expression::RealName(name) => Approximate::new(match (expression, names) {
            (_, Names::Given(value)) => Complex::real(value),
            (Expression::RealName(_), _) => Complex::real(drawn(name).re),
            _ => drawn(name),
        }),
        Expression::Constant(constant) => Approximate::new(constant.value()),
        Expression::Infinity => None,
        Expression::Sum(one, other) => of(one)?.plus(of(other)?),
        Expression::Negative(one) => of(one)?.negative(),
        Expression::Product(one, other) => of(one)?.times(of(other)?),
        Expression::Quotient(one, other) => of(one)?.over(of(other)?),
        Expression::Power(base, exponent) => of(base)?.power(of(exponent)?),
        Expression::Logarithm(number, base) => {
            let logarithm = of(number)?.map(Complex::ln)?;
            match base {
                Some(base) => logarithm.over(of(base)?.map(Complex::ln)?),
                None => Some(logarithm),
            }
        }
        Expression::Of(Function::Factorial, one) => applied("factorial", &[of(one)?], &drawn),
        Expression::Of(function, one) => of(one)?.map(|at| function.at(at)),
        Expression::Binomial(one, other) => applied("binomial", &[of(one)?, of(other)?], &drawn),
        Expression::Applied(name, arguments) => {
            let arguments: Option<Vec<Approximate>> = arguments.iter().map(of).collect();
            applied(name, &arguments?, &drawn)
        }
    }
}

/// A function that is known by its name only, as some function or other.
fn applied(name: &str, arguments: &[Approximate], drawn: &impl Fn(&str) -> Complex) -> Option<Approximate> {
    let mut value = Approximate::new(drawn(name))?;
    for (place, argument) in arguments.iter().enumerate() {
        let slope = Approximate::new(drawn(&format!("{name}({place})")))?;
        let bent = argument.map(|at| (at / Complex::real(3.0)).sin())?;
        value = value.plus(bent.times(slope)?)?.plus(argument.times(slope)?)?;
    }
    Some(value)
}

/// What a name stands for at a try: a complex number with parts from -2 to 2.
fn drawn(name: &str, draw: u64) -> Complex {
    // FNV-1a, then a finaliser of splitmix64's form for each part.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let part = |which: u64| {
        let mut bits = hash.wrapping_add((2 * draw + which + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 51) as f64 - 2.0
    };
    Complex::new(part(0), part(1))
}

impl Constant {
    fn value(self) -> Complex {
        match self {
            Self::Pi => Complex::real(std::f64::consts::PI),
            Self::Euler => Complex::real(std::f64::consts::E),
            Self::EulerMascheroni => Complex::real(0.577_215_664_901_532_9),
            Self::ImaginaryUnit => Complex::new(0.0, 1.0),
        }
    }
}

impl Function {
    /// Its value; what is not finite where it has none.
    fn at(self, at: Complex) -> Complex {
        let inverse = || Complex::ONE / at;
        match self {
            Self::Exp => at.exp(),
            Self::Sin => at.sin(),
            Self::Cos => at.cos(),
            Self::Tan => at.tan(),
            Self::Csc => Complex::ONE / at.sin(),
            Self::Sec => Complex::ONE / at.cos(),
            Self::Cot => Complex::ONE / at.tan(),
            Self::Arcsin => at.asin(),
            Self::Arccos => at.acos(),
            Self::Arctan => at.atan(),
            Self::Arccsc => inverse().asin(),
            Self::Arcsec => inverse().acos(),
            Self::Arccot => inverse().atan(),
            Self::Sinh => at.sinh(),
            Self::Cosh => at.cosh(),
            Self::Tanh => at.tanh(),
            Self::Arsinh => at.asinh(),
            Self::Arcosh => at.acosh(),
            Self::Artanh => at.atanh(),
            Self::Abs => Complex::real(at.norm()),
            Self::Floor => Complex::new(at.re.floor(), at.im.floor()),
            Self::Ceiling => Complex::new(at.re.ceil(), at.im.ceil()),
            Self::Conjugate => at.conj(),
            // It is no function of this list's kind where it has no exact value.
            Self::Factorial => Complex::new(f64::NAN, f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        has_same_value(&parse(one).unwrap(), &parse(other).unwrap())
    }

    #[test]
    fn values_are_compared_and_not_how_they_are_written() {
        for (one, other) in [
            (r"\frac{1}{2}", "0.5"),
            (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
            (r"2\sqrt{3}", r"\sqrt{12}"),
            ("(x+1)^2", "x^2+2x+1"),
            (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"),
            (r"\log_{2}(8)", "3"),
            (r"\sin^2x+\cos^2x", "1"),
            (r"\binom{5}{2}", "10"),
            ("5!", "120"),
            (r"6\frac{1}{2}", "3"),
            (r"|{-3}|", "3"),
            ("1,000", "10^3"),
            ("f(x+x)", "f(2x)"),
        ] {
            assert!(same(one, other), "{one} is {other}");
        }
    }

    #[test]
    fn what_is_different_somewhere_is_different() {
        for (one, other) in [
            (r"\sqrt{x^2}", "x"),
            (r"\pi", "3.14159265358979"),
            ("x", "y"),
            (r"\sqrt{2}", "1.41421356237"),
            ("f(x)", "fx"),
            ("123456789012345678901", "123456789012345678902"),
            (r"\infty", r"\infty+0"),
            (r"\frac{1}{0}", r"\frac{2}{0}"),
            (r"\sqrt[3]{-8}", "-2"),
            ("x(x+1)", "x^2+x"),
        ] {
            assert!(!same(one, other), "{one} is not {other}");
        }
    }
}
