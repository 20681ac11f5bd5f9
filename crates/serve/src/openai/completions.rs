//! `POST /v1/completions`.

use std::sync::Arc;

use axum::response::Response;
use gac_ensemble::{
    AskedLogProbs, Generation, GenerationRequest, Overlong, Prompt, PromptEncoding, Settings, Step, Thinking,
    TokenLogProbs, TokenScoreRequest,
};
use gac_inference::TokenId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::context::likely_context;
use super::log_probs::{CompletionLogProbs, TokenNames, prompt_log_probs};
use super::request::{SharedFields, list_length};
use super::stream::{self, ChoicePieces, Envelope, finish_reason};
use crate::app::App;
use crate::catalog::ServedSystem;
use crate::dispatch::{JobProgress, Slots, TextJob};
use crate::error::{ApiError, with_causes};
use crate::input::{self, PromptInput, PromptInputs};
use crate::text::Utf8Pieces;
use crate::trace;

/// Tokens of a completion that does not say how many it wants, as in `OpenAI`'s API.
const USUAL_LENGTH: usize = 16;

#[derive(Deserialize)]
struct CompletionFields {
    prompt: PromptInputs,
    echo: Option<bool>,
    logprobs: Option<i64>,
    max_tokens: Option<usize>,
    prompt_logprobs: Option<i64>,
    add_special_tokens: Option<bool>,
}

/// A completion, checked.
struct Completion {
    app: Arc<App>,
    system: ServedSystem,
    settings: Arc<Settings>,
    shared: SharedFields,
    prompts: Vec<PromptInput>,
    /// The prompts in the first member's ids.
    ids: Vec<Vec<TokenId>>,
    encoding: PromptEncoding,
    count: usize,
    max_tokens: usize,
    echo: bool,
    /// Most probable tokens that are listed of each token; nothing where no log-probabilities are wanted.
    top: Option<usize>,
    /// The same of each token of a prompt.
    prompt_top: Option<usize>,
    /// What is told of each token that is emitted.
    asked: AskedLogProbs,
}

/// Answers a completion.
pub(crate) async fn respond(app: Arc<App>, body: &[u8]) -> Result<Response, ApiError> {
    let completion = Completion::read(app, body)?;
    let jobs = completion.prompts.len() * completion.count;
    // Held until all is answered, so that what was begun is not refused halfway.
    let slots = completion.app.dispatcher.slots(jobs)?;
    let scored = completion.score().await?;
    if completion.shared.streams() {
        return completion.stream(&scored, slots).await;
    }
    Ok(crate::app::json(&completion.whole(scored).await?))
}

