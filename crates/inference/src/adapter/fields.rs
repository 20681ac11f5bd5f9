//! `config.json` for candle-transformers: fields are checked before its code, which divides by some, sees them.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::checkpoint::config_file::ConfigFile;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::json::typed;
use crate::checkpoint::quantised::refuse_configured;

/// Longest sequence that rotary tables are made for.
const LONGEST: usize = 1 << 17;
/// Widest head: with [`LONGEST`] it bounds the memory of rotary tables.
const WIDEST_HEAD: usize = 1024;

/// The fields of a configuration, in the style of transformers 4.
#[derive(Debug)]
pub(crate) struct CandleFields {
    json: Map<String, Value>,
    path: String,
}

/// The sizes that most models have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) vocabulary: usize,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    /// `head_dim`, or the hidden size over the heads.
    pub(super) head_dim: usize,
    pub(super) context: usize,
}

impl Sizes {
    /// Bytes of keys and values of one token in `layers` layers of attention, in f32.
    pub(super) fn cache_bytes(self, layers: usize) -> usize {
        2 * layers * self.kv_heads * self.head_dim * size_of::<f32>()
    }
}

impl CandleFields {
    /// The fields of a `config.json`.
    ///
    /// # Errors
    /// When its weights are quantised, or its rotary embeddings are none that candle has.
    pub(crate) fn of(config: ConfigFile) -> Result<Self, CheckpointError> {
        let (mut json, path) = config.into_parts();
        json.values_mut().for_each(plain);
        refuse_configured(&json, &path)?;
        check_ropes(&json, &path)?;
        Ok(Self { json: in_old_style(json), path: path.display().to_string() })
    }

    /// The error for a field.
    pub(super) fn problem(&self, field: &'static str, problem: impl Into<String>) -> CheckpointError {
        CheckpointError::Config { field, path: self.path.clone(), problem: problem.into() }
    }

    /// `model_type`, empty where it is missing.
    pub(crate) fn model_type(&self) -> &str {
        self.get("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// A field's value; null is as good as missing.
    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.json.get(field).filter(|value| !value.is_null())
    }

    /// Sets a field that candle's configuration wants.
    pub(super) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.json.insert(field.to_owned(), value.into());
    }

    /// Takes a field away.
    pub(super) fn remove(&mut self, field: &str) {
        self.json.remove(field);
    }

