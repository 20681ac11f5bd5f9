//! The standard normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};

/// The number that a standard normal one is at most with `probability`, above 0 and below 1.
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// The probability that a standard normal number is at most `value`.
pub fn normal_cdf(value: f64) -> f64 {
    Normal::standard().cdf(value)
}
