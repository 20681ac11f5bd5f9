//! Continuations to score, as ids: encoded as lm-evaluation-harness does it (`TemplateLM._encode_pair`).

use std::borrow::Cow;
use std::sync::Arc;

use gac_inference::TokenId;

use crate::ensemble::Seat;
use crate::error::RequestError;
use crate::lanes::prompt::{PromptReader, keep_last, prefix};
use crate::member::MemberId;
use crate::request::{LogLikelihood, LogLikelihoodRequest, Overlong, Prompt, PromptEncoding, TokenScoreRequest};
use crate::settings::Settings;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;

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
pub(crate) struct Continuation {
    /// Shared with the neighbours that have the same.
    pub(crate) context: Arc<Context>,
    /// The first member's ids for the continuation, at least one, and their union tokens (none for unused rows,
    /// which only a single model can be asked about).
    pub(crate) tokens: Vec<(TokenId, Option<UnionId>)>,
    /// `[member]`: what it is fed after the context; the last token is scored and not fed.
    pub(crate) fed: Vec<Vec<TokenId>>,
    /// `[member][token]`: how many ids of `fed` come before the token is scored.
    pub(crate) before: Vec<Vec<usize>>,
    /// `[member]`: what it would be fed next, for the last token; none where it has nothing for that.
    pub(crate) last: Vec<Option<TokenId>>,
}

impl Continuation {
    /// All that `member` is asked about after the context: what it is fed, and what is only scored.
    pub(crate) fn expected(&self, member: usize) -> Vec<TokenId> {
        self.fed[member].iter().copied().chain(self.last[member]).collect()
    }

    /// The length of the pass in which lm-evaluation-harness has a model read it: all but the last token, which only is
    /// scored.
    pub(crate) fn pass(&self, member: usize) -> usize {
        self.context.ids[member].len() + self.before[member].last().copied().unwrap_or_default()
    }
}

/// A context and its continuation as ids, before the members' ways are worked out.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// `[member]`: the context; empty where there is nothing to read.
    pub(super) context: Vec<Vec<TokenId>>,
    /// The continuation, by the first member.
    pub(super) tokens: Vec<TokenId>,
    pub(super) overlong: Overlong,
}

impl Encoded {
    /// The first member's ids `whole` behind what it reads of the context.
    fn new(context: Vec<Vec<TokenId>>, mut whole: Vec<TokenId>, overlong: Overlong) -> Self {
        whole.drain(..context[0].len().min(whole.len()));
        Self { context, tokens: whole, overlong }
    }

    /// Has members that would read nothing first read a begin-of-text, which is not scored.
    pub(super) fn begin(&mut self, settings: &Settings) -> Result<(), RequestError> {
        let Self { context, tokens, .. } = self;
        for (member, ids) in context.iter_mut().enumerate().filter(|(_, ids)| ids.is_empty()) {
            let Seat { name, tokenizer, .. } = &settings.ensemble().members()[member];
            let begin = prefix(tokenizer).ok_or_else(|| RequestError::EmptyPrompt { member: name.clone() })?;
            ids.push(begin);
            if member == 0 && tokens.first() == Some(&begin) {
                tokens.remove(0);
            }
        }
        if tokens.is_empty() { Err(RequestError::EmptyContinuation) } else { Ok(()) }
    }

    /// Whether it is to be cut into windows.
    pub(crate) fn rolls(&self) -> bool {
        self.overlong == Overlong::Windows
    }
}

/// A context as every member reads it.
struct ReadContext {
    /// The first member's text.
    text: String,
    /// `[member]`.
    ids: Vec<Vec<TokenId>>,
}

/// Encodes requests that have the same context ([`same_context`]), which is encoded once.
pub(crate) fn encode(settings: &Settings, requests: &[&LogLikelihoodRequest]) -> Vec<Result<Encoded, RequestError>> {
    let Some(first) = requests.first() else { return Vec::new() };
    match ReadContext::new(settings, first) {
        Ok(context) => requests.iter().map(|request| context.followed_by(settings, request)).collect(),
        // Found again for each: an error is told once.
        Err(_) => {
            requests.iter().map(|request| ReadContext::new(settings, request)?.followed_by(settings, request)).collect()
        }
    }
}

impl ReadContext {
    fn new(settings: &Settings, request: &LogLikelihoodRequest) -> Result<Self, RequestError> {
        let members = settings.ensemble().members();
        let read = |(place, member): (usize, &Seat)| {
            let text = PromptReader::new(settings, place).text(&request.context);
            text.map_err(|error| error.of(member))
        };
        let texts = members.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        // The white space that goes to the continuation.
        let moved = common_tail(&texts);
        let encoded = |(place, text): (usize, &Cow<'_, str>)| {
            let ids = PromptReader::new(settings, place).encode(kept(text, moved), request.encoding);
            ids.map_err(|error| error.of(&members[place]))
        };
        let ids = texts.iter().enumerate().map(encoded).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { text: texts.into_iter().next().map(Cow::into_owned).unwrap_or_default(), ids })
    }

    fn followed_by(&self, settings: &Settings, request: &LogLikelihoodRequest) -> Result<Encoded, RequestError> {
        let whole = format!("{}{}", self.text, request.continuation);
        let whole = PromptReader::new(settings, 0).encode(&whole, request.encoding);
        let whole = whole.map_err(|error| error.of(&settings.ensemble().members()[0]))?;
        // Only a text without a context is cut.
        let overlong = match request.overlong {
            Overlong::Windows if !self.text.is_empty() => Overlong::Refuse,
            overlong => overlong,
        };
        Ok(Encoded::new(self.ids.clone(), whole, overlong))
    }
}

