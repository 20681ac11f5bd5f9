//! What can be wrong with what a recipe says of models and systems.

use std::path::PathBuf;

use super::setting_error::SettingError;

/// A recipe names something that does not exist or asks for something that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// Nothing to ask.
    #[error("there are no systems")]
    Empty,
    /// A system's name without characters.
    #[error("a system has an empty name")]
    EmptyName,
    /// Two systems of one name.
    #[error("system `{name}` is listed twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A model with no source, or with several.
    #[error("model `{name}` needs one of `path`, `hub` and `url`, and has {found}")]
    ModelSource {
        /// The model's name.
        name: String,
        /// `none` or `several`.
        found: &'static str,
    },
    /// A key that belongs to other models.
    #[error("`{key}` of model `{name}` goes with {with}")]
    ModelKey {
        /// The model's name.
        name: String,
        /// The key.
        key: &'static str,
        /// What it goes with.
        with: &'static str,
    },
    /// Lists of nothing.
    #[error("`logprobs` of model `{name}` is 0; it must be at least 1")]
    NoLogprobs {
        /// The model's name.
        name: String,
    },
    /// A hub id that cannot be one.
    #[error("`{id}` of model `{name}` is not a hub id")]
    HubId {
        /// The model's name.
        name: String,
        /// What was given.
        id: String,
    },
    /// A folder that is not there.
    #[error("{what} is not there: no `{}`", path.display())]
    MissingPath {
        /// What was to be found there.
        what: String,
        /// The place.
        path: PathBuf,
    },
    /// A system without members.
    #[error("system `{system}` has no members")]
    NoMembers {
        /// The system.
        system: String,
        /// Models there are.
        known: Vec<String>,
    },
    /// A member that no model is called.
    #[error("system `{system}` has an unknown member `{member}`")]
    UnknownModel {
        /// The system.
        system: String,
        /// The member.
        member: String,
        /// Models there are.
        known: Vec<String>,
    },
    /// A member twice in one system.
    #[error("system `{system}` has member `{member}` twice")]
    DuplicateMember {
        /// The system.
        system: String,
        /// The member.
        member: String,
    },
    /// Not one weight per member.
    #[error("system `{system}` has {weights} weights for {members} members")]
    WeightCount {
        /// The system.
        system: String,
        /// Weights given.
        weights: usize,
        /// Members it has.
        members: usize,
    },
    /// A weight that is negative or not finite.
    #[error("system `{system}` gives member `{member}` the weight {weight}; a weight is a finite number from 0 up")]
    Weight {
        /// The system.
        system: String,
        /// The member.
        member: String,
        /// What was given.
        weight: f64,
    },
    /// Weights that are zero throughout (or whose sum overflows).
    #[error("the weights of system `{system}` add up to {sum}; at least one must be above 0")]
    WeightSum {
        /// The system.
        system: String,
        /// Their sum.
        sum: f64,
    },
    /// An axis with nothing on it.
    #[error("`{axis}` of system `{system}` is an empty list")]
    EmptyAxis {
        /// The system.
        system: String,
        /// The setting.
        axis: &'static str,
    },
    /// One threshold and several.
    #[error("system `{system}` has both `threshold` and `thresholds`")]
    TwoThresholds {
        /// The system.
        system: String,
    },
    /// A threshold outside 0 to 1.
    #[error("system `{system}` has the threshold {threshold}; a threshold is a probability, from 0 to 1")]
    Threshold {
        /// The system.
        system: String,
        /// What was given.
        threshold: f64,
    },
    /// A gate that is not one of the members.
    #[error("the gate `{gate}` of system `{system}` is not one of its members")]
    GateNotMember {
        /// The system.
        system: String,
        /// The gate.
        gate: String,
        /// Its members.
        members: Vec<String>,
    },
    /// A gate without a threshold.
    #[error("system `{system}` has a gate `{gate}` and no threshold")]
    GateWithoutThreshold {
        /// The system.
        system: String,
        /// The gate.
        gate: String,
    },
    /// A threshold without a gate.
    #[error("system `{system}` has a threshold {threshold} and no gate")]
    ThresholdWithoutGate {
        /// The system.
        system: String,
        /// The threshold.
        threshold: f64,
        /// Its members.
        members: Vec<String>,
    },
    /// A gate with nobody to consult.
    #[error("system `{system}` has a gate and only one member")]
    GateAlone {
        /// The system.
        system: String,
    },
    /// How members are to come to one answer makes no sense.
    #[error("system `{system}` makes no sense")]
    Setting {
        /// The system.
        system: String,
        /// What is wrong.
        source: SettingError,
    },
}
