//! Where a server is, and what it wants to be told before it answers. Secrets are shown nowhere.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is sent and never shown: an API key, a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address of a server: `http://host:port`, with a path in front of its API where a proxy wants one.
///
/// A user's name and password in it are sent as HTTP's basic authentication and are no part of what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Without the user's name and password, without a slash at its end.
    base: String,
    /// What the header `Authorization` says.
    authorization: Option<Secret>,
}

impl ServerUrl {
    /// Whether a text is meant to be a server's address.
    pub fn looks_like_one(text: &str) -> bool {
        text.starts_with("http://") || text.starts_with("https://")
    }

    /// The host, with the port.
    pub fn host(&self) -> &str {
        let (_, rest) = self.base.split_once("://").unwrap_or(("", &self.base));
        rest.split('/').next().unwrap_or(rest)
    }

    /// The address of `path`, which begins with a slash.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What the header `Authorization` says.
    pub(super) fn authorization(&self) -> Option<&Secret> {
        self.authorization.as_ref()
    }

    /// The same server, which is sent `key` as a bearer token where the address itself has no password.
    #[must_use]
    pub(super) fn with_key(mut self, key: Option<&Secret>) -> Self {
        let bearer = key.map(|key| Secret(format!("Bearer {}", key.reveal())));
        self.authorization = self.authorization.or(bearer);
        self
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        // What was given may hold a password, so errors do not repeat it.
        let (scheme, rest) = text.split_once("://").ok_or(ServerUrlError::Scheme)?;
        if !matches!(scheme, "http" | "https") {
            return Err(ServerUrlError::Scheme);
        }
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let path = rest[authority.len()..].trim_end_matches('/');
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if path.contains(['?', '#']) {
            return Err(ServerUrlError::Query);
        }
        // `/v1` belongs to the API's own paths.
        let path = path.strip_suffix("/v1").unwrap_or(path);
        if host.is_empty() || host.starts_with(':') || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(ServerUrlError::Host);
        }
        let authorization = user.map(|user| Secret(format!("Basic {}", STANDARD.encode(percent_decoded(user)))));
        Ok(Self { base: format!("{scheme}://{host}{path}"), authorization })
    }
}

/// A text in which the addresses have no user's names and passwords any more: a word of a command line.
pub fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end = after.find(['/', '?', '#', ',', '"', '\'']).unwrap_or(after.len());
        rest = after[..end].rfind('@').map_or(after, |user| &after[user + 1..]);
    }
    shown + rest
}

/// `%40` is `@`, and so on.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

/// A text that is no server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    /// It begins otherwise.
    #[error("a server's address begins with `http://` or `https://`")]
    Scheme,
    /// It names no host.
    #[error("a server's address names a host: `http://host:8000`")]
    Host,
    /// It has parts that no server is told.
    #[error("a server's address has no `?` and no `#`")]
    Query,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_sent_and_not_shown() {
        let url: ServerUrl = "https://ann:p%40ss@host:8000/llm/v1/".parse().unwrap();
        assert_eq!(url.to_string(), "https://host:8000/llm");
        assert_eq!(url.join("/v1/models"), "https://host:8000/llm/v1/models");
        assert_eq!(url.authorization().unwrap().reveal(), "Basic YW5uOnBAc3M=");
        assert!(!format!("{url:?}").contains("YW5u"));
        let keyed = url.with_key(Some(&Secret::new("k")));
        assert_eq!(keyed.authorization().unwrap().reveal(), "Basic YW5uOnBAc3M=", "its own comes first");
    }

    #[test]
    fn a_command_line_is_shown_without_passwords() {
        for (word, shown) in [
            ("--model=http://ann:pw@host:1/v1,https://bob:p@w@other", "--model=http://host:1/v1,https://other"),
            ("http://host:8000/a@b", "http://host:8000/a@b"),
            ("org/name@v1", "org/name@v1"),
        ] {
            assert_eq!(without_passwords(word), shown);
        }
    }

    #[test]
    fn a_key_is_a_bearer_token() {
        let url: ServerUrl = "http://[::1]:8000".parse().unwrap();
        assert_eq!((url.to_string().as_str(), url.authorization()), ("http://[::1]:8000", None));
        let keyed = url.with_key(Some(&Secret::new("k")));
        assert_eq!(keyed.authorization().unwrap().reveal(), "Bearer k");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for (text, error) in [
            ("host:8000", ServerUrlError::Scheme),
            ("ftp://host", ServerUrlError::Scheme),
            ("http://", ServerUrlError::Host),
            ("http://a:secret@", ServerUrlError::Host),
            ("http://:8000", ServerUrlError::Host),
            ("http://a b", ServerUrlError::Host),
            ("http://host/v1?key=secret", ServerUrlError::Query),
        ] {
            let found = text.parse::<ServerUrl>().unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("secret"));
        }
    }
}
