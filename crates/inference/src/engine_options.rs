//! How a model is loaded.

use crate::device_list::DeviceList;
use crate::dtype::Dtype;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where it computes: its layers are split over several devices by their memory.
    pub device: DeviceList,
    /// The type that weights are held in; as they are stored when absent.
    pub dtype: Option<Dtype>,
    /// Most bytes of keys and values, on all devices together. On the CPU they are only claimed as they are written.
    pub cache_bytes: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { device: DeviceList::default(), dtype: None, cache_bytes: 2 << 30 }
    }
}
