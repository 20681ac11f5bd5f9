//! Errors, in the shape of `OpenAI`'s API.

use std::error::Error;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gac_ensemble::{EnsembleError, RequestError};
use serde_json::{Value, json};

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    kind: &'static str,
    message: String,
    /// The field that is at fault.
    param: Option<String>,
    code: Option<&'static str>,
    /// Seconds after which to try again.
    retry_after: Option<u32>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), param: None, code: None, retry_after: None }
    }

    /// A request that makes no sense as a whole.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// A field that cannot be honoured.
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid(message) }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    /// A model that is not served; `names` are.
    pub(crate) fn unknown_model<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Self {
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let message = format!("there is no model `{name}` here; there is {}", names.join(", "));
        Self { param: Some("model".to_owned()), code: Some("model_not_found"), ..Self::not_found(message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "this address does not take that method")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the request's body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "the request's body did not come in time")
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "a key is needed: `Authorization: Bearer KEY`, with the key that the server was started with";
        let error = Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message);
        Self { code: Some("invalid_api_key"), ..error }
    }

    /// A page of another server asks.
    pub(crate) fn other_origin(origin: &str) -> Self {
        let message = format!("pages of `{origin}` may not ask here; `--allow-origin {origin}` would allow it");
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", message)
    }

    /// Too much waits already.
    pub(crate) fn queue_full() -> Self {
        let message = "too many requests are waiting; try again in a moment";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { code: Some("queue_full"), retry_after: Some(1), ..error }
    }

    pub(crate) fn too_many_connections() -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "too many connections are open");
        Self { retry_after: Some(1), ..error }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// The same, by the field `param`, where it is the request's fault and no field is named yet.
    pub(crate) fn of(self, param: &str) -> Self {
        let named = self.status == StatusCode::BAD_REQUEST;
        Self { param: self.param.or_else(|| named.then(|| param.to_owned())), ..self }
    }

    /// The error's object.
    pub(crate) fn body(&self) -> Value {
        let Self { message, kind, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error and its causes as one sentence.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

impl From<&RequestError> for ApiError {
    fn from(error: &RequestError) -> Self {
        let message = format!("the request cannot be served: {}", with_causes(error));
        match error {
            RequestError::TooLong { .. } | RequestError::CacheTooSmall { .. } => {
                Self { code: Some("context_length_exceeded"), ..Self::invalid(message) }
            }
            RequestError::NoProbabilities { .. } => Self::internal(message),
            _ => Self::invalid(message),
        }
    }
}

impl From<EnsembleError> for ApiError {
    fn from(error: EnsembleError) -> Self {
        Self::invalid(with_causes(&error))
    }
}
