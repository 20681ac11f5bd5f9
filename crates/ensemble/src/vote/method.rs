//! How the members' distributions become one: the published ways.

use serde::{Deserialize, Serialize};

/// How the members' distributions become one over the union vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The weighted average over the whole union vocabulary (GaC, Yu et al. 2024, section 3.2).
    #[default]
    Gac,
    /// The weighted average over the union of each member's `top_k` most probable tokens (`UniTE`, Yao et al.,
    /// "Determine-Then-Ensemble", arXiv 2410.03777, section 4). A member that lacks one of these tokens gives it the
    /// probability of the first piece that it would spell it with; each member's probabilities are then made to sum to
    /// one over the union.
    Unite {
        /// Tokens per member; the paper takes 10.
        top_k: usize,
    },
    /// The weighted geometric mean, a product of experts (Hinton 2002): `q(u)` in proportion to
    /// `prod_m max(p_m(u), floor)^w_m`. A member's doubt is a veto; the floor says how strong a veto may be, for what
    /// it cannot say at all too.
    Geometric {
        /// The least probability that a member is taken to give; above 0 and below 1.
        floor: f64,
    },
}

impl Method {
    /// `UniTE` with the paper's 10 tokens per member.
    pub const UNITE: Self = Self::Unite { top_k: 10 };
    /// The geometric mean with a floor of one in a million.
    pub const GEOMETRIC: Self = Self::Geometric { floor: 1e-6 };

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gac => "gac",
            Self::Unite { .. } => "unite",
            Self::Geometric { .. } => "geometric",
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// For no tokens per member, or a floor that is no probability between 0 and 1.
    pub fn validate(self) -> Result<(), MethodError> {
        match self {
            Self::Unite { top_k: 0 } => Err(MethodError::TopK),
            Self::Geometric { floor } if !(floor > 0.0 && floor < 1.0) => Err(MethodError::Floor { floor }),
            _ => Ok(()),
        }
    }
}

/// A method's settings make no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// No tokens per member.
    #[error("the method `unite` would take 0 tokens of each member: it has to be at least 1")]
    TopK,
    /// A floor of no use.
    #[error("the floor {floor} of the method `geometric` is not above 0 and below 1")]
    Floor {
        /// The value.
        floor: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_with_senseless_settings_are_refused() {
        assert_eq!(Method::Unite { top_k: 0 }.validate(), Err(MethodError::TopK));
        for floor in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(Method::Geometric { floor }.validate().is_err(), "{floor}");
        }
        assert!([Method::Gac, Method::UNITE, Method::GEOMETRIC].iter().all(|method| method.validate().is_ok()));
    }
}
