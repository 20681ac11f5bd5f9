//! One device or several, for one model.

use std::str::FromStr;

use candle_core::Device;

use crate::device::{DeviceError, DeviceSpec};

/// The devices that hold one model, the one with its first layers first. There is at least one.
///
/// A GPU is named at most once. The CPU may be named several times: its layers are then split as they would be over
/// several GPUs, with the same results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList(Vec<DeviceSpec>);

impl DeviceList {
    /// The devices, in the order of the layers that they get.
    ///
    /// # Errors
    /// Without a device, or when a GPU is named twice.
    pub fn new(devices: Vec<DeviceSpec>) -> Result<Self, DeviceError> {
        if devices.is_empty() {
            return Err(DeviceError::NoDevices);
        }
        for (index, device) in devices.iter().enumerate() {
            if *device != DeviceSpec::Cpu && devices[..index].contains(device) {
                return Err(DeviceError::Repeated { device: device.to_string() });
            }
        }
        Ok(Self(devices))
    }

    /// The devices, in the order of the layers that they get.
    pub fn as_slice(&self) -> &[DeviceSpec] {
        &self.0
    }

    /// Opens every device.
    ///
    /// # Errors
    /// For the first one that cannot be opened.
    pub(crate) fn open(&self) -> Result<Vec<Device>, DeviceError> {
        self.0.iter().map(|device| device.open()).collect()
    }
}

impl Default for DeviceList {
    fn default() -> Self {
        DeviceSpec::default().into()
    }
}

impl From<DeviceSpec> for DeviceList {
    fn from(device: DeviceSpec) -> Self {
        Self(vec![device])
    }
}

/// Names with commas between: `cuda:0`, `cuda:0,cuda:1`.
impl FromStr for DeviceList {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>()?)
    }
}

impl std::fmt::Display for DeviceList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, device) in self.0.iter().enumerate() {
            write!(f, "{}{device}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_device_or_several_are_read_and_written_with_commas() {
        for text in ["cpu", "cuda:0", "cuda:0,cuda:1", "cpu,cpu"] {
            assert_eq!(text.parse::<DeviceList>().unwrap().to_string(), text);
        }
        let spaced: DeviceList = "cuda:1, cuda:0".parse().unwrap();
        assert_eq!(spaced.as_slice(), [DeviceSpec::Cuda(1), DeviceSpec::Cuda(0)]);
    }

    #[test]
    fn a_list_with_something_else_in_it_names_what_that_is() {
        let error = |text: &str| text.parse::<DeviceList>().unwrap_err();
        assert_eq!(error("cuda:0,gpu"), DeviceError::Unknown { device: "gpu".to_owned() });
        assert_eq!(error("cuda:0,"), DeviceError::Unknown { device: String::new() });
        assert_eq!(error("cuda:3,cpu,cuda:3"), DeviceError::Repeated { device: "cuda:3".to_owned() });
        assert_eq!(DeviceList::new(Vec::new()), Err(DeviceError::NoDevices));
    }
}
