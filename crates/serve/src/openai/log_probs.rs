//! Log-probabilities, as completions and chats write them.

use std::collections::BTreeSet;

use gac_ensemble::{TokenLogProb, TokenLogProbs, UnionToken};
use gac_inference::{Symbol, TokenId, Tokenizer};
use serde_json::{Map, Value, json};

/// What stands for minus infinity, which JSON cannot write; as in vLLM.
const LEAST: f64 = -9999.0;

fn number(log_prob: f64) -> Value {
    json!(if log_prob.is_finite() { log_prob } else { LEAST })
}

/// How tokens are written.
#[derive(Clone, Copy)]
pub(crate) struct TokenNames<'a> {
    /// The first member's.
    pub(crate) tokenizer: &'a Tokenizer,
    /// Whether as `token_id:N`, which no two tokens share.
    pub(crate) as_ids: bool,
}

impl TokenNames<'_> {
    /// A token's text. Bytes that are no text by themselves are written as `bytes:\xNN`, END and control symbols as the first
    /// member calls them.
    pub(crate) fn of(&self, token: &TokenLogProb) -> String {
        match (&token.token, token.id) {
            (_, Some(id)) if self.as_ids => format!("token_id:{}", id.0),
            (Some(UnionToken::Text(bytes)), _) => written(bytes),
            (Some(UnionToken::Control(name)), _) => name.to_string(),
            (Some(UnionToken::End) | None, Some(id)) => self.symbol(id),
            (Some(UnionToken::End) | None, None) => String::new(),
        }
    }

    /// A token of a prompt.
    pub(crate) fn of_id(&self, id: TokenId) -> String {
        if self.as_ids { format!("token_id:{}", id.0) } else { self.symbol(id) }
    }

    fn symbol(&self, id: TokenId) -> String {
        match self.tokenizer.vocabulary().symbol(id) {
            Symbol::Text { bytes, .. } => written(bytes),
            Symbol::Control { name } => name.to_string(),
            Symbol::Unused => String::new(),
        }
    }
}

fn written(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |text, byte| text + &format!("\\x{byte:02x}")),
    }
}

fn bytes_of(token: &TokenLogProb) -> &[u8] {
    match &token.token {
        Some(UnionToken::Text(bytes)) => bytes,
        _ => &[],
    }
}

/// How many characters begin in `bytes`.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// `logprobs` of a completion's choice: four lists of one entry per token.
#[derive(Debug, Default)]
pub(crate) struct CompletionLogProbs {
    tokens: Vec<Value>,
    token_logprobs: Vec<Value>,
    top_logprobs: Vec<Value>,
    text_offset: Vec<Value>,
    /// Characters so far.
    offset: usize,
    /// Those of them that stand in no text: the space that a tokenizer puts in front itself.
    unwritten: usize,
}

impl CompletionLogProbs {
    /// Lists of a text that begins behind `offset` characters.
    pub(crate) fn from_offset(offset: usize) -> Self {
        Self { offset, ..Self::default() }
    }

    /// The first character, a space, stands in no text.
    pub(crate) fn without_first_space(&mut self) {
        self.unwritten = 1;
    }

    /// Where the next token's text begins, in characters.
    pub(crate) fn offset(&self) -> usize {
        self.offset.saturating_sub(self.unwritten)
    }

    fn push(&mut self, name: String, log_prob: Value, top: Value, bytes: &[u8]) {
        self.tokens.push(name.into());
        self.token_logprobs.push(log_prob);
        self.top_logprobs.push(top);
        self.text_offset.push(self.offset().into());
        self.offset += characters(bytes);
    }

    /// A token of which nothing is known: what a prompt begins with.
    pub(crate) fn unknown(&mut self, id: TokenId, names: TokenNames<'_>) {
        self.push(names.of_id(id), Value::Null, Value::Null, names.tokenizer.vocabulary().bytes(id));
    }

    /// A token with what is told of it; `asked` are the tokens that were asked about by id.
    pub(crate) fn known(&mut self, told: &TokenLogProbs, asked: &[TokenId], names: TokenNames<'_>) {
        let mut top = Map::new();
        for (name, log_prob) in listed(told, asked, names) {
            // Of tokens that are written alike, the most probable.
            top.entry(name).or_insert_with(|| number(log_prob));
        }
        self.push(names.of(&told.token), number(told.token.log_prob), top.into(), bytes_of(&told.token));
    }

    /// The lists.
    pub(crate) fn into_value(self) -> Value {
        let Self { tokens, token_logprobs, top_logprobs, text_offset, .. } = self;
        json!({
            "tokens": tokens,
            "token_logprobs": token_logprobs,
            "top_logprobs": top_logprobs,
            "text_offset": text_offset,
        })
    }
}

/// The most probable tokens, those that were asked about, and the token itself, none twice.
fn listed(told: &TokenLogProbs, asked: &[TokenId], names: TokenNames<'_>) -> Vec<(String, f64)> {
    let mut listed: Vec<(String, f64)> = told.top.iter().map(|token| (names.of(token), token.log_prob)).collect();
    listed.extend(asked.iter().zip(&told.ids).map(|(id, log_prob)| (names.of_id(*id), *log_prob)));
    listed.push((names.of(&told.token), told.token.log_prob));
    listed
}

/// vLLM's `prompt_logprobs`: nothing for the first `unknown` tokens, then by id what is told of each.
pub(crate) fn prompt_log_probs(unknown: usize, told: &[TokenLogProbs], names: TokenNames<'_>) -> Value {
    let plain = TokenNames { as_ids: false, ..names };
    let of_token = |told: &TokenLogProbs| {
        let mut by_id = Map::new();
        let ranked = told.top.iter().zip(1..).map(|(token, rank)| (token, Some(rank)));
        for (token, rank) in ranked.chain([(&told.token, None::<usize>)]) {
            let Some(id) = token.id else { continue };
            let entry = || json!({ "logprob": number(token.log_prob), "rank": rank, "decoded_token": plain.of(token) });
            by_id.entry(id.0.to_string()).or_insert_with(entry);
        }
        Value::from(by_id)
    };
    std::iter::repeat_n(Value::Null, unknown).chain(told.iter().map(of_token)).collect()
}

/// `logprobs.content` of a chat's choice. END is no part of the content.
pub(crate) fn chat_log_probs<'t>(
    told: impl Iterator<Item = &'t TokenLogProbs>,
    asked: &[TokenId],
    names: TokenNames<'_>,
) -> Vec<Value> {
    let entry = |token: &TokenLogProb| json!({ "token": names.of(token), "logprob": number(token.log_prob), "bytes": bytes_of(token) });
    told.filter(|told| told.token.token != Some(UnionToken::End))
        .map(|told| {
            let mut seen: BTreeSet<TokenId> = BTreeSet::new();
            let mut top: Vec<Value> = told.top.iter().map(entry).collect();
            for (&id, &log_prob) in asked.iter().zip(&told.ids).filter(|(id, _)| seen.insert(**id)) {
                let bytes = names.tokenizer.vocabulary().bytes(id);
                top.push(json!({ "token": names.of_id(id), "logprob": number(log_prob), "bytes": bytes }));
            }
            let mut content = entry(&told.token);
            content["top_logprobs"] = top.into();
            content
        })
        .collect()
}
