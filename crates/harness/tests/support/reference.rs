//! What the `tokenizers` library says, for a folder and for real files whose original is built here.

use std::collections::HashMap;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use serde_json::json;
use tokenizers::Tokenizer;

/// The library's tokenizer.
pub(crate) struct Reference {
    pub(crate) tokenizer: Tokenizer,
}

impl Reference {
    /// The `tokenizer.json` of a folder.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        Self { tokenizer: Tokenizer::from_file(folder.join("tokenizer.json")).unwrap() }
    }

    /// `SmolLM2`'s tokenizer on a file's vocabulary: digits one by one, then GPT-2's way.
    pub(crate) fn smollm2(path: &Path) -> Self {
        let file = File::read(path);
        let vocabulary: HashMap<&str, usize> = file.tokens.iter().map(String::as_str).zip(0..).collect();
        let merges: Vec<Vec<&str>> = file.merges.iter().map(|merge| merge.split(' ').collect()).collect();
        Self::of_json(&json!({
            "version": "1.0",
            "added_tokens": file.added(|_| false),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": true},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            ]},
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
        }))
    }

    /// Gemma's tokenizer on a file's vocabulary, as transformers converts it: tokens are merged in the order of their
    /// ids, each from its longest first part on.
    pub(crate) fn gemma(path: &Path) -> Self {
        let file = File::read(path);
        let is_run = |text: &str| text.len() > 1 && text.trim_matches(' ').is_empty();
        let respelled = |text: &String| if is_run(text) { text.replace(' ', "▁") } else { text.clone() };
        let tokens: Vec<String> = file.tokens.iter().map(respelled).collect();
        let ids: HashMap<&str, usize> = tokens.iter().map(String::as_str).zip(0..).collect();
        let mut merges = Vec::new();
        for token in &tokens {
            for (at, _) in token.char_indices().skip(1).collect::<Vec<_>>().into_iter().rev() {
                let (left, right) = token.split_at(at);
                if ids.contains_key(left) && ids.contains_key(right) {
                    merges.push([left, right]);
                }
            }
        }
        let begin = json!([{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]);
        Self::of_json(&json!({
            "version": "1.0",
            "added_tokens": file.added(is_run),
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            "post_processor": {
                "type": "TemplateProcessing", "single": begin, "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"<bos>": {"id": "<bos>", "ids": [ids["<bos>"]], "tokens": ["<bos>"]}},
            },
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                {"type": "Fuse"},
            ]},
            "model": {"type": "BPE", "vocab": ids, "merges": merges, "unk_token": "<unk>", "fuse_unk": true,
                      "byte_fallback": true},
        }))
    }

    fn of_json(json: &serde_json::Value) -> Self {
        Self { tokenizer: Tokenizer::from_bytes(json.to_string()).unwrap() }
    }

    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode_fast(text, true).unwrap().get_ids().to_vec()
    }

    /// The texts of all added tokens, by id.
    pub(crate) fn added(&self) -> Vec<String> {
        let mut added: Vec<(u32, String)> =
            self.tokenizer.get_added_tokens_decoder().iter().map(|(id, token)| (*id, token.content.clone())).collect();
        added.sort_unstable();
        added.into_iter().map(|(_, token)| token).collect()
    }
}

/// The tokenizer's metadata of a GGUF file.
struct File {
    tokens: Vec<String>,
    kinds: Vec<i32>,
    merges: Vec<String>,
}

impl File {
    fn read(path: &Path) -> Self {
        let content = Content::read(&mut std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
        let values = |key: &str| match content.metadata.get(key) {
            Some(Value::Array(values)) => values.clone(),
            _ => Vec::new(),
        };
        let texts = |key| values(key).iter().map(|value| value.to_string().unwrap().clone()).collect();
        Self {
            tokens: texts("tokenizer.ggml.tokens"),
            kinds: values("tokenizer.ggml.token_type").iter().map(|kind| kind.to_i32().unwrap()).collect(),
            merges: texts("tokenizer.ggml.merges"),
        }
    }

    /// Control and user-defined tokens, but for those that are `pieces`.
    fn added(&self, pieces: impl Fn(&str) -> bool) -> Vec<serde_json::Value> {
        let all = self.tokens.iter().zip(&self.kinds).enumerate();
        all.filter(|(_, (text, kind))| [3, 4].contains(*kind) && !pieces(text))
            .map(|(id, (text, kind))| {
                json!({"id": id, "content": text, "special": *kind == 3, "single_word": false, "lstrip": false,
                       "rstrip": false, "normalized": false})
            })
            .collect()
    }
}
