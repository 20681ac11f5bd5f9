//! Why a system cannot be opened.

use gac_ensemble::EnsembleError;
use gac_inference::remote::RemoteError;
use gac_inference::{ChatError, CheckpointError, EngineError, TokenizerLoadError};

use crate::identity::model::IdentityError;
use crate::plan::server::ServerPlanError;

/// A system that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A member that no model is called.
    #[error("there is no model `{name}`")]
    UnknownModel {
        /// The name.
        name: String,
    },
    /// A system whose members answer alone is no ensemble.
    #[error("the members of `{system}` answer alone, and its answer is chosen by a task's rules")]
    FullResponse {
        /// The system.
        system: String,
    },
    /// Reasoning is to end with a token that is no text.
    #[error("model `{model}` is to end its reasoning with token {id}, which its vocabulary does not have as a text")]
    ThinkEndToken {
        /// The model.
        model: String,
        /// The id.
        id: u32,
    },
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its servers cannot be used.
    #[error(transparent)]
    Remote(Box<RemoteError>),
    /// Its servers cannot be asked.
    #[error(transparent)]
    Servers(#[from] ServerPlanError),
    /// Its files cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its chat template cannot be used.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// Its tokenizer cannot be loaded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerLoadError),
    /// The members do not make an ensemble.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
}

impl From<RemoteError> for OpenError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(Box::new(error))
    }
}
