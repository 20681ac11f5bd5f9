//! Continuations to score, as ids: encoded as lm-evaluation-harness does it (`TemplateLM._encode_pair`).

use std::sync::Arc;

use gac_inference::TokenId;

use crate::prompt::{Reader, keep_last, parallel, prefix};
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

/// Encodes all `requests`.
///
/// # Errors
/// For the first that some member cannot encode or hold.
pub(crate) fn choices(
    ensemble: &mut Ensemble,
    requests: &[LogLikelihoodRequest],
) -> Result<Vec<Choice>, EnsembleError> {
    let chat = ensemble.chat.as_ref();
    let text = |request: &LogLikelihoodRequest| {
        if chat.is_some() {
            // A template ends where the answer begins: its white space stays, and the answer needs no space of its own
            // (as lm-evaluation-harness does it).
            let answer = &request.continuation;
            return (request.context.clone(), answer.strip_prefix(' ').unwrap_or(answer).to_owned());
        }
        let (context, continuation) = split(&request.context, &request.continuation);
        (context.to_owned(), continuation)
    };
    let texts: Vec<(String, String)> = requests.iter().map(text).collect();
    let same = |a: usize, b: usize| texts[a].0 == texts[b].0 && requests[a].encoding == requests[b].encoding;
    let firsts: Vec<usize> = (0..requests.len()).filter(|&index| index == 0 || !same(index - 1, index)).collect();

    let mut contexts: Vec<Vec<Vec<TokenId>>> = firsts.iter().map(|_| Vec::new()).collect();
    let read = |reader: Reader<'_>, index: usize, continuation: &str| {
        reader.read(&[], &texts[index].0, continuation, requests[index].encoding)
    };
    for (place, member) in ensemble.members.iter().enumerate() {
        let reader = Reader { place, tokenizer: &member.tokenizer, chat };
        let all = parallel(&firsts, |&index| read(reader, index, ""));
        for ((ids, &index), context) in all.into_iter().zip(&firsts).zip(&mut contexts) {
            context.push(ids.map_err(|error| error.of(member, index))?);
        }
    }
    let indices: Vec<usize> = (0..requests.len()).collect();
    let first = &ensemble.members[0];
    let reader = Reader { place: 0, tokenizer: &first.tokenizer, chat };
    let wholes = parallel(&indices, |&index| read(reader, index, &texts[index].1));
    let wholes: Vec<Vec<TokenId>> = wholes
        .into_iter()
        .zip(indices)
        .map(|(ids, index)| ids.map_err(|error| error.of(first, index)))
        .collect::<Result<_, _>>()?;

    let mut choices: Vec<Choice> = Vec::with_capacity(requests.len());
    for (index, whole) in wholes.into_iter().enumerate() {
        let group = firsts.partition_point(|&first| first <= index) - 1;
        let choice = choice(ensemble, index, requests[index].overlong, contexts[group].clone(), whole)?;
        let context = match choices.last() {
            Some(last) if *last.context == *choice.context => Arc::clone(&last.context),
            _ => Arc::clone(&choice.context),
        };
        choices.push(Choice { context, ..choice });
    }
    Ok(choices)
}

/// The context without the white space at its end, and the continuation with it in front.
fn split<'a>(context: &'a str, continuation: &str) -> (&'a str, String) {
    // What Python's `str.rstrip` takes off, which takes four control characters for white space too.
    let kept = context.trim_end_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c));
    (kept, format!("{}{continuation}", &context[kept.len()..]))
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
    use super::split;

    #[test]
    fn white_space_at_the_end_of_the_context_moves_to_the_continuation() {
        assert_eq!(split("Answer: \n", "A"), ("Answer:", String::from(" \nA")));
        assert_eq!(split("Answer:", " A"), ("Answer:", String::from(" A")));
        assert_eq!(split(" ", "A"), ("", String::from(" A")));
    }
}
