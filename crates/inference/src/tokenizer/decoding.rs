//! What the tokens of a tokenizer stand for, by the decoder in its `tokenizer.json`.

use serde_json::Value;
use tokenizers::{Decoder, DecoderWrapper};

use super::bytes::{alphabet_bytes, fallback_byte};

/// How a token becomes bytes: the steps of a decoder that work on each token by itself.
///
/// What a decoder does at the ends of a whole text (the space that it drops in front) is no part of a token.
pub(crate) struct TokenDecoding {
    steps: Vec<DecodeStep>,
}

enum DecodeStep {
    /// Something that gives another text.
    Rewrite(Box<DecoderWrapper>),
    /// Takes `content` off the beginning and the end, at most so many times.
    Strip { content: char, start: usize, stop: usize },
    /// `<0x0A>` is a byte.
    ByteFallback,
    /// GPT-2's alphabet.
    ByteLevel,
}

/// Bytes, and whether they are a byte-fallback token's.
pub(crate) struct Decoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fallback: bool,
}

impl TokenDecoding {
    /// Reads the `decoder`; without one, the bytes follow from how text becomes pieces: `before` are the normalizer and
    /// the pre-tokenizer. `byte_fallback` is the model's flag.
    ///
    /// # Errors
    /// What is not known, in words.
    pub(crate) fn read(decoder: &Value, before: [&Value; 2], byte_fallback: bool) -> Result<Self, String> {
        let mut steps = Vec::new();
        if decoder.is_null() {
            let told = |step: &&Value| kind(step).is_some_and(|kind| ["ByteLevel", "Metaspace"].contains(&kind));
            match before.into_iter().flat_map(flat).find(told) {
                Some(step) if kind(step) == Some("ByteLevel") => steps.push(DecodeStep::ByteLevel),
                Some(step) => steps.push(metaspace(step)?),
                None => return Err("it has no decoder".to_owned()),
            }
        }
        // Whether the tokens were joined already.
        let mut whole = false;
        for step in flat(decoder) {
            match kind(step).unwrap_or_default() {
                // At the ends of the whole text.
                "Strip" | "Fuse" if whole => {}
                // What one character is replaced by is a matter of single tokens all the same, if they are text still.
                "Replace" if whole && replaces_one_character(step) && !ends_in_bytes(&steps) => {
                    steps.push(DecodeStep::Rewrite(parse(step)?));
                }
                other if whole => return Err(format!("its decoder has a `{other}` after tokens were joined: {step}")),
                "ByteLevel" => {
                    steps.push(DecodeStep::ByteLevel);
                    whole = true;
                }
                "ByteFallback" => steps.push(DecodeStep::ByteFallback),
                "Fuse" => whole = true,
                "Replace" => steps.push(DecodeStep::Rewrite(parse(step)?)),
                "Strip" => steps.push(strip(step)?),
                "Metaspace" => steps.push(metaspace(step)?),
                other => return Err(format!("its decoder is of the kind `{other}`, whose bytes are not known")),
            }
        }
        if byte_fallback && !steps.iter().any(|step| matches!(step, DecodeStep::ByteFallback)) {
            steps.push(DecodeStep::ByteFallback);
        }
        Ok(Self { steps })
    }

    /// The bytes of a token in the middle of a text.
    pub(crate) fn decode(&self, token: &str) -> Decoded {
        let mut text = token.to_owned();
        for step in &self.steps {
            match step {
                DecodeStep::Rewrite(decoder) => {
                    // Of one token comes one text; a decoder that fails on it leaves it.
                    let rewritten = decoder.decode_chain(vec![text.clone()]).map(|texts| texts.concat());
                    text = rewritten.unwrap_or(text);
                }
                DecodeStep::Strip { content, start, stop } => {
                    let begin = text.chars().take(*start).take_while(|c| c == content).count() * content.len_utf8();
                    text.drain(..begin);
                    let end = text.chars().rev().take(*stop).take_while(|c| c == content).count() * content.len_utf8();
                    text.truncate(text.len() - end);
                }
                DecodeStep::ByteFallback => {
                    if let Some(byte) = fallback_byte(&text) {
                        return Decoded { bytes: vec![byte], fallback: true };
                    }
                }
                DecodeStep::ByteLevel => return Decoded { bytes: alphabet_bytes(&text), fallback: false },
            }
        }
        Decoded { bytes: text.into_bytes(), fallback: false }
    }
}

