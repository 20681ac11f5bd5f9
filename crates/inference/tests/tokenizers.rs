//! The bytes of every token of real tokenizers: their own decoder is the reference.
//!
//! `GAC_SHARED` names the folder with `tokenizers/`; without it and without `../shared` beside the repository, these
//! tests are ignored.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use gac_inference::{ModelSource, Symbol, TokenId, Tokenizer};
use gac_needs::{folder, needs};

fn load(name: &str) -> (Tokenizer, tokenizers::Tokenizer) {
    let folder = folder!(shared).join("tokenizers").join(name);
    let reference = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
    (Tokenizer::load(&ModelSource::Folder(folder), None).unwrap(), reference)
}

const NAMES: [&str; 4] =
    ["llama-3.2-3b-instruct", "qwen2.5-7b-instruct", "mistral-7b-instruct-v0.2", "phi-3-mini-4k-instruct"];

#[needs(shared)]
#[test]
fn every_text_token_decodes_as_the_reference_decoder_says() {
    for name in NAMES {
        let (tokenizer, reference) = load(name);
        let (mut compared, mut partial) = (0, 0);
        for (id, symbol) in tokenizer.vocabulary().iter() {
            let Symbol::Text { bytes, .. } = symbol else { continue };
            let Ok(text) = std::str::from_utf8(bytes) else {
                partial += 1;
                continue;
            };
            // SentencePiece decoders drop the first space of a text: one is put in front.
            let pair: Vec<u32> = if name.starts_with("mistral") || name.starts_with("phi") {
                let x = reference.token_to_id("▁x").unwrap();
                assert_eq!(reference.decode(&[x, id.0], false).unwrap(), format!("x{text}"), "{name} {id:?}");
                compared += 1;
                continue;
            } else {
                vec![id.0]
            };
            assert_eq!(reference.decode(&pair, false).unwrap(), text, "{name} {id:?}");
            compared += 1;
        }
        println!("{name}: {compared} tokens equal, {partial} are parts of characters");
        assert!(compared > 30_000);
    }
}

#[needs(shared)]
#[test]
fn encoded_text_decodes_to_its_own_bytes() {
    let texts =
        ["Hello, world!\n\n  Zwölf Boxkämpfer 拳击手 🥊 x = 3.14", " leading", "a\tb\r\n", "naïve café — “quoted”"];
    for name in NAMES {
        let (tokenizer, _) = load(name);
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
        let (tokenizer, _) = load(name);
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
    let (tokenizer, _) = load("qwen2.5-7b-instruct");
    let own = tokenizer.vocabulary().len();
    let source = ModelSource::Folder(folder!(shared).join("tokenizers/qwen2.5-7b-instruct"));
    let padded = Tokenizer::load(&source, Some(152_064)).unwrap();
    assert_eq!(padded.vocabulary().len(), 152_064);
    assert_eq!(*padded.vocabulary().symbol(TokenId(own as u32)), Symbol::Unused);
    assert!(Tokenizer::load(&source, Some(1000)).unwrap_err().to_string().contains("1000 rows"));
}
