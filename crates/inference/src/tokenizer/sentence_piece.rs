//! `SentencePiece` vocabularies of GGUF files (`tokenizer.ggml.model` is `llama`).

use std::collections::HashMap;

use serde_json::{Map, json};

use super::gguf_tokens::{Added, TokenKind, TokenizerParts, Tokens, problem};
use crate::checkpoint::gguf::Gguf;
use crate::vocabulary::TokenizerError;

/// The space of `SentencePiece`.
const META: &str = "▁";

/// A token that merging gives.
struct Piece {
    id: u32,
    /// Its text, spaces as `▁`.
    text: String,
    score: f64,
}

pub(super) fn parts(gguf: &Gguf, tokens: &Tokens<'_>) -> Result<TokenizerParts, TokenizerError> {
    let scores = scores(gguf, tokens)?;
    let prefix = gguf.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    // Where the file names none, it is the first token, unless that is a piece like others.
    let unknown = tokens.named(gguf, "unknown_token_id", Some(0)).filter(|(id, _)| !tokens.is_normal(*id));
    let phi3 = is_phi3(gguf, tokens);
    let runs = runs_of_spaces(tokens);
    let mut vocabulary = Map::with_capacity(tokens.len());
    let (mut pieces, mut added) = (Vec::new(), Vec::new());
    for (id, text, kind) in tokens.iter() {
        match kind {
            TokenKind::Normal => {
                let score = scores.get(id as usize).copied().unwrap_or_default();
                pieces.push(Piece { id, text: text.to_owned(), score });
            }
            TokenKind::UserDefined if run(text).is_some_and(|length| runs.contains(&length)) => {
                let respelled = text.replace(' ', META);
                if let Some(first) = vocabulary.insert(respelled.clone(), json!(id)) {
                    let both = format!("has `{respelled}` twice, as {first} and {id}, once with spaces");
                    return Err(problem(gguf, "tokenizer.ggml.tokens", both));
                }
                pieces.push(Piece { id, text: respelled, score: f64::INFINITY });
                continue;
            }
            TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown => {
                let control = kind != TokenKind::UserDefined;
                added.push(Added { id, text: text.to_owned(), control, rstrip: phi3 && takes_space(text) });
            }
            TokenKind::Byte | TokenKind::Unused => {}
        }
        vocabulary.insert(text.to_owned(), json!(id));
    }
    let order = if gguf.text("general.architecture").is_some_and(|name| name.starts_with("gemma")) {
        Splits::LongestFirst
    } else {
        Splits::ByIds
    };
    let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": META})];
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": META}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": META}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let json = json!({
        "version": "1.0",
        "model": {"type": "BPE", "merges": merges(&pieces, order), "unk_token": unknown.map(|(_, text)| text),
                  "byte_fallback": true, "fuse_unk": true},
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "decoder": {"type": "Sequence", "decoders": decoders},
    });
    Ok(TokenizerParts { vocabulary, json, added, add_bos: true, defaults: Some((1, 2)) })
}

fn scores(gguf: &Gguf, tokens: &Tokens<'_>) -> Result<Vec<f64>, TokenizerError> {
    let field = "tokenizer.ggml.scores";
    let scores = gguf.numbers(field).ok_or_else(|| problem(gguf, field, "is missing"))?;
    if scores.len() != tokens.len() {
        return Err(problem(gguf, field, format!("has {} values for {} tokens", scores.len(), tokens.len())));
    }
    Ok(scores)
}

/// The length of a run of two or more spaces, written as they are or as `▁`.
fn run(text: &str) -> Option<usize> {
    let length = text.chars().count();
    (length > 1 && [" ", META].iter().any(|space| *text == space.repeat(length))).then_some(length)
}

