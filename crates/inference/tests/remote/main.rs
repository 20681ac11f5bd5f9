//! Models on servers, against a server of the same model: what it tells, how it is found, how it fails.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod connecting;
mod continuations;
mod distributions;
mod faults;
mod run_ahead;
mod support;
