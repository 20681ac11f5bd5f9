//! Settings of a system that make no sense.

use gac_ensemble::{MethodError, SamplingError};

use crate::spec::draft::MOST_TOKENS;

/// Settings that make no sense, alone or together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingError {
    /// A method's own setting is out of range.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// A sampling setting is out of range.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// A setting of another method.
    #[error("`{setting}` means nothing to the method `{method}`")]
    OtherMethod {
        /// The setting.
        setting: &'static str,
        /// The method.
        method: &'static str,
        /// Who knows it.
        owners: Vec<&'static str>,
    },
    /// A kind of certainty, and nobody to be certain.
    #[error("`gate-by` says how sure a gate is, and there is no gate with a threshold")]
    GateByWithoutGate,
    /// Nothing drafts by that name.
    #[error(
        "`draft` is `{given}`, which is {reason} here: tokens are proposed by `prompt`, from what was said before, or by `{}`",
        proposers.join("` or `")
    )]
    UnknownDraft {
        /// The name.
        given: String,
        /// What it is instead.
        reason: &'static str,
        /// Who could.
        proposers: Vec<String>,
    },
    /// A number of tokens that cannot be proposed.
    #[error("`draft-tokens` is `{given}`: it has to be `auto`, or a number from 1 to {MOST_TOKENS}")]
    DraftTokens {
        /// What was given.
        given: String,
    },
    /// A number of tokens to propose, and nothing that proposes them.
    #[error("`draft-tokens` says how many tokens are proposed at once, and `draft` does not say by what")]
    DraftTokensWithoutDraft,
    /// A system message, and no chat.
    #[error("a system instruction is a message of a chat, and prompts are no chats")]
    SystemWithoutChat,
    /// Shots as turns or not, and no chat.
    #[error("shots are turns of a chat, and prompts are no chats")]
    TurnsWithoutChat,
    /// Arguments of chat templates, and no chat.
    #[error("chat templates are given arguments, and prompts are no chats")]
    ArgumentsWithoutChat,
    /// Weights from two places.
    #[error("weights are given, and are to follow from the prompt as well")]
    TwoWeights,
}
