//! What the keys of a card mean.

use serde_json::{Map, Value, json};

/// Keys that are schema.org's.
const SCHEMA: [&str; 14] = [
    "contentSize",
    "contentUrl",
    "dateCreated",
    "dateModified",
    "description",
    "distribution",
    "encodingFormat",
    "hasPart",
    "identifier",
    "isBasedOn",
    "name",
    "softwareVersion",
    "url",
    "version",
];

/// The JSON-LD context: keys of schema.org and of Croissant are theirs, all others are gac's own.
pub(super) fn context() -> Value {
    let mut context = Map::new();
    context.insert("@vocab".to_owned(), "urn:gac:".into());
    context.insert("sc".to_owned(), "https://schema.org/".into());
    context.insert("cr".to_owned(), "http://mlcommons.org/croissant/".into());
    for key in SCHEMA {
        context.insert(key.to_owned(), format!("sc:{key}").into());
    }
    context.insert("sha256".to_owned(), "cr:sha256".into());
    // What users and other tools name freely is kept as it is.
    for key in ["settings", "server"] {
        context.insert(key.to_owned(), json!({ "@id": format!("urn:gac:{key}"), "@type": "@json" }));
    }
    context.into()
}
