//! `GET /v1/models`.

use serde_json::{Value, json};

use crate::catalog::{Catalog, ServedSystem};

/// Everything that is served, systems first.
pub(crate) fn list(catalog: &Catalog, since: u64) -> Value {
    let data: Vec<Value> = catalog.systems().iter().map(|system| card(system, since)).collect();
    json!({ "object": "list", "data": data })
}

/// One of them.
pub(crate) fn card(system: &ServedSystem, since: u64) -> Value {
    let members: Vec<&str> = system.settings.ensemble().names().collect();
    let gate = system.gate.and_then(|(gate, _)| members.get(gate.0));
    // What a request without one is answered by.
    let threshold = system.settings.thresholds().first().map(|threshold| threshold.get());
    json!({
        "id": system.name,
        "object": "model",
        "created": since,
        "owned_by": "gac",
        "root": system.name,
        "parent": null,
        "max_model_len": system.context(),
        "members": members,
        "gac": { "gate": gate, "threshold": threshold },
    })
}
