//! One match of a pattern in a response.

use crate::python::{PatternError, PythonRegex, strip};

/// One match of a pattern.
#[derive(Debug)]
pub(super) struct Extract {
    regex: PythonRegex,
    pub(super) group_select: isize,
}

impl Extract {
    pub(super) fn new(pattern: &str, group_select: isize) -> Result<Self, PatternError> {
        Ok(Self { regex: PythonRegex::new(pattern)?, group_select })
    }

    /// The selected match, stripped; `None` when there is none, or all of its groups are empty. A pattern with one
    /// group at most may match the empty text.
    pub(super) fn first(&self, text: &str) -> Option<String> {
        let found = self.regex.findall(text);
        let groups = select(&found, self.group_select)?;
        let matched =
            if self.regex.gives_tuples() { groups.iter().find(|group| !group.is_empty())? } else { groups.first()? };
        Some(strip(matched).to_owned())
    }
}

/// Python's list index: negative from the end.
pub(super) fn select<T>(items: &[T], index: isize) -> Option<&T> {
    let index = if index < 0 { items.len().checked_add_signed(index)? } else { index.unsigned_abs() };
    items.get(index)
}
