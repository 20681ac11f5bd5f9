//! The ids of texts, and the bytes of ids, under real vocabularies: the `tokenizers` library says what is right.
//!
//! The four vocabularies of `GAC_SHARED` and the two files of `GAC_REAL`, each as `tokenizer.json` and as GGUF, over the
//! benchmarks' documents, this repository's code, and made-up texts of white space, scripts and control characters with
//! every added token. `scripts/real/tokens.py` compares the same with llama.cpp's own tokenizer.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code: a panic is a failure, and counts are shown")]

use std::path::Path;

use gac_inference::{ModelSource, Symbol, Tokenizer};
use gac_needs::{folder, needs};

#[path = "support/reference.rs"]
mod reference;
#[path = "support/texts.rs"]
mod texts;
#[path = "../../inference/tests/convert/vocabulary.rs"]
mod vocabulary;

use reference::Reference;
use vocabulary::Conversion;

/// Compares the ids of every text, and the bytes of every id, of a vocabulary in its two forms.
fn compare(reference: &Reference, forms: [(&str, ModelSource); 2]) {
    let forms = forms.map(|(name, source)| (name, Tokenizer::load(&source, None).unwrap()));
    let texts = texts::all(folder!(shared), &reference.added());
    assert!(texts.len() >= 20_000, "{} texts", texts.len());
    for text in &texts {
        let expected = reference.encode(text);
        for (name, tokenizer) in &forms {
            let ids: Vec<u32> = tokenizer.encoder().encode(text).unwrap().iter().map(|id| id.0).collect();
            assert_eq!(ids, expected, "{name}: {text:?}");
        }
    }
    for (name, tokenizer) in &forms {
        println!("{name}: {} texts have the same ids", texts.len());
        decode(name, reference, tokenizer);
    }
}

/// Compares the bytes of every id with what the library's decoder makes of it behind another token.
fn decode(name: &str, reference: &Reference, tokenizer: &Tokenizer) {
    let before = reference.tokenizer.token_to_id("x").unwrap();
    let (mut compared, mut partial) = (0, 0);
    for (id, symbol) in tokenizer.vocabulary().iter() {
        let Symbol::Text { bytes, .. } = symbol else { continue };
        let Ok(text) = std::str::from_utf8(bytes) else {
            partial += 1;
            continue;
        };
        assert_eq!(reference.tokenizer.decode(&[before, id.0], false).unwrap(), format!("x{text}"), "{name} {id:?}");
        compared += 1;
    }
    assert!(compared > 30_000, "{name}: {compared}");
    println!("{name}: {compared} ids have the same text, {partial} are parts of characters");
}

/// A vocabulary of `GAC_SHARED`, as it is and converted.
fn shared(name: &str, conversion: &Conversion<'_>) {
    let folder = folder!(shared).join("tokenizers").join(name);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.gguf");
    vocabulary::write(&folder, conversion, &path);
    let reference = Reference::of_folder(&folder);
    compare(&reference, [(name, ModelSource::Folder(folder)), (&format!("{name}.gguf"), ModelSource::Gguf(path))]);
}

/// A file of `GAC_REAL`, as it is and as the folder that the reference makes.
fn real(file: &str, reference: impl FnOnce(&Path) -> Reference) {
    let path = folder!(real).join(file);
    let reference = reference(&path);
    let scratch = tempfile::tempdir().unwrap();
    reference.tokenizer.save(scratch.path().join("tokenizer.json"), false).unwrap();
    let folder = ModelSource::Folder(scratch.path().to_owned());
    compare(&reference, [(file, ModelSource::Gguf(path)), (&format!("{file} as tokenizer.json"), folder)]);
}

#[needs(shared)]
#[test]
fn llama_3_has_the_librarys_ids() {
    let conversion = Conversion {
        model: ("llama", "Llama 3.2 3b Instruct"),
        pre: Some("llama-bpe"),
        rows: 128_256,
        special: [Some(128_000), Some(128_009), None],
        // Most files do not say.
        add_bos: None,
    };
    shared("llama-3.2-3b-instruct", &conversion);
}

#[needs(shared)]
#[test]
fn qwen_2_5_has_the_librarys_ids() {
    let conversion = Conversion {
        model: ("qwen2", "Qwen2.5 7b Instruct"),
        pre: Some("qwen2"),
        rows: 152_064,
        special: [Some(151_643), Some(151_645), None],
        add_bos: Some(false),
    };
    shared("qwen2.5-7b-instruct", &conversion);
}

#[needs(shared)]
#[test]
fn mistral_has_the_librarys_ids() {
    let conversion = Conversion {
        model: ("llama", "Mistral 7b Instruct v0.2"),
        pre: None,
        rows: 32_000,
        special: [Some(1), Some(2), Some(0)],
        add_bos: None,
    };
    shared("mistral-7b-instruct-v0.2", &conversion);
}

#[needs(shared)]
#[test]
fn phi_3_has_the_librarys_ids() {
    let conversion = Conversion {
        model: ("phi3", "Phi 3 Mini 4k Instruct"),
        pre: None,
        rows: 32_064,
        special: [Some(1), Some(32_000), Some(0)],
        add_bos: Some(false),
    };
    shared("phi-3-mini-4k-instruct", &conversion);
}

#[needs(shared, real)]
#[test]
fn smollm2_has_the_librarys_ids() {
    real("SmolLM2-135M-Instruct.Q4_1.gguf", Reference::smollm2);
}

#[needs(shared, real)]
#[test]
fn gemma_3_has_the_librarys_ids() {
    real("gemma-3-270m-q4_k_m.gguf", Reference::gemma);
}
