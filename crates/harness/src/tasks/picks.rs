//! Documents picked by their numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which documents of which (sub)tasks are evaluated, by their rows in the evaluated split (within the subject, where
/// the task has subjects): lm-evaluation-harness's `--samples`. A (sub)task that is not named is evaluated whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentPicks(BTreeMap<String, BTreeSet<usize>>);

/// A text that picks no documents.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct DocumentPicksError {
    reason: String,
}

impl DocumentPicks {
    /// The documents of a (sub)task; none where it is not named. A task's protocol (`@9e6e240`) may be left out.
    pub fn of(&self, task: &str) -> Option<&BTreeSet<usize>> {
        self.0.get(task).or_else(|| self.0.get(without_protocol(task)))
    }

    /// A name that is none of the (sub)tasks `names`.
    pub fn elsewhere(&self, names: &[String]) -> Option<&str> {
        let is_named = |picked: &str| names.iter().any(|name| name == picked || without_protocol(name) == picked);
        self.0.keys().map(String::as_str).find(|picked| !is_named(picked))
    }

    /// Those of the (sub)tasks called `names`, under these names without their protocols.
    #[must_use]
    pub fn restricted_to(&self, names: &[String]) -> Self {
        Self(
            names.iter().filter_map(|name| Some((without_protocol(name).to_owned(), self.of(name)?.clone()))).collect(),
        )
    }

    /// Whether nothing is picked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn without_protocol(task: &str) -> &str {
    task.split('@').next().unwrap_or(task)
}

impl FromStr for DocumentPicks {
    type Err = DocumentPicksError;

    /// Reads a JSON object of lists: `{"gsm8k": [0, 7]}`.
    fn from_str(text: &str) -> Result<Self, DocumentPicksError> {
        let failed = |reason: String| DocumentPicksError { reason };
        let object: BTreeMap<String, Vec<serde_json::Value>> =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| failed(error.to_string()))?;
        if object.is_empty() {
            return Err(failed("no task is named".to_owned()));
        }
        let mut picks = BTreeMap::new();
        for (task, ids) in object {
            if ids.is_empty() {
                return Err(failed(format!("the list of `{task}` is empty")));
            }
            let number = |id: serde_json::Value| {
                let number = id.as_u64().and_then(|id| usize::try_from(id).ok());
                number.ok_or_else(|| failed(format!("`{task}` has {id} in its list, which is no document's number")))
            };
            let ids = ids.into_iter().map(number).collect::<Result<_, _>>()?;
            picks.insert(task, ids);
        }
        Ok(Self(picks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_picked_by_task_each_once() {
        let picks: DocumentPicks = r#"{"mmlu_anatomy": [7, 0, 7], "gsm8k@9e6e240": [1]}"#.parse().unwrap();
        assert_eq!(picks.of("mmlu_anatomy").unwrap().iter().copied().collect::<Vec<_>>(), [0, 7]);
        assert_eq!(picks.of("mmlu_anatomy@9e6e240"), picks.of("mmlu_anatomy"));
        assert!(picks.of("gsm8k").is_none() && picks.of("mmlu_virology").is_none());
        let names = ["mmlu_anatomy@unite".to_owned(), "piqa".to_owned()];
        let restricted = picks.restricted_to(&names);
        assert_eq!(serde_json::to_string(&restricted).unwrap(), r#"{"mmlu_anatomy":[0,7]}"#);
        assert_eq!((picks.elsewhere(&names), restricted.elsewhere(&names)), (Some("gsm8k@9e6e240"), None));
    }

    #[test]
    fn what_picks_nothing_is_refused() {
        for (text, part) in [
            ("{}", "no task is named"),
            (r#"{"gsm8k": []}"#, "the list of `gsm8k` is empty"),
            (r#"{"gsm8k": [1, -2]}"#, "`gsm8k` has -2 in its list"),
            (r#"{"gsm8k": [1.5]}"#, "1.5"),
            (r#"{"gsm8k": "0"}"#, "expected a sequence"),
            ("[1]", "expected a map"),
            ("{'gsm8k': [1]}", "key must be a string"),
        ] {
            let said = text.parse::<DocumentPicks>().unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
