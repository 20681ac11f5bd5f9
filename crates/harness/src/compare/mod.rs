//! Two runs on the same documents: what changed, and whether that is chance.

mod error;
mod findings;
mod json;
mod junit;
mod markdown;
pub(crate) mod pairing;
mod subjects;
mod terminal;
mod verdict;

pub use error::{CompareError, Mismatch};
pub use findings::{Comparison, Finding, Flip, Scope, SystemComparison, compare};
pub use json::json;
pub use junit::{junit, junit_error};
pub use markdown::markdown;
pub use pairing::SystemPair;
pub use subjects::SubjectFinding;
pub(crate) use terminal::{aligned, p_value};
pub use terminal::{terminal, terminal_subjects};
pub use verdict::{RegressionRule, RegressionRuleError, Verdict};
