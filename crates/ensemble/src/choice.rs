//! Continuations to score, as ids: encoded as lm-evaluation-harness does it (`TemplateLM._encode_pair`).

use std::borrow::Cow;
use std::sync::Arc;

use gac_inference::{TokenId, Tokenizer};

use crate::prompt::{Reader, Unreadable, chats_need_templates, keep_last, parallel, prefix};
use crate::{Ensemble, EnsembleError, LogLikelihoodRequest, Member, MemberId, Overlong, UnionId};

/// A context in every member's ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Context {
    /// `[member]`, never empty.
    pub(crate) ids: Vec<Vec<TokenId>>,
    /// Whether some member's was cut from the left.
    pub(crate) truncated: bool,
}

/// A continuation of a context: tokens of the first member, to be scored in the union vocabulary.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Index of the request.
    pub(crate) request: usize,
    /// Shared with the neighbours that have the same.
    pub(crate) context: Arc<Context>,
    /// The first member's ids for the continuation, at least one, and their union tokens (none for unused rows,
    /// which only a single model can be asked about).
    pub(crate) tokens: Vec<(TokenId, Option<UnionId>)>,
    /// `[member]`: what it is fed after the context; the last token is scored and not fed.
    pub(crate) fed: Vec<Vec<TokenId>>,
    /// `[member][token]`: how many ids of `fed` come before the token is scored.
    pub(crate) before: Vec<Vec<usize>>,
}

impl Choice {
    /// The length of the pass in which lm-evaluation-harness has a model read it: all but the last token, which only is
    /// scored.
    pub(crate) fn pass(&self, member: usize) -> usize {
        self.context.ids[member].len() + self.before[member].last().copied().unwrap_or_default()
    }

    /// Whether it follows the same context as `other`, in which `members` read the same.
    pub(crate) fn shares_context(&self, other: &Self, members: &[Member]) -> bool {
        let turned = |(member, m): (usize, &Member)| m.model.turns_alike(self.pass(member), other.pass(member));
        Arc::ptr_eq(&self.context, &other.context) && members.iter().enumerate().all(turned)
    }
}

/// Encodes all `requests`.
///
/// # Errors
/// For the first that some member cannot encode or hold.
pub(crate) fn choices(
    ensemble: &mut Ensemble,
    requests: &[LogLikelihoodRequest],
) -> Result<Vec<Choice>, EnsembleError> {
    let chat = ensemble.chat.as_ref();
    chats_need_templates(chat, requests.iter().map(|request| &request.context))?;
    let tokenizers: Vec<&Tokenizer> = ensemble.members.iter().map(|member| &*member.tokenizer).collect();
    let reader = |place: usize| Reader { place, tokenizer: tokenizers[place], chat };
    let same =
        |a: &LogLikelihoodRequest, b: &LogLikelihoodRequest| (&a.context, a.encoding) == (&b.context, b.encoding);
    let firsts: Vec<usize> =
        (0..requests.len()).filter(|&index| index == 0 || !same(&requests[index - 1], &requests[index])).collect();

    // What every member reads of each context, and the white space that goes to the continuation.
    let texts = parallel(&firsts, |&index| {
        let request = &requests[index];
        let read = |place: usize| reader(place).text(&request.context).map_err(|error| (place, error));
        let texts = (0..tokenizers.len()).map(read).collect::<Result<Vec<_>, _>>()?;
        let moved = common_tail(&texts);
        Ok((texts, moved))
    });
    let texts = texts
        .into_iter()
        .zip(&firsts)
        .map(|(texts, &index)| {
            texts.map_err(|(place, error): (usize, Unreadable)| error.of(&ensemble.members[place], index))
        })
        .collect::<Result<Vec<_>, _>>()?;

    let groups: Vec<usize> = (0..firsts.len()).collect();
    let mut contexts: Vec<Vec<Vec<TokenId>>> = firsts.iter().map(|_| Vec::new()).collect();
    for (place, member) in ensemble.members.iter().enumerate() {
        let all = parallel(&groups, |&group| {
            let (texts, moved) = &texts[group];
            reader(place).encode(kept(&texts[place], *moved), requests[firsts[group]].encoding)
        });
        for ((ids, &index), context) in all.into_iter().zip(&firsts).zip(&mut contexts) {
            context.push(ids.map_err(|error| error.of(member, index))?);
        }
    }
    let indices: Vec<usize> = (0..requests.len()).collect();
    let group_of = |index: usize| firsts.partition_point(|&first| first <= index) - 1;
    let wholes = parallel(&indices, |&index| {
        let whole = format!("{}{}", texts[group_of(index)].0[0], requests[index].continuation);
        reader(0).encode(&whole, requests[index].encoding)
    });
    let wholes: Vec<Vec<TokenId>> = wholes
        .into_iter()
        .zip(indices)
        .map(|(ids, index)| ids.map_err(|error| error.of(&ensemble.members[0], index)))
        .collect::<Result<_, _>>()?;
    let groups: Vec<usize> = (0..requests.len()).map(group_of).collect();
    drop(texts);

    let mut choices: Vec<Choice> = Vec::with_capacity(requests.len());
    for (index, whole) in wholes.into_iter().enumerate() {
        let context = contexts[groups[index]].clone();
        let choice = choice(ensemble, index, requests[index].overlong, context, whole)?;
        let context = match choices.last() {
            Some(last) if *last.context == *choice.context => Arc::clone(&last.context),
            _ => Arc::clone(&choice.context),
        };
        choices.push(Choice { context, ..choice });
    }
    Ok(choices)
}

