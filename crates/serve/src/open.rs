//! From a plan to what is served.

use gac_ensemble::{MemberId, Scheduler};
use gac_inference::{CheckpointError, ModelSource};
use gac_systems::{Combination, ModelPlan, ModelStore, OpenError, SystemPlan, SystemsPlan};

use crate::catalog::{Catalog, CatalogError, ServedMember, ServedSystem};
use crate::error::with_causes;

impl Catalog {
    /// Every system of `plan`, and after them every member alone. Each model is loaded once.
    ///
    /// Systems that choose between whole answers are left out: they know a task's rules, and there is no task.
    ///
    /// # Errors
    /// When a model cannot be loaded, or nothing is left to serve.
    pub fn open(plan: &SystemsPlan, mut store: ModelStore) -> Result<(Self, Scheduler), OpenCatalogError> {
        let mut systems: Vec<ServedSystem> = Vec::new();
        let mut members: Vec<&str> = Vec::new();
        for system in &plan.systems {
            if system.settings.combination.is_full_response() {
                tracing::warn!(system = system.name, "it chooses between whole answers, and is not served");
                continue;
            }
            systems.push(served(system, &mut store)?);
            members.extend(system.members.iter().map(String::as_str));
        }
        let mut served_members = Vec::new();
        for model in plan.models.iter().filter(|model| members.contains(&model.name.as_str())) {
            if !systems.iter().any(|system| system.name == model.name) {
                systems.push(served(&alone(model), &mut store)?);
            }
            served_members.push(member(model, &mut store)?);
        }
        Ok((Self::new(systems, served_members)?, store.into_scheduler()))
    }
}

/// What keeps a plan from being served.
#[derive(Debug, thiserror::Error)]
pub enum OpenCatalogError {
    /// A model cannot be loaded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A model's files are damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is nothing to serve, or two things of one name.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

fn served(system: &SystemPlan, store: &mut ModelStore) -> Result<ServedSystem, OpenError> {
    let as_texts = SystemPlan {
        settings: gac_systems::SystemSettings { chat: None, ..system.settings.clone() },
        ..system.clone()
    };
    let as_chats = SystemPlan {
        settings: gac_systems::SystemSettings {
            chat: Some(system.settings.chat.clone().unwrap_or_default()),
            ..system.settings.clone()
        },
        ..system.clone()
    };
    let settings = store.settings(&as_texts)?;
    // Its models are loaded: what is left to fail are templates, and texts are continued without them.
    let chat = store.settings(&as_chats).map_err(|error| with_causes(&error));
    let gate = system.gate_index().map(|place| (MemberId(place), system.settings.certainty));
    Ok(ServedSystem { name: system.name.clone(), settings, chat, gate })
}

/// A model as a system of its own.
fn alone(model: &ModelPlan) -> SystemPlan {
    SystemPlan {
        name: model.name.clone(),
        axis: None,
        members: vec![model.name.clone()],
        weights: vec![1.0],
        gate: None,
        drafter: None,
        settings: gac_systems::SystemSettings { combination: Combination::default(), ..Default::default() },
    }
}

fn member(model: &ModelPlan, store: &mut ModelStore) -> Result<ServedMember, CheckpointError> {
    let source = match &model.source {
        gac_systems::ModelOrigin::Path(path) => Some(ModelSource::local(path)?),
        gac_systems::ModelOrigin::Hub(id) => Some(ModelSource::parse(id)?),
        // Whoever wants its files asks the servers that it is on.
        gac_systems::ModelOrigin::Server(_) => None,
    };
    let mut system = alone(model);
    system.settings.chat = Some(gac_systems::ChatPlan::default());
    let templates = store.chat_templates(&system).unwrap_or_default();
    Ok(ServedMember {
        name: model.name.clone(),
        special_tokens: source.as_ref().map(ModelSource::special_tokens).transpose()?.unwrap_or_default(),
        source,
        chat_template: templates.first().map(|template| template.text().to_owned()),
    })
}
