//! Prompts as ids: every member encodes them with its own tokenizer.

use std::borrow::Cow;

use gac_inference::{ChatError, TokenId, Tokenizer, TokenizerError};

use crate::chat::Chat;
use crate::drafter::Drafter;
use crate::ensemble::Seat;
use crate::error::RequestError;
use crate::request::{GenerationRequest, Overlong, Prompt, PromptEncoding};
use crate::settings::Settings;
use crate::thinking::PromptEnd;

/// One member's ids for one request's prompt.
#[derive(Clone, Debug)]
pub(crate) struct EncodedPrompt {
    pub(crate) ids: Vec<TokenId>,
    pub(crate) truncated: bool,
    /// What its end says of the response's reasoning.
    pub(crate) end: PromptEnd,
}

/// Encodes a prompt for every member.
///
/// # Errors
/// When some member cannot encode or hold it, so that nothing is begun that cannot be finished.
pub(crate) fn prompts(settings: &Settings, request: &GenerationRequest) -> Result<Vec<EncodedPrompt>, RequestError> {
    let read = |(place, member)| {
        let reader = PromptReader::new(settings, place);
        let text = reader.text(&request.prompt).map_err(|error| error.of(member))?;
        let ids = match &request.prompt {
            Prompt::Tokens(ids) if place == 0 => ids.clone(),
            _ => reader.encode(&text, request.encoding).map_err(|error| error.of(member))?,
        };
        let end = settings.thinking().prompt_end(place, &text);
        fit(member, request, EncodedPrompt { ids, truncated: false, end })
    };
    settings.ensemble().members().iter().enumerate().map(read).collect()
}

/// The ids that `drafter` reads of a prompt; none where it cannot read or hold it: then nothing is drafted.
pub(crate) fn drafters_prompt(
    settings: &Settings,
    drafter: &Drafter,
    request: &GenerationRequest,
) -> Option<Vec<TokenId>> {
    let reader = PromptReader { tokenizer: &drafter.seat.tokenizer, ..PromptReader::new(settings, 0) };
    let text = match (&request.prompt, settings.chat()) {
        (Prompt::Chat(messages), Some(chat)) => Cow::Owned(chat.text_of_drafter(drafter.template(), messages).ok()?),
        (prompt, _) => reader.text(prompt).ok()?,
    };
    let ids = reader.encode(&text, request.encoding).ok()?;
    Some(fit(&drafter.seat, request, EncodedPrompt { ids, truncated: false, end: PromptEnd::Neither }).ok()?.ids)
}

/// One member, reading prompts.
#[derive(Clone, Copy)]
pub(crate) struct PromptReader<'a> {
    pub(crate) place: usize,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) chat: Option<&'a Chat>,
    /// The first member, whose ids prompts may be given in.
    first: &'a Seat,
}

/// Why a prompt cannot be read.
pub(crate) enum Unreadable {
    Tokenizer(TokenizerError),
    Chat(ChatError),
    /// A chat, and nobody who writes it down.
    NoTemplates,
    /// An id that is none of the first member's, of so many.
    UnknownToken(TokenId, String, usize),
    /// Ids that stand for no text.
    NotText,
}

impl Unreadable {
    pub(crate) fn of(self, member: &Seat) -> RequestError {
        let member = member.name.clone();
        match self {
            Self::Tokenizer(source) => RequestError::Encode { member, source },
            Self::Chat(source) => RequestError::Chat { member, source: Box::new(source) },
            Self::NoTemplates => RequestError::ChatWithoutTemplates,
            Self::UnknownToken(token, member, rows) => RequestError::UnknownToken { member, token: token.0, rows },
            Self::NotText => RequestError::NotText { member },
        }
    }
}

impl<'a> PromptReader<'a> {
    /// The member at `place`.
    pub(crate) fn new(settings: &'a Settings, place: usize) -> Self {
        let members = settings.ensemble().members();
        Self { place, tokenizer: &members[place].tokenizer, chat: settings.chat(), first: &members[0] }
    }

    /// What the member reads of a prompt: a chat as its template writes it down.
    pub(crate) fn text<'p>(&self, prompt: &'p Prompt) -> Result<Cow<'p, str>, Unreadable> {
        match (prompt, self.chat) {
            (Prompt::Text(text), _) => Ok(Cow::Borrowed(text)),
            (Prompt::Chat(messages), Some(chat)) => {
                chat.text(self.place, messages).map(Cow::Owned).map_err(Unreadable::Chat)
            }
            (Prompt::Chat(_), None) => Err(Unreadable::NoTemplates),
            (Prompt::Tokens(ids), _) => self.text_of(ids).map(Cow::Owned),
        }
    }

    /// The text that ids of the first member stand for. Control symbols are written by their names, which members that
    /// have them read as such; begin-of-text in front is left out.
    fn text_of(&self, ids: &[TokenId]) -> Result<String, Unreadable> {
        let Seat { name, tokenizer, limits, .. } = self.first;
        if let Some(&unknown) = ids.iter().find(|id| id.index() >= limits.vocabulary) {
            return Err(Unreadable::UnknownToken(unknown, name.clone(), limits.vocabulary));
        }
        match String::from_utf8(tokenizer.text(ids)) {
            Ok(text) => Ok(text),
            // It only looks for the end of its reasoning in it.
            Err(error) if self.place == 0 => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            Err(_) => Err(Unreadable::NotText),
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

fn fit(member: &Seat, request: &GenerationRequest, mut prompt: EncodedPrompt) -> Result<EncodedPrompt, RequestError> {
    let limits = member.limits;
    if prompt.ids.is_empty() {
        let begin = prefix(&member.tokenizer);
        prompt.ids.push(begin.ok_or_else(|| RequestError::EmptyPrompt { member: member.name.clone() })?);
    }
    match request.overlong {
        Overlong::Refuse | Overlong::Windows if prompt.ids.len() + 1 > limits.context => {
            return Err(RequestError::TooLong {
                member: member.name.clone(),
                tokens: prompt.ids.len() + 1,
                context: limits.context,
            });
        }
        Overlong::Refuse | Overlong::Windows => {}
        Overlong::TruncateLeft => {
            let keep = limits.context.saturating_sub(request.max_new_tokens).max(1);
            prompt.truncated = keep_last(&mut prompt.ids, keep);
        }
    }
    if prompt.ids.len() > limits.cache {
        return Err(RequestError::CacheTooSmall {
            member: member.name.clone(),
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
