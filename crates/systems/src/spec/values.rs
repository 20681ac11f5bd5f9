//! A setting with one value, or an axis of several.

use std::fmt;
use std::marker::PhantomData;

use gac_inference::{Named, deserialize_named};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One value of a setting, or several: a system of each.
#[derive(Clone, Debug, PartialEq)]
pub enum Values<T> {
    /// The value.
    One(T),
    /// The values of an axis, in order.
    Each(Vec<T>),
}

/// A name, or a list of names.
pub(super) fn names<'de, T: Named, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Values<T>>, D::Error> {
    struct NamesVisitor<T>(PhantomData<T>);

    impl<'de, T: Named> Visitor<'de> for NamesVisitor<T> {
        type Value = Values<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a name, or a list of names")
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<Values<T>, E> {
            deserialize_named(name.into_deserializer()).map(Values::One)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Values<T>, A::Error> {
            #[derive(Deserialize)]
            #[serde(transparent, bound = "T: Named")]
            struct Name<T>(#[serde(deserialize_with = "deserialize_named")] T);

            let names = Vec::<Name<T>>::deserialize(SeqAccessDeserializer::new(names))?;
            Ok(Values::Each(names.into_iter().map(|Name(value)| value).collect()))
        }
    }

    deserializer.deserialize_any(NamesVisitor(PhantomData)).map(Some)
}

/// A list of numbers, or a list of such lists.
pub(super) fn lists<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Values<Vec<f64>>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number, or a list of numbers")]
    enum Element {
        Number(f64),
        List(Vec<f64>),
    }

    let elements = Vec::<Element>::deserialize(deserializer)?;
    let (mut numbers, mut lists) = (Vec::new(), Vec::new());
    for element in elements {
        match element {
            Element::Number(number) => numbers.push(number),
            Element::List(list) => lists.push(list),
        }
    }
    match (numbers.is_empty(), lists.is_empty()) {
        (_, true) => Ok(Some(Values::One(numbers))),
        (true, false) => Ok(Some(Values::Each(lists))),
        (false, false) => Err(D::Error::custom("weights are numbers, one per member, or lists of them, and not both")),
    }
}
