//! Where lm-evaluation-harness's versions build prompts and groups differently.

use serde::{Deserialize, Serialize};

use crate::metrics::PoolingRule;

/// The version of lm-evaluation-harness whose machinery a task goes through. What differs in the tasks themselves
/// (templates, filters, stop strings) is in their definitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HarnessRules {
    /// Release 0.4.13.
    #[default]
    #[serde(rename = "0.4.13")]
    Release0_4_13,
    /// Commit 9e6e240 (March 2024), which the GaC paper used.
    #[serde(rename = "9e6e240")]
    Commit9e6e240,
}

/// What becomes of drawn shots that are equal to the evaluated document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EqualRows {
    /// They stay, unless the task excludes its document; then they are dropped, and others drawn if too few are left.
    KeptOrRedrawn,
    /// They are dropped, whatever the task says, and nothing takes their place.
    Dropped,
}

impl HarnessRules {
    /// Whether a line break at the end of a template stays. (Jinja2 drops it unless told otherwise.)
    pub(super) fn keeps_final_line_break(self) -> bool {
        match self {
            Self::Release0_4_13 => true,
            Self::Commit9e6e240 => false,
        }
    }

    /// Whether a shot without an answer leaves out the delimiters around it.
    pub(super) fn empty_answers_drop_delimiters(self) -> bool {
        match self {
            Self::Release0_4_13 => true,
            Self::Commit9e6e240 => false,
        }
    }

    pub(super) fn equal_rows(self) -> EqualRows {
        match self {
            Self::Release0_4_13 => EqualRows::KeptOrRedrawn,
            Self::Commit9e6e240 => EqualRows::Dropped,
        }
    }

    /// How a group of groups gets its standard error.
    pub(super) fn pooling(self) -> PoolingRule {
        match self {
            Self::Release0_4_13 => PoolingRule::AllAtOnce,
            Self::Commit9e6e240 => PoolingRule::LevelByLevel,
        }
    }
}
