//! YAML files with what they include.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::functions::{PythonFunctions, StandIn};

/// What a file says.
pub(super) type YamlConfig = Map<String, Json>;

/// The key of what a file says to be a Python function: its name.
const FUNCTION: &str = "!function";

/// Beside it, what stands for it here; absent where nothing does.
const STAND_IN: &str = "is";

/// Reads files, each once.
#[derive(Default)]
pub(super) struct YamlReader {
    read: HashMap<PathBuf, YamlConfig>,
    functions: PythonFunctions,
}

impl YamlReader {
    /// What a file says, over what the files say that it includes; of these later ones go before earlier ones.
    ///
    /// # Errors
    /// What is wrong with it, or with what it includes.
    pub(super) fn load(&mut self, path: &Path) -> Result<YamlConfig, String> {
        self.with_included(path, &mut Vec::new())
    }

    fn with_included(&mut self, path: &Path, open: &mut Vec<PathBuf>) -> Result<YamlConfig, String> {
        if let Some(known) = self.read.get(path) {
            return Ok(known.clone());
        }
        if open.iter().any(|other| other == path) {
            return Err(format!("{} includes itself", path.display()));
        }
        let mut own = parse(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        own.values_mut().for_each(|value| self.stand_in(value, folder));
        open.push(path.to_owned());
        let mut merged = YamlConfig::new();
        for name in texts(own.remove("include").unwrap_or_default()) {
            let included = normal(&folder.join(name));
            let mut included = self.with_included(&included, open)?;
            included.remove("task_list");
            merged.extend(included);
        }
        merged.extend(own);
        open.pop();
        self.read.insert(path.to_owned(), merged.clone());
        Ok(merged)
    }

    /// Writes beside each function of a file in `folder` what stands for it.
    fn stand_in(&mut self, value: &mut Json, folder: &Path) {
        match value {
            Json::Object(fields) => {
                let name = fields.get(FUNCTION).and_then(Json::as_str).map(str::to_owned);
                match name.map(|name| self.functions.stand_in(folder, &name)) {
                    Some(found) => fields.extend(found.map(|found| (STAND_IN.to_owned(), found))),
                    None => fields.values_mut().for_each(|value| self.stand_in(value, folder)),
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.stand_in(item, folder)),
            _ => {}
        }
    }
}

fn parse(path: &Path) -> Result<YamlConfig, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match serde_norway::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))? {
        Node(Json::Object(config)) => Ok(config),
        Node(_) => Err(format!("{} is no mapping", path.display())),
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

/// A value of a file. Of equal keys the last one counts, as for `PyYAML`; `<<` fills in what is not there.
struct Node(Json);

struct NodeVisitor;

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node(Json::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node(Json::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node(flag.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(Node(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Node(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let (mut own, mut merged) = (YamlConfig::new(), Vec::new());
        while let Some((Node(key), Node(value))) = fields.next_entry()? {
            match (key, value) {
                (Json::String(key), Json::Array(several)) if key == "<<" => merged.extend(several),
                (Json::String(key), value) if key == "<<" => merged.push(value),
                (Json::String(key), value) => {
                    own.insert(key, value);
                }
                (other, value) => {
                    own.insert(other.to_string(), value);
                }
            }
        }
        for (key, value) in merged.into_iter().filter_map(|other| other.as_object().cloned()).flatten() {
            own.entry(key).or_insert(value);
        }
        Ok(Node(own.into()))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        let (tag, content): (String, _) = tagged.variant()?;
        let Node(value) = content.newtype_variant()?;
        let is_function = tag.trim_start_matches('!') == FUNCTION.trim_start_matches('!');
        Ok(Node(if is_function { YamlConfig::from_iter([(FUNCTION.to_owned(), value)]).into() } else { value }))
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

/// The Python function that a value is.
pub(super) fn function(value: &Json) -> Option<&str> {
    value.get(FUNCTION)?.as_str()
}

/// What stands here for the function that a value is; none where it is none.
///
/// # Errors
/// When nothing does.
pub(super) fn stand_in(setting: &str, value: &Json) -> Result<Option<StandIn>, String> {
    let Some(name) = function(value) else { return Ok(None) };
    let found = value.get(STAND_IN).and_then(|found| serde_json::from_value(found.clone()).ok());
    found.map(Some).ok_or_else(|| format!("it needs Python: `{setting}` has `!function {name}`"))
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
    fn of_equal_keys_the_last_one_counts() {
        let files = [("a.yaml", "x: 1\nx: two\ny:\n  - {k: 1, k: ~}\n")];
        assert_eq!(load(&files, "a.yaml").unwrap(), json!({"x": "two", "y": [{"k": null}]}));
    }

    #[test]
    fn a_function_for_which_nothing_stands_is_named() {
        let files = [("a.yaml", "doc_to_text: x\nmetric_list:\n  - metric: !function utils.score\n")];
        let config = load(&files, "a.yaml").unwrap();
        let metric = &config["metric_list"][0]["metric"];
        assert_eq!(function(metric), Some("utils.score"));
        let refused = stand_in("metric", metric).unwrap_err();
        assert_eq!(refused, "it needs Python: `metric` has `!function utils.score`");
        assert_eq!(stand_in("doc_to_text", &config["doc_to_text"]), Ok(None));
    }

    #[test]
    fn a_circle_and_a_missing_file_are_named() {
        let files = [("a.yaml", "include: b.yaml\n"), ("b.yaml", "include: a.yaml\n"), ("c.yaml", "include: d\n")];
        assert!(load(&files, "a.yaml").unwrap_err().ends_with("a.yaml includes itself"));
        assert!(load(&files, "c.yaml").unwrap_err().contains("/d: "));
    }
}
