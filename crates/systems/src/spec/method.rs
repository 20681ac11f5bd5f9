//! How members come to one answer: by a vote on tokens, or by whole responses.

use gac_ensemble::{Method, MethodSettings};
use gac_inference::Named;
use serde::{Deserialize, Serialize};

/// What is combined: tokens, or whole responses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    /// Members vote on tokens.
    Tokens(Method),
    /// Members vote on the tokens that verification picks out (SAFE).
    Safe(Method),
    /// Each member answers alone; the answer that most members give is taken.
    Vote,
    /// Each member answers alone; the answer of the member that is surest of its own is taken.
    BestOf,
}

impl Default for Combination {
    fn default() -> Self {
        Self::Tokens(Method::Gac)
    }
}

impl Combination {
    /// Whether members answer alone.
    pub fn is_full_response(self) -> bool {
        matches!(self, Self::Vote | Self::BestOf)
    }

    /// The method of the vote on tokens, where there is one.
    pub fn method(self) -> Option<Method> {
        match self {
            Self::Tokens(method) | Self::Safe(method) => Some(method),
            Self::Vote | Self::BestOf => None,
        }
    }

    /// The same with the settings that are told of its method.
    #[must_use]
    pub fn with(self, settings: MethodSettings) -> Self {
        match self {
            Self::Tokens(method) => Self::Tokens(method.with(settings)),
            Self::Safe(method) => Self::Safe(method.with(settings)),
            Self::Vote | Self::BestOf => self,
        }
    }
}

impl Named for Combination {
    const WHAT: &'static str = "method";

    /// Every method of the vote on tokens is registered in `gac-ensemble`.
    fn all() -> Vec<Self> {
        let tokens = Method::all().into_iter().map(Self::Tokens);
        tokens.chain([Self::Safe(Method::Gac), Self::Safe(Method::UNITE), Self::Vote, Self::BestOf]).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tokens(method) => method.name(),
            Self::Safe(Method::Unite { .. }) => "safe-unite",
            Self::Safe(_) => "safe",
            Self::Vote => "vote",
            Self::BestOf => "best-of",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Tokens(method) => method.about(),
            Self::Safe(Method::Unite { .. }) => "`unite` where verification asks for it",
            Self::Safe(_) => "`gac` where verification asks for it; the gate (or the first model) drafts",
            Self::Vote => "Majority of the models' own answers",
            Self::BestOf => "The answer of the model that is surest of its own",
        }
    }
}
