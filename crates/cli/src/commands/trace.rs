//! Steps of a trace, as JSON lines hold them.

use gac_ensemble::{MemberView, Step, UnionToken};
use serde::{Deserialize, Serialize};

/// One step: a token, who decided it, and what everybody thought.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TraceStep {
    /// The token's text; parts of characters show as U+FFFD.
    #[serde(default)]
    pub(crate) text: String,
    /// The token's bytes; empty for END and other control symbols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hex: Option<String>,
    #[serde(default)]
    pub(crate) end: bool,
    pub(crate) ensembled: bool,
    pub(crate) probability: f64,
    /// Whether another token was so close that roundings may decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) close: bool,
    /// How often members were asked for more than they had listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) asks: usize,
    /// How sure the gate was, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certainty: Option<f64>,
    /// Whether the gate was so unsure that the members voted; absent without a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<bool>,
    /// The gate's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proposed: Option<String>,
    /// Every model's view; null for one that was not asked.
    #[serde(default)]
    pub(crate) members: Vec<Option<TraceMember>>,
}

/// What one model saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TraceMember {
    /// Its most probable tokens with their probabilities.
    pub(crate) top: Vec<(String, f64)>,
    /// Its part in the winner's probability.
    pub(crate) share: f64,
    /// Its probability that no token of the union gets.
    #[serde(default)]
    pub(crate) unmapped: f64,
}

impl From<&Step> for TraceStep {
    fn from(step: &Step) -> Self {
        Self {
            text: String::from_utf8_lossy(&step.bytes).into_owned(),
            hex: Some(hex::encode(&step.bytes)),
            end: step.end,
            ensembled: step.ensembled,
            probability: step.probability,
            close: step.is_close(),
            asks: step.asks,
            certainty: step.certainty,
            key: step.certainty.map(|_| step.ensembled),
            proposed: step.proposed.as_ref().map(name),
            members: step.views.iter().map(|view| view.as_ref().map(TraceMember::from)).collect(),
        }
    }
}

impl From<&MemberView> for TraceMember {
    fn from(view: &MemberView) -> Self {
        let top = view.top.iter().map(|(token, p)| (name(token), *p));
        Self { top: top.collect(), share: view.share, unmapped: view.unmapped }
    }
}

/// A token as text: END has none, as in `text`.
fn name(token: &UnionToken) -> String {
    match token {
        UnionToken::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        UnionToken::Control(name) => name.to_string(),
        UnionToken::End => String::new(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(asks: &usize) -> bool {
    *asks == 0
}
