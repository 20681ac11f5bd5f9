//! A system as an offline run.

use gac_systems::sha256;
use serde_json::{Value, json};

use super::protobuf::ProtoMessage;
use super::record_log::RecordLog;
use crate::clock::Timestamp;
use crate::export::facts::{self, TrackedFigure};
use crate::export::file::ExportedFile;
use crate::results::{StoredRun, StoredSystem, SystemEntry};

/// The oldest wandb that reads these records, as wandb itself writes it.
const MIN_CONSUMER: &str = "0.70.0";
/// Characters that no project's name may have.
const FORBIDDEN: [char; 7] = ['/', '\\', '#', '?', '%', ':', ','];

/// Numbers of fields: `wandb_internal.proto` and `wandb_base.proto` of wandb 0.31.
mod field {
    pub(super) mod record {
        pub(in super::super) const NUMBER: u32 = 1;
        pub(in super::super) const HISTORY: u32 = 2;
        pub(in super::super) const SUMMARY: u32 = 3;
        pub(in super::super) const RUN: u32 = 17;
        pub(in super::super) const EXIT: u32 = 18;
        pub(in super::super) const HEADER: u32 = 21;
    }
    pub(super) mod run {
        pub(in super::super) const ID: u32 = 1;
        pub(in super::super) const PROJECT: u32 = 3;
        pub(in super::super) const CONFIG: u32 = 4;
        pub(in super::super) const GROUP: u32 = 6;
        pub(in super::super) const JOB_TYPE: u32 = 7;
        pub(in super::super) const NAME: u32 = 8;
        pub(in super::super) const TAG: u32 = 10;
        pub(in super::super) const START: u32 = 17;
        pub(in super::super) const GIT: u32 = 21;
    }
    /// Of configurations and summaries.
    pub(super) const UPDATE: u32 = 1;
    pub(super) const KEY: u32 = 1;
    pub(super) const NESTED_KEY: u32 = 2;
    pub(super) const VALUE_JSON: u32 = 16;
    pub(super) const STEP: u32 = 2;
}

/// A run as W&B's offline runs, one per system, in one project and one group.
///
/// A run is known by the same letters whenever it is written: synced again, it is the same run.
pub fn wandb(run: &StoredRun) -> Vec<ExportedFile> {
    let systems = run.systems.iter().zip(&run.manifest.systems);
    systems.map(|(system, entry)| of_system(run, system, entry)).collect()
}

fn of_system(run: &StoredRun, system: &StoredSystem, entry: &SystemEntry) -> ExportedFile {
    let manifest = &run.manifest;
    let id = &sha256::of_bytes([entry.identity.as_str(), &system.name, &manifest.started].join("\n"))[..16];
    let started = Timestamp::from_rfc3339(&manifest.started).unwrap_or(Timestamp::from_unix(0));
    let ended = manifest.ended.as_ref().and_then(|ended| Timestamp::from_rfc3339(ended)).unwrap_or(started);
    let seconds = (ended.unix() - started.unix()).max(0);

    let mut log = RecordLog::new();
    let mut number = 0;
    let mut add = |field: u32, message: &ProtoMessage| {
        number += 1;
        log.add(&ProtoMessage::default().number(field::record::NUMBER, number).message(field, message));
    };
    add(field::record::HEADER, &header(facts::version(run)));
    add(field::record::RUN, &start(run, system, id, started));
    let mut values: Vec<(String, Value)> =
        facts::figures(system).into_iter().map(|TrackedFigure { name, value }| (name, value.into())).collect();
    let clock = [("_step", json!(0)), ("_timestamp", json!(ended.unix() as f64)), ("_runtime", json!(seconds))];
    values.extend(clock.map(|(name, value)| (name.to_owned(), value)));
    add(field::record::SUMMARY, &updates(values.iter().map(|(name, value)| (name.as_str(), value))));
    add(field::record::HISTORY, &history(&values));
    add(field::record::EXIT, &ProtoMessage::default());

    let path = format!("offline-run-{}-{id}/run-{id}.wandb", started.compact().replace('-', "_"));
    ExportedFile { path, bytes: log.into_bytes() }
}

fn header(version: &str) -> ProtoMessage {
    let version = ProtoMessage::default().text(1, &format!("gac {version}")).text(2, MIN_CONSUMER);
    ProtoMessage::default().message(1, &version)
}

fn start(run: &StoredRun, system: &StoredSystem, id: &str, started: Timestamp) -> ProtoMessage {
    let manifest = &run.manifest;
    let configuration = facts::configuration(run, system);
    let project = manifest.plan.name.replace(FORBIDDEN, "-");
    let time = ProtoMessage::default().number(1, started.unix().max(0) as u64);
    let mut message = ProtoMessage::default()
        .text(field::run::ID, id)
        .text(field::run::PROJECT, &project)
        .message(field::run::CONFIG, &updates(configuration.iter().map(|(name, value)| (name.as_str(), value))))
        .text(field::run::GROUP, &format!("{} {}", manifest.plan.name, manifest.started))
        .text(field::run::JOB_TYPE, "eval")
        .text(field::run::NAME, &system.name)
        .text(field::run::TAG, "gac")
        .message(field::run::START, &time);
    if let Some(git) = manifest.sessions.last().and_then(|session| session.git.as_ref()) {
        message = message.message(field::run::GIT, &ProtoMessage::default().text(2, &git.commit));
    }
    message
}

/// A configuration or a summary: names with values as JSON.
fn updates<'a>(values: impl Iterator<Item = (&'a str, &'a Value)>) -> ProtoMessage {
    values.fold(ProtoMessage::default(), |message, (name, value)| {
        let item = ProtoMessage::default().text(field::KEY, name).text(field::VALUE_JSON, &value.to_string());
        message.message(field::UPDATE, &item)
    })
}

/// One step that logs everything.
fn history(values: &[(String, Value)]) -> ProtoMessage {
    let items = values.iter().fold(ProtoMessage::default(), |message, (name, value)| {
        let item = ProtoMessage::default().text(field::NESTED_KEY, name).text(field::VALUE_JSON, &value.to_string());
        message.message(field::UPDATE, &item)
    });
    items.message(field::STEP, &ProtoMessage::default())
}
