//! The server.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;

use gac_ensemble::Scheduler;
use tokio::sync::watch;

use crate::app::App;
use crate::catalog::Catalog;
use crate::dispatch::Dispatcher;
use crate::http;
use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::routes::router;

/// Threads that read requests and write answers. What is computed is computed elsewhere.
const THREADS: usize = 2;

/// Answers over HTTP for what a scheduler has loaded.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    scheduler: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

/// Stops a server from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// No more requests are taken; those that run may finish.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Listens at `address` for requests to what `catalog` names, which `scheduler` has loaded.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub fn bind(
        address: impl ToSocketAddrs,
        catalog: Catalog,
        scheduler: Scheduler,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let metrics = Arc::new(Metrics::default());
        let limits = (options.max_samples, options.max_queue);
        let (dispatcher, scheduler) = Dispatcher::start(scheduler, limits, Arc::clone(&metrics))?;
        let app = Arc::new(App::new(catalog, dispatcher, metrics, options));
        Ok(Self { listener, app, scheduler, stop: watch::Sender::new(false) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Answers until it is stopped: by its [`Stopper`], or by the signals that end a program. Then what runs may finish,
    /// within the grace of its options; a second signal cuts that short.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn run(self) -> io::Result<()> {
        let Self { listener, app, scheduler, stop } = self;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("http")
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let (options, connections) = (app.options.clone(), Arc::clone(&app.connections));
            let serving = http::serve(listener, router(app), &options, connections, stop.subscribe());
            let mut serving = std::pin::pin!(serving);
            tokio::select! {
                () = serving.as_mut() => return Ok(()),
                signal = end_signal() => signal?,
            }
            stop.send_replace(true);
            tokio::select! {
                () = serving => Ok(()),
                signal = end_signal() => signal,
            }
        })?;
        drop(runtime);
        // It ends when nobody can ask it anything any more.
        scheduler.join().map_err(|_| io::Error::other("the scheduler's thread panicked"))
    }
}

/// Waits for a signal that ends a program.
async fn end_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
