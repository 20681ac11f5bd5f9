//! Where a checkpoint has its chat templates, and what they are called.

use std::path::Path;

use serde_json::Value as Json;

use super::error::ChatError;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::json::read_json;
use crate::checkpoint::source::ModelSource;
use crate::checkpoint::special_tokens::problem;

/// The name of the template that is taken where none is asked for.
pub(super) const DEFAULT: &str = "default";
/// The name of the template that is taken instead where there are tools.
pub(super) const TOOL_USE: &str = "tool_use";

/// Templates by their names, in order.
pub(super) type NamedTemplate = Vec<(String, String)>;

/// All templates of a checkpoint, from the first of these places that has any: the files `chat_template.jinja`
/// (called `default`) and `additional_chat_templates/NAME.jinja`; `chat_template` in `tokenizer_config.json`, one text
/// or several by name; `chat_template.json`, as older processors have it. A GGUF file has them in its metadata.
pub(super) fn templates(source: &ModelSource) -> Result<NamedTemplate, ChatError> {
    if let ModelSource::Gguf(path) = source {
        return Ok(of_gguf(&Gguf::open(path)?));
    }
    let mut files = NamedTemplate::new();
    if let Some(path) = source.find("chat_template.jinja")? {
        files.push((DEFAULT.to_owned(), read(&path)?));
    }
    for path in source.additional_chat_templates()? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.retain(|(known, _)| *known != name);
        files.push((name, read(&path)?));
    }
    if !files.is_empty() {
        return Ok(files);
    }
    for file in ["tokenizer_config.json", "chat_template.json"] {
        if let Some(path) = source.find(file)? {
            let named = in_json(&read_json(&path)?, &path)?;
            if !named.is_empty() {
                return Ok(named);
            }
        }
    }
    Ok(NamedTemplate::new())
}

fn of_gguf(gguf: &Gguf) -> NamedTemplate {
    const KEY: &str = "tokenizer.chat_template";
    // Converters list the names; those of old wrote none.
    let names = gguf.texts("tokenizer.chat_templates").unwrap_or_else(|| vec![TOOL_USE, "rag"]);
    let others =
        names.into_iter().filter_map(|name| Some((name.to_owned(), gguf.text(&format!("{KEY}.{name}"))?.to_owned())));
    let default = gguf.text(KEY).map(|text| (DEFAULT.to_owned(), text.to_owned()));
    default.into_iter().chain(others).collect()
}

/// A template's file, read as transformers reads it.
pub(super) fn read(path: &Path) -> Result<String, ChatError> {
    std::fs::read_to_string(path)
        .map_err(|error| ChatError::Unreadable { path: path.display().to_string(), reason: error.to_string() })
}

/// `chat_template` of a JSON file: a text, a list of names and texts, or texts by their names.
fn in_json(config: &Json, path: &Path) -> Result<NamedTemplate, CheckpointError> {
    const FIELD: &str = "chat_template";
    let text = |name: &str, value: &Json| match value {
        Json::String(text) => Ok((name.to_owned(), text.clone())),
        other => Err(problem(path, &format!("{FIELD}.{name}"), "is no text", other)),
    };
    match config.get(FIELD) {
        None | Some(Json::Null) => Ok(NamedTemplate::new()),
        Some(Json::String(text)) => Ok(vec![(DEFAULT.to_owned(), text.clone())]),
        Some(Json::Object(named)) => named.iter().map(|(name, value)| text(name, value)).collect(),
        Some(Json::Array(named)) => named
            .iter()
            .zip(0..)
            .map(|(one, index): (_, usize)| match (one.get("name"), one.get("template")) {
                (Some(Json::String(name)), Some(template)) => text(name, template),
                _ => Err(problem(path, &format!("{FIELD}[{index}]"), "has not both `name` and `template`", one)),
            })
            .collect(),
        Some(other) => Err(problem(path, FIELD, "is neither a text nor several by name", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Result<NamedTemplate, ChatError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        templates(&ModelSource::Folder(folder.path().to_owned()))
    }

    fn named(pairs: &[(&str, &str)]) -> NamedTemplate {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn files_go_before_the_configuration_and_that_before_a_processors_file() {
        let config = ("tokenizer_config.json", r#"{"chat_template": "c"}"#);
        let legacy = ("chat_template.json", r#"{"chat_template": "l"}"#);
        let (jinja, extra) = (("chat_template.jinja", "j"), ("additional_chat_templates/rag.jinja", "r"));
        assert_eq!(found(&[config, legacy, jinja, extra]).unwrap(), named(&[("default", "j"), ("rag", "r")]));
        assert_eq!(found(&[config, legacy, extra]).unwrap(), named(&[("rag", "r")]));
        assert_eq!(found(&[config, legacy]).unwrap(), named(&[("default", "c")]));
        assert_eq!(found(&[("tokenizer_config.json", "{}"), legacy]).unwrap(), named(&[("default", "l")]));
        assert_eq!(found(&[]).unwrap(), named(&[]));
    }

    #[test]
    fn several_templates_stand_in_a_list_or_by_name() {
        let expected = named(&[("tool_use", "t"), ("default", "d")]);
        let list =
            r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#;
        assert_eq!(found(&[("tokenizer_config.json", list)]).unwrap(), expected);
        let object = r#"{"chat_template": {"tool_use": "t", "default": "d"}}"#;
        assert_eq!(found(&[("tokenizer_config.json", object)]).unwrap(), expected);
        for (config, field) in [
            (r#"{"chat_template": 7}"#, "`chat_template`"),
            (r#"{"chat_template": {"default": null}}"#, "`chat_template.default`"),
            (r#"{"chat_template": [{"name": "default"}]}"#, "`chat_template[0]`"),
        ] {
            let error = found(&[("tokenizer_config.json", config)]).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("tokenizer_config.json"), "{error}");
        }
    }
}
