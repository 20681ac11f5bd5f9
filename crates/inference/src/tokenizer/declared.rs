//! Tokens that files beside `tokenizer.json` declare, and that file does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::special_tokens::{DeclaredToken, SpecialTokens, problem};

/// Whether `special` declares a token that `tokenizer` has not among its added ones, or one that ends texts and is no
/// special one there.
pub(super) fn lacks_declared(tokenizer: &Tokenizer, special: &SpecialTokens) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    let added: BTreeMap<&str, bool> = added.values().map(|token| (token.content.as_str(), token.special)).collect();
    let lacks = |token: &DeclaredToken| {
        let has_id = token.id.is_some() || tokenizer.token_to_id(&token.content).is_some();
        has_id && !token.content.is_empty() && !added.contains_key(token.content.as_str())
    };
    special.declared.iter().any(lacks) || special.ends().any(|end| added.get(end) == Some(&false))
}

/// `tokenizer` (the file's JSON) with the tokens that `special` declares among its added ones, as transformers adds
/// them: a token that the vocabulary has keeps its id there, and one that nobody gives an id is none. What ends texts
/// is special, whatever the file says.
///
/// # Errors
/// When a token is given the id of another.
pub(super) fn with_declared(
    mut tokenizer: Value,
    special: &SpecialTokens,
    path: &Path,
) -> Result<Value, CheckpointError> {
    let ends: BTreeSet<&str> = special.ends().collect();
    let content = |token: &Value| token["content"].as_str().unwrap_or_default().to_owned();
    let mut added = tokenizer["added_tokens"].as_array().cloned().unwrap_or_default();
    let mut known: BTreeSet<String> = added.iter().map(content).collect();
    let mut taken: BTreeSet<u64> = added.iter().filter_map(|token| token["id"].as_u64()).collect();
    for token in &mut added {
        if ends.contains(&*content(token)) {
            token["special"] = Value::Bool(true);
        }
    }
    for token in &special.declared {
        let in_vocabulary = vocabulary_id(&tokenizer, &token.content);
        let Some(id) = in_vocabulary.or(token.id.map(u64::from)) else { continue };
        if token.content.is_empty() || !known.insert(token.content.clone()) {
            continue;
        }
        let other = in_vocabulary.is_none() && vocabulary_has(&tokenizer, id);
        if !taken.insert(id) || other {
            let said = Value::from(token.content.clone());
            return Err(problem(path, &format!("id {id}"), "is another token's than one declared beside it", &said));
        }
        added.push(as_json(token, id));
    }
    added.sort_by_key(|token| token["id"].as_u64());
    tokenizer["added_tokens"] = added.into();
    Ok(tokenizer)
}

/// A piece's id: by name in BPE's vocabulary, by place in a unigram one.
fn vocabulary_id(tokenizer: &Value, piece: &str) -> Option<u64> {
    match &tokenizer["model"]["vocab"] {
        Value::Object(ids) => ids.get(piece)?.as_u64(),
        Value::Array(pieces) => pieces.iter().position(|known| known[0] == piece).map(|place| place as u64),
        _ => None,
    }
}

fn vocabulary_has(tokenizer: &Value, id: u64) -> bool {
    match &tokenizer["model"]["vocab"] {
        Value::Object(ids) => ids.values().any(|known| known.as_u64() == Some(id)),
        Value::Array(pieces) => (id as usize) < pieces.len(),
        _ => false,
    }
}

fn as_json(token: &DeclaredToken, id: u64) -> Value {
    let DeclaredToken { content, special, lstrip, rstrip, single_word, normalized, .. } = token;
    json!({"id": id, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
           "normalized": normalized, "special": special})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declaring(tokens: &[(&str, Option<u32>)], eos: &str) -> SpecialTokens {
        let declared = tokens.iter().map(|(content, id)| DeclaredToken {
            content: (*content).to_owned(),
            id: *id,
            special: true,
            ..DeclaredToken::default()
        });
        let named = [("eos_token".to_owned(), eos.to_owned())].into();
        SpecialTokens { named, declared: declared.collect() }
    }

    fn added(tokenizer: &Value) -> Vec<(u64, &str, bool)> {
        let tokens = tokenizer["added_tokens"].as_array().unwrap().iter();
        tokens
            .map(|token| (token["id"].as_u64().unwrap(), token["content"].as_str().unwrap(), token["special"] == true))
            .collect()
    }

    #[test]
    fn declared_tokens_are_added_with_the_vocabularys_ids_or_their_own() {
        let file = json!({"model": {"vocab": {"a": 0, "<e>": 1}}, "added_tokens": [{"id": 2, "content": "<x>", "special": false}]});
        let special = declaring(&[("<e>", None), ("<new>", Some(3)), ("<nowhere>", None)], "<x>");
        let changed = with_declared(file.clone(), &special, Path::new("t")).unwrap();
        assert_eq!(added(&changed), [(1, "<e>", true), (2, "<x>", true), (3, "<new>", true)]);
        let error = with_declared(file, &declaring(&[("<new>", Some(0))], "<x>"), Path::new("t")).unwrap_err();
        assert!(error.to_string().contains("<new>"), "{error}");
    }
}
