//! Settings of a task's file by name, with what they may be.

use serde_json::Value as Json;

use super::file::YamlConfig;
use crate::python::repr::text as python_text;

/// A setting that is a text; a number is the text that Python writes for it.
pub(super) fn text(config: &YamlConfig, name: &str) -> Result<Option<String>, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(number @ Json::Number(_)) => Ok(Some(python_text(number))),
        Some(other) => Err(format!("`{name}` is {other}, not a text")),
    }
}

/// A setting that is a whole number.
pub(super) fn count(config: &YamlConfig, name: &str) -> Result<Option<usize>, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
            Some(count) => Ok(Some(count)),
            None => Err(format!("`{name}` is {value}, not a number of something")),
        },
    }
}

/// A setting that is a number.
pub(super) fn real(config: &YamlConfig, name: &str) -> Result<Option<f64>, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(None),
        // YAML 1.1 has no numbers such as `1e-3`.
        Some(Json::String(text)) => text.parse().map(Some).map_err(|_| format!("`{name}` is `{text}`, not a number")),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| format!("`{name}` is {value}, not a number")),
    }
}

/// A setting that is `true` or `false`, or one of the other words that YAML 1.1 has for them.
pub(super) fn flag(config: &YamlConfig, name: &str) -> Result<Option<bool>, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(*flag)),
        Some(Json::String(text)) => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" => Ok(Some(true)),
            "no" | "off" => Ok(Some(false)),
            _ => Err(format!("`{name}` is `{text}`, neither true nor false")),
        },
        Some(other) => Err(format!("`{name}` is {other}, neither true nor false")),
    }
}

/// Whether a setting is true as Python has it: what is neither absent, `false`, 0 nor empty.
pub(super) fn truth(config: &YamlConfig, name: &str) -> bool {
    match config.get(name) {
        None | Some(Json::Null) => false,
        Some(Json::Bool(flag)) => *flag,
        Some(Json::Number(number)) => number.as_f64() != Some(0.0),
        Some(Json::String(text)) => !matches!(text.to_ascii_lowercase().as_str(), "" | "no" | "off"),
        Some(Json::Array(items)) => !items.is_empty(),
        Some(Json::Object(fields)) => !fields.is_empty(),
    }
}

/// A setting that is a list of texts, or one text.
pub(super) fn texts(config: &YamlConfig, name: &str) -> Result<Option<Vec<String>>, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(vec![text.clone()])),
        Some(list) => serde_json::from_value(list.clone())
            .map(Some)
            .map_err(|_| format!("`{name}` is {list}, not a list of texts")),
    }
}

/// A part with settings of its own.
pub(super) fn part(config: &YamlConfig, name: &str) -> Result<YamlConfig, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(YamlConfig::new()),
        Some(Json::Object(part)) => Ok(part.clone()),
        Some(other) => Err(format!("`{name}` is {other}, not a mapping")),
    }
}

/// A list of parts with settings of their own; none where it is not said.
pub(super) fn parts(config: &YamlConfig, name: &str) -> Result<Option<Vec<YamlConfig>>, String> {
    match config.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(list) => serde_json::from_value(list.clone())
            .map(Some)
            .map_err(|_| format!("`{name}` is {list}, not a list of mappings")),
    }
}

/// Refuses settings whose names are not among `known`.
pub(super) fn only(config: &YamlConfig, what: &str, known: &[&str]) -> Result<(), String> {
    match config.keys().find(|name| !known.contains(&name.as_str())) {
        Some(other) => Err(format!("{what} has a setting `{other}`, which is not known here")),
        None => Ok(()),
    }
}
