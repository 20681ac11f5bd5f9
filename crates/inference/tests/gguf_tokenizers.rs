//! What the metadata of GGUF files mean for ids and bytes, on small made-up vocabularies.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use candle_core::quantized::gguf_file::{self, Value};
use gac_inference::{
    ModelSource, Symbol, TokenId, Tokenizer, TokenizerError, TokenizerLoadError, gguf_without_tensors,
};
use gac_needs::{folder, needs};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// A file's metadata.
struct File(Vec<(&'static str, Value)>);

impl File {
    /// A byte-level vocabulary of printable characters and `tokens`, cut as `pre` says.
    fn byte_level(pre: &str, tokens: &[(&str, i32)], merges: &[&str]) -> Self {
        let letters: Vec<String> = ('!'..='~').chain("ĠĊĉéÃ©".chars()).map(|c| c.to_string()).collect();
        let letters = letters.iter().map(|letter| (letter.as_str(), NORMAL));
        let all: Vec<(&str, i32)> = tokens.iter().copied().chain(letters).collect();
        Self::of("gpt2", &all).with("tokenizer.ggml.pre", text(pre)).with("tokenizer.ggml.merges", texts(merges))
    }

    /// A `SentencePiece` vocabulary of `<unk>`, `<s>`, `</s>`, `tokens`, and letters; earlier tokens have better scores.
    fn sentence_piece(tokens: &[(&str, i32)]) -> Self {
        let letters: Vec<String> = ('a'..='z').chain(['▁', '.', '<', '>', '|']).map(|c| c.to_string()).collect();
        let first = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)];
        let letters = letters.iter().map(|letter| (letter.as_str(), NORMAL));
        let all: Vec<(&str, i32)> = first.into_iter().chain(tokens.iter().copied()).chain(letters).collect();
        let scores = (0..all.len()).map(|at| Value::F32(-(at as f32))).collect();
        Self::of("llama", &all).with("tokenizer.ggml.scores", Value::Array(scores))
    }

    fn of(model: &str, tokens: &[(&str, i32)]) -> Self {
        let names: Vec<&str> = tokens.iter().map(|(token, _)| *token).collect();
        let kinds = tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect();
        Self(vec![
            ("tokenizer.ggml.model", text(model)),
            ("tokenizer.ggml.tokens", texts(&names)),
            ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ])
    }

    fn with(mut self, key: &'static str, value: Value) -> Self {
        self = self.without(key);
        self.0.push((key, value));
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.0.retain(|(known, _)| *known != key);
        self
    }

    fn load(&self) -> Result<Tokenizer, TokenizerLoadError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        let metadata: Vec<(&str, &Value)> = self.0.iter().map(|(key, value)| (*key, value)).collect();
        gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &[]).unwrap();
        Tokenizer::load(&ModelSource::Gguf(path), None)
    }

    /// What is said of a file that is refused.
    fn refusal(&self) -> String {
        self.load().err().unwrap().to_string()
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|&each| text(each)).collect())
}

