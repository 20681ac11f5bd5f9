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
    json!({
        "id": system.name,
        "object": "model",
        "created": since,
        "owned_by": "gac",
        "root": system.name,
        "parent": null,
        "max_model_len": system.context(),
        "members": members,
    })
}
