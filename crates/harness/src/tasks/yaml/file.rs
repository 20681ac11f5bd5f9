//! YAML files with what they include.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use serde_norway::Value as Yaml;

/// What a file says.
pub(super) type Config = Map<String, Json>;

/// The only key of what a file says to be a Python function.
const FUNCTION: &str = "!function";

/// Reads files, each once.
#[derive(Default)]
pub(super) struct YamlReader {
    read: HashMap<PathBuf, Config>,
}

impl YamlReader {
    /// What a file says, over what the files say that it includes; of these later ones go before earlier ones.
    ///
    /// # Errors
    /// What is wrong with it, or with what it includes.
    pub(super) fn load(&mut self, path: &Path) -> Result<Config, String> {
        self.with_included(path, &mut Vec::new())
    }

    fn with_included(&mut self, path: &Path, open: &mut Vec<PathBuf>) -> Result<Config, String> {
        if let Some(known) = self.read.get(path) {
            return Ok(known.clone());
        }
        if open.iter().any(|other| other == path) {
            return Err(format!("{} includes itself", path.display()));
        }
        let mut own = parse(path)?;
        open.push(path.to_owned());
        let mut merged = Config::new();
        for name in texts(own.remove("include").unwrap_or_default()) {
            let included = normal(&path.parent().unwrap_or(Path::new("")).join(name));
            let mut included = self.with_included(&included, open)?;
            included.remove("task_list");
            merged.extend(included);
        }
        merged.extend(own);
        open.pop();
        self.read.insert(path.to_owned(), merged.clone());
        Ok(merged)
    }
}

fn parse(path: &Path) -> Result<Config, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut value: Yaml = serde_norway::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    value.apply_merge().map_err(|error| format!("{}: {error}", path.display()))?;
    match json(value) {
        Json::Object(config) => Ok(config),
        _ => Err(format!("{} is no mapping", path.display())),
    }
}

/// A path without `.` and `..`, so that a file has one name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

fn json(value: Yaml) -> Json {
    match value {
        Yaml::Null => Json::Null,
        Yaml::Bool(flag) => flag.into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, real) => real.into(),
        },
        Yaml::String(text) => text.into(),
        Yaml::Sequence(items) => items.into_iter().map(json).collect(),
        Yaml::Mapping(fields) => {
            let field = |(key, value)| match json(key) {
                Json::String(key) => (key, json(value)),
                other => (other.to_string(), json(value)),
            };
            fields.into_iter().map(field).collect::<Config>().into()
        }
        Yaml::Tagged(tagged) if tagged.tag == FUNCTION => {
            Config::from_iter([(FUNCTION.to_owned(), json(tagged.value))]).into()
        }
        Yaml::Tagged(tagged) => json(tagged.value),
    }
}

/// One text or several.
pub(super) fn texts(value: Json) -> Vec<String> {
    match value {
        Json::String(text) => vec![text],
        Json::Array(items) => items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The Python function that a value is, or that stands somewhere in it.
pub(super) fn function(value: &Json) -> Option<&str> {
    match value {
        Json::Object(fields) => match fields.get(FUNCTION) {
            Some(name) => name.as_str(),
            None => fields.values().find_map(function),
        },
        Json::Array(items) => items.iter().find_map(function),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn load(files: &[(&str, &str)], name: &str) -> Result<Json, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        YamlReader::default().load(&folder.path().join(name)).map(Json::from)
    }

    #[test]
    fn what_a_file_says_goes_before_what_it_includes() {
        let files = [
            ("_a", "x: 1\ny: [1]\ntask_list: [z]\n"),
            ("b/_b.yaml", "include: ../_a\ny: 2\nz: &z {k: 1}\n"),
            ("b/c.yaml", "include: [_b.yaml, ./../_a]\nw:\n  <<: {k: 0}\n"),
        ];
        assert_eq!(load(&files, "b/c.yaml").unwrap(), json!({"x": 1, "y": [1], "z": {"k": 1}, "w": {"k": 0}}));
    }

    #[test]
    fn a_function_is_found_where_it_stands() {
        let files = [("a.yaml", "doc_to_text: x\nmetric_list:\n  - metric: !function utils.score\n")];
        let config = load(&files, "a.yaml").unwrap();
        assert_eq!(function(&config), Some("utils.score"));
        assert_eq!(function(&config["doc_to_text"]), None);
    }

    #[test]
    fn a_circle_and_a_missing_file_are_named() {
        let files = [("a.yaml", "include: b.yaml\n"), ("b.yaml", "include: a.yaml\n"), ("c.yaml", "include: d\n")];
        assert!(load(&files, "a.yaml").unwrap_err().ends_with("a.yaml includes itself"));
        assert!(load(&files, "c.yaml").unwrap_err().contains("/d: "));
    }
}
