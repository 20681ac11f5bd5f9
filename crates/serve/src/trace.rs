//! A trace's steps: who decided a token, how sure the gate was, what each member thought.

use gac_ensemble::{MemberView, Step, UnionToken};
use serde_json::{Value, json};

/// One step, by the names that traces of `gac generate --trace` have.
pub(crate) fn step(step: &Step) -> Value {
    json!({
        "text": String::from_utf8_lossy(&step.bytes),
        "end": step.end,
        "ensembled": step.ensembled,
        "probability": step.probability,
        "certainty": step.certainty,
        "proposed": step.proposed.as_ref().map(name),
        "members": step.views.iter().map(|view| view.as_ref().map(member)).collect::<Vec<_>>(),
    })
}

fn member(view: &MemberView) -> Value {
    let top: Vec<(String, f64)> = view.top.iter().map(|(token, p)| (name(token), *p)).collect();
    json!({ "top": top, "share": view.share, "unmapped": view.unmapped })
}

/// A token as text: END has none, as in a step's `text`.
fn name(token: &UnionToken) -> String {
    match token {
        UnionToken::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        UnionToken::Control(name) => name.to_string(),
        UnionToken::End => String::new(),
    }
}