impl Completion {
    fn read(app: Arc<App>, body: &[u8]) -> Result<Self, ApiError> {
        let body = input::object(body)?;
        input::refuse(&body)?;
        let shared: SharedFields = input::fields(&body)?;
        let CompletionFields { prompt, echo, logprobs, max_tokens, prompt_logprobs, add_special_tokens } =
            input::fields(&body)?;
        let system = shared.system(&app.catalog)?.clone();
        let settings = shared.settings(&system, &system.settings)?;
        let count = shared.count()?;
        shared.decoding(&settings, 0)?;
        let most = app.options.max_log_probs;
        // Tokens that are named have a limit of their own, as in vLLM, where `logprobs` is then how many they are.
        let longest = if shared.logprob_token_ids.is_some() { None } else { most };
        let top = logprobs.map(|wanted| list_length("logprobs", wanted, longest, &system)).transpose()?;
        let prompt_top =
            prompt_logprobs.map(|wanted| list_length("prompt_logprobs", wanted, most, &system)).transpose()?;
        let top = top.or(shared.logprob_token_ids.as_ref().map(|_| 0));
        let asked = shared.asked(top.unwrap_or(0), &system)?;
        let encoding = match add_special_tokens {
            None | Some(true) => PromptEncoding::WithSpecial,
            Some(false) => PromptEncoding::WithoutSpecial,
        };
        let PromptInputs(prompts) = prompt;
        let ids = prompts.iter().map(|prompt| first_ids(&system, prompt, encoding)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            app,
            system,
            settings,
            prompts,
            ids,
            encoding,
            count,
            max_tokens: max_tokens.unwrap_or(USUAL_LENGTH),
            echo: echo.unwrap_or(false),
            top,
            prompt_top,
            asked,
            shared,
        })
    }

    fn names(&self) -> Result<TokenNames<'_>, ApiError> {
        let tokenizer = self.system.tokenizer().ok_or_else(|| ApiError::internal("the system has no members"))?;
        Ok(TokenNames { tokenizer, as_ids: self.shared.tokens_as_ids() })
    }

    /// Where each scored part of a prompt begins: behind so many tokens, which the others read in their own.
    ///
    /// Without a word about it, what is probably a continuation is scored behind all that is before it, and that behind its
    /// first token.
    fn contexts(&self, ids: &[TokenId]) -> Result<Vec<usize>, ApiError> {
        let contexts = match self.shared.context_tokens() {
            Some(context) => vec![context.max(1)],
            None if self.system.settings.ensemble().names().len() == 1 => vec![1],
            None => match likely_context(self.names()?.tokenizer, ids) {
                1 => vec![1],
                context => vec![1, context],
            },
        };
        Ok(contexts.into_iter().filter(|context| *context < ids.len()).collect())
    }

    /// What is told of each prompt's tokens behind their context; nothing where that is not wanted.
    async fn score(&self) -> Result<Vec<Vec<TokenLogProbs>>, ApiError> {
        let mut scored: Vec<Vec<TokenLogProbs>> = vec![Vec::new(); self.prompts.len()];
        let echoed = self.top.filter(|_| self.echo);
        let Some(top) = echoed.into_iter().chain(self.prompt_top).max() else { return Ok(scored) };
        let log_probs = AskedLogProbs { top, ids: if self.echo { self.asked.ids.clone() } else { Vec::new() } };
        let mut places = Vec::new();
        let mut jobs = Vec::new();
        for (place, ids) in self.ids.iter().enumerate() {
            let contexts = self.contexts(ids)?;
            let ends = contexts.iter().copied().skip(1).chain([ids.len()]);
            for (&context, end) in contexts.iter().zip(ends) {
                let tokens = ids[..end].to_vec();
                places.push(place);
                jobs.push(TextJob::Score(TokenScoreRequest { tokens, context, log_probs: log_probs.clone() }));
            }
        }
        let settings = vec![Arc::clone(&self.settings); jobs.len()];
        let told = self.app.dispatcher.submit(jobs, &settings, false).await?.all().await;
        for (place, progress) in places.into_iter().zip(told.map_err(|error| error.of("prompt"))?) {
            if let JobProgress::Scored(log_probs) = progress {
                scored[place].extend(log_probs);
            }
        }
        Ok(scored)
    }

    /// What is to be continued: every prompt `n` times.
    fn jobs(&self) -> Result<Vec<TextJob>, ApiError> {
        let mut jobs = Vec::with_capacity(self.prompts.len() * self.count);
        // A single member's ids are known: a long prompt is not encoded twice.
        let is_single = self.settings.ensemble().names().len() == 1;
        for (prompt, ids) in self.prompts.iter().zip(&self.ids) {
            for number in 0..self.count {
                jobs.push(TextJob::Generate(GenerationRequest {
                    prompt: match prompt {
                        PromptInput::Text(text) if !is_single => Prompt::Text(text.clone()),
                        PromptInput::Text(_) | PromptInput::Tokens(_) => Prompt::Tokens(ids.clone()),
                    },
                    encoding: self.encoding,
                    stop: self.shared.stop.clone().into_vec(),
                    max_new_tokens: self.max_tokens,
                    overlong: Overlong::Refuse,
                    decoding: self.shared.decoding(&self.settings, number)?,
                    trace: self.shared.traces(),
                    log_probs: self.top.map(|_| self.asked.clone()),
                }));
            }
        }
        Ok(jobs)
    }

    /// Log-probabilities of an echoed prompt.
    fn echoed(&self, place: usize, scored: &[TokenLogProbs]) -> Result<CompletionLogProbs, ApiError> {
        let mut lists = CompletionLogProbs::default();
        let names = self.names()?;
        if self.echo {
            let ids = &self.ids[place];
            if names.tokenizer.vocabulary().decode(ids).starts_with(b" ") && names.tokenizer.puts_space() {
                lists.without_first_space();
            }
            for &id in &ids[..ids.len() - scored.len()] {
                lists.unknown(id, names);
            }
            for told in scored {
                lists.known(told, &self.asked.ids, names);
            }
        }
        Ok(lists)
    }

    /// The text that is echoed.
    fn prompt_text(&self, place: usize) -> Result<String, ApiError> {
        Ok(match &self.prompts[place] {
            _ if !self.echo => String::new(),
            PromptInput::Text(text) => text.clone(),
            PromptInput::Tokens(ids) => {
                let tokenizer = self.names()?.tokenizer;
                let text = String::from_utf8_lossy(&tokenizer.vocabulary().decode(ids)).into_owned();
                let own = text.starts_with(' ') && tokenizer.puts_space();
                text[usize::from(own)..].to_owned()
            }
        })
    }

    fn usage(&self, tokens: usize) -> Value {
        let prompt: usize = self.ids.iter().map(Vec::len).sum();
        stream::usage(prompt, tokens)
    }

    fn envelope(&self) -> Envelope {
        Envelope::new(self.app.new_id("cmpl"), &self.system.name, self.shared.includes_usage())
    }

    /// The answer as one object.
    async fn whole(&self, scored: Vec<Vec<TokenLogProbs>>) -> Result<Value, ApiError> {
        let ended = if self.max_tokens == 0 {
            Vec::new()
        } else {
            let jobs = self.jobs()?;
            let settings = vec![Arc::clone(&self.settings); jobs.len()];
            let ended = self.app.dispatcher.submit(jobs, &settings, false).await?.all().await;
            ended.map_err(|error| error.of("prompt"))?
        };
        let mut generations = ended.into_iter().filter_map(|progress| match progress {
            JobProgress::Generated(generation) => Some(generation),
            _ => None,
        });
        let mut choices = Vec::with_capacity(self.prompts.len() * self.count);
        let mut tokens = 0;
        for (place, scored) in scored.iter().enumerate() {
            for _ in 0..self.count {
                let mut text = self.prompt_text(place)?;
                let mut lists = self.echoed(place, scored)?;
                let generation = generations.next();
                let steps = generation.as_ref().map_or(&[][..], |generation| &generation.steps);
                let names = self.names()?;
                for told in steps.iter().filter_map(|step| step.log_probs.as_ref()) {
                    lists.known(told, &self.asked.ids, names);
                }
                let mut choice = json!({
                    "index": choices.len(),
                    "logprobs": self.top.map(|_| lists.into_value()),
                    "finish_reason": finish_reason(generation.as_ref().map(|generation| generation.finish)),
                });
                if self.prompt_top.is_some() {
                    let unknown = self.ids[place].len() - scored.len();
                    choice["prompt_logprobs"] = prompt_log_probs(unknown, scored, names);
                }
                if let Some(generation) = &generation {
                    text.push_str(&generation.text());
                    tokens += stream::response_tokens(&self.settings, generation);
                    choice["gac"] = stream::beside(generation, self.shared.traces());
                }
                choice["text"] = text.into();
                choices.push(choice);
            }
        }
        Ok(self.envelope().whole(StreamedCompletion::OBJECT, choices, self.usage(tokens)))
    }

    /// The answer as it comes.
    async fn stream(self, scored: &[Vec<TokenLogProbs>], slots: Slots) -> Result<Response, ApiError> {
        let jobs = self.jobs()?;
        let settings = vec![Arc::clone(&self.settings); jobs.len()];
        let mut choices = Vec::with_capacity(jobs.len());
        for (place, scored) in scored.iter().enumerate() {
            let text = self.prompt_text(place)?;
            let lists = self.echoed(place, scored)?;
            let offset = lists.offset();
            let lists = self.top.filter(|_| self.echo).map(|_| lists.into_value());
            for _ in 0..self.count {
                choices.push(StreamedText {
                    echoed: (text.clone(), lists.clone()),
                    offset,
                    text: Utf8Pieces::default(),
                });
            }
        }
        let answers = self.app.dispatcher.submit(jobs, &settings, true).await?;
        let envelope = self.envelope();
        let choices = StreamedCompletion { completion: self, choices, tokens: 0 };
        stream::respond(answers, envelope, choices, slots).await.map_err(|error| error.of("prompt"))
    }
}

