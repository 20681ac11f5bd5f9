//! BPE vocabularies of GGUF files (`tokenizer.ggml.model` is `gpt2`).

use serde_json::{Map, Value, json};

use super::gguf_tokens::{Added, TokenKind, TokenizerParts, Tokens, problem};
use super::pre::{self, PreTokenizer, Spelling};
use crate::checkpoint::gguf::Gguf;
use crate::vocabulary::TokenizerError;

pub(super) fn parts(gguf: &Gguf, tokens: &Tokens<'_>) -> Result<TokenizerParts, TokenizerError> {
    let way = pre_tokenizer(gguf)?;
    let merges = merges(gguf)?;
    let vocabulary: Map<String, Value> = tokens.iter().map(|(id, text, _)| (text.to_owned(), json!(id))).collect();
    let cut_out = |kind| matches!(kind, TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown);
    let added = tokens.iter().filter(|(_, _, kind)| cut_out(*kind)).map(|(id, text, kind)| Added {
        id,
        text: text.to_owned(),
        control: kind != TokenKind::UserDefined,
        rstrip: false,
    });
    let unknown = tokens.named(gguf, "unknown_token_id", None).filter(|_| way.spelling == Spelling::Meta);
    let stages = way
        .stages
        .iter()
        .map(|stage| json!({"type": "Split", "pattern": {"Regex": stage}, "behavior": "Isolated", "invert": false}));
    let mut stages: Vec<Value> = stages.collect();
    let (normalizer, decoder) = match way.spelling {
        Spelling::ByteLevel => {
            stages.push(
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
            );
            let decoder =
                json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
            (if way.compose { json!({"type": "NFC"}) } else { Value::Null }, decoder)
        }
        Spelling::Meta => (
            json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
            json!({"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                {"type": "Fuse"},
            ]}),
        ),
    };
    let json = json!({
        "version": "1.0",
        "model": {"type": "BPE", "merges": merges, "ignore_merges": way.ignore_merges,
                  "unk_token": unknown.map(|(_, text)| text), "byte_fallback": way.spelling == Spelling::Meta,
                  "fuse_unk": way.spelling == Spelling::Meta},
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": stages},
        "decoder": decoder,
    });
    Ok(TokenizerParts { vocabulary, json, added: added.collect(), add_bos: way.add_bos, defaults: None })
}

fn pre_tokenizer(gguf: &Gguf) -> Result<&'static PreTokenizer, TokenizerError> {
    let field = "tokenizer.ggml.pre";
    let name = gguf.text(field).unwrap_or_else(|| {
        tracing::warn!(
            "`{}` does not say how text is cut (`{field}`); it is cut as llama.cpp cuts it then, which may not be how \
             the model was trained",
            gguf.path().display()
        );
        pre::DEFAULT
    });
    pre::find(name).ok_or_else(|| {
        let what = match pre::REFUSED.iter().find(|(refused, _)| *refused == name) {
            Some((_, what)) => format!("is `{name}`, which {what} and is not read"),
            None => format!("is `{name}`, a way to cut text that is not known"),
        };
        problem(gguf, field, format!("{what}; known are {}", pre::names().collect::<Vec<_>>().join(", ")))
    })
}

/// The merges as pairs. A space may begin the first of the two, as in llama.cpp.
fn merges(gguf: &Gguf) -> Result<Vec<(&str, &str)>, TokenizerError> {
    let field = "tokenizer.ggml.merges";
    let merges = gguf.texts(field).ok_or_else(|| problem(gguf, field, "is missing"))?;
    let pair = |merge| split(merge).ok_or_else(|| problem(gguf, field, format!("has `{merge}`, which is no pair")));
    merges.into_iter().map(pair).collect()
}

fn split(merge: &str) -> Option<(&str, &str)> {
    let (at, _) = merge.char_indices().skip(1).find(|(_, c)| *c == ' ')?;
    Some((&merge[..at], &merge[at + 1..])).filter(|(_, right)| !right.is_empty())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_merge_is_split_at_its_first_space_but_one_it_begins_with() {
        assert_eq!(split("Ġ t"), Some(("Ġ", "t")));
        assert_eq!(split("  t"), Some((" ", "t")));
        assert_eq!(split("é x"), Some(("é", "x")));
        assert_eq!(split("ab"), None);
        assert_eq!(split("a "), None);
    }
}
