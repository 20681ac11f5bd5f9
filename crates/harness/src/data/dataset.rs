//! What a data set is called.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A data set on the hub, or files of one's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its id, `organisation/name`; of files of one's own their format.
    pub id: String,
    /// The configuration: the folder its files are in.
    pub config: String,
    /// Branch, tag or commit.
    #[serde(default = "main_branch")]
    pub revision: String,
    /// Files of one's own by split, in order: JSON lines, JSON lists of rows, or parquet. The hub is not asked then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Vec<PathBuf>>,
}

pub(super) fn main_branch() -> String {
    "main".to_owned()
}
