//! Why a model could not be loaded.

use crate::checkpoint::error::CheckpointError;
use crate::device::DeviceError;
use crate::language_model::ModelError;
use crate::placement::PlacementError;

/// A model that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It cannot be split over the devices.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// The cache could not be made.
    #[error(transparent)]
    Model(#[from] ModelError),
}
