//! Settings that are picked by name.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

/// A setting with a few values, each of which has a name: what recipes, requests and flags call it.
///
/// All of them are read through here, so that a value is registered in one place.
///
/// ```
/// use gac_inference::{Dtype, Named};
///
/// assert_eq!(Dtype::of_name("bf16"), Some(Dtype::Bf16));
/// assert_eq!(Dtype::of_name("bfloat16"), Some(Dtype::Bf16));
/// assert_eq!(Dtype::names(), "`f32`, `bf16`, `f16`, `q8_0` and `q4_k`");
/// ```
pub trait Named: Copy + 'static {
    /// What it is, in a word.
    const WHAT: &'static str;

    /// Every value, the default first where there is one.
    fn all() -> Vec<Self>;

    /// The name in recipes and on the command line.
    fn name(self) -> &'static str;

    /// What it means, in a line.
    fn about(self) -> &'static str;

    /// Other names that are understood.
    fn aliases(self) -> &'static [&'static str] {
        &[]
    }

    /// The value of this name.
    fn of_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|value| value.name() == name || value.aliases().contains(&name))
    }

    /// All names, for messages.
    fn names() -> String {
        let names: Vec<String> = Self::all().iter().map(|value| format!("`{}`", value.name())).collect();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
            _ => names.concat(),
        }
    }
}

/// Reads a value by its name.
///
/// # Errors
/// For what is no name of one, saying which there are.
pub fn deserialize_named<'de, T: Named, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let name = Cow::<str>::deserialize(deserializer)?;
    T::of_name(&name)
        .ok_or_else(|| serde::de::Error::custom(format_args!("unknown {} `{name}`; valid are {}", T::WHAT, T::names())))
}

/// Reads a value by its name, where there may be none.
///
/// # Errors
/// As [`deserialize_named`].
pub fn deserialize_named_option<'de, T: Named, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserialize_named(deserializer).map(Some)
}
