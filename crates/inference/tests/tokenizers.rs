//! What `tokenizer.json` files mean for ids and bytes: real ones where `GAC_SHARED` has them, and small made-up ones.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use gac_inference::{ModelSource, Symbol, TextKind, TokenId, Tokenizer, TokenizerError, TokenizerLoadError};
use gac_needs::{folder, needs};
use serde_json::{Value, json};

fn load(name: &str) -> Tokenizer {
    Tokenizer::load(&ModelSource::Folder(folder!(shared).join("tokenizers").join(name)), None).unwrap()
}

const NAMES: [&str; 4] =
    ["llama-3.2-3b-instruct", "qwen2.5-7b-instruct", "mistral-7b-instruct-v0.2", "phi-3-mini-4k-instruct"];

#[needs(shared)]
#[test]
fn encoded_text_decodes_to_its_own_bytes() {
    let texts =
        ["Hello, world!\n\n  Zwölf Boxkämpfer 拳击手 🥊 x = 3.14", " leading", "a\tb\r\n", "naïve café — “quoted”"];
    for name in NAMES {
        let tokenizer = load(name);
        for text in texts {
            let ids = tokenizer.encoder().encode_inner(text).unwrap();
            let bytes = tokenizer.vocabulary().decode(&ids);
            assert_eq!(String::from_utf8(bytes).unwrap(), text, "{name}");
        }
    }
}

#[needs(shared)]
#[test]
fn ends_are_all_that_end_a_text_or_a_turn() {
    let expected = [
        ("llama-3.2-3b-instruct", vec!["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]),
        ("qwen2.5-7b-instruct", vec!["<|endoftext|>", "<|im_end|>"]),
        ("mistral-7b-instruct-v0.2", vec!["</s>"]),
        ("phi-3-mini-4k-instruct", vec!["<|end|>", "<|endoftext|>"]),
    ];
    for (name, ends) in expected {
        let tokenizer = load(name);
        let vocabulary = tokenizer.vocabulary();
        let mut names: Vec<&str> = vocabulary
            .ends()
            .iter()
            .map(|&id| match vocabulary.symbol(id) {
                Symbol::Control { name } => &**name,
                other => panic!("{name}: {id:?} is {other:?}"),
            })
            .collect();
        names.sort_unstable();
        assert_eq!(names.iter().filter(|name| ends.contains(name)).count(), ends.len(), "{name}: {names:?}");
    }
}

#[needs(shared)]
#[test]
fn unused_rows_of_a_padded_model_are_no_tokens() {
    let tokenizer = load("qwen2.5-7b-instruct");
    let own = tokenizer.vocabulary().len();
    let source = ModelSource::Folder(folder!(shared).join("tokenizers/qwen2.5-7b-instruct"));
    let padded = Tokenizer::load(&source, Some(152_064)).unwrap();
    assert_eq!(padded.vocabulary().len(), 152_064);
    assert_eq!(*padded.vocabulary().symbol(TokenId(own as u32)), Symbol::Unused);
    assert!(Tokenizer::load(&source, Some(1000)).unwrap_err().to_string().contains("1000 rows"));
}

/// A made-up `tokenizer.json`: `pieces` by id, with other fields `over` it.
fn made(pieces: &Value, over: Value) -> Result<Tokenizer, TokenizerLoadError> {
    let mut file = json!({
        "version": "1.0", "added_tokens": [],
        "model": {"type": "BPE", "vocab": pieces, "merges": []},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    });
    let Value::Object(over) = over else { panic!("{over} is no object") };
    over.into_iter().for_each(|(key, value)| file[key] = value);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::load(&ModelSource::Folder(folder.path().to_owned()), None)
}

fn added(id: u32, content: &str, special: bool) -> Value {
    json!({"id": id, "content": content, "special": special, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false})
}

fn gemma_like() -> Value {
    json!({
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        ]},
    })
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode_prompt(text).unwrap().iter().map(|id| id.0).collect()
}

