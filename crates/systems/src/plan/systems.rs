//! The models and systems of a recipe, resolved.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::SpecError;
use super::model::{ModelPlan, model};
use super::overrides::SystemsOverrides;
use super::setting_error::SettingError;
use super::system::SystemPlan;
use crate::spec::file::SystemsSpec;

/// Models and systems with every default decided: enough to ask them something.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemsPlan {
    /// The models, by name.
    pub models: Vec<ModelPlan>,
    /// The systems, in order.
    pub systems: Vec<SystemPlan>,
}

impl SystemsPlan {
    /// Decides every default and checks every reference and every local path.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn resolve(spec: &SystemsSpec, overrides: &SystemsOverrides) -> Result<Self, SpecError> {
        let known: Vec<String> = spec.models.keys().cloned().collect();
        let mut systems = systems(spec, &known)?;
        tell_templates(&mut systems, &overrides.chat_template_args)?;
        let folder = spec.folder();
        let models = spec.models.iter().map(|(name, spec)| model(name, spec, folder, overrides));
        Ok(Self { systems, models: models.collect::<Result<_, _>>()? })
    }

    /// The system called `name`.
    pub fn system(&self, name: &str) -> Option<&SystemPlan> {
        self.systems.iter().find(|system| system.name == name)
    }
}

fn systems(spec: &SystemsSpec, known: &[String]) -> Result<Vec<SystemPlan>, SpecError> {
    if spec.systems.is_empty() {
        return Err(SpecError::Empty);
    }
    let mut seen = BTreeSet::new();
    let mut systems = Vec::with_capacity(spec.systems.len());
    for system in &spec.systems {
        for system in SystemPlan::resolve(system, known)? {
            if !seen.insert(system.name.clone()) {
                return Err(SpecError::Duplicate { name: system.name });
            }
            systems.push(system);
        }
    }
    Ok(systems)
}

/// Adds arguments to those of all systems whose prompts are chats.
fn tell_templates(systems: &mut [SystemPlan], arguments: &Map<String, Value>) -> Result<(), SpecError> {
    let mut told = arguments.is_empty();
    for chat in systems.iter_mut().filter_map(|system| system.settings.chat.as_mut()) {
        chat.arguments.extend(arguments.clone());
        told = true;
    }
    match systems.first() {
        Some(system) if !told => {
            Err(SpecError::Setting { system: system.name.clone(), source: SettingError::ArgumentsWithoutChat })
        }
        _ => Ok(()),
    }
}
