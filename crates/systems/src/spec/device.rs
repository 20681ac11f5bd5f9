//! The devices of a model in a recipe, by their names.

use std::fmt;

use gac_inference::{DeviceList, DeviceSpec};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A device, written as `"cpu"`, `"cuda:0"` or `"metal"`, or a list of them, over which the model's layers are split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeDevice(pub DeviceList);

impl<'de> Deserialize<'de> for RecipeDevice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrNames).map(Self)
    }
}

impl Serialize for RecipeDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.collect_str(one),
            several => serializer.collect_seq(several.iter().map(ToString::to_string)),
        }
    }
}

struct NameOrNames;

impl<'de> Visitor<'de> for NameOrNames {
    type Value = DeviceList;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a device, such as \"cuda:0\", or a list, such as [\"cuda:0\", \"cuda:1\"]")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<DeviceList, E> {
        name.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<DeviceList, A::Error> {
        let mut devices = Vec::new();
        while let Some(name) = names.next_element::<String>()? {
            devices.push(name.parse::<DeviceSpec>().map_err(A::Error::custom)?);
        }
        DeviceList::new(devices).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RecipeDevice, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn one_name_or_a_list_is_read_and_written_as_it_was() {
        for json in [r#""cpu""#, r#""cuda:1""#, r#"["cuda:0","cuda:1"]"#] {
            assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
        }
        assert_eq!(read(r#"["cuda:0"]"#), read(r#""cuda:0""#));
    }

    #[test]
    fn what_is_no_device_is_named() {
        for (json, part) in [
            (r#"["cuda:0", "tpu"]"#, "unknown device `tpu`; valid are"),
            (r#"["cuda:0", "cuda:0"]"#, "device `cuda:0` is in the list twice"),
            ("[]", "no device in the list"),
            ("3", "invalid type: integer `3`, expected a device, such as \"cuda:0\", or a list"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
