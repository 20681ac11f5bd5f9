//! The language model within a checkpoint that reads images as well: its configuration, and the names of its tensors.

use std::borrow::Cow;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::CheckpointError;

/// `model_type` of the whole and of the language model in it, which computes the same where there are no images.
const WITHIN: [(&str, &str); 1] = [("gemma3", "gemma3_text")];

/// Prefixes of the language model's tensors, and those of a model by itself: as transformers 4 and as 5 writes them.
const PREFIXES: [(&str, &str); 2] = [("language_model.", ""), ("model.language_model.", "model.")];

/// The configuration of the language model: `text_config` where the whole is more than that, else all of it.
///
/// # Errors
/// When that is missing, or of another architecture.
pub(super) fn language_config(
    mut config: Map<String, Value>,
    path: &Path,
) -> Result<Map<String, Value>, CheckpointError> {
    let kind = config.get("model_type").and_then(Value::as_str);
    let Some(&(_, inner)) = WITHIN.iter().find(|(whole, _)| Some(*whole) == kind) else { return Ok(config) };
    let problem = |field: &str, problem: String| CheckpointError::Field {
        field: field.to_owned(),
        path: path.display().to_string(),
        problem,
    };
    let Some(Value::Object(mut language)) = config.remove("text_config") else {
        return Err(problem("text_config", "is missing: it describes the language model within the whole".to_owned()));
    };
    match language.get("model_type").and_then(Value::as_str) {
        Some(kind) if kind != inner => {
            return Err(problem("text_config.model_type", format!("is `{kind}`, must be `{inner}`")));
        }
        _ => language.insert("model_type".to_owned(), inner.into()),
    };
    if let Some(tied) = config.remove("tie_word_embeddings") {
        language.entry("tie_word_embeddings").or_insert(tied);
    }
    Ok(language)
}

/// What a tensor would be called if its model stood by itself.
pub(super) fn language_name(stored: &str) -> Cow<'_, str> {
    for (within, alone) in PREFIXES {
        if let Some(name) = stored.strip_prefix(within) {
            return format!("{alone}{name}").into();
        }
    }
    stored.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn language(config: &Value) -> Result<Value, String> {
        let config = config.as_object().unwrap().clone();
        language_config(config, Path::new("config.json")).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn the_language_models_part_of_a_configuration_is_found() {
        let alone = json!({"model_type": "llama", "text_config": {"a": 1}});
        assert_eq!(language(&alone).unwrap(), alone);
        let whole = json!({"model_type": "gemma3", "text_config": {"hidden_size": 8}, "tie_word_embeddings": true});
        let expected = json!({"hidden_size": 8, "model_type": "gemma3_text", "tie_word_embeddings": true});
        assert_eq!(language(&whole).unwrap(), expected);
        let error = language(&json!({"model_type": "gemma3"})).unwrap_err();
        assert!(error.starts_with("`text_config` in `config.json` is missing"), "{error}");
        let error = language(&json!({"model_type": "gemma3", "text_config": {"model_type": "zorb"}})).unwrap_err();
        assert!(error.contains("is `zorb`, must be `gemma3_text`"), "{error}");
    }

    #[test]
    fn names_are_those_of_a_model_by_itself() {
        for (stored, name) in [
            ("language_model.model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight"),
            ("language_model.lm_head.weight", "lm_head.weight"),
            ("model.language_model.embed_tokens.weight", "model.embed_tokens.weight"),
            ("model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight"),
            ("vision_tower.vision_model.post_layernorm.bias", "vision_tower.vision_model.post_layernorm.bias"),
        ] {
            assert_eq!(language_name(stored), name);
        }
    }
}
