//! How a remote model is asked.

use std::time::Duration;

use super::address::{Secret, ServerUrl};
use crate::checkpoint::source::ModelSource;

/// Where a remote model is, and how it is asked.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Its servers: several are replicas of one model.
    pub servers: Vec<ServerUrl>,
    /// The model's name on the servers; needed where they have several.
    pub name: Option<String>,
    /// What is sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Where its tokenizer is; by default where the server says that it has the model from.
    pub tokenizer: Option<ModelSource>,
    /// Whether prompts begin with begin-of-text; none: as the tokenizer's files say.
    pub add_bos: Option<bool>,
    /// Most probable tokens that are told of each distribution, before more is asked for; fewer where a server lists fewer.
    pub list: usize,
    /// Most tokens that one request runs ahead. 1 is no running ahead.
    pub most_ahead: usize,
    /// Most requests in flight to one server.
    pub in_flight: usize,
    /// The longest that is waited for one answer.
    pub timeout: Duration,
    /// How long is waited for servers of which none answers.
    pub patience: Duration,
}

impl RemoteOptions {
    /// The model that `servers` serve, asked in the usual way.
    pub fn new(servers: Vec<ServerUrl>) -> Self {
        Self {
            servers,
            name: None,
            api_key: None,
            tokenizer: None,
            add_bos: None,
            list: 20,
            most_ahead: 32,
            in_flight: 64,
            timeout: Duration::from_mins(5),
            patience: Duration::from_mins(2),
        }
    }
}
