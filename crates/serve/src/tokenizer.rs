//! `/tokenize`, `/detokenize` and `/tokenizer_info`, as lm-evaluation-harness's remote tokenizer asks for them, and members'
//! files.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use gac_inference::{ChatMessage, Conversation, ModelSource, Symbol, TokenId, gguf_without_tensors};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, ServedSystem};
use crate::error::{ApiError, with_causes};
use crate::input;

/// What a tokenizer and a chat template are read from: all that is handed over of a member, never its weights.
const FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
];
/// The same of a member from a GGUF file: its metadata, as a file without tensors.
const METADATA: &str = "tokenizer.gguf";

#[derive(Deserialize)]
struct Tokenize {
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    add_special_tokens: Option<bool>,
    return_token_strs: Option<bool>,
}

#[derive(Deserialize)]
struct Detokenize {
    model: Option<String>,
    tokens: Vec<u32>,
}

fn system<'c>(catalog: &'c Catalog, name: Option<&str>) -> Result<&'c ServedSystem, ApiError> {
    let name = name.filter(|name| !name.is_empty());
    catalog.system(name).ok_or_else(|| {
        let names = catalog.systems().iter().map(|system| system.name.as_str());
        ApiError::unknown_model(name.unwrap_or_default(), names)
    })
}

/// The first member's ids of a text, or of a chat as its template writes it down.
pub(crate) fn tokenize(catalog: &Catalog, body: &[u8]) -> Result<Value, ApiError> {
    let asked: Tokenize = input::fields(&input::object(body)?)?;
    let system = system(catalog, asked.model.as_deref())?;
    let Some(tokenizer) = system.tokenizer() else { return Err(ApiError::internal("the system has no members")) };
    let (text, special) = match (asked.prompt, asked.messages) {
        (Some(prompt), None) => (prompt, asked.add_special_tokens.unwrap_or(true)),
        (None, Some(messages)) => {
            let settings = system.chat.as_ref().map_err(|reason| ApiError::field("messages", reason.clone()))?;
            let text = settings.chat_text(0, &Conversation::from(messages));
            (text.map_err(|error| ApiError::from(&error).of("messages"))?, asked.add_special_tokens.unwrap_or(false))
        }
        (Some(_), Some(_)) => return Err(ApiError::invalid("it has `prompt` and `messages`: one of them is enough")),
        (None, None) => return Err(ApiError::field("prompt", "`prompt` is missing (or `messages`)")),
    };
    let ids = if special { tokenizer.encode_prompt(&text) } else { tokenizer.encoder().encode_without_special(&text) };
    let ids = ids.map_err(|error| ApiError::field("prompt", with_causes(&error)))?;
    let tokens: Vec<u32> = ids.iter().map(|id| id.0).collect();
    let mut answer = json!({ "count": tokens.len(), "max_model_len": system.context(), "tokens": tokens });
    if asked.return_token_strs.unwrap_or(false) {
        let text = |id: &TokenId| match tokenizer.vocabulary().symbol(*id) {
            Symbol::Text { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            Symbol::Control { name } => name.to_string(),
            Symbol::Unused => String::new(),
        };
        answer["token_strs"] = ids.iter().map(text).collect();
    }
    Ok(answer)
}

/// The text that ids of the first member stand for, control symbols by their names, without begin-of-text.
pub(crate) fn detokenize(catalog: &Catalog, body: &[u8]) -> Result<Value, ApiError> {
    let asked: Detokenize = input::fields(&input::object(body)?)?;
    let system = system(catalog, asked.model.as_deref())?;
    let Some(tokenizer) = system.tokenizer() else { return Err(ApiError::internal("the system has no members")) };
    let rows = system.rows();
    if let Some(unknown) = asked.tokens.iter().find(|id| **id as usize >= rows) {
        let message = format!("`tokens` has {unknown}, which there is not. Vocabulary size: {rows}");
        return Err(ApiError::field("tokens", message));
    }
    let ids: Vec<TokenId> = asked.tokens.into_iter().map(TokenId).collect();
    let text = tokenizer.text(&ids);
    Ok(json!({ "prompt": String::from_utf8_lossy(&text) }))
}

/// The first member's special tokens and chat template.
pub(crate) fn info(catalog: &Catalog, name: Option<&str>) -> Result<Value, ApiError> {
    let system = system(catalog, name)?;
    let member = catalog.member(system.first_member());
    let mut info = Map::new();
    info.insert("tokenizer_class".to_owned(), "gac".into());
    info.insert("model_max_length".to_owned(), system.context().into());
    // They are asked for whether or not there are any.
    for name in ["bos_token", "eos_token", "pad_token"] {
        info.insert(name.to_owned(), Value::Null);
    }
    for (name, token) in member.into_iter().flat_map(|member| &member.special_tokens) {
        info.insert(name.clone(), token.as_str().into());
    }
    if info["eos_token"].is_null()
        && let Some(vocabulary) = system.tokenizer().map(gac_inference::Tokenizer::vocabulary)
        && let Some(Symbol::Control { name }) = vocabulary.ends().first().map(|&end| vocabulary.symbol(end))
    {
        info.insert("eos_token".to_owned(), (&**name).into());
    }
    let template = member.and_then(|member| member.chat_template.as_deref());
    info.insert("chat_template".to_owned(), template.into());
    Ok(info.into())
}

/// A file of a member's tokenizer or configuration.
pub(crate) fn member_file(catalog: &Catalog, member: &str, file: &str) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("member `{member}` has no file `{file}` to hand over"));
    let source = catalog.member(member).and_then(|member| member.source.as_ref()).ok_or_else(missing)?;
    if let (ModelSource::Gguf(path), METADATA) = (source, file) {
        let bytes = gguf_without_tensors(path).map_err(|_| missing())?;
        let mut response = Response::new(bytes.into());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        return Ok(response);
    }
    let known = FILES.iter().find(|known| **known == file).ok_or_else(missing)?;
    let path = source.find(known).ok().flatten().ok_or_else(missing)?;
    let bytes = std::fs::read(path).map_err(|_| missing())?;
    let mut response = Response::new(bytes.into());
    let kind = if known.ends_with("json") { "application/json" } else { "text/plain; charset=utf-8" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
