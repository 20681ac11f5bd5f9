//! Requests' bodies, read so that an error names the field.

use gac_inference::TokenId;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A request's body: a JSON object.
///
/// # Errors
/// When it is none.
pub(crate) fn object(body: &[u8]) -> Result<Value, ApiError> {
    match serde_json::from_slice(body) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(ApiError::invalid("the request's body is JSON, but no object")),
        Err(error) => Err(ApiError::invalid(format!("the request's body is not JSON: {error}"))),
    }
}

/// The fields of `body` that `T` knows. Others are ignored.
///
/// # Errors
/// With the field that is not as it should be.
pub(crate) fn fields<T: DeserializeOwned>(body: &Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = Some(error.path().to_string()).filter(|path| path != ".");
        let message = in_plain_words(&error.into_inner().to_string());
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        match (path, missing) {
            (None, None) => ApiError::invalid(message),
            (Some(path), None) => ApiError::field(path.clone(), format!("`{path}`: {message}")),
            // It is told with the object around it.
            (None, Some(name)) => ApiError::field(name, format!("`{name}` is missing")),
            (Some(path), Some(name)) => {
                ApiError::field(format!("{path}.{name}"), format!("`{path}.{name}` is missing"))
            }
        }
    })
}

/// What is expected, in words of JSON and not of Rust.
fn in_plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 7] = [
        ("usize", "a whole number from 0 up"),
        ("u32", "a whole number from 0 up"),
        ("i64", "a whole number"),
        ("f64", "a number"),
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("a boolean", "true or false"),
    ];
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let words = WORDS.iter().find(|(rust, _)| *rust == expected).map(|(_, words)| *words);
    let words = words.unwrap_or(if expected.starts_with("struct ") { "an object" } else { expected });
    format!("{found}, expected {words}")
}

/// What a completion continues: one text or several, as texts or as ids of the first member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PromptInput {
    Text(String),
    Tokens(Vec<TokenId>),
}

/// `prompt`: a text, a list of texts, a list of ids, or a list of lists of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PromptInputs(pub(crate) Vec<PromptInput>);

impl<'de> Deserialize<'de> for PromptInputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const SHAPES: &str = "it has to be a text, a list of texts, a list of token ids, or a list of such lists";
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok()).map(TokenId);
        let ids = |list: &[Value]| list.iter().map(id).collect::<Option<Vec<_>>>();
        let one = |value: Value| match value {
            Value::String(text) => Some(PromptInput::Text(text)),
            Value::Array(list) => ids(&list).map(PromptInput::Tokens),
            _ => None,
        };
        let inputs = match Value::deserialize(deserializer)? {
            Value::String(text) => Some(vec![PromptInput::Text(text)]),
            Value::Array(list) if list.is_empty() => return Err(D::Error::custom("it is an empty list")),
            Value::Array(list) if list[0].is_number() => ids(&list).map(|ids| vec![PromptInput::Tokens(ids)]),
            Value::Array(list) => list.into_iter().map(one).collect(),
            _ => None,
        };
        let inputs: Vec<PromptInput> = inputs.ok_or_else(|| D::Error::custom(SHAPES))?;
        if inputs.iter().any(|input| matches!(input, PromptInput::Tokens(ids) if ids.is_empty())) {
            return Err(D::Error::custom("a list of token ids is empty: there is nothing to begin with"));
        }
        Ok(Self(inputs))
    }
}

