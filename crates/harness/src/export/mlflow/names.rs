//! Names that MLflow takes: they are files' names, too.

use std::collections::BTreeSet;

/// Characters of a name at most.
const LONGEST: usize = 250;

/// Names that were given, so that none is given twice.
#[derive(Default)]
pub(super) struct GivenNames(BTreeSet<String>);

impl GivenNames {
    /// A name of letters, digits, `_`, `-`, `.` and spaces, with `/` between its parts: `,` becomes `.`, `@` becomes `_at_`,
    /// anything else `_`. The second of two that come out the same ends in `_2`.
    pub(super) fn give(&mut self, parts: &[&str]) -> String {
        let part = |part: &&str| {
            let part = part.replace(',', ".").replace('@', "_at_");
            let part = part.replace(|letter: char| !(letter.is_alphanumeric() || "_-. ".contains(letter)), "_");
            // No part may lead elsewhere, or nowhere.
            if part.trim_matches('.').is_empty() { "_".to_owned() } else { part }
        };
        let name: String = parts.iter().map(part).collect::<Vec<_>>().join("/").chars().take(LONGEST - 4).collect();
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or(name);
        self.0.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_mlflow_takes_and_stay_distinct() {
        let mut names = GivenNames::default();
        let mut give = |text: &str| names.give(&text.split('/').collect::<Vec<_>>());
        assert_eq!(give("gsm8k/exact_match,strict-match"), "gsm8k/exact_match.strict-match");
        assert_eq!(give("gsm8k/pass@4,none"), "gsm8k/pass_at_4.none");
        assert_eq!(give("a(b)/acc"), "a_b_/acc");
        assert_eq!(give("a[b]/acc"), "a_b_/acc_2");
        assert_eq!(give("../../etc"), "_/_/etc");
        assert_eq!(give("//"), "_/_/_");
        assert_eq!(give(&"m".repeat(400)).chars().count(), 246);
    }
}
