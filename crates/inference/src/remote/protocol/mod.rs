//! What the engines are asked, and how they answer.

pub(super) mod llama_cpp;
pub(super) mod sglang;
pub(super) mod vllm;

use serde::{Deserialize, Serialize};

use crate::ask::LogProbs;
use crate::id::TokenId;

/// The program that serves a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerEngine {
    /// vLLM.
    #[serde(rename = "vllm")]
    Vllm,
    /// SGLang.
    #[serde(rename = "sglang")]
    Sglang,
    /// llama.cpp's `llama-server`.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// `gac serve`, which speaks as vLLM does.
    #[serde(rename = "gac")]
    Gac,
}

impl std::fmt::Display for ServerEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Vllm => "vLLM",
            Self::Sglang => "SGLang",
            Self::LlamaCpp => "llama.cpp",
            Self::Gac => "gac serve",
        })
    }
}

/// What is asked about one list of tokens, in one request.
#[derive(Clone, Debug)]
pub(super) struct TokenQuery {
    /// The tokens, `(T,)`, at least one.
    pub(super) tokens: Vec<TokenId>,
    /// From how many of `tokens` on the distributions that follow them are wanted: T where only the last one is.
    pub(super) from: usize,
    /// Most probable tokens to go on by: the distribution after all of `tokens` comes with the first. 0 where only those
    /// within are wanted.
    pub(super) ahead: usize,
    /// What is told of each distribution after all of `tokens`.
    pub(super) listing: WantedList,
}

/// What is told of a distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WantedList {
    /// So many of the most probable tokens.
    Top(usize),
    /// These tokens.
    Ids(Vec<TokenId>),
}

/// What a server answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ServerAnswer {
    /// The distributions after `from`, `from + 1`, ... tokens, without the one after all of them.
    pub(super) within: Vec<ToldLogProbs>,
    /// The most probable tokens one after the other, each with the distribution that it was taken from: at least one
    /// where some were asked for, fewer than those where the text ends.
    pub(super) path: Vec<(TokenId, ToldLogProbs)>,
}

/// What is told of one distribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ToldLogProbs {
    /// The most probable tokens: no other token has more than the last of them.
    pub(super) top: LogProbs,
    /// Other tokens.
    pub(super) others: LogProbs,
}

/// How an engine is spoken to.
pub(super) trait Protocol: Send + Sync {
    /// Where requests go, on the server.
    fn path(&self) -> &'static str;

    /// The request's body; `slot` is the place on the server that has the prefix, where it has such.
    fn body(&self, query: &TokenQuery, slot: Option<usize>) -> Vec<u8>;

    /// What the answer says; why it makes no sense where it does not.
    fn answer(&self, query: &TokenQuery, body: &[u8]) -> Result<ServerAnswer, String>;

    /// What can be asked.
    fn abilities(&self) -> Abilities;
}

/// What a server can tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Abilities {
    /// Rows of the model's output layer.
    pub(super) rows: usize,
    /// The longest list of most probable tokens.
    pub(super) longest_list: usize,
    /// Most tokens that can be named in one request; 0 where none can.
    pub(super) most_ids: usize,
    /// How one request tells the distributions within its tokens.
    pub(super) within: Within,
    /// What all probabilities together may be off one by.
    pub(super) rounding: f64,
}

/// How the distributions within the tokens of a request are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// Not at all: each is asked for by itself.
    Untold,
    /// Beside those that follow, of whatever tokens.
    OfPrompt,
    /// By having the server generate the tokens, which a grammar forces. No end of a text can be forced.
    OfForced,
}

/// Half a unit in the last place of an f32 of about 1: engines add probabilities up in f32, one after the other, and each
/// addition may be off by as much. Measured sums over whole vocabularies of 49,152 rows are off by 7e-6 (vLLM) and 2e-4
/// (llama.cpp), where this bound says 3e-3.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

impl Abilities {
    pub(super) fn new(rows: usize, longest_list: usize, most_ids: usize, within: Within) -> Self {
        let longest_list = longest_list.min(rows);
        Self { rows, longest_list, most_ids, within, rounding: rows as f64 * ROUNDING }
    }

    /// What both can tell.
    pub(super) fn common(&self, other: &Self) -> Self {
        let longest_list = self.longest_list.min(other.longest_list);
        let most_ids = self.most_ids.min(other.most_ids);
        let within = if self.within == other.within { self.within } else { Within::Untold };
        Self { longest_list, most_ids, within, ..*self }
    }

    /// Whether every distribution can be told completely, in however many requests.
    pub(super) fn tells_all(&self) -> bool {
        self.longest_list >= self.rows || self.most_ids > 0
    }
}

/// Log-probabilities are not above 0 by more than f32 rounds them.
const ABOVE_ZERO: f64 = 1e-3;

impl ToldLogProbs {
    /// Adds what another answer about the same distribution tells.
    pub(super) fn add(&mut self, other: &Self) {
        for (id, log) in other.top.iter().chain(&other.others) {
            if !self.top.iter().chain(&self.others).any(|(known, _)| known == id) {
                self.others.push((*id, *log));
            }
        }
    }

    /// Splits what was told of a distribution, in any order, into its `count` most probable tokens and others.
    ///
    /// Fewer than `count` are an error where the vocabulary has more: some servers leave tokens out where requests of
    /// several kinds share a batch.
    pub(super) fn of_top(mut told: LogProbs, count: usize, abilities: &Abilities) -> Result<Self, String> {
        told.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let count = count.min(abilities.rows);
        if told.len() < count {
            return Err(format!("{} most probable tokens, where {count} were asked for", told.len()));
        }
        let others = told.split_off(count);
        Self { top: told, others }.checked(abilities)
    }

    /// What was told of `ids`: each of them has to be among it.
    pub(super) fn of_ids(told: LogProbs, ids: &[TokenId], abilities: &Abilities) -> Result<Self, String> {
        if let Some(id) = ids.iter().find(|id| !told.iter().any(|(told, _)| told == *id)) {
            return Err(format!("nothing of token {}, which was asked for", id.0));
        }
        Self { top: Vec::new(), others: told }.checked(abilities)
    }

    fn checked(self, abilities: &Abilities) -> Result<Self, String> {
        let all = || self.top.iter().chain(&self.others);
        if let Some((id, log)) = all().find(|(_, log)| log.is_nan() || *log > ABOVE_ZERO) {
            return Err(format!("{log} for token {}, which is no log-probability", id.0));
        }
        if let Some((id, _)) = all().find(|(id, _)| id.index() >= abilities.rows) {
            return Err(format!("token {}, where the vocabulary has {} rows", id.0, abilities.rows));
        }
        let sum: f64 = all().map(|(_, log)| log.exp()).sum();
        if sum > 1.0 + abilities.rounding + ABOVE_ZERO {
            return Err(format!("probabilities that add up to {sum}"));
        }
        Ok(self)
    }
}

/// The steps of a path up to the first that makes no sense; that of the first step is an error.
pub(super) fn sound_path(
    steps: impl Iterator<Item = (TokenId, Result<ToldLogProbs, String>)>,
) -> Result<Vec<(TokenId, ToldLogProbs)>, String> {
    let mut path = Vec::new();
    for (token, told) in steps {
        match told {
            Ok(told) => path.push((token, told)),
            Err(error) if path.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    if path.is_empty() { Err(String::from("no tokens")) } else { Ok(path) }
}
