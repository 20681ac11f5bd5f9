//! Opens the systems of a plan, loading each model once.

use std::collections::BTreeMap;
use std::sync::Arc;

use gac_ensemble::{BatchLimits, Ensemble, EnsembleError, Gating, Member, MemberId, Threshold, Weights};
use gac_inference::{
    CheckpointError, DeviceSpec, Engine, EngineError, EngineOptions, LanguageModel, ModelSource, Tokenizer,
    TokenizerLoadError, WeightType,
};

use crate::identity::{HashCache, IdentityError, ModelIdentity};
use crate::recipe::{Dtype, ModelPlan, SystemPlan};
use crate::{EnsembleSystem, OpenSystems, System, SystemError};

/// The models of a plan. Each is loaded when a system first needs it, and kept for the systems that follow.
pub struct ModelStore {
    models: Vec<ModelPlan>,
    device: DeviceSpec,
    limits: BatchLimits,
    parked: BTreeMap<String, Member>,
    open: Option<Ensemble>,
    identities: BTreeMap<String, ModelIdentity>,
}

impl ModelStore {
    /// A store of `models`, which compute on `device` with at most `batch_size` samples in flight.
    pub fn new(models: Vec<ModelPlan>, device: DeviceSpec, batch_size: usize) -> Self {
        Self {
            models,
            device,
            limits: BatchLimits { max_samples: batch_size },
            parked: BTreeMap::new(),
            open: None,
            identities: BTreeMap::new(),
        }
    }

    /// The ensemble of `system`, its members taken out of the store or loaded.
    ///
    /// # Errors
    /// When a member cannot be loaded.
    pub fn ensemble(&mut self, system: &SystemPlan) -> Result<Ensemble, OpenError> {
        let members = system.members.iter().map(|name| self.member(name)).collect::<Result<Vec<_>, _>>()?;
        let gating = match (&system.gate, system.gate_index()) {
            (Some(gate), Some(index)) => Gating::KeyTokens {
                gate: MemberId(index),
                threshold: Threshold::new(gate.threshold).map_err(EnsembleError::from)?,
            },
            _ => Gating::EveryStep,
        };
        let weights = Weights::given(&system.weights).map_err(EnsembleError::from)?;
        Ok(Ensemble::new(members, weights, gating)?)
    }

    fn member(&mut self, name: &str) -> Result<Member, OpenError> {
        if let Some(member) = self.parked.remove(name) {
            return Ok(member);
        }
        let model = self.model(name)?;
        let source = source(model)?;
        let device = self.device_of(model);
        let options = EngineOptions { device, weight_type: weight_type(model), ..EngineOptions::default() };
        let engine = Engine::load(&source, &options)?;
        let tokenizer = Tokenizer::load(&source, Some(engine.limits().vocabulary))?;
        Ok(Member { name: name.to_owned(), model: Box::new(engine), tokenizer: Arc::new(tokenizer) })
    }

    fn model(&self, name: &str) -> Result<&ModelPlan, OpenError> {
        self.models
            .iter()
            .find(|model| model.name == name)
            .ok_or_else(|| OpenError::UnknownModel { name: name.to_owned() })
    }

    /// Where a model computes: where the recipe says, else where the run does.
    fn device_of(&self, model: &ModelPlan) -> DeviceSpec {
        model.device.map_or(self.device, |device| device.0)
    }

    /// Puts the members of the system that was open back.
    fn park(&mut self) {
        for member in self.open.take().map(Ensemble::into_members).unwrap_or_default() {
            self.parked.insert(member.name.clone(), member);
        }
    }
}

impl OpenSystems for ModelStore {
    fn check(&mut self, system: &SystemPlan) -> Result<(), SystemError> {
        let checked = system.members.iter().try_for_each(|name| {
            let model = self.model(name)?;
            Ok(Engine::check(&source(model)?, self.device_of(model))?)
        });
        checked.map_err(|error: OpenError| failed(system, error))
    }

    fn identify(&mut self, system: &SystemPlan) -> Result<Vec<ModelIdentity>, SystemError> {
        let mut cache = HashCache::of_user();
        let members = system.members.iter().map(|name| {
            if let Some(known) = self.identities.get(name) {
                return Ok(known.clone());
            }
            let model = self.model(name)?;
            let identity = ModelIdentity::of(model, &source(model)?, &mut cache)?;
            self.identities.insert(name.clone(), identity.clone());
            Ok(identity)
        });
        let members = members.collect::<Result<Vec<_>, OpenError>>();
        cache.save();
        members.map_err(|error| failed(system, error))
    }

    fn open(&mut self, system: &SystemPlan) -> Result<Box<dyn System + '_>, SystemError> {
        self.park();
        let ensemble = self.ensemble(system).map_err(|error| failed(system, error))?;
        let ensemble = self.open.insert(ensemble);
        Ok(Box::new(EnsembleSystem::new(system.name.clone(), ensemble, self.limits)))
    }
}

fn failed(system: &SystemPlan, error: OpenError) -> SystemError {
    SystemError { system: system.name.clone(), source: Box::new(error) }
}

fn source(model: &ModelPlan) -> Result<ModelSource, CheckpointError> {
    match &model.source {
        crate::recipe::ModelSource::Path(path) => ModelSource::folder(path),
        crate::recipe::ModelSource::Hub(id) => ModelSource::parse(id),
    }
}

fn weight_type(model: &ModelPlan) -> WeightType {
    match model.dtype {
        None => WeightType::Stored,
        Some(Dtype::F32) => WeightType::F32,
        Some(Dtype::Bf16) => WeightType::BF16,
        Some(Dtype::F16) => WeightType::F16,
    }
}

/// A system that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A member that no model is called.
    #[error("there is no model `{name}`")]
    UnknownModel {
        /// The name.
        name: String,
    },
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its files cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its tokenizer cannot be loaded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerLoadError),
    /// The members do not make an ensemble.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
}

impl OpenError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Checkpoint(error) | Self::Identity(IdentityError::Checkpoint(error)) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Tokenizer(error) => error.hint(),
            Self::Identity(IdentityError::Read { .. }) | Self::UnknownModel { .. } | Self::Ensemble(_) => None,
        };
        hint.map(str::to_owned)
    }
}
