//! Models and GaC ensembles of them over HTTP: `OpenAI`'s API, and GaC's own.
//!
//! A [`Catalog`] says what is served: systems and models that a [`Scheduler`](gac_ensemble::Scheduler) has loaded, each
//! with the settings that its requests travel with. A [`Server`] answers for them. One thread owns the scheduler
//! (`dispatch`): requests come to it through a channel, and what becomes of each goes back through a channel of its own, so
//! nobody who reads slowly or goes away holds up the others.

mod app;
mod catalog;
mod dispatch;
mod error;
mod gac_api;
mod http;
mod input;
mod metrics;
mod open;
mod openai;
mod options;
mod pace;
mod page;
mod reasoning;
mod routes;
mod server;
mod text;
mod tokenizer;
mod trace;

pub use catalog::{Catalog, CatalogError, ServedMember, ServedSystem};
pub use open::OpenCatalogError;
pub use options::ServerOptions;
pub use server::{Server, Stopper};
