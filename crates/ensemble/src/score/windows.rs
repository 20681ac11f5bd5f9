//! A text in windows that members have room for: lm-evaluation-harness's rolling log-likelihood.
//!
//! Source: lm-evaluation-harness 0.4.13, `get_rolling_token_windows` with `context_len` 1 and `make_disjoint_window`.

use gac_inference::TokenId;

use super::continuation::Encoded;
use crate::error::RequestError;
use crate::member::MemberId;
use crate::request::Overlong;
use crate::settings::Settings;
use crate::vocabulary::segmentation::Segmentation;

/// A text as one member reads it, token by token of the first member; what stands before the text is token 0.
struct MemberText {
    ids: Vec<TokenId>,
    /// Where each token begins in `ids`, but for the last one: it is scored and not read.
    starts: Vec<usize>,
    /// Most ids that it can read at once.
    room: usize,
}

impl MemberText {
    /// The ids of the tokens from `from` up to `to`.
    fn ids(&self, from: usize, to: usize) -> &[TokenId] {
        &self.ids[self.starts[from]..self.starts[to]]
    }
}

/// Cuts a text into windows, to be scored each by itself, so that each token is scored once.
///
/// A window begins with one token that the window before has scored (further back where some member spells that as
/// nothing) and is as long as the members have room for; the last window begins as early as they have room for. Windows are
/// cut between the first member's tokens, for all members alike: the one that has room for the least decides.
///
/// # Errors
/// When some member cannot spell the text, or has no room for a single token.
pub(crate) fn windows(
    settings: &Settings,
    segmentation: &mut Segmentation,
    mut text: Encoded,
) -> Result<Vec<Encoded>, RequestError> {
    text.begin(settings)?;
    let spelled = spell(settings, segmentation, &text)?;
    let is_read = |from, to| spelled.iter().all(|member| !member.ids(from, to).is_empty());
    let lacks_room = |from, to| spelled.iter().position(|member| member.ids(from, to).len() > member.room);
    let end = text.tokens.len() + 1;
    let mut windows = Vec::new();
    let mut next = 1;
    while next < end {
        let mut begin = (0..next).rev().find(|&begin| is_read(begin, next)).unwrap_or(0);
        if let Some(member) = lacks_room(begin, next) {
            let member = &settings.ensemble().members()[member];
            let (context, tokens) = (member.limits.context, member.limits.context + 1);
            return Err(RequestError::TooLong { member: member.name.clone(), tokens, context });
        }
        let last = (next..end).take_while(|&last| lacks_room(begin, last).is_none()).last().unwrap_or(next);
        if last + 1 == end {
            begin = (0..=begin).rev().take_while(|&begin| lacks_room(begin, last).is_none()).last().unwrap_or(begin);
        }
        windows.push(Encoded {
            context: spelled.iter().map(|member| member.ids(begin, next).to_vec()).collect(),
            tokens: text.tokens[next - 1..last].to_vec(),
            overlong: Overlong::Refuse,
        });
        next = last + 1;
    }
    Ok(windows)
}

/// The text as each member reads it.
fn spell(
    settings: &Settings,
    segmentation: &mut Segmentation,
    text: &Encoded,
) -> Result<Vec<MemberText>, RequestError> {
    let ensemble = settings.ensemble();
    let projection = ensemble.union().projection(MemberId(0));
    let mut spelled = Vec::with_capacity(text.context.len());
    for (place, (member, begin)) in ensemble.members().iter().zip(&text.context).enumerate() {
        let mut ids = begin.clone();
        let mut starts = vec![0, ids.len()];
        for &token in text.tokens.split_last().map_or(&[][..], |(_, read)| read) {
            if place == 0 {
                ids.push(token);
            } else {
                let unused =
                    || RequestError::UnusedToken { member: ensemble.members()[0].name.clone(), token: token.0 };
                let key = projection.key(token).ok_or_else(unused)?;
                ids.extend_from_slice(ensemble.segment(segmentation, key, place)?);
            }
            starts.push(ids.len());
        }
        spelled.push(MemberText { ids, starts, room: member.limits.context });
    }
    Ok(spelled)
}