/// A `Sequence`'s steps, those of sequences in it among them; anything else is one step, and null none.
fn flat(step: &Value) -> Vec<&Value> {
    let inner = ["decoders", "normalizers", "pretokenizers"].iter().find_map(|key| step.get(key)?.as_array());
    match inner {
        Some(steps) => steps.iter().flat_map(flat).collect(),
        None if step.is_null() => Vec::new(),
        None => vec![step],
    }
}

fn kind(step: &Value) -> Option<&str> {
    step.get("type")?.as_str()
}

fn ends_in_bytes(steps: &[DecodeStep]) -> bool {
    steps.iter().any(|step| matches!(step, DecodeStep::ByteLevel))
}

fn replaces_one_character(step: &Value) -> bool {
    step.pointer("/pattern/String").and_then(Value::as_str).is_some_and(|text| text.chars().count() == 1)
}

/// A space for what a `Metaspace` puts in the place of one, as in the middle of a text.
fn metaspace(step: &Value) -> Result<DecodeStep, String> {
    let replacement = step.get("replacement").and_then(Value::as_str).unwrap_or("▁");
    let replace = serde_json::json!({"type": "Replace", "pattern": {"String": replacement}, "content": " "});
    Ok(DecodeStep::Rewrite(parse(&replace)?))
}

fn strip(step: &Value) -> Result<DecodeStep, String> {
    let most = |key: &str| step.get(key).and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    let content = step.get("content").and_then(Value::as_str).and_then(|text| text.chars().next());
    match (content, most("start"), most("stop")) {
        (Some(content), Some(start), Some(stop)) => Ok(DecodeStep::Strip { content, start, stop }),
        _ => Err(format!("its decoder cannot be read: {step}")),
    }
}

fn parse(step: &Value) -> Result<Box<DecoderWrapper>, String> {
    serde_json::from_value(step.clone()).map(Box::new).map_err(|error| format!("its decoder cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoding(decoder: &Value) -> Result<TokenDecoding, String> {
        TokenDecoding::read(decoder, [&Value::Null, &Value::Null], false)
    }

    fn bytes(decoder: &Value, token: &str) -> Vec<u8> {
        decoding(decoder).unwrap().decode(token).bytes
    }

    #[test]
    fn the_steps_of_a_sequence_are_taken_in_turn() {
        let llama = json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]});
        assert_eq!(bytes(&llama, "▁the"), b" the");
        assert_eq!(bytes(&llama, "▁▁"), b"  ");
        let byte = decoding(&llama).unwrap().decode("<0x0A>");
        assert!(byte.fallback && byte.bytes == b"\n");
        let metaspace = json!({"type": "Metaspace", "replacement": "_", "prepend_scheme": "always"});
        assert_eq!(bytes(&metaspace, "_a▁"), " a▁".as_bytes());
        // In front of a join, each token is stripped.
        let stripped =
            json!({"type": "Sequence", "decoders": [{"type": "Strip", "content": "x", "start": 1, "stop": 0}]});
        assert_eq!(bytes(&stripped, "xxa"), b"xa");
    }

    #[test]
    fn without_a_decoder_the_way_there_says_it() {
        let pre = json!({"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]});
        let decoding = TokenDecoding::read(&Value::Null, [&Value::Null, &pre], false).unwrap();
        assert_eq!(decoding.decode("Ġa").bytes, b" a");
        assert!(TokenDecoding::read(&Value::Null, [&Value::Null, &Value::Null], false).is_err());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for decoder in [
            json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
            json!({"type": "CTC"}),
            json!({"type": "BPEDecoder", "suffix": "</w>"}),
            json!({"type": "Sequence", "decoders": [
                {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "ab"}, "content": " "},
            ]}),
            json!({"type": "Sequence", "decoders": [
                {"type": "ByteLevel"}, {"type": "Replace", "pattern": {"String": "a"}, "content": " "},
            ]}),
        ] {
            assert!(decoding(&decoder).is_err(), "{decoder}");
        }
    }
}
