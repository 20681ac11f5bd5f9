//! Flags whose values are picked by name.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use gac_inference::Named;

/// A value by its name in recipes.
pub(crate) fn named<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    named_of(T::all())
}

/// One of these values by its name in recipes.
pub(crate) fn named_of<T: Named + Send + Sync>(values: Vec<T>) -> impl TypedValueParser<Value = T> {
    let possible = |value: T| PossibleValue::new(value.name()).help(value.about()).aliases(value.aliases());
    let names: Vec<PossibleValue> = values.into_iter().map(possible).collect();
    PossibleValuesParser::new(names).try_map(|name| T::of_name(&name).ok_or("no such name"))
}
