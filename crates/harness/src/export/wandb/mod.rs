//! W&B's offline runs (wandb 0.31): a folder per system with `run-<id>.wandb`, which `wandb sync` uploads. The file is a log
//! of records in protocol buffers.

mod offline_run;
mod protobuf;
mod record_log;

pub use offline_run::wandb;
