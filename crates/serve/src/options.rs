//! What a server allows.

use std::time::Duration;

/// Limits of a server, and who may use it.
#[derive(Clone)]
pub struct ServerOptions {
    /// What requests have to bring as a bearer token; nothing where anybody may ask.
    pub api_key: Option<String>,
    /// The origins whose pages may ask, as `Access-Control-Allow-Origin` has it; nothing where only the server's own may.
    pub allowed_origin: Option<String>,
    /// Most bytes of a request's body; beyond: status 413.
    pub max_body: usize,
    /// Most texts in flight and waiting, over all requests; beyond: status 429.
    pub max_queue: usize,
    /// Most connections; beyond: status 503.
    pub max_connections: usize,
    /// Most texts that are continued at once.
    pub max_samples: usize,
    /// Longest list of most probable tokens; none where there is no limit.
    pub max_log_probs: Option<usize>,
    /// How long a client may take for a request's head, and for its body.
    pub patience: Duration,
    /// How long what runs may take to finish when the server stops.
    pub grace: Duration,
    /// What is told of every request that was answered.
    pub access_log: Option<fn(&serde_json::Value)>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            api_key: None,
            allowed_origin: None,
            max_body: 32 << 20,
            max_queue: 1024,
            max_connections: 1024,
            max_samples: 64,
            max_log_probs: Some(20),
            patience: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            access_log: None,
        }
    }
}