    /// A whole number within bounds.
    pub(super) fn count(&self, field: &'static str, within: RangeInclusive<usize>) -> Result<usize, CheckpointError> {
        let value = self.get(field).ok_or_else(|| self.problem(field, "is missing"))?;
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=9e15).contains(number);
        let count = value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as u64));
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.filter(|count| within.contains(count)).ok_or_else(|| {
            self.problem(field, format!("is {value}, must be within {}..={}", within.start(), within.end()))
        })
    }

    /// As [`count`](Self::count), with a default.
    pub(super) fn count_or(
        &self,
        field: &'static str,
        default: usize,
        within: RangeInclusive<usize>,
    ) -> Result<usize, CheckpointError> {
        if self.get(field).is_some() { self.count(field, within) } else { Ok(default) }
    }

    /// A positive number, with a default.
    pub(super) fn number_or(&self, field: &'static str, default: f64) -> Result<f64, CheckpointError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value
            .as_f64()
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| self.problem(field, format!("is {value}, must be a positive number")))
    }

    /// True or false, with a default.
    pub(super) fn flag_or(&self, field: &'static str, default: bool) -> Result<bool, CheckpointError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.problem(field, format!("is {value}, must be true or false")))
    }

    /// Refuses any value but `known`, the one that candle's code has built in. The field may be missing.
    pub(super) fn only(&self, field: &'static str, known: impl Into<Value>) -> Result<(), CheckpointError> {
        self.one_of(field, &[known.into()])
    }

    /// As [`only`](Self::only), with several that mean the same.
    pub(super) fn one_of(&self, field: &'static str, known: &[Value]) -> Result<(), CheckpointError> {
        let Some(value) = self.get(field) else { return Ok(()) };
        let same = |known: &Value| {
            let mut known = known.clone();
            plain(&mut known);
            known == *value
        };
        if known.iter().any(same) {
            return Ok(());
        }
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        Err(self.problem(field, format!("is {value}; candle-transformers runs {} alone", known.join(", "))))
    }

    /// Refuses a field that candle's code ignores.
    pub(super) fn absent(&self, field: &'static str) -> Result<(), CheckpointError> {
        match self.get(field) {
            None => Ok(()),
            Some(value) => Err(self.problem(field, format!("is {value}; candle-transformers runs null alone"))),
        }
    }

    /// The sizes under their usual names.
    pub(super) fn sizes(&self) -> Result<Sizes, CheckpointError> {
        let heads = self.count("num_attention_heads", 1..=1 << 12)?;
        let hidden = self.count("hidden_size", 1..=1 << 17)?;
        if self.get("head_dim").is_none() && !hidden.is_multiple_of(heads) {
            return Err(self.problem("hidden_size", format!("is {hidden}, must be a multiple of the {heads} heads")));
        }
        let kv_heads = self.count_or("num_key_value_heads", heads, 1..=heads)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(self.problem("num_key_value_heads", format!("is {kv_heads}, must divide the {heads} heads")));
        }
        let head_dim = self.count_or("head_dim", hidden / heads, 2..=WIDEST_HEAD)?;
        if !head_dim.is_multiple_of(2) || !(2..=WIDEST_HEAD).contains(&head_dim) {
            return Err(self.problem("head_dim", format!("is {head_dim}, must be even and within 2..={WIDEST_HEAD}")));
        }
        Ok(Sizes {
            vocabulary: self.count("vocab_size", 1..=1 << 24)?,
            hidden,
            layers: self.count("num_hidden_layers", 1..=1024)?,
            heads,
            kv_heads,
            head_dim,
            context: self.count_or("max_position_embeddings", 2048, 1..=usize::MAX)?.min(LONGEST),
        })
    }

    /// Refuses a width of a head that is not the hidden size over the heads, for models that assume it.
    pub(super) fn usual_heads(&self, sizes: Sizes) -> Result<(), CheckpointError> {
        if sizes.head_dim * sizes.heads == sizes.hidden {
            return Ok(());
        }
        let Sizes { head_dim, heads, hidden, .. } = sizes;
        Err(self.problem("head_dim", format!("is {head_dim}, must be the hidden size {hidden} over {heads} heads")))
    }

    /// The configuration as candle declares it.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        typed(Value::Object(self.json.clone()), Path::new(&self.path))
    }
}

/// Python's numbers that JSON does not have, which were read as texts, become null, and whole numbers that are written as
/// floats what they are: candle's code counts with them.
fn plain(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= 9e15);
            if let Some(whole) = whole {
                *value = (whole as i64).into();
            }
        }
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(fields) => fields.values_mut().for_each(plain),
        _ => {}
    }
}

/// What `rope_parameters` takes from beside it.
const BESIDE: [&str; 2] = ["rope_theta", "partial_rotary_factor"];

/// Refuses a file that says it twice, and not the same.
fn check_ropes(json: &Map<String, Value>, path: &Path) -> Result<(), CheckpointError> {
    let Some(Value::Object(rope)) = json.get("rope_parameters") else { return Ok(()) };
    for field in BESIDE {
        let given = |fields: &Map<String, Value>| fields.get(field).filter(|value| !value.is_null()).cloned();
        if let (Some(beside), Some(within)) = (given(json), given(rope))
            && beside != within
        {
            return Err(CheckpointError::Config {
                field,
                path: path.display().to_string(),
                problem: format!("is {beside}, but {within} in `rope_parameters`"),
            });
        }
    }
    Ok(())
}

