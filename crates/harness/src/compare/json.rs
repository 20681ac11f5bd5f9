//! A comparison for programs.

use super::findings::Comparison;

/// The [`Comparison`] record as indented JSON, every flipped document included; scores are 0 to 1.
///
/// # Panics
/// Never: the record holds nothing that JSON cannot.
pub fn json(comparison: &Comparison) -> String {
    serde_json::to_string_pretty(comparison).expect("a comparison is plain data") + "\n"
}
