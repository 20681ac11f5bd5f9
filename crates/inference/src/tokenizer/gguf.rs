//! The tokenizer of a GGUF file, as the `tokenizer.json` that it was made from.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::checkpoint::files::CheckpointError;
use crate::checkpoint::gguf::Gguf;

/// Kinds of token (`tokenizer.ggml.token_type`).
const CONTROL: f64 = 3.0;
const USER_DEFINED: f64 = 4.0;
const UNUSED: f64 = 5.0;

/// How text is cut before BPE, by `tokenizer.ggml.pre`.
const SPLITS: [(&str, &str); 4] = [
    (
        "llama-bpe",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (
        "qwen2",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    ("smollm", r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    ("default", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
];

/// Other values of `tokenizer.ggml.pre` that cut text in one of these ways, as llama.cpp has it.
const ALIASES: [(&str, &str); 7] = [
    ("gpt-2", "default"),
    ("olmo", "default"),
    ("starcoder", "smollm"),
    ("refact", "smollm"),
    ("command-r", "smollm"),
    ("dbrx", "llama-bpe"),
    ("stablelm2", "qwen2"),
];

/// The `tokenizer.json` that a file's metadata describe.
///
/// # Errors
/// When tokens or merges are missing, or the kind of tokenizer or its way of cutting text is not known.
pub(super) fn tokenizer_json(gguf: &Gguf) -> Result<Value, CheckpointError> {
    let field = "tokenizer.ggml.tokens";
    let tokens = gguf.texts(field).ok_or_else(|| gguf.problem(field, "is missing"))?;
    let kinds = gguf.numbers("tokenizer.ggml.token_type").unwrap_or_default();
    let kind = |id: usize| kinds.get(id).copied().unwrap_or(1.0);
    let vocabulary: serde_json::Map<String, Value> = tokens
        .iter()
        .enumerate()
        .filter(|(id, _)| ![CONTROL, USER_DEFINED, UNUSED].contains(&kind(*id)))
        .map(|(id, token)| ((*token).to_owned(), json!(id)))
        .collect();
    let added: Vec<Value> = tokens
        .iter()
        .enumerate()
        .filter(|(id, _)| [CONTROL, USER_DEFINED].contains(&kind(*id)))
        .map(|(id, token)| {
            json!({"id": id, "content": token, "special": kind(id) == CONTROL, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false})
        })
        .collect();
    let begin =
        gguf.count("tokenizer.ggml.bos_token_id").and_then(|id| tokens.get(id as usize).map(|token| (id, *token)));
    let model = gguf.text("tokenizer.ggml.model").unwrap_or_default();
    let mut tokenizer = match model {
        "gpt2" => byte_level(gguf, &vocabulary)?,
        "llama" => sentence_piece(gguf, &tokens, vocabulary)?,
        other => {
            return Err(gguf.problem("tokenizer.ggml.model", format!("is `{other}`; known are `gpt2` and `llama`")));
        }
    };
    tokenizer["added_tokens"] = added.into();
    // Llama's converter leaves the flag out, and means yes.
    let adds = gguf.flag("tokenizer.ggml.add_bos_token").unwrap_or(model == "llama");
    if let Some((id, token)) = begin.filter(|_| adds) {
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}},
        });
    }
    Ok(tokenizer)
}

fn byte_level(gguf: &Gguf, vocabulary: &serde_json::Map<String, Value>) -> Result<Value, CheckpointError> {
    let field = "tokenizer.ggml.merges";
    let merges = gguf.texts(field).ok_or_else(|| gguf.problem(field, "is missing"))?;
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("default");
    let name = ALIASES.iter().find(|(alias, _)| *alias == pre).map_or(pre, |(_, name)| name);
    let Some((_, split)) = SPLITS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = SPLITS.iter().chain(&ALIASES).map(|(known, _)| *known).collect();
        return Err(gguf.problem("tokenizer.ggml.pre", format!("is `{pre}`; known are {}", known.join(", "))));
    };
    Ok(json!({
        "version": "1.0",
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges, "ignore_merges": pre == "llama-bpe",
                  "byte_fallback": false, "fuse_unk": false},
        // Of the tokenizers known here, Qwen's and Cohere's compose characters first.
        "normalizer": if ["qwen2", "command-r"].contains(&pre) { json!({"type": "NFC"}) } else { Value::Null },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    }))
}

fn sentence_piece(
    gguf: &Gguf,
    tokens: &[&str],
    vocabulary: serde_json::Map<String, Value>,
) -> Result<Value, CheckpointError> {
    let field = "tokenizer.ggml.scores";
    let scores = gguf.numbers(field).ok_or_else(|| gguf.problem(field, "is missing"))?;
    if scores.len() != tokens.len() {
        return Err(gguf.problem(field, format!("has {} values for {} tokens", scores.len(), tokens.len())));
    }
    let ids: HashMap<&str, usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| vocabulary.contains_key(**token))
        .map(|(id, t)| (*t, id))
        .collect();
    let unknown = gguf.count("tokenizer.ggml.unknown_token_id").and_then(|id| tokens.get(id as usize).copied());
    let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
    if gguf.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true) {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
    }
    let mut vocabulary = vocabulary;
    if let Some(unknown) = unknown {
        let id = tokens.iter().position(|token| *token == unknown);
        vocabulary.entry(unknown).or_insert(json!(id));
    }
    Ok(json!({
        "version": "1.0",
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges(&ids, &scores), "unk_token": unknown,
                  "byte_fallback": true, "fuse_unk": true},
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
    }))
}

/// SentencePiece merges whichever two neighbours make the piece with the best score; as BPE merges: every way to put a
/// piece together from two others, best pieces first.
fn merges(ids: &HashMap<&str, usize>, scores: &[f64]) -> Vec<[String; 2]> {
    let mut merges: Vec<(usize, usize, usize, [String; 2])> = Vec::new();
    for (piece, &id) in ids {
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) {
                merges.push((id, l, r, [left.to_owned(), right.to_owned()]));
            }
        }
    }
    merges.sort_by(|a, b| scores[b.0].total_cmp(&scores[a.0]).then((a.0, a.1, a.2).cmp(&(b.0, b.1, b.2))));
    merges.into_iter().map(|merge| merge.3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_of_a_way_to_cut_text_that_is_known() {
        for (alias, name) in ALIASES {
            assert!(SPLITS.iter().any(|(known, _)| *known == name), "{alias}");
            assert!(SPLITS.iter().all(|(known, _)| *known != alias), "{alias}");
        }
    }

    #[test]
    fn merges_come_in_the_order_of_the_pieces_scores() {
        let tokens = ["a", "b", "c", "ab", "bc", "abc"];
        let ids = tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect();
        let merges = merges(&ids, &[0.0, 0.0, 0.0, -2.0, -1.0, -3.0]);
        let shown: Vec<String> = merges.iter().map(|[l, r]| format!("{l}+{r}")).collect();
        assert_eq!(shown, ["b+c", "a+b", "a+bc", "ab+c"]);
    }
}
