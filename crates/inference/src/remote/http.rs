//! Requests over kept-alive connections, and what can become of one.

use std::time::Duration;

use serde_json::Value;
use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, StatusCode};
use ureq::{Agent, Body};

use super::address::{Secret, ServerUrl};

/// Servers close a connection that was idle for 5 seconds and more.
const IDLE: Duration = Duration::from_secs(4);
/// The longest that is waited for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// The most bytes of an answer that are believed.
const MOST_BYTES: u64 = 4 << 30;
/// As much as is told of what a server says.
const MESSAGE: usize = 400;

/// A client with its connections.
pub(super) struct Http {
    agent: Agent,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HttpFailure {
    /// There was no connection, it was cut, or the answer did not come in time.
    Broken(String),
    /// The server has no time for it (429, 503): it says after how long to come again, or does not.
    Busy { status: u16, after: Option<Duration> },
    /// The server failed (another 5xx).
    Server { status: u16, message: String },
    /// It refuses the request (4xx).
    Refused { status: u16, message: String },
    /// The answer is not what it has to be.
    Corrupt(String),
}

impl Http {
    /// A client that keeps `connections` to one server, and waits for an answer for `timeout`.
    pub(super) fn new(connections: usize, timeout: Duration) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // To follow one would tell a key to somebody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT.min(timeout)))
            .timeout_global(Some(timeout))
            .max_idle_connections(usize::MAX)
            .max_idle_connections_per_host(connections)
            .max_idle_age(IDLE)
            .accept_encoding(AutoHeaderValue::None)
            .user_agent(concat!("gac/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent }
    }

    /// What a server says at `path`.
    pub(super) fn get(&self, server: &ServerUrl, path: &str) -> Result<Vec<u8>, HttpFailure> {
        let mut request = self.agent.get(server.join(path));
        if let Some(secret) = server.authorization() {
            request = request.header("authorization", secret.reveal());
        }
        read(request.call(), server)
    }

    /// What a server answers at `path` to `body`, which is JSON.
    pub(super) fn post(&self, server: &ServerUrl, path: &str, body: &[u8]) -> Result<Vec<u8>, HttpFailure> {
        let mut request = self.agent.post(server.join(path)).header("content-type", "application/json");
        if let Some(secret) = server.authorization() {
            request = request.header("authorization", secret.reveal());
        }
        read(request.send(body), server)
    }
}

fn read(response: Result<ureq::http::Response<Body>, ureq::Error>, server: &ServerUrl) -> Result<Vec<u8>, HttpFailure> {
    let mut response = response.map_err(|error| HttpFailure::Broken(error.to_string()))?;
    let status = response.status();
    let after = retry_after(response.headers());
    let body = response.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
    if status.is_success() {
        return body.map_err(|error| HttpFailure::Broken(error.to_string()));
    }
    let message = message(&body.unwrap_or_default(), server.authorization());
    let code = status.as_u16();
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => HttpFailure::Busy { status: code, after },
        _ if status.is_server_error() => HttpFailure::Server { status: code, message },
        _ => HttpFailure::Refused { status: code, message },
    })
}

/// What `Retry-After` says, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

/// What a server says about a failure, on one line: the message in its JSON, or the beginning of its text. Should it
/// repeat what it was authorised by, that is left out.
fn message(body: &[u8], secret: Option<&Secret>) -> String {
    let said = serde_json::from_slice::<Value>(body).ok().and_then(|value| {
        let error = value.get("error").unwrap_or(&value);
        let text = ["message", "detail", "error"].iter().find_map(|key| error.get(key)).unwrap_or(error);
        Some(text.as_str().map_or_else(|| text.to_string(), str::to_owned)).filter(|text| !text.is_empty())
    });
    let text = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(secret) = secret {
        let key = secret.reveal();
        let key = key.split_once(' ').map_or(key, |(_, key)| key);
        text = text.replace(key, "***");
    }
    if let Some((end, _)) = text.char_indices().nth(MESSAGE) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

impl std::fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(reason) => write!(f, "no answer: {reason}"),
            Self::Busy { status, .. } => write!(f, "it is busy (HTTP {status})"),
            Self::Server { status, message } | Self::Refused { status, message } if message.is_empty() => {
                write!(f, "HTTP {status}")
            }
            Self::Server { status, message } | Self::Refused { status, message } => {
                write!(f, "HTTP {status}: {message}")
            }
            Self::Corrupt(reason) => write!(f, "an answer that makes no sense: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_message_is_found_in_the_shapes_of_the_engines() {
        for (body, expected) in [
            (r#"{"error": {"message": "too long", "code": 400}}"#, "too long"),
            (r#"{"object": "error", "message": "too long"}"#, "too long"),
            (r#"{"detail": "Not Found"}"#, "Not Found"),
            (r#"{"error": "no\n slot"}"#, "no slot"),
            ("<html>gone</html>", "<html>gone</html>"),
            ("", ""),
        ] {
            assert_eq!(message(body.as_bytes(), None), expected);
        }
        let echoed = message(b"wrong key: sk-1", Some(&Secret::new("Bearer sk-1")));
        assert_eq!(echoed, "wrong key: ***");
        assert_eq!(message("x".repeat(1000).as_bytes(), None).len(), MESSAGE + 3);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let parsed = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(parsed("2"), Some(Duration::from_secs(2)));
        assert_eq!(parsed("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        assert_eq!(parsed("soon"), None);
        assert_eq!(parsed("-3"), None);
    }
}
