//! A model on servers: what is known of it before they are asked.

use std::fmt;
use std::path::Path;

use gac_inference::remote::{RemoteOptions, Secret, ServerUrl};
use gac_inference::{CheckpointError, ModelSource};
use serde::{Deserialize, Serialize};

/// A model on servers. What is written down of it holds no secret: an address loses its password, and a key is named by
/// the environment variable that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPlan {
    /// Its servers: several are replicas.
    pub url: Vec<ServerUrl>,
    /// The model's name on the servers; needed where they have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The folder, file or hub id of its tokenizer; by default where the server says that it has the model from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// The environment variable that holds what is sent as a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Most probable tokens that are told of each distribution, before more is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<usize>,
}

impl ServerPlan {
    /// How the model is asked.
    ///
    /// # Errors
    /// When the key's variable is not set, or the tokenizer is nowhere.
    pub fn options(&self) -> Result<RemoteOptions, ServerPlanError> {
        let mut options = RemoteOptions::new(self.url.clone());
        options.name.clone_from(&self.name);
        if let Some(variable) = &self.api_key_env {
            let key = std::env::var(variable).ok().filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| ServerPlanError::NoKey { variable: variable.clone() })?;
            options.api_key = Some(Secret::new(key));
        }
        options.tokenizer = self.tokenizer.as_deref().map(ModelSource::parse).transpose()?;
        if let Some(logprobs) = self.logprobs {
            options.list = logprobs;
        }
        Ok(options)
    }

    /// The tokenizer's place, found from a recipe's folder where it is one.
    pub(super) fn tokenizer_from(folder: &Path, text: &str) -> String {
        let path = folder.join(text);
        if path.exists() { path.display().to_string() } else { text.to_owned() }
    }
}

impl fmt::Display for ServerPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.url.iter().map(ToString::to_string).collect();
        formatter.write_str(&urls.join(", "))
    }
}

/// A model on servers that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ServerPlanError {
    /// The key is not there.
    #[error("the environment variable `{variable}`, which holds a server's key, is not set")]
    NoKey {
        /// Its name.
        variable: String,
    },
    /// The tokenizer is nowhere.
    #[error(transparent)]
    Tokenizer(#[from] CheckpointError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_has_no_password_and_no_key() {
        let plan = ServerPlan {
            url: vec!["http://ann:secret@host:8000".parse().unwrap()],
            name: None,
            tokenizer: None,
            api_key_env: Some("PATH".into()),
            logprobs: None,
        };
        let written = serde_json::to_string(&plan).unwrap();
        assert_eq!(written, r#"{"url":["http://host:8000"],"api_key_env":"PATH"}"#);
        let options = plan.options().unwrap();
        assert!(options.api_key.is_some());
        assert!(!format!("{options:?} {plan}").contains("secret"));
        let error = ServerPlan { api_key_env: Some("GAC_NO_SUCH_KEY".into()), ..plan }.options().unwrap_err();
        assert!(error.to_string().contains("`GAC_NO_SUCH_KEY`"), "{error}");
    }
}
