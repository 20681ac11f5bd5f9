//! A run as a file store.

use std::fmt::Write as _;
use std::path::Path;

use gac_systems::sha256;
use serde_json::{Map, Value, json};

use super::names::GivenNames;
use crate::clock::Timestamp;
use crate::export::error::ExportError;
use crate::export::facts;
use crate::export::file::ExportedFile;
use crate::results::{StoredRun, StoredSystem, SystemEntry};

/// MLflow's number for "finished".
const FINISHED: u8 = 3;
/// MLflow's number for what runs on a local machine.
const LOCAL: u8 = 4;
/// Characters of a parameter at most.
const LONGEST_PARAMETER: usize = 6000;

/// A run as MLflow's file store at `folder`, an absolute path: MLflow writes down where artifacts are. `card` is each run's
/// artifact.
///
/// Experiments and runs have the same numbers whenever they are written, so that exports of several runs may share a folder.
///
/// # Errors
/// When a record cannot be written as YAML.
pub fn mlflow(run: &StoredRun, card: &str, folder: &Path) -> Result<Vec<ExportedFile>, ExportError> {
    let manifest = &run.manifest;
    let experiment = number(&manifest.plan.name);
    let place = format!("{}/{experiment}", file_uri(folder));
    let started = milliseconds(&manifest.started);
    let meta = json!({
        "artifact_location": place,
        "creation_time": started,
        "experiment_id": experiment,
        "last_update_time": started,
        "lifecycle_stage": "active",
        "name": manifest.plan.name,
    });
    let mut files = vec![ExportedFile::text(format!("{experiment}/meta.yaml"), yaml(&meta)?)];
    for (system, entry) in run.systems.iter().zip(&manifest.systems) {
        files.extend(of_system(run, system, entry, &experiment, &place, card)?);
    }
    Ok(files)
}

fn of_system(
    run: &StoredRun,
    system: &StoredSystem,
    entry: &SystemEntry,
    experiment: &str,
    place: &str,
    card: &str,
) -> Result<Vec<ExportedFile>, ExportError> {
    let manifest = &run.manifest;
    let identity = entry.identity.as_str();
    let id = &sha256::of_bytes([identity, &system.name, &manifest.started].join("\n"))[..32];
    let ended = manifest.ended.as_ref().map(|ended| milliseconds(ended));
    let meta = json!({
        "artifact_uri": format!("{place}/{id}/artifacts"),
        "end_time": ended,
        "entry_point_name": "",
        "experiment_id": experiment,
        "lifecycle_stage": "active",
        "run_id": id,
        "run_name": system.name,
        "source_name": "",
        "source_type": LOCAL,
        "source_version": "",
        "start_time": milliseconds(&manifest.started),
        "status": FINISHED,
        "tags": [],
        "user_id": "unknown",
    });
    let folder = format!("{experiment}/{id}");
    let mut files = vec![
        ExportedFile::text(format!("{folder}/meta.yaml"), yaml(&meta)?),
        ExportedFile::text(format!("{folder}/artifacts/run-card.json"), card),
    ];

    let time = ended.unwrap_or_default();
    let mut names = GivenNames::default();
    for figure in facts::figures(system) {
        let name = names.give(&figure.name.split('/').collect::<Vec<_>>());
        files.push(ExportedFile::text(format!("{folder}/metrics/{name}"), format!("{time} {} 0\n", figure.value)));
    }
    let mut parameters = Vec::new();
    flatten("", &Value::Object(facts::configuration(run, system)), &mut parameters);
    let mut names = GivenNames::default();
    for (name, value) in parameters {
        let value: String = value.chars().take(LONGEST_PARAMETER).collect();
        files.push(ExportedFile::text(format!("{folder}/params/{}", names.give(&[&name])), value));
    }
    let git = manifest.sessions.last().and_then(|session| session.git.as_ref());
    let tags = [
        ("mlflow.runName", Some(system.name.as_str())),
        ("mlflow.source.name", Some("gac")),
        ("mlflow.source.type", Some("LOCAL")),
        ("mlflow.source.git.commit", git.map(|git| git.commit.as_str())),
        ("gac.version", Some(facts::version(run))),
        ("gac.build", facts::build(run)),
        ("gac.system_identity", Some(identity)),
    ];
    let tags = tags.into_iter().filter_map(|(name, text)| Some((name, text?)));
    files.extend(tags.map(|(name, text)| ExportedFile::text(format!("{folder}/tags/{name}"), text)));
    Ok(files)
}

/// An experiment's number: of its name, so that runs of one recipe are one experiment.
fn number(name: &str) -> String {
    let digits = u64::from_str_radix(&sha256::of_bytes(name)[..15], 16).unwrap_or_default();
    // 18 digits, as theirs have.
    format!("{}", 100_000_000_000_000_000 + digits % 900_000_000_000_000_000)
}

fn milliseconds(time: &str) -> i64 {
    Timestamp::from_rfc3339(time).map_or(0, |time| time.unix() * 1000)
}

fn yaml(value: &Value) -> Result<String, ExportError> {
    serde_norway::to_string(value).map_err(ExportError::Yaml)
}

/// `file:///a%20b` for the absolute path `/a b`.
fn file_uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// Names of the innermost values, with dots between, in front of their texts; lists of plain values are one.
fn flatten(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    let of_map = |map: &Map<String, Value>, into: &mut Vec<(String, String)>| {
        for (key, value) in map {
            flatten(&below(key), value, into);
        }
    };
    match value {
        Value::Object(map) => of_map(map, into),
        Value::Null => {}
        Value::String(text) => into.push((name.to_owned(), text.clone())),
        other => into.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_the_innermost_values() {
        let mut flat = Vec::new();
        let value =
            json!({"system": {"members": ["a", "b"], "gate": null, "settings": {"method": "gac"}}, "batch_size": 4});
        flatten("", &value, &mut flat);
        let pairs: Vec<(&str, &str)> = flat.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(pairs, [("system.members", r#"["a","b"]"#), ("system.settings.method", "gac"), ("batch_size", "4")]);
    }

    #[test]
    fn an_experiment_has_the_same_18_digits_every_time() {
        assert_eq!(number("mini"), number("mini"));
        assert!(["mini", "", "日本"].iter().all(|name| number(name).len() == 18));
    }

    #[test]
    fn folders_with_spaces_are_in_their_address() {
        assert_eq!(file_uri(Path::new("/tmp/a b/c#d")), "file:///tmp/a%20b/c%23d");
    }
}
