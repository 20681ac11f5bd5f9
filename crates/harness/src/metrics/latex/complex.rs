//! Complex numbers and their functions, on the principal branches.
//!
//! Own code because `num-complex`, which tensors bring along, is built without the standard library's functions there; with
//! them, all of the tensors' crates would be built anew.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    pub(super) const ZERO: Self = Self::new(0.0, 0.0);
    pub(super) const ONE: Self = Self::new(1.0, 0.0);
    const I: Self = Self::new(0.0, 1.0);

    pub(super) const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    pub(super) const fn real(re: f64) -> Self {
        Self::new(re, 0.0)
    }

    pub(super) fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    pub(super) fn norm(self) -> f64 {
        self.re.hypot(self.im)
    }

    pub(super) fn conj(self) -> Self {
        Self::new(self.re, -self.im)
    }

    pub(super) fn exp(self) -> Self {
        let norm = self.re.exp();
        // Without zero times infinity.
        let im = if self.im == 0.0 { 0.0 } else { norm * self.im.sin() };
        Self::new(norm * self.im.cos(), im)
    }

    pub(super) fn ln(self) -> Self {
        Self::new(self.norm().ln(), self.im.atan2(self.re))
    }

    fn sqrt(self) -> Self {
        let norm = self.norm();
        let re = f64::midpoint(norm, self.re).max(0.0).sqrt();
        let im = (f64::midpoint(norm, -self.re)).max(0.0).sqrt();
        Self::new(re, im.copysign(self.im))
    }

    pub(super) fn sin(self) -> Self {
        Self::new(self.re.sin() * self.im.cosh(), self.re.cos() * self.im.sinh())
    }

    pub(super) fn cos(self) -> Self {
        Self::new(self.re.cos() * self.im.cosh(), -self.re.sin() * self.im.sinh())
    }

    pub(super) fn tan(self) -> Self {
        self.sin() / self.cos()
    }

    pub(super) fn sinh(self) -> Self {
        -Self::I * (Self::I * self).sin()
    }

    pub(super) fn cosh(self) -> Self {
        (Self::I * self).cos()
    }

    pub(super) fn tanh(self) -> Self {
        self.sinh() / self.cosh()
    }

    pub(super) fn asin(self) -> Self {
        -Self::I * (Self::I * self + (Self::ONE - self * self).sqrt()).ln()
    }

    pub(super) fn acos(self) -> Self {
        Self::real(std::f64::consts::FRAC_PI_2) - self.asin()
    }

    pub(super) fn atan(self) -> Self {
        let turned = Self::I * self;
        Self::new(0.0, 0.5) * ((Self::ONE - turned).ln() - (Self::ONE + turned).ln())
    }

    pub(super) fn asinh(self) -> Self {
        (self + (self * self + Self::ONE).sqrt()).ln()
    }

    pub(super) fn acosh(self) -> Self {
        (self + (self + Self::ONE).sqrt() * (self - Self::ONE).sqrt()).ln()
    }

    pub(super) fn atanh(self) -> Self {
        Self::real(0.5) * ((Self::ONE + self).ln() - (Self::ONE - self).ln())
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }
}

impl Neg for Complex {
    type Output = Self;

    fn neg(self) -> Self {
        Self::new(-self.re, -self.im)
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::new(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }
}

impl Div for Complex {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let square = other.re * other.re + other.im * other.im;
        let product = self * other.conj();
        Self::new(product.re / square, product.im / square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_undone_by_their_inverses() {
        let at = Complex::new(0.4, -0.7);
        let close = |one: Complex, other: Complex| assert!((one - other).norm() < 1e-14, "{one:?} is not {other:?}");
        for (function, inverse) in [
            (Complex::exp as fn(Complex) -> Complex, Complex::ln as fn(Complex) -> Complex),
            (Complex::sin, Complex::asin),
            (Complex::tan, Complex::atan),
            (Complex::sinh, Complex::asinh),
            (Complex::tanh, Complex::atanh),
        ] {
            close(inverse(function(at)), at);
        }
        // On the branches with a real part above 0.
        close(at.cos().acos(), at);
        close(at.cosh().acosh(), at);
        close(at.sqrt() * at.sqrt(), at);
        close(at / at, Complex::ONE);
        close(Complex::real(-4.0).sqrt(), Complex::new(0.0, 2.0));
        // From Python's cmath.
        close(Complex::new(1.0, 2.0).sin(), Complex::new(3.165_778_513_216_168, 1.959_601_041_421_606_5));
        close(Complex::new(1.0, 2.0).ln(), Complex::new(0.804_718_956_217_050_2, 1.107_148_717_794_090_4));
    }
}
