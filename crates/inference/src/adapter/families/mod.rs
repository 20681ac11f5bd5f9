//! The families: which fields candle's code means, what it ignores, and how it is run.

mod attention;
mod hybrid;
mod mixture;
mod recurrent;

use super::fields::CandleFields;
use super::runner::Blueprint;
use crate::checkpoint::error::CheckpointError;

type BlueprintOf = fn(&mut CandleFields) -> Result<Blueprint, CheckpointError>;

/// `model_type` and how its configuration is read, in alphabetical order.
const ALL: [(&str, BlueprintOf); 11] = [
    ("deepseek_v2", mixture::deepseek_v2),
    ("falcon", attention::falcon),
    ("gpt_bigcode", attention::gpt_bigcode),
    ("granitemoehybrid", hybrid::granite),
    ("helium", attention::helium),
    ("lfm2", hybrid::lfm2),
    ("mamba", recurrent::mamba),
    ("mamba2", recurrent::mamba2),
    ("olmo", attention::olmo),
    ("phi", attention::phi),
    ("recurrent_gemma", hybrid::recurrent_gemma),
];

/// The values of `model_type` that candle-transformers runs here.
pub(crate) fn model_types() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Checks a configuration.
pub(in crate::adapter) fn blueprint(mut fields: CandleFields) -> Result<Blueprint, CheckpointError> {
    let Some(&(_, plan)) = ALL.iter().find(|(known, _)| *known == fields.model_type()) else {
        return Err(fields.problem("model_type", "names no model that candle-transformers runs here"));
    };
    plan(&mut fields)
}

/// The name of a tied output layer is that of the embedding.
fn tied(name: &str, embedding: &str) -> String {
    if name == "lm_head.weight" { embedding.to_owned() } else { name.to_owned() }
}