#[test]
fn added_tokens_pass_through_the_decoder() {
    let mut over = gemma_like();
    over["added_tokens"] = json!([added(3, "▁▁", false), added(4, "<s>", true), added(5, "a b", false)]);
    let pieces = json!({"▁": 0, "a": 1, "b": 2, "▁▁": 3, "<s>": 4, "a b": 5, "<0x0A>": 6});
    over["model"] = json!({"type": "BPE", "vocab": pieces, "merges": [["▁", "▁"]], "byte_fallback": true});
    let tokenizer = made(&Value::Null, over).unwrap();
    let vocabulary = tokenizer.vocabulary();
    let symbol = |id| vocabulary.symbol(TokenId(id));
    assert_eq!(*symbol(3), Symbol::Text { bytes: b"  ".as_slice().into(), kind: TextKind::Added });
    assert_eq!(*symbol(4), Symbol::Control { name: "<s>".into() });
    assert_eq!(*symbol(6), Symbol::Text { bytes: b"\n".as_slice().into(), kind: TextKind::ByteFallback });
    assert_eq!(vocabulary.bytes(TokenId(5)), b"a b");
    assert_eq!(ids(&tokenizer, "a  b\n"), [1, 3, 2, 6]);
}

#[test]
fn added_tokens_of_byte_level_vocabularies_are_their_text() {
    let tokens = ["  ", "naïve", "思考", "<think>", "a\tb"];
    let list: Vec<Value> = tokens.iter().zip(1..).map(|(token, id)| added(id, token, false)).collect();
    let tokenizer = made(&json!({"a": 0}), json!({"added_tokens": list})).unwrap();
    for (token, id) in tokens.iter().zip(1..) {
        assert_eq!(tokenizer.vocabulary().bytes(TokenId(id)), token.as_bytes(), "{token}");
        assert_eq!(ids(&tokenizer, token), [id]);
    }
}

#[test]
fn a_normalised_added_token_is_what_it_is_found_as() {
    let mut over = gemma_like();
    over["normalizer"] =
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, over["normalizer"]]});
    let mut token = added(1, "x", false);
    token["normalized"] = true.into();
    over["added_tokens"] = json!([token]);
    let tokenizer = made(&json!({"▁": 0}), over).unwrap();
    assert_eq!(ids(&tokenizer, "x"), [1]);
    assert_eq!(tokenizer.vocabulary().bytes(TokenId(1)), b" x");
}

#[test]
fn a_file_whose_tokens_would_get_other_ids_is_refused() {
    let refusal = |pieces: &Value, tokens: &Value| {
        let error = made(pieces, json!({"added_tokens": tokens})).err().unwrap();
        assert!(matches!(error, TokenizerLoadError::Tokenizer(TokenizerError::OtherId { .. })), "{error}");
        error.to_string()
    };
    // The vocabulary has it under another id.
    let said = refusal(&json!({"a": 0, "<s>": 1}), &json!([added(7, "<s>", true)]));
    assert!(said.contains("`<s>`") && said.contains("the id 7") && said.contains("gives id 1"), "{said}");
    // The library numbers on from the vocabulary's size.
    let said = refusal(&json!({"a": 0, "b": 9}), &json!([added(10, "<s>", true)]));
    assert!(said.contains("the id 10") && said.contains("gives id 2"), "{said}");
    // Another token has the id.
    let said = refusal(&json!({"a": 0, "<old>": 1}), &json!([added(1, "<new>", true)]));
    assert!(said.contains("`<new>`") && said.contains("the id 1"), "{said}");
    // Two pieces with one id.
    let said = refusal(&json!({"a": 0, "b": 0}), &json!([]));
    assert!(said.contains("the id 0") && said.contains("for `"), "{said}");
    // Holes are no mistake.
    let tokenizer =
        made(&json!({"a": 0, "b": 9, "<s>": 10}), json!({"added_tokens": [added(10, "<s>", true)]})).unwrap();
    assert_eq!(ids(&tokenizer, "a<s>b"), [0, 10, 9]);
    assert_eq!(*tokenizer.vocabulary().symbol(TokenId(5)), Symbol::Unused);
}

#[test]
fn a_decoder_whose_bytes_are_not_known_is_refused_by_its_kind() {
    let decoder = json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
    let error = made(&json!({"a": 0}), json!({"decoder": decoder})).err().unwrap().to_string();
    assert!(error.contains("`WordPiece`"), "{error}");
}
