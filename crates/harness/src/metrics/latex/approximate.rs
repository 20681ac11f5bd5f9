//! Complex numbers with a bound of what rounding did to them.

use super::complex::Complex;

/// How far rounding may move the result of one operation, in parts of it.
const ROUNDING: f64 = 4.0 * f64::EPSILON;
/// How much a bound may be off, which is followed to first order.
const SLACK: f64 = 8.0;

/// A complex number, and how far it may be from what it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Approximate {
    value: Complex,
    error: f64,
}

impl Approximate {
    /// A number that was rounded once; none where it is not finite.
    pub(super) fn new(value: Complex) -> Option<Self> {
        Self::with_error(value, 0.0)
    }

    fn with_error(value: Complex, error: f64) -> Option<Self> {
        // Without negative zeros: they are on the other side of a branch cut.
        let value = value + Complex::ZERO;
        let error = error + ROUNDING * value.norm();
        (value.is_finite() && error.is_finite()).then_some(Self { value, error })
    }

    /// Whether both may stand for the same number.
    pub(super) fn may_be(self, other: Self) -> bool {
        (self.value - other.value).norm() <= SLACK * (self.error + other.error)
    }

    /// Its value, where it may be real.
    pub(super) fn real(self) -> Option<f64> {
        (self.value.im.abs() <= SLACK * self.error).then_some(self.value.re)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Self::with_error(self.value + other.value, self.error + other.error)
    }

    pub(super) fn negative(self) -> Option<Self> {
        Self::with_error(-self.value, self.error)
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        let error = self.value.norm() * other.error + other.value.norm() * self.error;
        Self::with_error(self.value * other.value, error)
    }

    pub(super) fn over(self, other: Self) -> Option<Self> {
        let quotient = self.value / other.value;
        Self::with_error(quotient, (self.error + quotient.norm() * other.error) / other.value.norm())
    }

    pub(super) fn power(self, exponent: Self) -> Option<Self> {
        if self.value == Complex::ZERO {
            // Of positive exponents.
            return if exponent.value.re > 0.0 { Self::new(Complex::ZERO) } else { None };
        }
        let logarithm = self.value.ln();
        let power = (logarithm * exponent.value).exp();
        let relative = exponent.value.norm() * self.error / self.value.norm()
            + logarithm.norm() * exponent.error
            + ROUNDING * (logarithm * exponent.value).norm();
        Self::with_error(power, relative * power.norm())
    }

    /// A function of it, which is smooth around it.
    pub(super) fn map(self, function: impl Fn(Complex) -> Complex) -> Option<Self> {
        let step = self.error.max(f64::EPSILON * self.value.norm()).max(f64::MIN_POSITIVE);
        let at = function(self.value);
        let moved = [Complex::new(step, 0.0), Complex::new(0.0, step)].map(|step| function(self.value + step));
        let error = moved.iter().map(|moved| (*moved - at).norm()).fold(0.0, f64::max);
        Self::with_error(at, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(value: f64) -> Approximate {
        Approximate::new(Complex::new(value, 0.0)).unwrap()
    }

    #[test]
    fn what_rounding_may_have_done_is_no_difference() {
        let root = real(2.0).power(real(0.5)).unwrap();
        assert!(root.times(root).unwrap().may_be(real(2.0)));
        assert!(!root.may_be(real(std::f64::consts::SQRT_2 + 1e-13)));
        let third = real(1.0).over(real(3.0)).unwrap();
        assert!(third.times(real(3.0)).unwrap().plus(real(-1.0)).unwrap().may_be(real(0.0)));
        assert!(real(std::f64::consts::PI).map(Complex::sin).unwrap().may_be(real(0.0)));
    }

    #[test]
    fn what_is_not_finite_is_nothing() {
        assert!(real(1.0).over(real(0.0)).is_none() && real(0.0).power(real(-1.0)).is_none());
        assert!(real(10.0).power(real(400.0)).is_none());
    }
}
