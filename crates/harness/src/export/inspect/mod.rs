//! inspect_ai's logs: one `.eval` per system and task, by version 2 of their schema (inspect_ai 0.3.285,
//! `log/_log.py` and `log/_recorders/eval.py`): a zip of JSON files, of which `header.json` and `summaries.json` are what
//! lists show, and `samples/<id>_epoch_<n>.json` a sample each.

mod archive;
mod choice_letter;
mod header;
mod log;
mod message;
mod sample;
mod sample_id;
mod score;

pub use log::inspect;
