//! How samples are called.

use std::fmt::Write as _;

use serde_json::Value;

use crate::results::SampleRecord;

/// Characters of their identifiers.
const IDENTIFIER: usize = 22;

/// A sample's id in its log: its document's number, behind its subject where there is one. It is part of a file's name:
/// other characters of a subject than letters, digits, `_` and `-` are percent-encoded.
pub(super) fn id(sample: &SampleRecord) -> Value {
    let Some(subject) = &sample.subject else { return sample.doc_id.into() };
    let mut id = String::new();
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            id.push(char::from(byte));
        } else {
            let _ = write!(id, "%{byte:02X}");
        }
    }
    format!("{id}-{}", sample.doc_id).into()
}

/// The name of a sample's file.
pub(super) fn file(sample: &SampleRecord) -> String {
    let id = match id(sample) {
        Value::String(id) => id,
        number => number.to_string(),
    };
    format!("samples/{id}_epoch_{}.json", sample.repeat + 1)
}

/// The first characters of a hash, as many as their identifiers have.
pub(super) fn identifier(hash: &str) -> String {
    hash.chars().take(IDENTIFIER).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(subject: Option<&str>, doc_id: usize, repeat: usize) -> SampleRecord {
        let sample = json!({
            "version": 1, "identity": "", "system": "s", "task": "t", "task_version": "1", "subject": subject,
            "doc_id": doc_id, "repeat": repeat, "doc_hash": "", "prompt_hash": "", "outcome": "wrong", "target": "",
            "response": "none", "filters": [], "tokens": 0, "ensembled": 0, "member_tokens": [], "truncated": false,
            "seconds": null, "elapsed": 0.0,
        });
        serde_json::from_value(sample).unwrap()
    }

    #[test]
    fn documents_without_subjects_are_called_by_their_numbers() {
        assert_eq!(id(&sample(None, 7, 0)), 7);
        assert_eq!(file(&sample(None, 7, 1)), "samples/7_epoch_2.json");
    }

    #[test]
    fn a_subject_leads_nowhere_and_is_never_taken_for_another() {
        assert_eq!(file(&sample(Some("college_physics"), 7, 0)), "samples/college_physics-7_epoch_1.json");
        assert_eq!(file(&sample(Some("../../a b"), 7, 0)), "samples/%2E%2E%2F%2E%2E%2Fa%20b-7_epoch_1.json");
        assert_ne!(id(&sample(Some("a/b"), 7, 0)), id(&sample(Some("a_b"), 7, 0)));
        assert_ne!(id(&sample(Some("a-1"), 2, 0)), id(&sample(Some("a"), 12, 0)));
    }
}
