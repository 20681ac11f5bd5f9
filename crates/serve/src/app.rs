//! What all requests share, and what every answer is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::dispatch::Dispatcher;
use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::page::ServedPage;

/// What all requests share.
pub(crate) struct App {
    pub(crate) catalog: Catalog,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) options: ServerOptions,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) page: ServedPage,
    /// When it was started, in seconds since 1970.
    pub(crate) since: u64,
    answered: AtomicU64,
}

impl App {
    pub(crate) fn new(catalog: Catalog, dispatcher: Dispatcher, metrics: Arc<Metrics>, options: ServerOptions) -> Self {
        let (connections, answered) = (Arc::default(), AtomicU64::new(0));
        Self { catalog, dispatcher, metrics, options, connections, page: ServedPage::new(), since: now(), answered }
    }

    /// A name that no other answer of this server has.
    pub(crate) fn new_id(&self, kind: &str) -> String {
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        format!("{kind}-{:x}-{number:x}", self.since)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// An answer of status 200.
pub(crate) fn json(value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
