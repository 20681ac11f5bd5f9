//! What a file is by its beginning: pointers, web pages and other formats lie where a checkpoint's files should be.

/// Bytes that tell.
pub(super) const HEAD: usize = 512;

/// What a file is, other than what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
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

impl std::fmt::Display for FileKind {
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

/// What a file with this beginning is, where that is not what was expected.
pub(super) fn unexpected(head: &[u8], expected: Expected) -> Option<FileKind> {
    let text = head.trim_ascii_start();
    let begins = |with: &str| text.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with.as_bytes()));
    if text.is_empty() {
        return Some(FileKind::Empty);
    }
    // The second is how Git LFS called itself before its first release.
    if begins("version https://git-lfs") || begins("version https://hawser") {
        return Some(FileKind::LfsPointer);
    }
    if begins("<!doctype") || begins("<html") || begins("<?xml") {
        return Some(FileKind::WebPage);
    }
    if expected == Expected::Json {
        return None;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\x80\x02") {
        return Some(FileKind::Pickle);
    }
    if [b"lmgg", b"fmgg", b"tjgg", b"algg"].iter().any(|magic| head.starts_with(*magic)) {
        return Some(FileKind::Ggml);
    }
    let is_gguf = head.starts_with(b"GGUF");
    // The length of its header, then the header.
    let is_safetensors = head.get(8) == Some(&b'{');
    match expected {
        Expected::Safetensors if is_gguf => Some(FileKind::Gguf),
        Expected::Gguf if is_safetensors && !is_gguf => Some(FileKind::Safetensors),
        // Whole, and nothing but text.
        _ if !is_gguf && !is_safetensors && head.len() < HEAD && head.iter().all(|&byte| is_text(byte)) => {
            Some(FileKind::Message)
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
            (&pointer[..], Expected::Safetensors, Some(FileKind::LfsPointer)),
            (pointer, Expected::Json, Some(FileKind::LfsPointer)),
            (pointer, Expected::Gguf, Some(FileKind::LfsPointer)),
            (b"\n<!DOCTYPE html><html>", Expected::Json, Some(FileKind::WebPage)),
            (b"<?xml version=\"1.0\"?><Error>", Expected::Safetensors, Some(FileKind::WebPage)),
            (b"", Expected::Json, Some(FileKind::Empty)),
            (b"Entry not found", Expected::Safetensors, Some(FileKind::Message)),
            (b"{\"error\":\"Access to model is restricted\"}", Expected::Gguf, Some(FileKind::Message)),
            (b"PK\x03\x04archive/data.pkl", Expected::Safetensors, Some(FileKind::Pickle)),
            (b"GGUF\x03\x00\x00\x00", Expected::Safetensors, Some(FileKind::Gguf)),
            (b"GGUF\x03\x00\x00\x00", Expected::Gguf, None),
            (b"tjgg\x03\x00\x00\x00", Expected::Gguf, Some(FileKind::Ggml)),
            (b"version https://hawser.github.com/spec/v1\n", Expected::Safetensors, Some(FileKind::LfsPointer)),
            (header, Expected::Gguf, Some(FileKind::Safetensors)),
            (header, Expected::Safetensors, None),
            (b"{\"model_type\": \"llama\"}", Expected::Json, None),
            (b"\x07", Expected::Safetensors, None),
        ] {
            assert_eq!(unexpected(head, expected), found, "{}", head.escape_ascii());
        }
    }
}
