//! The vocabulary of a Hugging Face folder as a GGUF file, as llama.cpp's `convert_hf_to_gguf.py --vocab-only` writes it.
//!
//! `scripts/real/tokens.py` does the same in Python; what they write was compared with the converter's own files.

use std::collections::HashMap;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use serde_json::Value as Json;

/// Rows that nothing uses, a piece of text, a control symbol and others, as the converter numbers them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// A vocabulary to convert.
pub(crate) struct Conversion<'a> {
    /// `general.architecture` and `general.name`.
    pub(crate) model: (&'a str, &'a str),
    /// `tokenizer.ggml.pre` of a byte-level vocabulary; none for `SentencePiece`.
    pub(crate) pre: Option<&'a str>,
    /// Rows of the model.
    pub(crate) rows: usize,
    /// The ids of begin-of-text, end-of-text and unknown text.
    pub(crate) special: [Option<u32>; 3],
    /// `tokenizer.ggml.add_bos_token`, where it is written.
    pub(crate) add_bos: Option<bool>,
}

/// Writes the vocabulary of `folder` to `out`.
pub(crate) fn write(folder: &Path, conversion: &Conversion<'_>, out: &Path) {
    let json: Json = serde_json::from_slice(&std::fs::read(folder.join("tokenizer.json")).unwrap()).unwrap();
    let pieces: HashMap<String, usize> = serde_json::from_value(json["model"]["vocab"].clone()).unwrap();
    let mut tokens: Vec<String> = (0..conversion.rows).map(|id| format!("[PAD{id}]")).collect();
    let mut kinds = vec![UNUSED; tokens.len()];
    let mut scores = vec![-10_000.0; tokens.len()];
    let trained = std::fs::read(folder.join("tokenizer.model")).ok().map(|model| trained_scores(&model));
    for (piece, &id) in &pieces {
        let is_byte = conversion.pre.is_none() && piece.len() == 6 && piece.starts_with("<0x");
        kinds[id] = if is_byte { BYTE } else { NORMAL };
        scores[id] = match &trained {
            _ if is_byte => 0.0,
            Some(trained) => trained[piece],
            // Llama's own: the place among the merges, and nothing at all for runs of spaces.
            None if piece.chars().count() > 1 && piece.chars().all(|c| c == '▁') => -1e9,
            None => 259.0 - id as f32,
        };
        tokens[id].clone_from(piece);
    }
    for token in json["added_tokens"].as_array().unwrap() {
        let (id, content) = (token["id"].as_u64().unwrap() as usize, token["content"].as_str().unwrap());
        let control = token["special"] == true || (content.starts_with("<|") && content.ends_with("|>"));
        kinds[id] = if control { CONTROL } else { USER_DEFINED };
        tokens[id] = if control { content.to_owned() } else { content.replace('▁', " ") };
        scores[id] = -1000.0;
    }
    let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    let text = |text: &str| Value::String(text.to_owned());
    let mut metadata = vec![
        ("general.architecture", text(conversion.model.0)),
        ("general.name", text(conversion.model.1)),
        ("tokenizer.ggml.model", text(if conversion.pre.is_some() { "gpt2" } else { "llama" })),
        ("tokenizer.ggml.pre", text(conversion.pre.unwrap_or("default"))),
        ("tokenizer.ggml.tokens", texts(tokens)),
        ("tokenizer.ggml.token_type", Value::Array(kinds.into_iter().map(Value::I32).collect())),
        ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
    ];
    metadata.extend(conversion.add_bos.map(|add| ("tokenizer.ggml.add_bos_token", Value::Bool(add))));
    let keys = ["tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id"];
    metadata.extend(keys.into_iter().zip(conversion.special).filter_map(|(key, id)| Some((key, Value::U32(id?)))));
    if conversion.pre.is_some() {
        let merges = json["model"]["merges"].as_array().unwrap().iter().map(|merge| match merge.as_str() {
            Some(text) => text.to_owned(),
            None => format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()),
        });
        metadata.push(("tokenizer.ggml.merges", texts(merges.collect())));
    } else {
        metadata.push(("tokenizer.ggml.scores", Value::Array(scores.into_iter().map(Value::F32).collect())));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    gguf_file::write(&mut std::fs::File::create(out).unwrap(), &metadata, &[]).unwrap();
}

/// The scores in a `tokenizer.model`: of its messages `pieces` (field 1) the fields `piece` (1) and `score` (2).
fn trained_scores(mut model: &[u8]) -> HashMap<String, f32> {
    let mut scores = HashMap::new();
    while let Some((field, value)) = next_field(&mut model) {
        let Field::Bytes(mut piece) = value else { continue };
        if field != 1 {
            continue;
        }
        let (mut text, mut score) = (String::new(), 0.0);
        while let Some((field, value)) = next_field(&mut piece) {
            match (field, value) {
                (1, Field::Bytes(bytes)) => text = String::from_utf8(bytes.to_vec()).unwrap(),
                (2, Field::Four(bytes)) => score = f32::from_le_bytes(bytes),
                _ => {}
            }
        }
        scores.insert(text, score);
    }
    scores
}

enum Field<'a> {
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Number,
}

/// The next field of a protocol buffer.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    if rest.is_empty() {
        return None;
    }
    let tag = varint(rest);
    let mut take = |length: usize| {
        let (value, after) = rest.split_at(length);
        *rest = after;
        value
    };
    let value = match tag & 7 {
        5 => Field::Four(take(4).try_into().unwrap()),
        1 => Field::Bytes(take(8)),
        2 => {
            let length = varint(rest) as usize;
            let (value, after) = rest.split_at(length);
            *rest = after;
            Field::Bytes(value)
        }
        _ => {
            varint(rest);
            Field::Number
        }
    };
    Some((tag >> 3, value))
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = rest[0];
        *rest = &rest[1..];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}