/// A text that is given in the first member's ids: what it reads, and what the others do.
///
/// # Errors
/// When there is no context or nothing behind it, or another member cannot read the context.
pub(crate) fn encode_tokens(settings: &Settings, request: &TokenScoreRequest) -> Result<Encoded, RequestError> {
    let TokenScoreRequest { tokens, context, .. } = request;
    if *context == 0 || *context >= tokens.len() {
        return Err(RequestError::EmptyContinuation);
    }
    let members = settings.ensemble().members();
    // All ids are looked at, whoever reads them.
    PromptReader::new(settings, 0).text(&Prompt::Tokens(tokens.clone())).map_err(|error| error.of(&members[0]))?;
    let before = Prompt::Tokens(tokens[..*context].to_vec());
    let mut read = vec![tokens[..*context].to_vec()];
    for (place, member) in members.iter().enumerate().skip(1) {
        let reader = PromptReader::new(settings, place);
        let text = reader.text(&before).map_err(|error| error.of(member))?;
        read.push(reader.encode(&text, PromptEncoding::WithSpecial).map_err(|error| error.of(member))?);
    }
    Ok(Encoded::new(read, tokens.clone(), Overlong::Refuse))
}

/// Whether two requests have the same context.
pub(crate) fn same_context(a: &LogLikelihoodRequest, b: &LogLikelihoodRequest) -> bool {
    (&a.context, a.encoding) == (&b.context, b.encoding)
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

impl Continuation {
    /// Works out what each member is fed for the continuation.
    ///
    /// # Errors
    /// When some member cannot spell it, or has no room for it.
    pub(crate) fn new(
        settings: &Settings,
        segmentation: &mut Segmentation,
        mut encoded: Encoded,
    ) -> Result<Self, RequestError> {
        encoded.begin(settings)?;
        let Encoded { mut context, tokens: whole, overlong } = encoded;
        let ensemble = settings.ensemble();
        let members = ensemble.members();
        let projection = ensemble.union().projection(MemberId(0));
        let tokens: Vec<_> = whole.iter().map(|&id| (id, projection.key(id))).collect();

        let mut fed: Vec<Vec<TokenId>> = Vec::with_capacity(context.len());
        let mut before: Vec<Vec<usize>> = Vec::with_capacity(context.len());
        fed.push(whole[..whole.len() - 1].to_vec());
        before.push((0..whole.len()).collect());
        let mut last = vec![whole.last().copied()];
        for member in 1..members.len() {
            let mut ids = Vec::new();
            let mut starts = Vec::with_capacity(tokens.len());
            for (at, &(token, key)) in tokens.iter().enumerate() {
                let unused = || RequestError::UnusedToken { member: members[0].name.clone(), token: token.0 };
                let key = key.ok_or_else(unused)?;
                starts.push(ids.len());
                if at + 1 < tokens.len() {
                    ids.extend_from_slice(ensemble.segment(segmentation, key, member)?);
                }
            }
            let key = tokens.last().and_then(|&(_, key)| key);
            let segment = key.and_then(|key| ensemble.segment(segmentation, key, member).ok());
            last.push(segment.and_then(|ids| ids.first().copied()));
            fed.push(ids);
            before.push(starts);
        }

        let mut truncated = false;
        for ((member, ids), fed) in members.iter().zip(&mut context).zip(&fed) {
            let room = member.limits.context.saturating_sub(fed.len());
            if ids.len() > room && (room == 0 || overlong != Overlong::TruncateLeft) {
                return Err(RequestError::TooLong {
                    member: member.name.clone(),
                    tokens: ids.len() + fed.len(),
                    context: member.limits.context,
                });
            }
            truncated |= keep_last(ids, room);
            if ids.len() + fed.len() > member.limits.cache {
                return Err(RequestError::CacheTooSmall {
                    member: member.name.clone(),
                    tokens: ids.len() + fed.len(),
                    cache: member.limits.cache,
                });
            }
        }
        Ok(Self { context: Arc::new(Context { ids: context, truncated }), tokens, fed, before, last })
    }

    /// The score of no tokens yet.
    pub(crate) fn nothing_scored(&self) -> LogLikelihood {
        let tokens = Vec::with_capacity(self.tokens.len());
        LogLikelihood { sum: 0.0, greedy: true, tokens, truncated: self.context.truncated }
    }

    /// The same with the context of another choice, where that is equal.
    pub(crate) fn sharing(self, other: &Arc<Context>) -> Self {
        if *self.context == **other { Self { context: Arc::clone(other), ..self } } else { self }
    }
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