/// A context without the white space at its end that goes to the continuation.
fn kept(context: &str, moved: usize) -> &str {
    &context[..context.len() - moved]
}

/// Bytes of white space at the end that all members read alike: it goes to the continuation, as in
/// lm-evaluation-harness. Where chat templates end differently, each member reads its own and the answer alone is
/// scored.
fn common_tail(texts: &[Cow<'_, str>]) -> usize {
    // What Python's `str.rstrip` takes off, which takes four control characters for white space too.
    let tail = |text: &str| {
        let kept = text.trim_end_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c));
        text.len() - kept.len()
    };
    let Some((first, others)) = texts.split_first() else { return 0 };
    let length = tail(first);
    let alike = |other: &Cow<'_, str>| tail(other) == length && other.ends_with(&first[first.len() - length..]);
    if others.iter().all(alike) { length } else { 0 }
}

fn choice(
    ensemble: &mut Ensemble,
    request: usize,
    overlong: Overlong,
    mut context: Vec<Vec<TokenId>>,
    mut whole: Vec<TokenId>,
) -> Result<Choice, EnsembleError> {
    whole.drain(..context[0].len().min(whole.len()));
    for (member, ids) in context.iter_mut().enumerate().filter(|(_, ids)| ids.is_empty()) {
        let Member { name, tokenizer, .. } = &ensemble.members[member];
        let begin = prefix(tokenizer).ok_or_else(|| EnsembleError::EmptyPrompt { member: name.clone(), request })?;
        ids.push(begin);
        if member == 0 && whole.first() == Some(&begin) {
            whole.remove(0);
        }
    }
    if whole.is_empty() {
        return Err(EnsembleError::EmptyContinuation { request });
    }
    let projection = ensemble.union.projection(MemberId(0));
    let tokens: Vec<_> = whole.iter().map(|&id| (id, projection.key(id))).collect();

    let mut fed: Vec<Vec<TokenId>> = Vec::with_capacity(context.len());
    let mut before: Vec<Vec<usize>> = Vec::with_capacity(context.len());
    fed.push(whole[..whole.len() - 1].to_vec());
    before.push((0..whole.len()).collect());
    for (member, Member { name, .. }) in ensemble.members.iter().enumerate().skip(1) {
        let mut ids = Vec::new();
        let mut starts = Vec::with_capacity(tokens.len());
        for (at, &(token, key)) in tokens.iter().enumerate() {
            let key = key.ok_or_else(|| EnsembleError::UnusedToken {
                member: ensemble.members[0].name.clone(),
                request,
                token: token.0,
            })?;
            starts.push(ids.len());
            if at + 1 < tokens.len() {
                let segment = ensemble.segmentation.segment(key, MemberId(member));
                ids.extend_from_slice(
                    segment.map_err(|error| EnsembleError::Unspellable { member: name.clone(), bytes: error.bytes })?,
                );
            }
        }
        fed.push(ids);
        before.push(starts);
    }

    let mut truncated = false;
    for ((member, ids), fed) in ensemble.members.iter().zip(&mut context).zip(&fed) {
        let limits = member.model.limits();
        let room = limits.context.saturating_sub(fed.len());
        if ids.len() > room && (room == 0 || overlong == Overlong::Refuse) {
            return Err(EnsembleError::TooLong {
                member: member.name.clone(),
                request,
                tokens: ids.len() + fed.len(),
                context: limits.context,
            });
        }
        truncated |= keep_last(ids, room);
        if ids.len() + fed.len() > limits.cache {
            return Err(EnsembleError::CacheTooSmall {
                member: member.name.clone(),
                request,
                tokens: ids.len() + fed.len(),
                cache: limits.cache,
            });
        }
    }
    Ok(Choice { request, context: Arc::new(Context { ids: context, truncated }), tokens, fed, before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_the_end_of_a_context_goes_to_the_continuation() {
        let moved = |texts: &[&str]| common_tail(&texts.iter().map(|text| Cow::Borrowed(*text)).collect::<Vec<_>>());
        assert_eq!(moved(&["Answer: \n"]), 2);
        assert_eq!(moved(&["Answer:"]), 0);
        assert_eq!(moved(&[" "]), 1);
        assert_eq!(moved(&["a\u{1c}\u{3000}"]), 4, "Python strips U+001C as well");
        assert_eq!(kept("Answer: \n", 2), "Answer:");
    }

    #[test]
    fn members_whose_chats_end_in_other_white_space_read_their_own() {
        let moved = |texts: &[&str]| common_tail(&texts.iter().map(|text| Cow::Borrowed(*text)).collect::<Vec<_>>());
        assert_eq!(moved(&["<a>\n", "[b]\n"]), 1);
        assert_eq!(moved(&["<a>\n\n", "[b]\n"]), 0);
        assert_eq!(moved(&["<a>", "[b]\n"]), 0);
    }
}
