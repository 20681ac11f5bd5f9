//! What is drafted, resolved.

use gac_ensemble::{DraftLength, Drafting, MemberId, Proposer};
use serde::{Deserialize, Serialize};

use super::setting_error::SettingError;
use crate::spec::draft::{DraftTokens, MOST_TOKENS};
use crate::spec::file::SystemSpec;

/// What is drafted, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// Who proposes: `prompt`, or a member by its name.
    pub by: String,
    /// How many tokens at once; as many as are worth it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
}

/// The one that repeats what was said.
const PROMPT: &str = "prompt";
/// The member that gates.
const GATE: &str = "gate";

impl DraftPlan {
    pub(crate) fn resolve(spec: &SystemSpec) -> Result<Option<Self>, SettingError> {
        let Some(by) = spec.draft.as_deref() else {
            return if spec.draft_tokens.is_some() { Err(SettingError::DraftTokensWithoutDraft) } else { Ok(None) };
        };
        let by = proposer(by, spec)?;
        let tokens = match &spec.draft_tokens {
            None => None,
            Some(DraftTokens::Word(word)) if word == "auto" => None,
            Some(DraftTokens::Count(count @ 1..=MOST_TOKENS)) => Some(*count),
            Some(DraftTokens::Count(count)) => return Err(SettingError::DraftTokens { given: count.to_string() }),
            Some(DraftTokens::Word(word)) => return Err(SettingError::DraftTokens { given: word.clone() }),
        };
        Ok(Some(Self { by: by.to_owned(), tokens }))
    }

    /// For a system with these members.
    pub(crate) fn drafting(&self, members: &[String]) -> Drafting {
        let member = members.iter().position(|member| *member == self.by).filter(|_| self.by != PROMPT);
        Drafting {
            by: member.map_or(Proposer::Prompt, |place| Proposer::Member(MemberId(place))),
            length: self.tokens.map_or(DraftLength::Auto, DraftLength::Tokens),
        }
    }
}

/// Who proposes by a recipe's word for it.
fn proposer<'s>(by: &'s str, spec: &'s SystemSpec) -> Result<&'s str, SettingError> {
    let unknown = |reason: Option<&'static str>| SettingError::UnknownDraft {
        given: by.to_owned(),
        reason: reason.unwrap_or("nobody"),
        members: spec.gate.as_ref().map_or_else(|| spec.members.clone(), |gate| vec![gate.clone()]),
    };
    match (by, &spec.gate) {
        (PROMPT, _) => Ok(PROMPT),
        (GATE, Some(gate)) => Ok(gate),
        (GATE, None) if !spec.members.iter().any(|member| member == GATE) => Err(unknown(Some("no gate"))),
        (name, _) if !spec.members.iter().any(|member| member == name) => Err(unknown(None)),
        (_, _) if spec.members.len() == 1 => Err(unknown(Some("the only member"))),
        (name, Some(gate)) if name != gate => Err(unknown(Some("a member that is not asked at every step"))),
        (name, _) => Ok(name),
    }
}
