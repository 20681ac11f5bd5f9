//! How a model is loaded.

use crate::device::{Quantization, WeightType};
use crate::device_list::DeviceList;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where it computes: its layers are split over several devices by their memory.
    pub device: DeviceList,
    /// The type that weights are rounded to.
    pub weight_type: WeightType,
    /// How the weights of linear layers are quantised.
    pub quantization: Option<Quantization>,
    /// Most bytes of keys and values, on all devices together. On the CPU they are only claimed as they are written.
    pub cache_bytes: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            device: DeviceList::default(),
            weight_type: WeightType::Stored,
            quantization: None,
            cache_bytes: 2 << 30,
        }
    }
}
