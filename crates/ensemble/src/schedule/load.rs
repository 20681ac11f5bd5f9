//! How much a scheduler has to do.

/// How much there is to do, and how full the models' caches are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that wait for room.
    pub waiting: usize,
    /// Requests in flight.
    pub running: usize,
    /// By model, in order.
    pub models: Vec<ModelLoad>,
}

/// How full a model's cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLoad {
    /// The model's name.
    pub name: String,
    /// Tokens that room is kept for.
    pub held: usize,
    /// Tokens that its cache holds.
    pub cache: usize,
}
