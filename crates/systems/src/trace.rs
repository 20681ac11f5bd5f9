//! One step of a traced response, as every trace has it: in samples, in lines of `gac generate`, over HTTP.

use gac_ensemble::{MemberView, Step, UnionToken};
use serde::{Deserialize, Serialize};

/// One step of a response: a token, who decided it, and what everybody thought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The token's text, empty for END; where its bytes are not UTF-8 by themselves, U+FFFD stands in for them.
    #[serde(default)]
    pub text: String,
    /// The token's bytes, hexadecimal, where they are not UTF-8 by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Whether it ends the response.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// Whether the members voted.
    pub ensembled: bool,
    /// The winner's fused probability where members voted, else its probability under the deciding member.
    pub probability: f64,
    /// Whether another token was so close that roundings may decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub close: bool,
    /// How often members were asked for more than they had listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asks: usize,
    /// How sure the gate was, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<f64>,
    /// The gate's own token, where there is a gate and it is known: another was emitted where it was overruled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<String>,
    /// Every member's view, in the members' order; none for one that was not consulted. Empty where views are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Option<MemberStep>>,
}

/// What one member saw at a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberStep {
    /// Its most probable tokens, with its own probabilities, descending.
    pub top: Vec<(String, f64)>,
    /// Its part of the members' weighted probability of the token that was emitted, 0 to 1.
    pub share: f64,
    /// Its probability that no token of the union gets.
    #[serde(default)]
    pub unmapped: f64,
}

/// Who decided a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// The gate, or a single model: nobody else was asked.
    Alone,
    /// The members voted, and nobody's first choice was another.
    Agreed,
    /// The members voted against the gate, or where there is none, against somebody's first choice.
    Overruled,
    /// The members voted; who wanted what was not recorded.
    Voted,
}

impl StepRecord {
    /// Who decided it.
    pub fn decider(&self) -> Decider {
        if !self.ensembled {
            return Decider::Alone;
        }
        let emitted = self.text.as_str();
        if self.proposed.as_ref().is_some_and(|proposed| proposed != emitted) {
            return Decider::Overruled;
        }
        let mut firsts = self.members.iter().flatten().filter_map(|member| member.top.first()).peekable();
        match (firsts.peek().is_some(), &self.proposed) {
            (false, None) => Decider::Voted,
            // The gate had its way, whatever the others wanted.
            (_, Some(_)) => Decider::Agreed,
            (true, None) if firsts.all(|(text, _)| *text == emitted) => Decider::Agreed,
            (true, None) => Decider::Overruled,
        }
    }
}

impl From<&Step> for StepRecord {
    fn from(step: &Step) -> Self {
        let hex = std::str::from_utf8(&step.bytes).is_err().then(|| hex::encode(&step.bytes));
        Self {
            text: String::from_utf8_lossy(&step.bytes).into_owned(),
            hex,
            end: step.end,
            ensembled: step.ensembled,
            probability: step.probability,
            close: step.is_close(),
            asks: step.asks,
            certainty: step.certainty,
            proposed: step.proposed.as_ref().map(text),
            members: step.views.iter().map(|view| view.as_ref().map(MemberStep::from)).collect(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(asks: &usize) -> bool {
    *asks == 0
}

/// A token as text; END has none, other control symbols have their names.
fn text(token: &UnionToken) -> String {
    match token {
        UnionToken::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        UnionToken::Control(name) => name.to_string(),
        UnionToken::End => String::new(),
    }
}

impl From<&MemberView> for MemberStep {
    fn from(view: &MemberView) -> Self {
        let top = view.top.iter().map(|(token, probability)| (text(token), *probability));
        Self { top: top.collect(), share: view.share, unmapped: view.unmapped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(proposed: Option<&str>, firsts: &[&str]) -> StepRecord {
        let member =
            |first: &&str| Some(MemberStep { top: vec![((*first).to_owned(), 0.6)], share: 0.5, unmapped: 0.0 });
        StepRecord {
            text: "a".into(),
            ensembled: true,
            proposed: proposed.map(str::to_owned),
            members: firsts.iter().map(member).collect(),
            ..StepRecord::default()
        }
    }

    #[test]
    fn who_decided_is_read_off_the_gates_proposal_and_the_members_first_choices() {
        assert_eq!(StepRecord::default().decider(), Decider::Alone);
        assert_eq!(step(None, &[]).decider(), Decider::Voted);
        assert_eq!(step(Some("b"), &["b", "a"]).decider(), Decider::Overruled);
        assert_eq!(step(Some("a"), &["a", "b"]).decider(), Decider::Agreed);
        assert_eq!(step(None, &["a", "a"]).decider(), Decider::Agreed);
        assert_eq!(step(None, &["a", "b"]).decider(), Decider::Overruled);
    }
}
