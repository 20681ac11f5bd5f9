//! A system's results on every task.

use super::task::TaskResults;
use crate::stats::TaskScores;

/// A system's results on every task.
#[derive(Clone, Debug)]
pub struct SystemResults {
    /// Its name.
    pub system: String,
    /// The models that take part; one is a single model.
    pub members: Vec<String>,
    /// Those of them that compute on servers, with what these say of themselves.
    pub served: Vec<String>,
    /// Its tasks, in the order of the columns.
    pub tasks: Vec<TaskResults>,
    /// Its documents' scores, task by task.
    pub scores: Vec<TaskScores>,
}
