//! Which address does what.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json as object};
use subtle::ConstantTimeEq;

use crate::app::{App, json, now};
use crate::error::ApiError;
use crate::gac_api;
use crate::openai::{chat, completions, models};
use crate::options::ServerOptions;
use crate::tokenizer;

/// All addresses.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(|State(app): AppState| async move { app.page.response() }))
        .route("/health", get(|| async { json(&object!({ "status": "ok" })) }))
        .route("/version", get(|| async { json(&version()) }))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .route("/v1/models", get(list_models))
        .route("/models", get(list_models))
        .route("/v1/models/{*name}", get(one_model))
        .route("/models/{*name}", get(one_model))
        .route("/v1/completions", post(complete))
        .route("/completions", post(complete))
        .route("/v1/chat/completions", post(answer_chat))
        .route("/chat/completions", post(answer_chat))
        .route("/tokenize", post(tokenize))
        .route("/detokenize", post(detokenize))
        .route("/tokenizer_info", get(tokenizer_info))
        .route("/status", get(|| async { json(&gac_api::status()) }))
        .route("/api/generate/", post(generate))
        .route("/api/generate", post(generate))
        .route("/gac/members/{name}/files/{file}", get(member_file))
        .fallback(|| async { ApiError::not_found("there is nothing at this address") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

type AppState = State<Arc<App>>;

/// What may be asked, and how. A test sees to it that every address is in it.
const OPENAPI: &str = include_str!("openapi.json");

async fn openapi() -> Response {
    let mut response = Response::new(Body::from(OPENAPI));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn version() -> Value {
    object!({ "version": env!("CARGO_PKG_VERSION"), "engine": "gac" })
}

async fn metrics(State(app): AppState) -> Response {
    let text = app.metrics.text(app.dispatcher.taken(), app.connections.load(Ordering::Relaxed));
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

async fn list_models(State(app): AppState) -> Response {
    json(&models::list(&app.catalog, app.since))
}

async fn one_model(State(app): AppState, Path(name): Path<String>) -> Result<Response, ApiError> {
    let system = app.catalog.system(Some(&name)).ok_or_else(|| {
        ApiError::unknown_model(&name, app.catalog.systems().iter().map(|system| system.name.as_str()))
    })?;
    Ok(json(&models::card(system, app.since)))
}

async fn complete(State(app): AppState, request: Request) -> Result<Response, ApiError> {
    let body = body(&app, request).await?;
    completions::respond(app, &body).await
}

async fn answer_chat(State(app): AppState, request: Request) -> Result<Response, ApiError> {
    let body = body(&app, request).await?;
    chat::respond(app, &body).await
}

async fn generate(State(app): AppState, request: Request) -> Result<Response, ApiError> {
    let body = body(&app, request).await?;
    Ok(json(&gac_api::generate(&app, &body).await?))
}

async fn tokenize(State(app): AppState, request: Request) -> Result<Response, ApiError> {
    let body = body(&app, request).await?;
    Ok(json(&tokenizer::tokenize(&app.catalog, &body)?))
}

async fn detokenize(State(app): AppState, request: Request) -> Result<Response, ApiError> {
    let body = body(&app, request).await?;
    Ok(json(&tokenizer::detokenize(&app.catalog, &body)?))
}

async fn tokenizer_info(State(app): AppState) -> Result<Response, ApiError> {
    Ok(json(&tokenizer::info(&app.catalog, None)?))
}

async fn member_file(State(app): AppState, Path((member, file)): Path<(String, String)>) -> Result<Response, ApiError> {
    tokenizer::member_file(&app.catalog, &member, &file)
}

/// A request's body, no larger than allowed and in time.
async fn body(app: &App, request: Request) -> Result<Bytes, ApiError> {
    let most = app.options.max_body;
    let read = read(request.into_body(), most);
    tokio::time::timeout(app.options.patience, read).await.unwrap_or_else(|_| Err(ApiError::too_slow()))
}

async fn read(body: Body, most: usize) -> Result<Bytes, ApiError> {
    if body.size_hint().lower() > most as u64 {
        return Err(ApiError::too_large(most));
    }
    let mut body = pin!(body);
    let mut all = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|error| ApiError::invalid(format!("the request's body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > most {
            return Err(ApiError::too_large(most));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

/// What is done around every request: who may ask, what is counted and logged, and that a panic stays a request's own.
async fn around(State(app): AppState, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).cloned();
    let mut response = match check(&app.options, &method, &path, headers) {
        Err(error) => error.into_response(),
        Ok(()) if method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => unpanicked(Box::pin(next.run(request))).await,
    };
    if let (Some(allowed), Some(_)) = (&app.options.allowed_origin, origin)
        && let Ok(allowed) = HeaderValue::from_str(allowed)
    {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16();
    app.metrics.request(status);
    if let Some(log) = app.options.access_log {
        let milliseconds = began.elapsed().as_secs_f64() * 1e3;
        log(&object!({
            "time": now(), "method": method.as_str(), "path": path, "status": status, "ms": milliseconds,
        }));
    }
    response
}

/// What anybody may ask: whether the server is there, and the page, which asks for the key itself.
const OPEN: [&str; 4] = ["/", "/health", "/status", "/version"];

/// Whether a request may be answered.
fn check(options: &ServerOptions, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(origin) = text(header::ORIGIN) {
        let host = text(header::HOST).unwrap_or_default();
        let own = origin.split_once("://").is_some_and(|(_, of)| of == host);
        let allowed = options.allowed_origin.as_deref().is_some_and(|allowed| allowed == "*" || allowed == origin);
        if !own && !allowed {
            return Err(ApiError::other_origin(origin));
        }
    }
    if method == Method::OPTIONS {
        return Ok(());
    }
    let Some(key) = &options.api_key else { return Ok(()) };
    let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let right = bool::from(given.as_bytes().ct_eq(key.as_bytes()));
    if right || OPEN.contains(&path) { Ok(()) } else { Err(ApiError::unauthorized()) }
}

/// A response in place of a panic.
async fn unpanicked(mut response: Pin<Box<impl Future<Output = Response>>>) -> Response {
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            tracing::error!("a request made its handler panic");
            Poll::Ready(ApiError::internal("the request made the server fail").into_response())
        })
    })
    .await
}
