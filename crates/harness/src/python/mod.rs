//! The parts of Python that lm-evaluation-harness's protocol depends on: its random numbers, its regular expressions,
//! literals, and what it calls white space and punctuation.

mod evaluate;
mod literal;
mod random;
mod regex;
pub(crate) mod repr;
mod text;

pub(crate) use evaluate::{assigned, literal_eval};
pub(crate) use literal::Literal;
pub use random::PythonRandom;
pub use regex::{PatternError, PythonRegex};
pub(crate) use text::{
    capitalize, escaped_length, is_ascii_punctuation, is_space, split_whitespace, strip, strip_end, strip_start,
};
