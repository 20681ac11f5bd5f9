//! Where a response says its answer: in a box, or after "answer is".

use std::sync::LazyLock;

use crate::python::PythonRegex;

/// A constant pattern.
pub(super) fn compiled(pattern: &str) -> PythonRegex {
    PythonRegex::new(pattern).expect("a constant pattern compiles")
}

static LEAD: LazyLock<PythonRegex> = LazyLock::new(|| compiled(r"(?i)\banswer(?:\s+is\s*:?|\s*:)[ \t*]*([^\n]*)"));

/// The last `\boxed{...}`, braces balanced.
pub(super) fn last_boxed(response: &str) -> Option<&str> {
    let (_, rest) = response.rsplit_once(r"\boxed{")?;
    let mut depth = 1;
    for (index, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&rest[..index]);
        }
    }
    None
}

/// What follows the last "answer is" or "answer:", to the end of the line.
pub(super) fn after_lead(response: &str) -> Option<&str> {
    LEAD.findall(response).last()?.first().copied()
}
