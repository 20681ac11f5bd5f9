//! The methods by their names: a method of the ensemble is registered here.

use gac_ensemble::Method;
use serde::{Deserialize, Serialize};

/// How members come to one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Weighted average of token probabilities.
    #[default]
    Gac,
    /// Weighted average over the union of each member's most probable tokens.
    Unite,
    /// Weighted geometric mean with a floor.
    Geometric,
    /// `gac`, where verification asks for it.
    Safe,
    /// `unite`, where verification asks for it.
    SafeUnite,
    /// Majority of the members' own answers.
    Vote,
    /// The answer of the member that is surest of its own.
    BestOf,
}

impl MethodName {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Gac, Self::Unite, Self::Geometric, Self::Safe, Self::SafeUnite, Self::Vote, Self::BestOf];

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gac => "gac",
            Self::Unite => "unite",
            Self::Geometric => "geometric",
            Self::Safe => "safe",
            Self::SafeUnite => "safe-unite",
            Self::Vote => "vote",
            Self::BestOf => "best-of",
        }
    }

    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Gac => "Weighted average of token probabilities",
            Self::Unite => "Weighted average over the union of each model's most probable tokens",
            Self::Geometric => "Weighted geometric mean with a floor",
            Self::Safe => "`gac` where verification asks for it; the gate (or the first model) drafts",
            Self::SafeUnite => "`unite` where verification asks for it",
            Self::Vote => "Majority of the models' own answers",
            Self::BestOf => "The answer of the model that is surest of its own",
        }
    }

    /// What it combines, with its own settings where they are given.
    pub(crate) fn combination(self, top_k: Option<usize>, floor: Option<f64>) -> Combination {
        let unite = top_k.map_or(Method::UNITE, |top_k| Method::Unite { top_k });
        match self {
            Self::Gac => Combination::Tokens(Method::Gac),
            Self::Unite => Combination::Tokens(unite),
            Self::Geometric => {
                Combination::Tokens(floor.map_or(Method::GEOMETRIC, |floor| Method::Geometric { floor }))
            }
            Self::Safe => Combination::Safe(Method::Gac),
            Self::SafeUnite => Combination::Safe(unite),
            Self::Vote => Combination::Vote,
            Self::BestOf => Combination::BestOf,
        }
    }
}

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
}

impl std::str::FromStr for MethodName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn recipes_and_command_lines_have_the_same_names() {
        for method in MethodName::ALL {
            let text: StrDeserializer<'_, Error> = method.name().into_deserializer();
            assert_eq!(MethodName::deserialize(text).unwrap(), method);
            assert_eq!(method.name().parse(), Ok(method));
        }
        assert_eq!("gca".parse::<MethodName>(), Err(()));
    }
}
