//! `POST /v1/completions`.

use std::sync::Arc;

use axum::response::Response;
use gac_ensemble::{
    AskedLogProbs, Finish, GenerationRequest, Overlong, Prompt, PromptEncoding, Settings, Step, TokenLogProbs,
    TokenScoreRequest,
};
use gac_inference::TokenId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::log_probs::{CompletionLogProbs, TokenNames, prompt_log_probs};
use super::request::{SharedFields, list_length};
use super::stream::{self, Events};
use crate::app::{App, now};
use crate::catalog::ServedSystem;
use crate::dispatch::{Job, Progress, Slots};
use crate::error::{ApiError, with_causes};
use crate::input::{self, PromptInput, PromptInputs};
use crate::text::Utf8Pieces;
use crate::trace;

/// Tokens of a completion that does not say how many it wants, as in `OpenAI`'s API.
const USUAL_LENGTH: usize = 16;

#[derive(Deserialize)]
struct Fields {
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
    id: String,
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
        return completion.stream(&scored, slots);
    }
    Ok(crate::app::json(&completion.whole(scored).await?))
}

impl Completion {
    fn read(app: Arc<App>, body: &[u8]) -> Result<Self, ApiError> {
        let body = input::object(body)?;
        input::refuse(&body)?;
        let shared: SharedFields = input::fields(&body)?;
        let Fields { prompt, echo, logprobs, max_tokens, prompt_logprobs, add_special_tokens } = input::fields(&body)?;
        let system = shared.system(&app.catalog)?.clone();
        let settings = shared.settings(&system, &system.settings)?;
        let count = shared.count()?;
        shared.decoding(&settings, 0)?;
        let most = app.options.max_log_probs;
        let top = logprobs.map(|wanted| list_length("logprobs", wanted, most, &system)).transpose()?;
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
            id: app.new_id("cmpl"),
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

    /// How many tokens at the beginning of a prompt nothing is told of: the context of the others.
    fn context(&self, ids: &[TokenId]) -> usize {
        self.shared.context_tokens().unwrap_or(1).clamp(1, ids.len().max(1))
    }

    /// What is told of each prompt's tokens behind their context; nothing where that is not wanted.
    async fn score(&self) -> Result<Vec<Vec<TokenLogProbs>>, ApiError> {
        let mut scored: Vec<Vec<TokenLogProbs>> = vec![Vec::new(); self.prompts.len()];
        let echoed = self.top.filter(|_| self.echo);
        let Some(top) = echoed.into_iter().chain(self.prompt_top).max() else { return Ok(scored) };
        let log_probs = AskedLogProbs { top, ids: if self.echo { self.asked.ids.clone() } else { Vec::new() } };
        let mut places = Vec::new();
        let mut jobs = Vec::new();
        for (place, ids) in self.ids.iter().enumerate().filter(|(_, ids)| self.context(ids) < ids.len()) {
            let (tokens, context) = (ids.clone(), self.context(ids));
            places.push(place);
            jobs.push(Job::Score(TokenScoreRequest { tokens, context, log_probs: log_probs.clone() }));
        }
        let settings = vec![Arc::clone(&self.settings); jobs.len()];
        let told = self.app.dispatcher.submit(jobs, &settings, false).all().await?;
        for (place, progress) in places.into_iter().zip(told) {
            if let Progress::Scored(log_probs) = progress {
                scored[place] = log_probs;
            }
        }
        Ok(scored)
    }

    /// What is to be continued: every prompt `n` times.
    fn jobs(&self) -> Result<Vec<Job>, ApiError> {
        let mut jobs = Vec::with_capacity(self.prompts.len() * self.count);
        for prompt in &self.prompts {
            for number in 0..self.count {
                jobs.push(Job::Generate(GenerationRequest {
                    prompt: match prompt {
                        PromptInput::Text(text) => Prompt::Text(text.clone()),
                        PromptInput::Tokens(ids) => Prompt::Tokens(ids.clone()),
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
        json!({ "prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens })
    }

    /// The answer as one object.
    async fn whole(&self, scored: Vec<Vec<TokenLogProbs>>) -> Result<Value, ApiError> {
        let ended = if self.max_tokens == 0 {
            Vec::new()
        } else {
            let jobs = self.jobs()?;
            let settings = vec![Arc::clone(&self.settings); jobs.len()];
            self.app.dispatcher.submit(jobs, &settings, false).all().await?
        };
        let mut generations = ended.into_iter().filter_map(|progress| match progress {
            Progress::Generated(generation) => Some(generation),
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
                    tokens += generation.tokens;
                    choice["gac"] = json!({ "tokens": generation.tokens, "ensembled": generation.ensembled });
                    if self.shared.traces() {
                        choice["gac"]["steps"] = generation.steps.iter().map(trace::step).collect();
                    }
                }
                choice["text"] = text.into();
                choices.push(choice);
            }
        }
        Ok(json!({
            "id": self.id,
            "object": "text_completion",
            "created": now(),
            "model": self.system.name,
            "choices": choices,
            "usage": self.usage(tokens),
        }))
    }

    /// The answer as it comes.
    fn stream(self, scored: &[Vec<TokenLogProbs>], slots: Slots) -> Result<Response, ApiError> {
        let jobs = self.jobs()?;
        let settings = vec![Arc::clone(&self.settings); jobs.len()];
        let mut choices = Vec::with_capacity(jobs.len());
        for (place, scored) in scored.iter().enumerate() {
            let text = self.prompt_text(place)?;
            let lists = self.echoed(place, scored)?;
            let offset = lists.offset();
            let lists = self.top.filter(|_| self.echo).map(|_| lists.into_value());
            for _ in 0..self.count {
                choices.push(Streamed { echoed: (text.clone(), lists.clone()), offset, text: Utf8Pieces::default() });
            }
        }
        let answers = self.app.dispatcher.submit(jobs, &settings, true);
        let created = now();
        Ok(stream::respond(answers, Chunks { completion: self, choices, created, tokens: 0 }, slots))
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

/// Why a text ends, in `OpenAI`'s words; where none was to be made, its length.
pub(crate) fn finish_reason(finish: Option<Finish>) -> &'static str {
    match finish {
        Some(Finish::End | Finish::Stop) => "stop",
        Some(Finish::Length | Finish::Context) | None => "length",
    }
}

/// A choice that is streamed.
struct Streamed {
    /// What comes before all else.
    echoed: (String, Option<Value>),
    /// Where the next token's text begins, in characters.
    offset: usize,
    text: Utf8Pieces,
}

/// The events of a completion.
struct Chunks {
    completion: Completion,
    choices: Vec<Streamed>,
    created: u64,
    tokens: usize,
}

impl Chunks {
    fn chunk(&self, choices: &Value, usage: Option<Value>) -> Value {
        let Self { completion, created, .. } = self;
        let mut chunk = json!({
            "id": completion.id,
            "object": "text_completion",
            "created": created,
            "model": completion.system.name,
            "choices": choices,
        });
        if completion.shared.includes_usage() {
            chunk["usage"] = usage.into();
        }
        chunk
    }

    fn of_step(&mut self, index: usize, step: &Step) -> (Value, Option<Value>) {
        let Self { completion, choices, .. } = self;
        let lists = step.log_probs.as_ref().and_then(|told| {
            let mut lists = CompletionLogProbs::from_offset(choices[index].offset);
            lists.known(told, &completion.asked.ids, completion.names().ok()?);
            choices[index].offset = lists.offset();
            Some(lists.into_value())
        });
        let traced = completion.shared.traces().then(|| json!({ "steps": [trace::step(step)] }));
        (lists.into(), traced)
    }
}

impl Events for Chunks {
    fn first(&mut self) -> Vec<Value> {
        let echoed: Vec<Value> = (0..)
            .zip(&mut self.choices)
            .filter(|_| self.completion.echo)
            .map(|(index, choice): (usize, _)| {
                let (text, lists) = std::mem::take(&mut choice.echoed);
                json!({ "index": index, "text": text, "logprobs": lists, "finish_reason": null })
            })
            .collect();
        echoed.into_iter().map(|choice| self.chunk(&json!([choice]), None)).collect()
    }

    fn on(&mut self, index: usize, progress: Progress) -> Vec<Value> {
        let choice = match progress {
            Progress::Token { bytes, step, .. } => {
                let text = self.choices[index].text.push(&bytes);
                let (lists, traced) = step.map_or((Value::Null, None), |step| self.of_step(index, &step));
                if text.is_empty() && lists.is_null() && traced.is_none() {
                    return Vec::new();
                }
                let mut choice = json!({ "index": index, "text": text, "logprobs": lists, "finish_reason": null });
                if let Some(traced) = traced {
                    choice["gac"] = traced;
                }
                choice
            }
            Progress::Generated(generation) => {
                self.tokens += generation.tokens;
                let text = self.choices[index].text.finish();
                json!({
                    "index": index,
                    "text": text,
                    "logprobs": null,
                    "finish_reason": finish_reason(Some(generation.finish)),
                    "gac": { "tokens": generation.tokens, "ensembled": generation.ensembled },
                })
            }
            Progress::Scored(_) | Progress::Failed(_) => return Vec::new(),
        };
        vec![self.chunk(&json!([choice]), None)]
    }

    fn last(&mut self) -> Vec<Value> {
        if !self.completion.shared.includes_usage() {
            return Vec::new();
        }
        vec![self.chunk(&json!([]), Some(self.completion.usage(self.tokens)))]
    }
}