/// The ids of a text as the tokens that they are, by what each emits or is called.
fn shown(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode_prompt(text).unwrap();
    let name = |id: &TokenId| match tokenizer.vocabulary().symbol(*id) {
        Symbol::Text { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
        Symbol::Control { name } => format!("[{name}]"),
        Symbol::Unused => "unused".to_owned(),
    };
    ids.iter().map(name).collect()
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode_prompt(text).unwrap().iter().map(|id| id.0).collect()
}

#[test]
fn control_and_user_defined_tokens_keep_their_ids_wherever_they_stand() {
    let tokens = [("<|im_start|>", CONTROL), ("zz", USER_DEFINED), ("[PAD2]", UNUSED), ("z<", USER_DEFINED)];
    let tokenizer = File::byte_level("gpt-2", &tokens, &[]).load().unwrap();
    assert_eq!(ids(&tokenizer, "<|im_start|>zz"), [0, 1]);
    assert_eq!(ids(&tokenizer, "zz<|im_start|>z<"), [1, 0, 3]);
    assert_eq!(*tokenizer.vocabulary().symbol(TokenId(2)), Symbol::Unused);
    let tokenizer = File::sentence_piece(&[("\n", USER_DEFINED), ("<turn>", CONTROL)]).load().unwrap();
    assert_eq!(ids(&tokenizer, "<turn>\n</s>"), [1, 4, 3, 2]);
}

#[test]
fn begin_of_text_is_added_as_llama_cpp_adds_it() {
    let begin = [("<b>", CONTROL), ("<e>", CONTROL)];
    let bos = ("tokenizer.ggml.bos_token_id", Value::U32(0));
    let eos = ("tokenizer.ggml.eos_token_id", Value::U32(1));
    let file = |pre: &str| File::byte_level(pre, &begin, &[]).with(bos.0, bos.1.clone()).with(eos.0, eos.1.clone());
    let adding =
        ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2", "midm-2.0", "jina-v5-nano"];
    for pre in adding.into_iter().chain(["tekken", "chameleon"]) {
        assert_eq!(ids(&file(pre).load().unwrap(), "x").first(), Some(&0), "{pre}");
    }
    for pre in
        ["qwen2", "gpt-2", "smollm", "default", "dbrx", "smaug-bpe", "command-r", "glm4", "deepseek-v3", "gpt-4o"]
    {
        assert_eq!(ids(&file(pre).load().unwrap(), "x").len(), 1, "{pre}");
    }
    let flag = "tokenizer.ggml.add_bos_token";
    assert_eq!(ids(&file("llama-bpe").with(flag, Value::Bool(false)).load().unwrap(), "x").len(), 1);
    let both = file("qwen2").with(flag, Value::Bool(true)).with("tokenizer.ggml.add_eos_token", Value::Bool(true));
    assert_eq!(shown(&both.load().unwrap(), "x"), ["[<b>]", "x", "[<e>]"]);
    assert_eq!(shown(&both.load().unwrap(), "<b>x"), ["[<b>]", "x"]);
    let unnamed = file("llama-bpe").without(bos.0).refusal();
    assert!(unnamed.contains("`tokenizer.ggml.add_bos_token`") && unnamed.contains("bos_token_id"), "{unnamed}");
    // `llama` adds it, and means the second token where nothing is said.
    let pieces = File::sentence_piece(&[]);
    assert_eq!(shown(&pieces.load().unwrap(), "a"), ["[<s>]", " ", "a"]);
    assert_eq!(shown(&pieces.with(flag, Value::Bool(false)).load().unwrap(), "a"), [" ", "a"]);
}

#[test]
fn what_is_said_of_begin_of_text_goes_over_the_file() {
    let tokenizer = || File::sentence_piece(&[]).load().unwrap();
    assert_eq!(shown(&tokenizer().with_add_bos(Some(false)).unwrap(), "a"), [" ", "a"]);
    let quiet = File::sentence_piece(&[]).with("tokenizer.ggml.add_bos_token", Value::Bool(false)).load().unwrap();
    assert_eq!(shown(&quiet.with_add_bos(Some(true)).unwrap(), "a"), ["[<s>]", " ", "a"]);
}

#[test]
fn digits_are_cut_before_white_space_where_the_name_says_so() {
    let merges = ["Ġ Ġ", "Ġ 1", "1 2"];
    let tokens = [("ĠĠ", NORMAL), ("12", NORMAL), ("Ġ1", NORMAL)];
    let shown = |pre: &str| shown(&File::byte_level(pre, &tokens, &merges).load().unwrap(), "a  12");
    assert_eq!(shown("starcoder"), ["a", "  ", "1", "2"]);
    assert_eq!(shown("gpt-2"), ["a", " ", " 1", "2"]);
    assert_eq!(shown("qwen2"), ["a", " ", " ", "1", "2"]);
}

#[test]
fn a_part_that_is_a_token_is_not_merged_where_the_name_says_so() {
    let shown = |pre: &str| {
        let file = File::byte_level(pre, &[("abc", NORMAL), ("bc", NORMAL)], &["b c"]);
        shown(&file.with("tokenizer.ggml.add_bos_token", Value::Bool(false)).load().unwrap(), "abc")
    };
    for pre in ["llama-bpe", "tekken", "glm4", "minicpm5", "youtu"] {
        assert_eq!(shown(pre), ["abc"], "{pre}");
    }
    for pre in ["dbrx", "chatglm-bpe", "qwen2", "gpt-2"] {
        assert_eq!(shown(pre), ["a", "bc"], "{pre}");
    }
}

#[test]
fn a_way_to_cut_text_that_is_not_known_is_named_with_those_that_are() {
    let error = File::byte_level("no-such-way", &[], &[]).load().err().unwrap();
    let message = error.to_string();
    assert!(message.contains("`tokenizer.ggml.pre`") && message.contains("`no-such-way`"), "{message}");
    assert!(message.contains("llama-bpe") && message.contains("deepseek-r1-qwen"), "{message}");
    assert!(matches!(error, TokenizerLoadError::Tokenizer(TokenizerError::Metadata { .. })));
    assert!(File::byte_level("whitespace", &[], &[]).refusal().contains("encoder"));
    // A file that does not say is cut as llama.cpp cuts it then.
    let silent = File::byte_level("x", &[], &[]).without("tokenizer.ggml.pre").load().unwrap();
    assert_eq!(shown(&silent, "a, b"), ["a", ",", " ", "b"]);
}

#[test]
fn other_kinds_of_tokenizers_are_refused_by_name() {
    for kind in ["bert", "t5", "rwkv", "plamo2", "gemma4", "hybriddna", "whitespace", "no_vocab", "none"] {
        let refusal = File::sentence_piece(&[]).with("tokenizer.ggml.model", text(kind)).refusal();
        assert!(refusal.contains("`tokenizer.ggml.model`") && refusal.contains(&format!("`{kind}`")), "{refusal}");
        assert!(refusal.contains("`gpt2` and `llama`"), "{refusal}");
    }
    assert!(File::sentence_piece(&[]).without("tokenizer.ggml.model").refusal().contains("is missing"));
}

#[test]
fn a_token_that_is_there_twice_is_refused_with_both_ids() {
    let refusal = File::byte_level("gpt-2", &[("aa", NORMAL), ("bb", NORMAL), ("aa", USER_DEFINED)], &[]).refusal();
    assert!(refusal.contains("`aa`") && refusal.contains("0 and 2"), "{refusal}");
    let refusal = File::sentence_piece(&[("  ", USER_DEFINED), ("▁▁", USER_DEFINED)]).refusal();
    assert!(refusal.contains("3 and 4") || refusal.contains("4 and 3"), "{refusal}");
    // Rows that nothing uses may all be called the same.
    assert!(File::byte_level("gpt-2", &[("[PAD]", UNUSED), ("[PAD]", UNUSED), ("", NORMAL)], &[]).load().is_ok());
    let short =
        File::byte_level("gpt-2", &[], &[]).with("tokenizer.ggml.token_type", Value::Array(vec![Value::I32(1)]));
    assert!(short.refusal().contains("1 values for 100 tokens"), "{}", short.refusal());
}

#[test]
fn a_space_is_put_in_front_of_text_unless_the_file_says_not_to() {
    let tokens = [("▁a", NORMAL), ("<t>", CONTROL)];
    let prefixed = File::sentence_piece(&tokens).load().unwrap();
    assert_eq!(shown(&prefixed, "a a<t>a"), ["[<s>]", " a", " a", "[<t>]", " a"]);
    assert_eq!(shown(&prefixed, ""), ["[<s>]"]);
    let flag = "tokenizer.ggml.add_space_prefix";
    let plain = File::sentence_piece(&tokens).with(flag, Value::Bool(false)).load().unwrap();
    assert_eq!(shown(&plain, "a a<t>a"), ["[<s>]", "a", " a", "[<t>]", "a"]);
    // In the middle of a text there is none, either way.
    for tokenizer in [&prefixed, &plain] {
        let inner = tokenizer.encoder().encode_inner("a a").unwrap();
        assert_eq!(tokenizer.vocabulary().decode(&inner), b"a a");
    }
}

#[test]
fn user_defined_white_space_is_what_it_says() {
    // As Gemma has it, two and more spaces written as such.
    let tokens = [("\n", USER_DEFINED), ("\n\n", USER_DEFINED), ("  ", USER_DEFINED), ("   ", USER_DEFINED)];
    let file = || File::sentence_piece(&tokens);
    let plain = file().with("tokenizer.ggml.add_space_prefix", Value::Bool(false)).load().unwrap();
    assert_eq!(ids(&plain, "\n\n\n"), [1, 4, 3]);
    assert_eq!(shown(&plain, "a  b   c d"), ["[<s>]", "a", "  ", "b", "   ", "c", " ", "d"]);
    for (id, bytes) in [(3, "\n"), (4, "\n\n"), (5, "  "), (6, "   ")] {
        assert_eq!(plain.vocabulary().bytes(TokenId(id)), bytes.as_bytes());
    }
    // Older converters write the mark.
    let marked = [("\n", USER_DEFINED), ("\n\n", USER_DEFINED), ("▁▁", USER_DEFINED), ("▁▁▁", USER_DEFINED)];
    let marked =
        File::sentence_piece(&marked).with("tokenizer.ggml.add_space_prefix", Value::Bool(false)).load().unwrap();
    assert_eq!(ids(&marked, "a  b   c d"), ids(&plain, "a  b   c d"));
    assert_eq!(marked.vocabulary().bytes(TokenId(6)), b"   ");
    // The space in front of the text is one of the run.
    assert_eq!(shown(&file().load().unwrap(), " a"), ["[<s>]", "  ", "a"]);
    // A run that single spaces do not add up to is cut out.
    let far = File::sentence_piece(&[("     ", USER_DEFINED)]).load().unwrap();
    assert_eq!(ids(&far, "a     b")[3], 3);
}

#[test]
fn phi_3s_symbols_take_the_white_space_after_them_along() {
    let tokens =
        [("<|end|>", CONTROL), ("<|assistant|>", CONTROL), ("<|placeholder1|>", CONTROL), ("<|endoftext|>", CONTROL)];
    let name = |name: &str| File::sentence_piece(&tokens[..1]).with("general.name", text(name));
    let expected = ["[<s>]", "[<|end|>]", " ", "a"];
    for file in [
        name("Phi-3-mini"),
        name("microsoft/phi3"),
        File::sentence_piece(&tokens[..1]).with("general.architecture", text("phi3")),
        File::sentence_piece(&tokens),
    ] {
        assert_eq!(shown(&file.load().unwrap(), "<|end|> \n a"), expected);
    }
    assert_eq!(shown(&name("Llama").load().unwrap(), "<|end|> a"), ["[<s>]", "[<|end|>]", " ", " ", "a"]);
    let phi = File::sentence_piece(&tokens).load().unwrap();
    assert_eq!(shown(&phi, "<|endoftext|> a"), ["[<s>]", "[<|endoftext|>]", " ", " ", "a"]);
    assert_eq!(shown(&phi, "<s> a"), ["[<s>]", " ", " ", "a"]);
}

#[test]
fn special_tokens_that_a_file_names_are_symbols_whatever_type_they_have() {
    let file = File::byte_level("qwen2", &[("<b>", NORMAL), ("<i>", NORMAL)], &[]);
    let tokenizer = file.with("tokenizer.ggml.bos_token_id", Value::U32(0)).load().unwrap();
    assert_eq!(shown(&tokenizer, "<b><i>"), ["[<b>]", "<", "i", ">"]);
}

#[test]
fn pieces_that_spell_spaces_as_a_mark_are_read_from_byte_pair_vocabularies_too() {
    let tokens = [("▁", NORMAL), ("▁a", NORMAL), ("<0x0A>", 6), ("<unk>", UNKNOWN)];
    let file = File::byte_level("sarvam-moe", &tokens, &["▁ a"]);
    let tokenizer = file.with("tokenizer.ggml.unknown_token_id", Value::U32(3)).load().unwrap();
    assert_eq!(shown(&tokenizer, "a a\nb"), ["a", " a", "\n", "b"]);
}

#[needs(real)]
#[test]
fn the_real_files_symbols_and_white_space_have_their_own_ids() {
    let load = |name: &str| Tokenizer::load(&ModelSource::Gguf(folder!(real).join(name)), None).unwrap();
    let smol = load("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert_eq!(ids(&smol, "<|im_start|>")[..], [1]);
    assert_eq!(ids(&smol, "<|im_end|><|endoftext|>")[..], [2, 0]);
    assert_eq!(shown(&smol, "n =  75"), ["n", " =", "  ", "7", "5"]);
    let gemma = load("gemma-3-270m-q4_k_m.gguf");
    assert_eq!(ids(&gemma, "<start_of_turn><end_of_turn>\n")[..], [2, 105, 106, 107]);
    assert_eq!(ids(&gemma, "\n\n\n")[..], [2, 109]);
    assert_eq!(ids(&gemma, "  ")[..], [2, 138]);
    assert_eq!(gemma.vocabulary().bytes(TokenId(140)), b"    ");
}

#[needs(real)]
#[test]
fn the_metadata_alone_are_a_tokenizer() {
    let whole = folder!(real).join("SmolLM2-135M-Instruct.Q4_1.gguf");
    let bytes = gguf_without_tensors(&whole).unwrap();
    assert!(bytes.len() < 8 << 20, "{} bytes", bytes.len());
    let scratch = tempfile::tempdir().unwrap();
    let alone = scratch.path().join("tokenizer.gguf");
    std::fs::write(&alone, &bytes).unwrap();
    let load = |path: &std::path::Path| Tokenizer::load(&ModelSource::Gguf(path.to_owned()), None).unwrap();
    let (alone, whole) = (load(&alone), load(&whole));
    assert_eq!(alone.vocabulary().len(), whole.vocabulary().len());
    for text in ["The mill is by the river.", " 12,5 caf\u{e9}\n\tx = [1];"] {
        let ids = |tokenizer: &Tokenizer| tokenizer.encoder().encode_without_special(text).unwrap();
        assert_eq!(ids(&alone), ids(&whole));
    }
}
