//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::ApiError;
use crate::options::ServerOptions;

/// Counts a connection for as long as it is open.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers on all connections until `stop` says so; then what runs may finish, for as long as `options.grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    options: &ServerOptions,
    connections: Arc<AtomicUsize>,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, or gone before it was there: others go on.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let before = connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&connections));
        let router = (before < options.max_connections).then(|| router.clone());
        let (patience, stop) = (options.patience, stop.clone());
        open.spawn(async move {
            let _counted = counted;
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(patience);
            connection(stream, &builder, router, stop).await;
        });
    }
    drop(listener);
    let finished = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(options.grace, finished).await.is_err() {
        tracing::warn!(left = open.len(), "requests did not finish in time; they are dropped");
    }
    open.shutdown().await;
}

/// Answers on one connection: with the router, or where there are too many, that there are.
async fn connection(stream: TcpStream, builder: &http1::Builder, router: Option<Router>, stop: watch::Receiver<bool>) {
    // Tokens are small and are not to wait for each other.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(stream);
    if let Some(router) = router {
        return run(builder.serve_connection(io, TowerToHyperService::new(router)), stop).await;
    }
    let full = service_fn(|_: Request<Incoming>| async {
        let mut response: Response = ApiError::too_many_connections().into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok::<_, Infallible>(response)
    });
    run(builder.serve_connection(io, full), stop).await;
}

async fn run<S>(connection: http1::Connection<TokioIo<TcpStream>, S>, mut stop: watch::Receiver<bool>)
where
    S: hyper::service::HttpService<Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
