//! Special tokens by their names (`bos_token`, `image_token`), from the files that stand beside a tokenizer.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::error::CheckpointError;
use super::gguf::Gguf;
use super::json::read_json;
use super::source::ModelSource;

/// Special tokens, as transformers finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpecialTokens {
    /// Tokens with a name: `bos_token` and its like, and those of one model (`image_token`).
    pub(crate) named: BTreeMap<String, String>,
    /// All tokens that the files declare, named or not.
    pub(crate) declared: Vec<DeclaredToken>,
}

/// A token that stands for itself wherever it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the format")]
pub(crate) struct DeclaredToken {
    /// What is written.
    pub(crate) content: String,
    /// Its id, where the file says one.
    pub(crate) id: Option<u32>,
    /// Whether it stands for no text.
    pub(crate) special: bool,
    /// Whether white space before it belongs to it.
    pub(crate) lstrip: bool,
    /// Whether white space behind it belongs to it.
    pub(crate) rstrip: bool,
    /// Whether it is no part of a longer word.
    pub(crate) single_word: bool,
    /// Whether it is looked for in the normalised text.
    pub(crate) normalized: bool,
}

/// The names that every tokenizer of transformers knows.
const STANDARD: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What tokenizer classes of transformers take for a name that the files leave out.
const OF_CLASS: [(&str, &[(&str, &str)]); 6] = [
    ("LlamaTokenizer", &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]),
    ("GPT2Tokenizer", &[("bos_token", END), ("eos_token", END), ("unk_token", END)]),
    ("GPTNeoXTokenizer", &[("bos_token", END), ("eos_token", END), ("unk_token", END)]),
    ("Qwen2Tokenizer", &[("eos_token", END), ("unk_token", END), ("pad_token", END)]),
    (
        "GemmaTokenizer",
        &[("bos_token", "<bos>"), ("eos_token", "<eos>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
    ),
    ("CohereTokenizer", &[("bos_token", "<BOS_TOKEN>"), ("eos_token", "<|END_OF_TURN_TOKEN|>")]),
];
const END: &str = "<|endoftext|>";

impl SpecialTokens {
    /// What `tokenizer_config.json` says; where that lists no `added_tokens_decoder` (files older than 2023 do not),
    /// what `special_tokens_map.json` says goes before it.
    ///
    /// # Errors
    /// When a file cannot be read, or a token in it is none.
    pub(crate) fn load(source: &ModelSource) -> Result<Self, CheckpointError> {
        if let ModelSource::Gguf(path) = source {
            return Ok(Self::of_gguf(&Gguf::open(path)?));
        }
        let mut found = Self::default();
        let config = match source.find("tokenizer_config.json")? {
            Some(path) => Some((object(&path)?, path)),
            None => None,
        };
        let mut has_decoder = false;
        if let Some((config, path)) = &config {
            has_decoder = found.added(config, path)?;
            found.names(config, path)?;
        }
        if !has_decoder && let Some(path) = source.find("special_tokens_map.json")? {
            found.names(&object(&path)?, &path)?;
        }
        if let Some((config, _)) = &config {
            found.class_defaults(config);
        }
        Ok(found)
    }

    /// What a GGUF file's metadata say, under the format's own names (one of them misspelt).
    pub(crate) fn of_gguf(gguf: &Gguf) -> Self {
        const KEYS: [(&str, &str); 9] = [
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("eot_token", "eot"),
            ("eom_token", "eom"),
            ("unk_token", "unknown"),
            ("pad_token", "padding"),
            ("sep_token", "seperator"),
            ("cls_token", "cls"),
            ("mask_token", "mask"),
        ];
        let tokens = gguf.texts("tokenizer.ggml.tokens").unwrap_or_default();
        let named = KEYS.iter().filter_map(|(name, key)| {
            let id = gguf.count(&format!("tokenizer.ggml.{key}_token_id"))?;
            Some(((*name).to_owned(), (*tokens.get(usize::try_from(id).ok()?)?).to_owned()))
        });
        Self { named: named.collect(), declared: Vec::new() }
    }

    /// Names under which a model calls what ends a text or a turn.
    pub(crate) fn ends(&self) -> impl Iterator<Item = &str> {
        const ENDS: [&str; 5] = ["eos_token", "eot_token", "eom_token", "end_of_turn_token", "eod_token"];
        ENDS.iter().filter_map(|name| self.named.get(*name).map(String::as_str))
    }

    /// Reads `added_tokens_decoder`; whether there is one.
    fn added(&mut self, config: &Map<String, Json>, path: &Path) -> Result<bool, CheckpointError> {
        const FIELD: &str = "added_tokens_decoder";
        let Some(decoder) = config.get(FIELD).filter(|decoder| !decoder.is_null()) else { return Ok(false) };
        let Json::Object(decoder) = decoder else { return Err(problem(path, FIELD, "is no object", decoder)) };
        for (id, token) in decoder {
            let field = || format!("{FIELD}.{id}");
            let number = id.parse().map_err(|_| problem(path, &field(), "is no token id", token))?;
            let Json::Object(_) = token else { return Err(problem(path, &field(), "is no token", token)) };
            let token = declared(token).ok_or_else(|| problem(path, &field(), "is no token", token))?;
            self.declared.push(DeclaredToken { id: Some(number), ..token });
        }
        Ok(true)
    }

    /// Reads the fields that name tokens.
    fn names(&mut self, fields: &Map<String, Json>, path: &Path) -> Result<(), CheckpointError> {
        for (name, value) in fields {
            match name.as_str() {
                "extra_special_tokens" | "additional_special_tokens" | "model_specific_special_tokens" => {
                    self.several(name, value, path)?;
                }
                _ if STANDARD.contains(&name.as_str()) => {
                    if value.is_null() {
                        // Said to be none, whatever another file or the class would say.
                        self.named.insert(name.clone(), String::new());
                        continue;
                    }
                    let token = declared(value).ok_or_else(|| problem(path, name, "is no token", value))?;
                    self.name(name, token);
                }
                // One model's own, where it is a token; other fields may end so too.
                _ if name.ends_with("_token") => {
                    if let Some(token) = declared(value) {
                        self.name(name, token);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tokens in a list, or by names of the model's own.
    fn several(&mut self, field: &str, value: &Json, path: &Path) -> Result<(), CheckpointError> {
        match value {
            Json::Null => Ok(()),
            Json::Array(tokens) => tokens.iter().zip(0..).try_for_each(|(value, index): (_, usize)| {
                let token =
                    declared(value).ok_or_else(|| problem(path, &format!("{field}[{index}]"), "is no token", value))?;
                self.declared.push(DeclaredToken { special: true, ..token });
                Ok(())
            }),
            Json::Object(tokens) => tokens.iter().try_for_each(|(name, value)| {
                let token =
                    declared(value).ok_or_else(|| problem(path, &format!("{field}.{name}"), "is no token", value))?;
                self.name(name, token);
                Ok(())
            }),
            _ => Err(problem(path, field, "is neither a list nor an object of tokens", value)),
        }
    }

    fn name(&mut self, name: &str, token: DeclaredToken) {
        self.named.insert(name.to_owned(), token.content.clone());
        self.declared.push(DeclaredToken { special: true, ..token });
    }

    /// Fills in what the class takes, and drops names that stand for nothing.
    fn class_defaults(&mut self, config: &Map<String, Json>) {
        let class = config.get("tokenizer_class").and_then(Json::as_str).unwrap_or_default();
        let class = class.strip_suffix("Fast").unwrap_or(class);
        let defaults = OF_CLASS.iter().find(|(known, _)| *known == class).map_or(&[][..], |(_, defaults)| defaults);
        for (name, token) in defaults {
            self.named.entry((*name).to_owned()).or_insert_with(|| (*token).to_owned());
        }
        self.named.retain(|_, token| !token.is_empty());
    }
}

/// A token as a string, or as an object with a `content` and flags.
fn declared(value: &Json) -> Option<DeclaredToken> {
    match value {
        Json::String(content) => Some(DeclaredToken { content: content.clone(), ..DeclaredToken::default() }),
        Json::Object(fields) => {
            let flag = |name: &str| fields.get(name).and_then(Json::as_bool).unwrap_or(false);
            Some(DeclaredToken {
                content: fields.get("content")?.as_str()?.to_owned(),
                id: None,
                special: flag("special"),
                lstrip: flag("lstrip"),
                rstrip: flag("rstrip"),
                single_word: flag("single_word"),
                normalized: flag("normalized"),
            })
        }
        _ => None,
    }
}

fn object(path: &Path) -> Result<Map<String, Json>, CheckpointError> {
    match read_json(path)? {
        Json::Object(fields) => Ok(fields),
        other => Err(problem(path, "the file", "is no object", &other)),
    }
}

/// The error for a field of one of these files.
pub(crate) fn problem(path: &Path, field: &str, problem: &str, value: &Json) -> CheckpointError {
    const SHOWN: usize = 60;
    let mut shown: String = value.to_string();
    if shown.chars().count() > SHOWN {
        shown = shown.chars().take(SHOWN).chain("...".chars()).collect();
    }
    CheckpointError::Field {
        field: field.to_owned(),
        path: path.display().to_string(),
        problem: format!("{problem}: {shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<SpecialTokens, CheckpointError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        SpecialTokens::load(&ModelSource::Folder(folder.path().to_owned()))
    }

    fn names(tokens: &SpecialTokens) -> Vec<(&str, &str)> {
        tokens.named.iter().map(|(name, token)| (name.as_str(), token.as_str())).collect()
    }

    #[test]
    fn the_map_goes_before_a_configuration_that_lists_no_added_tokens() {
        let map = r#"{"bos_token": {"content": "<b>", "lstrip": false}, "eos_token": "<e>"}"#;
        let config = r#"{"bos_token": "<x>", "pad_token": "<p>"}"#;
        let found = load(&[("special_tokens_map.json", map), ("tokenizer_config.json", config)]).unwrap();
        assert_eq!(names(&found), [("bos_token", "<b>"), ("eos_token", "<e>"), ("pad_token", "<p>")]);
        assert_eq!(
            names(&load(&[("special_tokens_map.json", map)]).unwrap()),
            [("bos_token", "<b>"), ("eos_token", "<e>")]
        );
        let config = r#"{"bos_token": "<x>", "added_tokens_decoder": {"7": {"content": "<x>", "special": true}}}"#;
        let found = load(&[("special_tokens_map.json", map), ("tokenizer_config.json", config)]).unwrap();
        assert_eq!(names(&found), [("bos_token", "<x>")]);
        assert_eq!(found.declared[0].id, Some(7));
    }

    #[test]
    fn a_model_may_name_tokens_of_its_own() {
        let config = r#"{"extra_special_tokens": {"image_token": "<i>"}, "eot_token": "<t>", "add_bos_token": true,
                         "bos_token": null, "tokenizer_class": "LlamaTokenizerFast"}"#;
        let found = load(&[("tokenizer_config.json", config)]).unwrap();
        let expected = [("eos_token", "</s>"), ("eot_token", "<t>"), ("image_token", "<i>"), ("unk_token", "<unk>")];
        assert_eq!(names(&found), expected);
        assert_eq!(found.ends().collect::<Vec<_>>(), ["</s>", "<t>"]);
        let listed = r#"{"extra_special_tokens": ["<a>", {"content": "<b>"}], "additional_special_tokens": ["<c>"]}"#;
        let found = load(&[("tokenizer_config.json", listed)]).unwrap();
        let declared: Vec<&str> = found.declared.iter().map(|token| token.content.as_str()).collect();
        assert_eq!(declared, ["<a>", "<b>", "<c>"]);
    }

    #[test]
    fn what_is_no_token_is_named_with_its_file_and_field() {
        for (config, expected) in [
            (r#"{"bos_token": 7}"#, "`bos_token`"),
            (r#"{"extra_special_tokens": "<a>"}"#, "`extra_special_tokens`"),
            (r#"{"extra_special_tokens": {"image_token": 1}}"#, "`extra_special_tokens.image_token`"),
            (r#"{"additional_special_tokens": ["<a>", 2]}"#, "`additional_special_tokens[1]`"),
            (r#"{"added_tokens_decoder": []}"#, "`added_tokens_decoder`"),
            (r#"{"added_tokens_decoder": {"x": {"content": "<a>"}}}"#, "`added_tokens_decoder.x`"),
            ("[]", "the file"),
        ] {
            let error = load(&[("tokenizer_config.json", config)]).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("tokenizer_config.json"), "{error}");
        }
    }
}
