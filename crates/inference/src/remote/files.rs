//! The tokenizer that a `gac serve` hands over, with what belongs to it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use super::address::ServerUrl;
use super::error::RemoteError;
use super::http::{Http, HttpFailure};
use super::protocol::ServerEngine;
use crate::checkpoint::source::ModelSource;

/// What every tokenizer is read from.
const TOKENIZER: &str = "tokenizer.json";
/// What a tokenizer and a chat template are read from beside it, where it is there.
const OTHERS: [&str; 7] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
];
/// What all of them are in where the member is from a GGUF file: its metadata.
const METADATA: &str = "tokenizer.gguf";

/// Fetches the files of `member` into the user's cache.
pub(super) fn member_files(http: &Http, server: &ServerUrl, member: &str) -> Result<ModelSource, RemoteError> {
    let probe = |reason: String| RemoteError::Probe { server: server.to_string(), engine: ServerEngine::Gac, reason };
    let folder = cache().join("members").join(plain(&server.to_string())).join(plain(member));
    // Whether it is there.
    let fetch = |file: &str| {
        let path = format!("/gac/members/{}/files/{file}", escaped(member));
        match http.get(server, &path) {
            Ok(bytes) => write(&folder, file, &bytes)
                .map(|()| true)
                .map_err(|error| probe(format!("failed to write `{}`: {error}", folder.join(file).display()))),
            Err(HttpFailure::Refused { status: 404, .. }) => {
                let _ = fs::remove_file(folder.join(file));
                Ok(false)
            }
            Err(failure) => Err(probe(format!("`{path}`: {failure}"))),
        }
    };
    if !fetch(TOKENIZER)? {
        if fetch(METADATA)? {
            return Ok(ModelSource::Gguf(folder.join(METADATA)));
        }
        return Err(probe(format!("member `{member}` has neither `{TOKENIZER}` nor `{METADATA}`")));
    }
    for file in OTHERS {
        fetch(file)?;
    }
    Ok(ModelSource::Folder(folder))
}

/// Written whole or not at all: others may read it at the same time.
fn write(folder: &Path, file: &str, bytes: &[u8]) -> io::Result<()> {
    if fs::read(folder.join(file)).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{file}.{}", std::process::id()));
    fs::write(&unfinished, bytes)?;
    fs::rename(unfinished, folder.join(file))
}

/// The user's cache: `GAC_CACHE`, else `gac` in `XDG_CACHE_HOME` or `~/.cache`, else where temporary files are.
fn cache() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("GAC_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("gac")))
        .or_else(|| set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache/gac")))
        .unwrap_or_else(|| env::temp_dir().join("gac"))
}

/// A name that is one folder's.
fn plain(text: &str) -> String {
    let sound = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '.' };
    let name: String = text.chars().map(sound).collect();
    let parts: Vec<&str> = name.split('.').filter(|part| !part.is_empty()).collect();
    parts.join(".")
}

/// A name as a part of a path in an address.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_paths_and_single_folders() {
        assert_eq!(escaped("org/a b"), "org%2Fa%20b");
        assert_eq!(plain("http://host:8000"), "http.host.8000");
        assert_eq!(plain("../../etc"), "etc");
    }
}
