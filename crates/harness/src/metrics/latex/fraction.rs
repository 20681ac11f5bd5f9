//! Exact fractions, as long as their parts fit.

/// A fraction in lowest terms, with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Fraction {
    above: i128,
    below: i128,
}

impl Fraction {
    /// Both parts in lowest terms; none where the denominator is 0, or a part does not fit.
    pub(in super::super) fn new(above: i128, below: i128) -> Option<Self> {
        let (mut one, mut other) = (above.checked_abs()?, below.checked_abs()?);
        while other != 0 {
            (one, other) = (other, one % other);
        }
        let sign = if below < 0 { -1 } else { 1 };
        (below != 0).then(|| Self { above: above / one * sign, below: below / one * sign })
    }

    /// A number in decimal digits; none where it does not fit.
    pub(in super::super) fn decimal(digits: &str) -> Option<Self> {
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let below = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
        Self::new(format!("{whole}{part}").parse().ok()?, below)
    }

    /// The value.
    pub(in super::super) fn value(self) -> f64 {
        self.above as f64 / self.below as f64
    }

    /// The whole number that it is, if it is one.
    pub(in super::super) fn whole(self) -> Option<i128> {
        (self.below == 1).then_some(self.above)
    }

    pub(in super::super) fn negative(self) -> Option<Self> {
        Some(Self { above: self.above.checked_neg()?, below: self.below })
    }

    pub(in super::super) fn plus(self, other: Self) -> Option<Self> {
        let above = self.above.checked_mul(other.below)?.checked_add(other.above.checked_mul(self.below)?)?;
        Self::new(above, self.below.checked_mul(other.below)?)
    }

    pub(in super::super) fn times(self, other: Self) -> Option<Self> {
        // What both have in common goes first.
        let (one, two) = (Self::new(self.above, other.below)?, Self::new(other.above, self.below)?);
        Self::new(one.above.checked_mul(two.above)?, one.below.checked_mul(two.below)?)
    }

    pub(in super::super) fn over(self, other: Self) -> Option<Self> {
        self.times(Self::new(other.below, other.above)?)
    }

    /// A power with a whole exponent.
    pub(in super::super) fn power(self, exponent: i128) -> Option<Self> {
        let times = u32::try_from(exponent.unsigned_abs()).ok()?;
        let raised = Self { above: self.above.checked_pow(times)?, below: self.below.checked_pow(times)? };
        if exponent < 0 { Self::new(raised.below, raised.above) } else { Some(raised) }
    }

    /// The largest whole number that is not above it.
    pub(in super::super) fn floor(self) -> Self {
        Self { above: self.above.div_euclid(self.below), below: 1 }
    }
}

impl std::fmt::Display for Fraction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.below {
            1 => write!(formatter, "{}", self.above),
            below => write!(formatter, "{}/{below}", self.above),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(above: i128, below: i128) -> Fraction {
        Fraction::new(above, below).unwrap()
    }

    #[test]
    fn fractions_are_kept_in_lowest_terms() {
        assert_eq!(of(6, -4), of(-3, 2));
        assert_eq!(Fraction::decimal("0.250"), Some(of(1, 4)));
        assert_eq!(of(1, 6).plus(of(1, 3)), Some(of(1, 2)));
        assert_eq!(of(2, 3).over(of(4, 9)), Some(of(3, 2)));
        assert_eq!(of(2, 3).power(-2), Some(of(9, 4)));
        assert_eq!(of(-7, 2).floor(), of(-4, 1));
        assert_eq!((Fraction::new(1, 0), of(0, 5).power(-1)), (None, None));
        assert_eq!(of(10, 1).power(50), None, "it does not fit");
    }
}