/// The lengths of user-defined runs of spaces that merging can reach from single spaces.
///
/// The converter writes Gemma's `▁▁` as two spaces. They are pieces all the same: merged before any other, as in
/// Gemma's `tokenizer.json`, and after a dummy space was put in front.
fn runs_of_spaces(tokens: &Tokens<'_>) -> Vec<usize> {
    let of = |wanted: TokenKind| tokens.iter().filter(move |(_, _, kind)| *kind == wanted).map(|(_, text, _)| text);
    let pieces: Vec<usize> = of(TokenKind::Normal).filter_map(run).collect();
    let mut lengths: Vec<usize> = of(TokenKind::UserDefined).filter_map(run).collect();
    lengths.sort_unstable();
    let mut reached: Vec<usize> = of(TokenKind::Normal).filter(|text| *text == META).map(|_| 1).collect();
    for length in lengths {
        if !pieces.contains(&length) && reached.iter().any(|part| reached.contains(&(length - part))) {
            reached.push(length);
        }
    }
    reached
}

/// The order of the ways to put one piece together from two.
#[derive(Clone, Copy)]
enum Splits {
    /// By the ids of the two, as in the `tokenizer.json` of Llama, Mistral and Phi-3.
    ByIds,
    /// Those with the longest first part before others, as in Gemma's.
    LongestFirst,
}

/// `SentencePiece` merges whichever two neighbours make the piece with the best score; as BPE merges: every way to put a
/// piece together from two others, best pieces first. Where scores are equal, the lower id goes first.
fn merges(pieces: &[Piece], order: Splits) -> Vec<(&str, &str)> {
    let ids: HashMap<&str, u32> = pieces.iter().map(|piece| (piece.text.as_str(), piece.id)).collect();
    let mut best: Vec<&Piece> = pieces.iter().collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    let mut merges = Vec::new();
    for piece in best {
        let first = merges.len();
        for (at, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if ids.contains_key(left) && ids.contains_key(right) {
                merges.push((left, right));
            }
        }
        match order {
            Splits::ByIds => merges[first..].sort_by_key(|(left, right)| (ids[left], ids[right])),
            Splits::LongestFirst => merges[first..].reverse(),
        }
    }
    merges
}

/// Whether the vocabulary is Phi-3's, whose symbols take the white space after them along. GGUF files do not say so;
/// llama.cpp goes by the model's name alone, which converters and people change.
fn is_phi3(gguf: &Gguf, tokens: &Tokens<'_>) -> bool {
    let name = gguf.text("general.name").unwrap_or_default().to_lowercase();
    let has = |wanted: &str| tokens.iter().any(|(_, text, _)| text == wanted);
    ["phi-3", "phi3"].iter().any(|phi3| name.contains(phi3))
        || gguf.text("general.architecture") == Some("phi3")
        || (has("<|assistant|>") && has("<|placeholder1|>") && has("<|end|>"))
}

/// Phi-3's symbols but for these three.
fn takes_space(symbol: &str) -> bool {
    !["<unk>", "<s>", "<|endoftext|>"].contains(&symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(order: Splits, pieces: &[(&str, f64)]) -> Vec<String> {
        let pieces: Vec<Piece> = (0..)
            .zip(pieces)
            .map(|(id, (text, score))| Piece { id, text: (*text).to_owned(), score: *score })
            .collect();
        merges(&pieces, order).iter().map(|(left, right)| format!("{left}+{right}")).collect()
    }

    #[test]
    fn merges_come_in_the_order_of_the_pieces_scores() {
        let pieces = [("a", 0.0), ("b", 0.0), ("c", 0.0), ("ab", -2.0), ("bc", -1.0), ("abc", -3.0)];
        assert_eq!(shown(Splits::ByIds, &pieces), ["b+c", "a+b", "a+bc", "ab+c"]);
        assert_eq!(shown(Splits::LongestFirst, &pieces), ["b+c", "a+b", "ab+c", "a+bc"]);
    }

    #[test]
    fn pieces_with_equal_scores_are_merged_by_their_ids() {
        let pieces = [("b", -9.0), ("a", -9.0), ("ab", -9.0), ("ba", -9.0)];
        assert_eq!(shown(Splits::ByIds, &pieces), ["a+b", "b+a"]);
    }
}
