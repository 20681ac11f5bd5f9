//! How many rows a model's output layer has, without loading the model.

use serde::Deserialize;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::json::read_json;
use crate::checkpoint::source::ModelSource;

#[derive(Deserialize)]
struct Rows {
    vocab_size: Option<usize>,
    /// The language model within a larger one.
    text_config: Option<Box<Rows>>,
}

/// The rows of the output layer as `config.json` states them, of whatever architecture; none where it does not, or where
/// there is no such file.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn output_rows(source: &ModelSource) -> Result<Option<usize>, CheckpointError> {
    let Some(path) = source.find("config.json")? else { return Ok(None) };
    let Rows { vocab_size, text_config } = read_json(&path)?;
    Ok(vocab_size.or_else(|| text_config?.vocab_size))
}
