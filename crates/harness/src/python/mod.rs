//! The parts of Python that lm-evaluation-harness's protocol depends on: its random numbers, its regular expressions
//! and what it calls white space and punctuation.

mod random;
mod regex;
mod text;

pub use random::PythonRandom;
pub use regex::{PatternError, PythonRegex};
pub(crate) use text::{escaped_length, is_ascii_punctuation, split_whitespace, strip};
