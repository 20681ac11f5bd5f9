//! Prompts as ids: every member encodes them with its own tokenizer, before any work is done.

use std::borrow::Cow;

use gac_inference::{ChatError, TokenId, Tokenizer, TokenizerError};

use crate::thinking::{PromptEnd, ThinkEnds};
use crate::{Chat, EnsembleError, GenerationRequest, Member, Overlong, Prompt, PromptEncoding};

/// One member's ids for one request's prompt.
#[derive(Clone, Debug)]
pub(crate) struct EncodedPrompt {
    pub(crate) ids: Vec<TokenId>,
    pub(crate) truncated: bool,
    /// What its end says of the response's reasoning.
    pub(crate) end: PromptEnd,
}

/// Encodes every prompt for every member: `[request][member]`.
///
/// # Errors
/// For the first request that some member cannot encode or hold, so that nothing is begun that cannot be finished.
pub(crate) fn prompts(
    members: &[Member],
    chat: Option<&Chat>,
    thinking: &ThinkEnds,
    requests: &[GenerationRequest],
) -> Result<Vec<Vec<EncodedPrompt>>, EnsembleError> {
    chats_need_templates(chat, requests.iter().map(|request| &request.prompt))?;
    let mut prompts: Vec<Vec<EncodedPrompt>> = requests.iter().map(|_| Vec::with_capacity(members.len())).collect();
    for (place, member) in members.iter().enumerate() {
        let reader = Reader { place, tokenizer: &member.tokenizer, chat };
        let all = parallel(requests, |request| {
            let text = reader.text(&request.prompt)?;
            Ok((reader.encode(&text, request.encoding)?, thinking.prompt_end(place, &text)))
        });
        for (index, (read, of_request)) in all.into_iter().zip(&mut prompts).enumerate() {
            let (ids, end) = read.map_err(|error: Unreadable| error.of(member, index))?;
            let prompt = EncodedPrompt { ids, truncated: false, end };
            of_request.push(fit(member, index, &requests[index], prompt)?);
        }
    }
    Ok(prompts)
}

/// Refuses chats where nothing writes them down.
pub(crate) fn chats_need_templates<'a>(
    chat: Option<&Chat>,
    mut prompts: impl Iterator<Item = &'a Prompt>,
) -> Result<(), EnsembleError> {
    match prompts.position(|prompt| chat.is_none() && matches!(prompt, Prompt::Chat(_))) {
        Some(request) => Err(EnsembleError::ChatWithoutTemplates { request }),
        None => Ok(()),
    }
}

/// One member, reading prompts.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) place: usize,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) chat: Option<&'a Chat>,
}

/// Why a prompt cannot be read.
pub(crate) enum Unreadable {
    Tokenizer(TokenizerError),
    Chat(ChatError),
}

impl Unreadable {
    pub(crate) fn of(self, member: &Member, request: usize) -> EnsembleError {
        let member = member.name.clone();
        match self {
            Self::Tokenizer(source) => EnsembleError::Encode { member, request, source },
            Self::Chat(source) => EnsembleError::Chat { member, request, source: Box::new(source) },
        }
    }
}

impl Reader<'_> {
    /// What the member reads of a prompt: a chat as its template writes it down.
    pub(crate) fn text<'p>(&self, prompt: &'p Prompt) -> Result<Cow<'p, str>, Unreadable> {
        match (prompt, self.chat) {
            (Prompt::Text(text), _) => Ok(Cow::Borrowed(text)),
            (Prompt::Chat(messages), Some(chat)) => {
                chat.text(self.place, messages).map(Cow::Owned).map_err(Unreadable::Chat)
            }
            // Refused before anything is read.
            (Prompt::Chat(_), None) => Ok(Cow::Borrowed("")),
        }
    }

    /// The ids of a text, a chat or not.
    pub(crate) fn encode(&self, text: &str, encoding: PromptEncoding) -> Result<Vec<TokenId>, Unreadable> {
        let ids = match encoding {
            PromptEncoding::WithSpecial => self.tokenizer.encode_prompt(text),
            PromptEncoding::WithoutSpecial => self.tokenizer.encoder().encode_without_special(text),
        };
        ids.map_err(Unreadable::Tokenizer)
    }
}

/// The symbol that stands before an empty text: begin-of-text, or else an END id.
pub(crate) fn prefix(tokenizer: &Tokenizer) -> Option<TokenId> {
    tokenizer.bos().or_else(|| tokenizer.vocabulary().ends().first().copied())
}

fn fit(
    member: &Member,
    index: usize,
    request: &GenerationRequest,
    mut prompt: EncodedPrompt,
) -> Result<EncodedPrompt, EnsembleError> {
    let limits = member.model.limits();
    if prompt.ids.is_empty() {
        let prefix = prefix(&member.tokenizer);
        prompt
            .ids
            .push(prefix.ok_or_else(|| EnsembleError::EmptyPrompt { member: member.name.clone(), request: index })?);
    }
    match request.overlong {
        Overlong::Refuse if prompt.ids.len() + 1 > limits.context => {
            return Err(EnsembleError::TooLong {
                member: member.name.clone(),
                request: index,
                tokens: prompt.ids.len() + 1,
                context: limits.context,
            });
        }
        Overlong::Refuse => {}
        Overlong::TruncateLeft => {
            let keep = limits.context.saturating_sub(request.max_new_tokens).max(1);
            prompt.truncated = keep_last(&mut prompt.ids, keep);
        }
    }
    if prompt.ids.len() > limits.cache {
        return Err(EnsembleError::CacheTooSmall {
            member: member.name.clone(),
            request: index,
            tokens: prompt.ids.len(),
            cache: limits.cache,
        });
    }
    Ok(prompt)
}

/// Drops ids from the left until at most `keep` are there; whether there was anything to drop.
pub(crate) fn keep_last(ids: &mut Vec<TokenId>, keep: usize) -> bool {
    let surplus = ids.len().saturating_sub(keep);
    ids.drain(..surplus);
    surplus > 0
}

/// `f` of every item, in order, on all cores: encoding thousands of few-shot prompts takes a while on one.
pub(crate) fn parallel<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const WORTH_A_THREAD: usize = 64;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().div_ceil(WORTH_A_THREAD));
    if threads <= 1 {
        return items.iter().map(f).collect();
    }
    let f = &f;
    std::thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(threads));
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().map(f).collect::<Vec<R>>())).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
