//! How a model's reasoning ends.

use gac_ensemble::{ThinkEnd, ThinkSource};
use gac_inference::{ChatTemplate, Symbol, TokenId, Tokenizer};

use crate::open_error::OpenError;
use crate::plan::model::ModelPlan;
use crate::spec::file::ThinkEndToken;

/// How a model's reasoning ends: as its plan says, or as the template of its chats does.
pub(crate) fn think_end(
    plan: &ModelPlan,
    tokenizer: &Tokenizer,
    template: Option<&ChatTemplate>,
) -> Result<Option<ThinkEnd>, OpenError> {
    let stated = |token| Some(ThinkEnd { token, source: ThinkSource::Stated });
    match &plan.think_end_token {
        Some(ThinkEndToken::Text(text)) if text.is_empty() => Ok(None),
        Some(ThinkEndToken::Text(text)) => Ok(stated(text.clone())),
        Some(ThinkEndToken::Id(id)) => {
            let vocabulary = tokenizer.vocabulary();
            let known = (*id as usize) < vocabulary.len();
            let token = match known.then(|| vocabulary.symbol(TokenId(*id))) {
                Some(Symbol::Control { name }) => Some(name.to_string()),
                Some(Symbol::Text { bytes, .. }) => String::from_utf8(bytes.to_vec()).ok(),
                Some(Symbol::Unused) | None => None,
            };
            token.map(stated).ok_or_else(|| OpenError::ThinkEndToken { model: plan.name.clone(), id: *id })
        }
        None => {
            let found = template.and_then(ChatTemplate::thinking_end);
            Ok(found.map(|token| ThinkEnd { token: token.to_owned(), source: ThinkSource::Found }))
        }
    }
}
