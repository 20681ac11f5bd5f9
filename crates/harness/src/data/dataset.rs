//! What a data set is called.

use serde::{Deserialize, Serialize};

/// A data set on the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its id, `organisation/name`.
    pub id: String,
    /// The configuration: the folder its files are in.
    pub config: String,
    /// Branch, tag or commit.
    #[serde(default = "main_branch")]
    pub revision: String,
}

pub(super) fn main_branch() -> String {
    "main".to_owned()
}
