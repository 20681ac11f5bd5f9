//! What is drafted, resolved.

use gac_ensemble::{DraftLength, Drafting, Proposer};
use serde::{Deserialize, Serialize};

use super::setting_error::SettingError;
use crate::spec::draft::{DraftTokens, MOST_TOKENS};

/// What is drafted, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// Who proposes: `prompt`.
    pub by: String,
    /// How many tokens at once; as many as are worth it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
}

/// The one that repeats what was said.
const PROMPT: &str = "prompt";

impl DraftPlan {
    pub(crate) fn resolve(by: Option<&str>, tokens: Option<&DraftTokens>) -> Result<Option<Self>, SettingError> {
        let Some(by) = by else {
            return if tokens.is_some() { Err(SettingError::DraftTokensWithoutDraft) } else { Ok(None) };
        };
        if by != PROMPT {
            return Err(SettingError::UnknownDraft { given: by.to_owned() });
        }
        let tokens = match tokens {
            None => None,
            Some(DraftTokens::Word(word)) if word == "auto" => None,
            Some(DraftTokens::Count(count @ 1..=MOST_TOKENS)) => Some(*count),
            Some(DraftTokens::Count(count)) => return Err(SettingError::DraftTokens { given: count.to_string() }),
            Some(DraftTokens::Word(word)) => return Err(SettingError::DraftTokens { given: word.clone() }),
        };
        Ok(Some(Self { by: by.to_owned(), tokens }))
    }

    pub(crate) fn drafting(&self) -> Drafting {
        Drafting { by: Proposer::Prompt, length: self.tokens.map_or(DraftLength::Auto, DraftLength::Tokens) }
    }
}
