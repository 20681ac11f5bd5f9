//! Rotary position embedding: base, width and scaling of the frequencies.

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// Leading components of a head that are rotated; even.
    pub width: usize,
    /// Which components are turned together.
    pub style: RopeStyle,
    /// How the frequencies are stretched for long contexts.
    pub scaling: RopeScaling,
}

/// Which components of a head are turned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeStyle {
    /// The `i`-th of the first half with the `i`-th of the second.
    Halves,
    /// Neighbours (Cohere, GLM-4).
    Pairs,
}

/// How `RoPE` frequencies are stretched.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all. Dynamic scaling is this, too: it stretches beyond `max_position_embeddings`, which is the context.
    None,
    /// All frequencies divided by a factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Every frequency divided by a factor of its own.
    Divided {
        /// The factors.
        by: Vec<f64>,
    },
    /// Llama 3.1's smooth interpolation by wavelength.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original_context / low` are divided by `factor`.
        low: f64,
        /// Wavelengths below `original_context / high` are kept.
        high: f64,
        /// Context before stretching.
        original_context: f64,
    },
    /// `YaRN` (Peng et al. 2023, arXiv 2309.00071).
    Yarn {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Frequencies that turn more often than this over the original context are kept.
        fast: f64,
        /// Frequencies that turn less often than this are divided.
        slow: f64,
        /// Whether the bounds between are rounded outward to whole components.
        truncate: bool,
        /// Context before stretching.
        original_context: f64,
        /// Factor of cosines and sines.
        attention: f64,
    },
    /// `LongRoPE` (Ding et al. 2024, arXiv 2402.13753), as Phi-3 has it.
    ///
    /// The length of a pass decides for all of its positions: within the original context they are turned by the short
    /// factors, beyond it by the long ones. Generation that crosses the border is read again from its beginning, as in
    /// transformers.
    Long {
        /// Divisor per frequency within the original context.
        short: Vec<f64>,
        /// Divisor per frequency beyond.
        long: Vec<f64>,
        /// Context before stretching.
        original_context: f64,
        /// Factor of cosines and sines.
        attention: f64,
    },
}