/// A prompt in the first member's ids.
fn first_ids(system: &ServedSystem, prompt: &PromptInput, encoding: PromptEncoding) -> Result<Vec<TokenId>, ApiError> {
    let Some(tokenizer) = system.tokenizer() else { return Err(ApiError::internal("the system has no members")) };
    let encoded = match (prompt, encoding) {
        (PromptInput::Tokens(ids), _) => return Ok(ids.clone()),
        (PromptInput::Text(text), PromptEncoding::WithSpecial) => tokenizer.encode_prompt(text),
        (PromptInput::Text(text), PromptEncoding::WithoutSpecial) => tokenizer.encoder().encode_without_special(text),
    };
    encoded.map_err(|error| ApiError::field("prompt", with_causes(&error)))
}

/// A choice that is streamed.
struct StreamedText {
    /// What comes before all else.
    echoed: (String, Option<Value>),
    /// Where the next token's text begins, in characters.
    offset: usize,
    text: Utf8Pieces,
}

/// A completion that is streamed.
struct StreamedCompletion {
    completion: Completion,
    choices: Vec<StreamedText>,
    /// Emitted so far.
    tokens: usize,
}

impl StreamedCompletion {
    fn log_probs(&mut self, index: usize, step: &Step) -> Option<Value> {
        let Self { completion, choices, .. } = self;
        let told = step.log_probs.as_ref()?;
        let mut lists = CompletionLogProbs::from_offset(choices[index].offset);
        lists.known(told, &completion.asked.ids, completion.names().ok()?);
        choices[index].offset = lists.offset();
        Some(lists.into_value())
    }
}

