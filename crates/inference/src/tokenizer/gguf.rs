//! The tokenizer of a GGUF file, as the `tokenizer.json` that it was made from.

use serde_json::{Map, Value, json};

use super::gguf_tokens::{Added, TokenizerParts, Tokens, problem};
use super::{byte_level, sentence_piece};
use crate::checkpoint::gguf::Gguf;
use crate::vocabulary::TokenizerError;

/// What a file's metadata describe.
pub(super) struct Described {
    /// The `tokenizer.json`.
    pub(super) json: Value,
    /// The id of begin-of-text.
    pub(super) bos: Option<u32>,
}

/// The tokenizer that a file's metadata describe.
///
/// All tokens are in the model's vocabulary, added ones too: the tokenizers crate takes their ids from there, and would
/// number others from the vocabulary's size on.
///
/// # Errors
/// When tokens or merges are missing, or the kind of tokenizer or its way of cutting text is not known.
pub(super) fn describe(gguf: &Gguf) -> Result<Described, TokenizerError> {
    let field = "tokenizer.ggml.model";
    let kind = gguf.text(field).ok_or_else(|| problem(gguf, field, "is missing"))?;
    let read = match kind {
        "gpt2" => byte_level::parts,
        "llama" => sentence_piece::parts,
        other => {
            let what = format!("is `{other}`, a kind of tokenizer that is not read; known are `gpt2` and `llama`");
            return Err(problem(gguf, field, what));
        }
    };
    let tokens = Tokens::read(gguf)?;
    let TokenizerParts { vocabulary, mut json, added, add_bos, defaults } = read(gguf, &tokens)?;
    json["model"]["vocab"] = vocabulary.into();
    json["added_tokens"] = added
        .into_iter()
        .map(|Added { id, text, control, rstrip }| {
            json!({"id": id, "content": text, "special": control, "single_word": false, "lstrip": false,
                   "rstrip": rstrip, "normalized": false})
        })
        .collect();
    let around = |flag: &'static str, key: &'static str, added: bool, default: Option<u32>| {
        if !gguf.flag(flag).unwrap_or(added) {
            return Ok(None);
        }
        let token = tokens.named(gguf, key, default);
        token.map(Some).ok_or_else(|| problem(gguf, flag, format!("is on, but `tokenizer.ggml.{key}` names no token")))
    };
    let begin = around("tokenizer.ggml.add_bos_token", "bos_token_id", add_bos, defaults.map(|(begin, _)| begin))?;
    let end = around("tokenizer.ggml.add_eos_token", "eos_token_id", false, defaults.map(|(_, end)| end))?;
    json["post_processor"] = post_processor(begin, end);
    let bos = tokens.named(gguf, "bos_token_id", defaults.map(|(begin, _)| begin));
    Ok(Described { json, bos: bos.map(|(id, _)| id) })
}

/// Begin-of-text before a text and end-of-text after it.
fn post_processor(begin: Option<(u32, &str)>, end: Option<(u32, &str)>) -> Value {
    let symbol = |(_, text): (u32, &str)| json!({"SpecialToken": {"id": text, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let single: Vec<Value> = begin.map(symbol).into_iter().chain([text]).chain(end.map(symbol)).collect();
    let symbols: Map<String, Value> = begin
        .into_iter()
        .chain(end)
        .map(|(id, text)| (text.to_owned(), json!({"id": text, "ids": [id], "tokens": [text]})))
        .collect();
    if symbols.is_empty() {
        return Value::Null;
    }
    json!({
        "type": "TemplateProcessing", "single": single, "special_tokens": symbols,
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    })
}
