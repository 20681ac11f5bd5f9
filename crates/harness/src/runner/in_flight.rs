//! A task that one system, or several that are decoded together, are being asked about.

use std::ops::ControlFlow;

use gac_ensemble::RequestError;
use gac_systems::SystemError;

use super::error::{RunError, chain};
use super::sheet::Sheet;
use crate::events::Reporter;
use crate::task::LoadedTask;

/// A task being asked.
pub(super) struct TaskInFlight<'a, 'r> {
    pub(super) task: &'a LoadedTask,
    /// One per system.
    pub(super) sheets: Vec<Sheet<'a>>,
    pub(super) reporter: &'r mut dyn Reporter,
}

impl TaskInFlight<'_, '_> {
    /// Writes down that a document could not be asked, for every system that has not answered it. The others go on.
    pub(super) fn failed(&mut self, asked: &[usize], index: usize, error: &RequestError) -> Result<(), RunError> {
        let error = chain(error);
        for &system in asked {
            if !self.sheets[system].has(index) {
                self.sheets[system].failed(index, &error, self.reporter)?;
            }
        }
        Ok(())
    }

    /// Refuses the answer of a system that was not asked.
    pub(super) fn sheet(&self, asked: &[usize], system: usize) -> Result<(), RunError> {
        if asked.contains(&system) {
            return Ok(());
        }
        Err(self.sheets[0].protocol(format!("system {system} answered, and {asked:?} were asked")))
    }

    pub(super) fn stray(&self, request: usize, requests: usize) -> RunError {
        self.sheets[0].protocol(format!("request {request} of {requests} answered"))
    }

    pub(super) fn stopped(&self, system: usize, error: SystemError) -> RunError {
        let sheet = &self.sheets[system];
        RunError::System {
            system: sheet.system().to_owned(),
            task: self.task.name.clone(),
            finished: sheet.finished(),
            documents: self.task.documents.len(),
            source: error.source,
        }
    }
}

/// Does `step` unless one has failed before; a failure is kept in `outcome` and ends the call.
pub(super) fn continue_if(
    outcome: &mut Result<(), RunError>,
    step: impl FnOnce() -> Result<(), RunError>,
) -> ControlFlow<()> {
    if outcome.is_ok() {
        *outcome = step();
    }
    if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
