//! The groups that tasks are made of, beside the leaderboard's columns.

use serde::{Deserialize, Serialize};

use super::estimate::Estimate;

/// Figures of the groups that tasks are made of, under each task's primary metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupTable {
    /// The groups, in the order of the tasks.
    pub names: Vec<String>,
    /// One row per system, one score per group; none for a group that it did not do.
    pub rows: Vec<Vec<Option<Estimate>>>,
}

impl GroupTable {
    /// From every system's figures, by group.
    pub(super) fn new(found: &[Vec<(String, Estimate)>]) -> Self {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in found.iter().flatten() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        if names.is_empty() {
            return Self::default();
        }
        let score = |of_system: &[(String, Estimate)], name: &String| {
            of_system.iter().find(|(known, _)| known == name).map(|(_, score)| *score)
        };
        let rows = found.iter().map(|of_system| names.iter().map(|name| score(of_system, name)).collect()).collect();
        Self { names, rows }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_did_not_do_a_group_has_a_gap() {
        let score = |value| Estimate { value, stderr: None };
        let stem = |value| ("stem".to_owned(), score(value));
        let table = GroupTable::new(&[vec![stem(0.5)], vec![("other".to_owned(), score(0.25)), stem(1.0)], vec![]]);
        assert_eq!(table.names, ["stem", "other"]);
        let rows = [vec![Some(score(0.5)), None], vec![Some(score(1.0)), Some(score(0.25))], vec![None, None]];
        assert_eq!(table.rows, rows);
        assert!(GroupTable::new(&[vec![]]).is_empty());
    }
}