/// One text or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "it has to be a text or a list of texts")]
pub(crate) enum OneOrMoreTexts {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMoreTexts {
    /// Those that say anything.
    pub(crate) fn into_vec(self) -> Vec<String> {
        let texts = match self {
            Self::None => Vec::new(),
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }
}

/// A field that is known and cannot be honoured, unless it says what holds anyway.
struct Refused {
    name: &'static str,
    /// Whether a value asks for nothing that is not done.
    holds: fn(&Value) -> bool,
    instead: &'static str,
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag,
        _ => false,
    }
}

fn has_no_bias(value: &Value) -> bool {
    value.as_object().is_some_and(|biases| biases.values().all(is_zero))
}

fn is_zero(value: &Value) -> bool {
    value.as_f64() == Some(0.0)
}

fn is_one(value: &Value) -> bool {
    value.as_f64() == Some(1.0)
}

fn is_text_format(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("text")
}

fn is_only_text(value: &Value) -> bool {
    value.as_array().is_some_and(|kinds| kinds.iter().all(|kind| kind == "text"))
}

const fn refused(name: &'static str, holds: fn(&Value) -> bool, instead: &'static str) -> Refused {
    Refused { name, holds, instead }
}

/// Fields of `OpenAI`'s API, and of vLLM's beside it, that would change what comes out in ways that are not there.
const REFUSED: [Refused; 33] = [
    refused("presence_penalty", is_zero, "there are no penalties: leave it out, or 0"),
    refused("frequency_penalty", is_zero, "there are no penalties: leave it out, or 0"),
    refused("repetition_penalty", is_one, "there are no penalties: leave it out, or 1"),
    refused("length_penalty", is_one, "there is no beam search: leave it out, or 1"),
    refused("use_beam_search", is_empty, "there is no beam search"),
    refused("logit_bias", has_no_bias, "members have different tokens, which one bias could not name"),
    refused("response_format", is_text_format, "only `{\"type\": \"text\"}` is there"),
    refused("tools", is_empty, "calls of tools are not read from what models say"),
    refused("functions", is_empty, "calls of functions are not read from what models say"),
    refused("suffix", is_empty, "nothing is filled in: texts are continued"),
    refused("modalities", is_only_text, "only text is there"),
    refused("audio", |_| false, "only text is there"),
    refused("prediction", |_| false, "predicted outputs are not there"),
    refused("web_search_options", |_| false, "nothing is searched for"),
    refused("min_tokens", is_zero, "texts end where the members say"),
    refused("ignore_eos", is_empty, "texts end where the members say"),
    refused("stop_token_ids", is_empty, "stops are texts: `stop`"),
    refused("bad_words", is_empty, "every token may come"),
    refused("allowed_token_ids", is_empty, "every token may come"),
    refused("include_stop_str_in_output", is_empty, "stops are cut off"),
    refused("skip_special_tokens", |value| value == true, "control symbols stand for no text"),
    refused("truncate_prompt_tokens", |_| false, "prompts are read whole or refused"),
    refused("guided_json", |_| false, "only plain text is there"),
    refused("guided_regex", |_| false, "only plain text is there"),
    refused("guided_choice", |_| false, "only plain text is there"),
    refused("guided_grammar", |_| false, "only plain text is there"),
    refused("structural_tag", |_| false, "only plain text is there"),
    refused("structured_outputs", is_empty, "only plain text is there"),
    refused("logits_processors", is_empty, "there are none"),
    refused("prompt_embeds", |_| false, "prompts are texts or token ids"),
    refused("typical_p", is_one, "`top_p`, `top_k` and `min_p` are there"),
    refused("kv_transfer_params", |_| false, "caches are not moved"),
    refused("thinking_token_budget", |_| false, "reasoning ends where the members say"),
];

/// Refuses what is known and cannot be honoured.
///
/// # Errors
/// With the field.
pub(crate) fn refuse(body: &Value) -> Result<(), ApiError> {
    let nothing = Map::new();
    let fields = body.as_object().unwrap_or(&nothing);
    let uses_no_tools = fields.get("tool_choice").and_then(Value::as_str) == Some("none");
    for Refused { name, holds, instead } in &REFUSED {
        let Some(value) = fields.get(*name).filter(|value| !value.is_null()) else { continue };
        let unused = uses_no_tools && *name == "tools";
        if !holds(value) && !unused {
            return Err(ApiError::field(*name, format!("`{name}` cannot be honoured: {instead}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompts(value: Value) -> Result<Vec<PromptInput>, String> {
        serde_json::from_value::<PromptInputs>(value).map(|inputs| inputs.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_prompt_has_four_shapes() {
        let text = |text: &str| PromptInput::Text(text.to_owned());
        let ids = |ids: &[u32]| PromptInput::Tokens(ids.iter().copied().map(TokenId).collect());
        assert_eq!(prompts(json!("a")), Ok(vec![text("a")]));
        assert_eq!(prompts(json!(["a", "b"])), Ok(vec![text("a"), text("b")]));
        assert_eq!(prompts(json!([1, 2])), Ok(vec![ids(&[1, 2])]));
        assert_eq!(prompts(json!([[1], [2, 3]])), Ok(vec![ids(&[1]), ids(&[2, 3])]));
        for wrong in [json!([]), json!([[]]), json!(1), json!([1, "a"]), json!([-1]), json!([1.5]), json!({})] {
            assert!(prompts(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_in_words_of_json() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its errors are looked at")]
        struct Outer {
            count: Option<usize>,
            of: Option<Inner>,
            needed: u32,
        }
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its errors are looked at")]
        struct Inner {
            needed: f64,
        }
        for (body, param, message) in [
            (json!({}), "needed", "`needed` is missing"),
            (json!({"of": {}}), "of.needed", "`of.needed` is missing"),
            (json!({"of": "x"}), "of", "`of`: invalid type: string \"x\", expected an object"),
            (json!({"of": {"needed": "x"}}), "of.needed", "`of.needed`: invalid type: string \"x\", expected a number"),
            (json!({"count": -1}), "count", "`count`: invalid value: integer `-1`, expected a whole number from 0 up"),
        ] {
            let error = fields::<Outer>(&body).unwrap_err().body();
            assert_eq!((&error["error"]["param"], &error["error"]["message"]), (&json!(param), &json!(message)));
        }
    }

    #[test]
    fn what_asks_for_nothing_is_no_reason_to_refuse() {
        let fine = json!({
            "presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": {"7": 0}, "tools": null, "seed": 1,
            "response_format": {"type": "text"}, "unheard_of": {"of": 1}, "skip_special_tokens": true,
        });
        assert_eq!(refuse(&fine), Ok(()));
        for (name, value) in [
            ("presence_penalty", json!(0.5)),
            ("logit_bias", json!({"5": 1})),
            ("tools", json!([{}])),
            ("response_format", json!({"type": "json_object"})),
            ("guided_regex", json!("a+")),
        ] {
            let error = refuse(&json!({ name: value })).unwrap_err();
            assert_eq!(error.body()["error"]["param"], json!(name));
        }
        assert_eq!(refuse(&json!({"tools": [{}], "tool_choice": "none"})), Ok(()));
    }
}
