//! What a command line says over a recipe.

use gac_inference::{ComputeType, Dtype};
use serde_json::{Map, Value};

/// What a command line says over all models and systems of a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemsOverrides {
    /// The type every model computes in.
    pub dtype: Option<Dtype>,
    /// The type that linear layers multiply in, over what the models say.
    pub compute: Option<ComputeType>,
    /// What all chat templates are told by name, over what the recipe says of systems.
    pub chat_template_args: Map<String, Value>,
}