/// `rope_parameters` of transformers 5 as transformers 4 said them.
fn in_old_style(mut json: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(mut rope)) = json.remove("rope_parameters") {
        for name in BESIDE {
            if let Some(value) = rope.remove(name) {
                json.insert(name.to_owned(), value);
            }
        }
        if rope.get("rope_type").is_some_and(|kind| kind != "default") {
            json.insert("rope_scaling".to_owned(), Value::Object(rope));
        }
    }
    if let Some(Value::Object(rope)) = json.get_mut("rope_scaling") {
        let kind = rope.get("rope_type").or_else(|| rope.get("type")).cloned().unwrap_or(json!("default"));
        rope.insert("type".to_owned(), kind.clone());
        if kind == "default" {
            json.remove("rope_scaling");
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &Value) -> CandleFields {
        CandleFields { json: in_old_style(json.as_object().unwrap().clone()), path: "config.json".to_owned() }
    }

    #[test]
    fn fields_are_read_and_wrong_ones_named() {
        #[derive(Debug, serde::Deserialize)]
        struct Sizes {
            d_model: usize,
            rope_theta: f64,
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            CandleFields::of(ConfigFile::read(&path).unwrap())?.parse::<Sizes>()
        };
        let sizes = read(r#"{"d_model": 64.0, "rope_theta": 5, "rope_parameters": {"rope_theta": 5.0}}"#).unwrap();
        assert_eq!((sizes.d_model, sizes.rope_theta), (64, 5.0));
        for (text, said) in [
            (r#"{"d_model": "64", "rope_theta": 5}"#, "`d_model` in `"),
            (
                r#"{"d_model": 64, "rope_theta": 5, "rope_parameters": {"rope_theta": 6}}"#,
                "is 5, but 6 in `rope_parameters`",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(!matches!(error, CheckpointError::Unreadable { .. }), "{error}");
        }
    }

    #[test]
    fn pythons_infinities_are_null() {
        let mut value = json!({"limit": [0.0, "Infinity"], "low": "-Infinity", "name": "Infinity!", "x": "NaN"});
        plain(&mut value);
        assert_eq!(value, json!({"limit": [0, null], "low": null, "name": "Infinity!", "x": null}));
    }

    #[test]
    fn new_rope_parameters_become_old_ones() {
        let new = fields(&json!({"rope_parameters": {"rope_type": "yarn", "rope_theta": 5.0, "factor": 2.0}}));
        assert_eq!(new.get("rope_theta"), Some(&json!(5.0)));
        assert_eq!(new.get("rope_scaling"), Some(&json!({"rope_type": "yarn", "type": "yarn", "factor": 2.0})));
        assert!(fields(&json!({"rope_parameters": {"rope_type": "default"}})).absent("rope_scaling").is_ok());
    }

    #[test]
    fn a_value_that_candle_ignores_is_refused_with_what_would_run() {
        let config = fields(&json!({"alibi": true, "rope_theta": 10000}));
        let error = config.only("alibi", false).unwrap_err().to_string();
        assert!(error.contains("`alibi`") && error.contains("is true") && error.contains("runs false"), "{error}");
        assert!(config.only("rope_theta", 10_000.0).is_ok() && config.only("missing", 1).is_ok());
    }

    #[test]
    fn sizes_that_candle_would_divide_by_are_checked() {
        let good = json!({"vocab_size": 9, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4});
        assert_eq!(fields(&good).sizes().unwrap().head_dim, 8);
        for (field, value) in [
            ("num_attention_heads", json!(0)),
            ("num_attention_heads", json!(3)),
            ("num_key_value_heads", json!(3)),
            ("num_hidden_layers", json!(0)),
            ("hidden_size", json!(4)),
            ("vocab_size", json!(-1)),
            ("max_position_embeddings", json!(0)),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(fields(&bad).sizes().is_err(), "{bad}");
        }
    }
}
