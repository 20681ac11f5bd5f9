//! Opening systems.

use crate::identity::model::ModelIdentity;
use crate::plan::system::SystemPlan;
use crate::system::{System, SystemError};

/// Opens the systems of a plan. A closure `FnMut(&SystemPlan) -> Result<Box<dyn System>, SystemError>` is
/// one, for systems that are opened one by one.
pub trait OpenSystems {
    /// Finds out cheaply whether a system can be opened: that files are there and headers make sense. Asked for every
    /// system before anything is written.
    ///
    /// # Errors
    /// When it cannot.
    fn check(&mut self, _system: &SystemPlan) -> Result<(), SystemError> {
        Ok(())
    }

    /// What the members of a system are, by their contents, in order. Without it, a member is known by its name.
    ///
    /// # Errors
    /// When a member's files cannot be read.
    fn identify(&mut self, system: &SystemPlan) -> Result<Vec<ModelIdentity>, SystemError> {
        Ok(system.members.iter().map(|member| ModelIdentity::unhashed(member)).collect())
    }

    /// Lets go of what no system of `coming` needs: those that are still to be opened. None is open.
    fn keep_for(&mut self, _coming: &[SystemPlan]) {}

    /// Opens a system; where there are `thresholds`, the systems that it is with each of them as its gate's, to be decoded
    /// together. The one before has been dropped; models that both use are the opener's to keep.
    ///
    /// # Errors
    /// When a member cannot be loaded.
    fn open(&mut self, system: &SystemPlan, thresholds: &[f64]) -> Result<Box<dyn System + '_>, SystemError>;
}

impl<F: FnMut(&SystemPlan) -> Result<Box<dyn System>, SystemError>> OpenSystems for F {
    fn open(&mut self, system: &SystemPlan, _thresholds: &[f64]) -> Result<Box<dyn System + '_>, SystemError> {
        self(system)
    }
}
