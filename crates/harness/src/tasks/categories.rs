//! MMLU's subjects by category.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The folder of `tasks/` that holds groupings of subjects, and no tasks.
pub(super) const CATEGORIES: &str = "categories";

static MMLU: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../tasks/categories/mmlu.toml")).expect("the built-in categories parse")
});

/// lm-evaluation-harness's category of a subject; `None` for one it does not know.
pub(super) fn of_subject(subject: &str) -> Option<&'static str> {
    MMLU.iter().find(|(_, subjects)| subjects.iter().any(|known| known == subject)).map(|(name, _)| name.as_str())
}

/// The categories, in alphabetical order.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MMLU.keys().map(String::as_str)
}

/// The subjects of a category, in alphabetical order.
pub(super) fn subjects(category: &str) -> &'static [String] {
    MMLU.get(category).map_or(&[], Vec::as_slice)
}

/// The subjects of all categories, in alphabetical order.
pub(super) fn all_subjects() -> Vec<String> {
    let mut subjects: Vec<String> = MMLU.values().flatten().cloned().collect();
    subjects.sort_unstable();
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_57_subjects_have_a_category() {
        assert_eq!(MMLU.values().map(Vec::len).sum::<usize>(), 57);
        assert_eq!(of_subject("anatomy"), Some("stem"));
        assert_eq!(of_subject("an invented subject"), None);
    }
}
