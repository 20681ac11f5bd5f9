//! What is drafted, resolved.

use gac_ensemble::{DraftLength, Drafting, MemberId, Proposer};
use serde::{Deserialize, Serialize};

use super::setting_error::SettingError;
use crate::spec::draft::{DraftTokens, MOST_TOKENS};
use crate::spec::file::SystemSpec;

/// What is drafted, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// Who proposes: `prompt`, or a model by its name: a member, or one that has no vote.
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
    /// Decides what is drafted; `known` are the recipe's models.
    pub(crate) fn resolve(spec: &SystemSpec, known: &[String]) -> Result<Option<Self>, SettingError> {
        let Some(by) = spec.draft.as_deref() else {
            return if spec.draft_tokens.is_some() { Err(SettingError::DraftTokensWithoutDraft) } else { Ok(None) };
        };
        let by = proposer(by, spec, known)?;
        let tokens = match &spec.draft_tokens {
            None => None,
            Some(DraftTokens::Word(word)) if word == "auto" => None,
            Some(DraftTokens::Count(count @ 1..=MOST_TOKENS)) => Some(*count),
            Some(DraftTokens::Count(count)) => return Err(SettingError::DraftTokens { given: count.to_string() }),
            Some(DraftTokens::Word(word)) => return Err(SettingError::DraftTokens { given: word.clone() }),
        };
        Ok(Some(Self { by: by.to_owned(), tokens }))
    }

    /// The model without a vote that proposes, where one does.
    pub(crate) fn drafter(&self, members: &[String]) -> Option<&str> {
        (self.drafting(members).by == Proposer::Drafter).then_some(&*self.by)
    }

    /// For a system with these members.
    pub(crate) fn drafting(&self, members: &[String]) -> Drafting {
        let member = members.iter().position(|member| *member == self.by);
        Drafting {
            by: match member {
                _ if self.by == PROMPT => Proposer::Prompt,
                Some(place) => Proposer::Member(MemberId(place)),
                None => Proposer::Drafter,
            },
            length: self.tokens.map_or(DraftLength::Auto, DraftLength::Tokens),
        }
    }
}

/// Who proposes by a recipe's word for it.
fn proposer<'s>(by: &'s str, spec: &'s SystemSpec, known: &[String]) -> Result<&'s str, SettingError> {
    let members = spec.gate.as_ref().map_or_else(|| spec.members.clone(), |gate| vec![gate.clone()]);
    let outside = known.iter().filter(|model| !spec.members.contains(model));
    let unknown = |reason: Option<&'static str>| SettingError::UnknownDraft {
        given: by.to_owned(),
        reason: reason.unwrap_or("nobody"),
        proposers: members.iter().chain(outside.clone()).cloned().collect(),
    };
    match (by, &spec.gate) {
        (PROMPT, _) => Ok(PROMPT),
        (GATE, Some(gate)) => Ok(gate),
        (GATE, None) if !spec.members.iter().any(|member| member == GATE) => Err(unknown(Some("no gate"))),
        (name, _) if outside.clone().any(|model| model == name) => Ok(name),
        (name, _) if !spec.members.iter().any(|member| member == name) => Err(unknown(None)),
        (_, _) if spec.members.len() == 1 => Err(unknown(Some("the only member"))),
        (name, Some(gate)) if name != gate => Err(unknown(Some("a member that is not asked at every step"))),
        (name, _) => Ok(name),
    }
}