impl ChoicePieces for StreamedCompletion {
    const OBJECT: &'static str = "text_completion";

    fn first(&mut self) -> Vec<Value> {
        let echoed = (0..).zip(&mut self.choices).filter(|_| self.completion.echo);
        let piece = |(index, choice): (usize, &mut StreamedText)| {
            let (text, lists) = std::mem::take(&mut choice.echoed);
            json!({ "index": index, "text": text, "logprobs": lists, "finish_reason": null })
        };
        echoed.map(piece).collect()
    }

    fn token(&mut self, index: usize, bytes: &[u8], _: Option<Thinking>, step: Option<&Step>) -> Option<Value> {
        let text = self.choices[index].text.push(bytes);
        let lists = step.and_then(|step| self.log_probs(index, step));
        let traced = step.filter(|_| self.completion.shared.traces());
        if text.is_empty() && lists.is_none() && traced.is_none() {
            return None;
        }
        let mut choice = json!({ "index": index, "text": text, "logprobs": lists });
        if let Some(step) = traced {
            choice["gac"] = json!({ "steps": [trace::step(step)] });
        }
        Some(choice)
    }

    fn end(&mut self, index: usize, generation: &Generation) -> Value {
        self.tokens += stream::response_tokens(&self.completion.settings, generation);
        json!({ "index": index, "text": self.choices[index].text.finish(), "logprobs": null })
    }

    fn usage(&self) -> Value {
        self.completion.usage(self.tokens)
    }
}
