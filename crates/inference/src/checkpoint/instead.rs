//! What lies where a checkpoint's file should be: pointers, web pages, other formats.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::files::CheckpointError;

/// Bytes that tell.
const HEAD: usize = 512;

/// What a file is instead of what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Where Git LFS was to put a file.
    LfsPointer,
    /// A page that a server answered with.
    WebPage,
    /// Nothing.
    Empty,
    /// A message of a few words.
    Message,
    /// What PyTorch's `torch.save` writes.
    Pickle,
    /// A GGUF file.
    Gguf,
    /// A model of ggml from before GGUF.
    Ggml,
    /// A safetensors file.
    Safetensors,
}

/// What a file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Text in JSON.
    Json,
    /// Weights as safetensors.
    Safetensors,
    /// A GGUF file.
    Gguf,
}

impl std::fmt::Display for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LfsPointer => "a Git LFS pointer, which says where the file is to be had",
            Self::WebPage => "a web page, as a server answers with instead of a file",
            Self::Empty => "empty",
            Self::Message => "a few words of text",
            Self::Pickle => "a PyTorch pickle",
            Self::Gguf => "a GGUF file",
            Self::Ggml => "a model of ggml from before there was GGUF",
            Self::Safetensors => "a safetensors file",
        })
    }
}

impl Instead {
    /// What a user can do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::LfsPointer => "`git lfs pull` in the model's folder fetches the files themselves",
            Self::WebPage | Self::Message => {
                "download the file again, from its `resolve` address; a gated model needs HF_TOKEN"
            }
            Self::Empty => "download the file again",
            Self::Pickle => {
                "convert it: transformers' `AutoModelForCausalLM.from_pretrained(A).save_pretrained(B)` writes safetensors"
            }
            Self::Gguf => "give the GGUF file itself as the model, with a name that ends in .gguf",
            Self::Ggml => "take the model as a GGUF file of version 3, as llama.cpp's converters write it",
            Self::Safetensors => "a model of safetensors is a folder with config.json and tokenizer.json beside them",
        }
    }
}

/// Refuses a file that begins as something else does. One that cannot be read is left to whoever reads it.
pub(crate) fn refuse_others(path: &Path, expected: Expected) -> Result<(), CheckpointError> {
    let mut head = Vec::with_capacity(HEAD);
    match File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head)) {
        Ok(_) => refuse_head(path, &head, expected),
        Err(_) => Ok(()),
    }
}

/// As [`refuse_others`], of a file whose beginning, or all of it, is `head`.
pub(super) fn refuse_head(path: &Path, head: &[u8], expected: Expected) -> Result<(), CheckpointError> {
    match instead(head, expected) {
        None => Ok(()),
        Some(instead) => Err(CheckpointError::Instead { path: path.display().to_string(), instead }),
    }
}

fn instead(head: &[u8], expected: Expected) -> Option<Instead> {
    let text = head.trim_ascii_start();
    let begins = |with: &str| text.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with.as_bytes()));
    if text.is_empty() {
        return Some(Instead::Empty);
    }
    // The second is how Git LFS called itself before its first release.
    if begins("version https://git-lfs") || begins("version https://hawser") {
        return Some(Instead::LfsPointer);
    }
    if begins("<!doctype") || begins("<html") || begins("<?xml") {
        return Some(Instead::WebPage);
    }
    if expected == Expected::Json {
        return None;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\x80\x02") {
        return Some(Instead::Pickle);
    }
    if [b"lmgg", b"fmgg", b"tjgg", b"algg"].iter().any(|magic| head.starts_with(*magic)) {
        return Some(Instead::Ggml);
    }
    let is_gguf = head.starts_with(b"GGUF");
    // The length of its header, then the header.
    let is_safetensors = head.get(8) == Some(&b'{');
    match expected {
        Expected::Safetensors if is_gguf => Some(Instead::Gguf),
        Expected::Gguf if is_safetensors && !is_gguf => Some(Instead::Safetensors),
        // Whole, and nothing but text.
        _ if !is_gguf && !is_safetensors && head.len() < HEAD && head.iter().all(|&byte| is_text(byte)) => {
            Some(Instead::Message)
        }
        _ => None,
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_beginning() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        let header = b"\x40\x00\x00\x00\x00\x00\x00\x00{\"x\":{}}";
        for (head, expected, found) in [
            (&pointer[..], Expected::Safetensors, Some(Instead::LfsPointer)),
            (pointer, Expected::Json, Some(Instead::LfsPointer)),
            (pointer, Expected::Gguf, Some(Instead::LfsPointer)),
            (b"\n<!DOCTYPE html><html>", Expected::Json, Some(Instead::WebPage)),
            (b"<?xml version=\"1.0\"?><Error>", Expected::Safetensors, Some(Instead::WebPage)),
            (b"", Expected::Json, Some(Instead::Empty)),
            (b"Entry not found", Expected::Safetensors, Some(Instead::Message)),
            (b"{\"error\":\"Access to model is restricted\"}", Expected::Gguf, Some(Instead::Message)),
            (b"PK\x03\x04archive/data.pkl", Expected::Safetensors, Some(Instead::Pickle)),
            (b"GGUF\x03\x00\x00\x00", Expected::Safetensors, Some(Instead::Gguf)),
            (b"GGUF\x03\x00\x00\x00", Expected::Gguf, None),
            (b"tjgg\x03\x00\x00\x00", Expected::Gguf, Some(Instead::Ggml)),
            (b"version https://hawser.github.com/spec/v1\n", Expected::Safetensors, Some(Instead::LfsPointer)),
            (header, Expected::Gguf, Some(Instead::Safetensors)),
            (header, Expected::Safetensors, None),
            (b"{\"model_type\": \"llama\"}", Expected::Json, None),
            (b"\x07", Expected::Safetensors, None),
        ] {
            assert_eq!(instead(head, expected), found, "{}", head.escape_ascii());
        }
    }
}
