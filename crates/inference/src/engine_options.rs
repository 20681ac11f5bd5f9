//! How a model is loaded.

use candle_core::Device;

use crate::compute_type::ComputeType;
use crate::device_list::DeviceList;
use crate::dtype::Dtype;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where it computes: its layers are split over several devices by their memory.
    pub device: DeviceList,
    /// The type that weights are held in; as they are stored when absent.
    pub dtype: Option<Dtype>,
    /// The type that linear layers on the CPU multiply in.
    pub compute: ComputeType,
    /// Most bytes of keys and values, on all devices together. On the CPU they are only claimed as they are written.
    pub cache_bytes: usize,
    /// How much of that is kept for what nobody reads at the moment.
    pub keeping: Keeping,
    /// Which distributions it hands up. Models that candle-transformers runs hand up dense ones.
    pub handover: Handover,
    /// How steps of one token for each sequence are given to a GPU.
    pub steps: StepLaunch,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            device: DeviceList::default(),
            dtype: None,
            compute: ComputeType::default(),
            cache_bytes: 2 << 30,
            keeping: Keeping::default(),
            handover: Handover::default(),
            steps: StepLaunch::default(),
        }
    }
}

/// How a GPU is given the steps that are alike but for their tokens. What they compute is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepLaunch {
    /// As CUDA graphs, captured once for each number of sequences, where a model's steps can be captured.
    #[default]
    Captured,
    /// Kernel by kernel.
    Single,
}

/// What is kept of keys and values that no open sequence has: later ones may begin alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// As much as was in use at once, so that memory follows use.
    #[default]
    AsUsed,
    /// Everything that there is room for: for a limit that somebody chose.
    Everything,
}

/// The most probable tokens that are listed unless told otherwise: most votes are decided by them.
const LISTED: usize = 20;

/// What an engine hands up of each distribution. What comes out of a vote is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handover {
    /// Lists where the output layer is on a GPU, for what comes down from there takes time; everything on the CPU.
    #[default]
    Auto,
    /// Every token's probability.
    Dense,
    /// So many of the most probable tokens. The logits stay where they were computed, and tell more when asked
    /// ([`LanguageModel::ask`](crate::LanguageModel::ask)).
    Listed(usize),
}

impl Handover {
    /// How many tokens are listed of logits on `device`; none where everything is handed up.
    pub(crate) fn listed_of(self, device: &Device) -> Option<usize> {
        match self {
            Self::Auto => (!device.is_cpu()).then_some(LISTED),
            Self::Dense => None,
            Self::Listed(count) => Some(count),
        }
    }
}
