//! A device in a recipe, by its name.

use gac_inference::{DeviceError, DeviceSpec};
use serde::{Deserialize, Serialize};

/// A device, written as `cpu`, `cuda:0` or `metal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecipeDevice(pub DeviceSpec);

impl TryFrom<String> for RecipeDevice {
    type Error = DeviceError;

    fn try_from(name: String) -> Result<Self, DeviceError> {
        name.parse().map(Self)
    }
}

impl From<RecipeDevice> for String {
    fn from(device: RecipeDevice) -> Self {
        device.0.to_string()
    }
}
