//! Opens the systems of a plan, loading each model once.

mod chats;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, Decoding, EnsembleError, Gating, Member, MemberId, Method, ModelId, Scheduler, Settings, Threshold,
    Weights,
};
use gac_inference::remote::{RemoteModel, RemoteOptions, ServerIdentity};
use gac_inference::{
    CheckpointError, DeviceList, DeviceSpec, EngineOptions, Keeping, LanguageModel, ModelSource, Placement, Tokenizer,
    TokenizerLoadError, available_memory, check_model, load_model, placement,
};

use crate::ensemble_system::EnsembleSystem;
use crate::full_response::{Chosen, FullResponse};
use crate::identity::file_hash::{FileHash, HashCache};
use crate::identity::model::ModelIdentity;
use crate::identity::system::SystemIdentity;
use crate::open::OpenSystems;
use crate::open_error::OpenError;
use crate::plan::draft::DraftPlan;
use crate::plan::model::{self, ModelPlan};
use crate::plan::server::ServerPlan;
use crate::plan::system::SystemPlan;
use crate::spec::method::Combination;
use crate::system::{System, SystemError};

/// Samples in flight at once, where nobody says otherwise.
pub const DEFAULT_BATCH_SIZE: usize = 64;

/// The models of a plan. Each is loaded when a system first needs it, and kept as long as a system that follows needs it.
pub struct ModelStore {
    models: Vec<ModelPlan>,
    device: DeviceList,
    limits: BatchLimits,
    /// Most bytes of keys and values of all models together.
    cache_bytes: Option<u64>,
    /// The models that are loaded.
    scheduler: Scheduler,
    loaded: BTreeMap<String, ModelId>,
    identities: BTreeMap<String, ModelIdentity>,
    /// The models on servers that were found out about.
    remote: BTreeMap<String, Remote>,
}

/// A model on servers.
struct Remote {
    /// Until it is taken to where models are asked.
    model: Option<RemoteModel>,
    identity: ServerIdentity,
    tokenizer: Arc<Tokenizer>,
    /// Where its tokenizer and its chat template are.
    files: ModelSource,
}

impl ModelStore {
    /// A store of `models`, which compute on `device` with at most `batch_size` samples in flight.
    pub fn new(models: Vec<ModelPlan>, device: impl Into<DeviceList>, batch_size: usize) -> Self {
        Self {
            models,
            device: device.into(),
            limits: BatchLimits::batch(batch_size),
            cache_bytes: None,
            scheduler: Scheduler::default(),
            loaded: BTreeMap::new(),
            identities: BTreeMap::new(),
            remote: BTreeMap::new(),
        }
    }

    /// With at most `bytes` for the keys and values of all models together, shared equally; what is no longer read is kept
    /// as far as that goes. Otherwise those of models on the CPU take as much as is used, at most a quarter of the memory
    /// that is free, and those of others what an engine takes by default.
    #[must_use]
    pub fn with_max_memory(mut self, bytes: Option<u64>) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The settings of `system`, for the store's [`scheduler`](Self::scheduler); its members are loaded where they are
    /// not yet.
    ///
    /// # Errors
    /// When a member cannot be loaded, or the system is none that votes on tokens.
    pub fn settings(&mut self, system: &SystemPlan) -> Result<Arc<Settings>, OpenError> {
        let settings = &system.settings;
        let (method, ungated) = match settings.combination {
            Combination::Tokens(method) => (method, Gating::EveryStep),
            Combination::Safe(method) => (method, Gating::Safe { drafter: MemberId(system.drafter_index()) }),
            Combination::Vote | Combination::BestOf => {
                return Err(OpenError::FullResponse { system: system.name.clone() });
            }
        };
        let members = system.members.iter().map(|name| self.load(name)).collect::<Result<Vec<_>, _>>()?;
        let gating = match (&system.gate, system.gate_index()) {
            (Some(gate), Some(index)) => Gating::KeyTokens {
                gate: MemberId(index),
                certainty: settings.certainty,
                threshold: Threshold::new(gate.threshold).map_err(EnsembleError::from)?,
            },
            _ => ungated,
        };
        let weights = Weights::given(&system.weights).map_err(EnsembleError::from)?;
        let made = Settings::new(self.scheduler.ensemble_with(&members, settings.special_tokens)?, weights, gating)?
            .with_method(method)?
            .with_weighting(settings.weighting)?
            .with_decoding(settings.decoding);
        let made = match &settings.draft {
            Some(draft) => self.with_draft(made, draft, system)?,
            None => made,
        };
        let is_plain = matches!(settings.decoding, Decoding::Sampled(sampling) if sampling.is_plain());
        if method == Method::SampleAMember && !is_plain {
            tracing::warn!(
                system = system.name,
                "`sample-a-member` draws as from the members' average at temperature 1 alone, without top-k, top-p and min-p"
            );
        }
        if settings.draft.is_some() && made.drafting().is_none() {
            tracing::warn!(system = system.name, "nothing is drafted: members on servers run ahead by themselves");
        }
        Ok(Arc::new(self.with_chat(made, system)?))
    }

    /// With what `system` drafts; a model that has no vote is loaded for it.
    fn with_draft(
        &mut self,
        settings: Settings,
        draft: &DraftPlan,
        system: &SystemPlan,
    ) -> Result<Settings, OpenError> {
        let settings = settings.with_drafting(draft.drafting(&system.members));
        let Some(name) = draft.drafter(&system.members) else { return Ok(settings) };
        let model = self.load(name)?;
        let drafter = self.scheduler.drafter(settings.ensemble(), model)?;
        let chats = system.settings.chat.is_some();
        // Without a template of its own it reads what the first member does.
        let template = chats.then(|| self.templates(&[name.to_owned()], system).ok()?.pop()).flatten();
        let drafter = match template {
            Some(template) => drafter.with_template(template),
            None => drafter,
        };
        Ok(settings.with_drafter(drafter)?)
    }

    /// What serves requests with the loaded models.
    pub fn scheduler(&mut self) -> &mut Scheduler {
        &mut self.scheduler
    }

    /// The loaded models alone, with what serves requests with them.
    pub fn into_scheduler(self) -> Scheduler {
        self.scheduler
    }

    /// The identity of `system` by what its models' files are on this machine now; nothing is read. For going on with
    /// what was cut short.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn stamp(&mut self, system: &SystemPlan) -> Result<SystemIdentity, OpenError> {
        let members = system.members.iter().map(|name| {
            let model = self.model(name)?.clone();
            match place(&model)? {
                ModelPlace::Files(source) => Ok(ModelIdentity::of(&model, &source, &mut FileHash::stamp)?),
                ModelPlace::Servers(plan) => {
                    let remote = self.connect(name, &plan)?;
                    Ok(ModelIdentity::of_server(&model, &remote.identity, &remote.files, &mut FileHash::stamp)?)
                }
            }
        });
        Ok(SystemIdentity::new(system, &members.collect::<Result<Vec<_>, OpenError>>()?))
    }

    /// The settings of each member of `system` as an ensemble of its own.
    fn alone(&mut self, system: &SystemPlan) -> Result<Vec<Arc<Settings>>, OpenError> {
        let mut members = Vec::with_capacity(system.members.len());
        for name in &system.members {
            let model = self.load(name)?;
            let ensemble = self.scheduler.ensemble_with(&[model], system.settings.special_tokens)?;
            let alone = Settings::new(ensemble, Weights::uniform(1), Gating::EveryStep)?
                .with_decoding(system.settings.decoding);
            members.push(Arc::new(self.with_chat(alone, system)?));
        }
        Ok(members)
    }

    /// The model called `name`, loaded if need be.
    fn load(&mut self, name: &str) -> Result<ModelId, OpenError> {
        if let Some(&loaded) = self.loaded.get(name) {
            return Ok(loaded);
        }
        let (loaded, tokenizer): (Box<dyn LanguageModel>, _) = match place(self.model(name)?)? {
            ModelPlace::Servers(plan) => {
                let model = self.take(name, &plan)?;
                let tokenizer = Arc::clone(model.tokenizer());
                (Box::new(model), tokenizer)
            }
            ModelPlace::Files(source) => {
                let loaded = load_model(&source, &self.options(self.model(name)?))?;
                let tokenizer = Tokenizer::load(&source, Some(loaded.limits().vocabulary))?
                    .with_add_bos(self.model(name)?.add_bos)
                    .map_err(TokenizerLoadError::from)?;
                (loaded, Arc::new(tokenizer))
            }
        };
        let loaded = self.scheduler.add(Member { name: name.to_owned(), model: loaded, tokenizer });
        self.loaded.insert(name.to_owned(), loaded);
        Ok(loaded)
    }

    /// Finds out about a model on servers, once.
    fn connect(&mut self, name: &str, plan: &ServerPlan) -> Result<&mut Remote, OpenError> {
        if !self.remote.contains_key(name) {
            let options = RemoteOptions { add_bos: self.model(name)?.add_bos, ..plan.options()? };
            let model = RemoteModel::connect(&options)?;
            let remote = Remote {
                identity: model.identity().clone(),
                tokenizer: Arc::clone(model.tokenizer()),
                files: model.tokenizer_source().clone(),
                model: Some(model),
            };
            self.remote.insert(name.to_owned(), remote);
        }
        self.remote.get_mut(name).ok_or_else(|| OpenError::UnknownModel { name: name.to_owned() })
    }

    /// The model on servers called `name`, for whoever asks it without a system; none where it computes here.
    ///
    /// # Errors
    /// When no server answers, or it lacks what is needed.
    pub fn take_served(&mut self, name: &str) -> Result<Option<RemoteModel>, OpenError> {
        let ModelPlace::Servers(plan) = place(self.model(name)?)? else { return Ok(None) };
        self.take(name, &plan).map(Some)
    }

    fn take(&mut self, name: &str, plan: &ServerPlan) -> Result<RemoteModel, OpenError> {
        let taken = self.connect(name, plan)?.model.take();
        taken.ok_or_else(|| OpenError::UnknownModel { name: name.to_owned() })
    }

    /// What the server of the model called `name` says of itself, and its tokenizer; none where it computes here.
    ///
    /// # Errors
    /// When no server answers, or it lacks what is needed.
    pub fn server(&mut self, name: &str) -> Result<Option<(ServerIdentity, Arc<Tokenizer>)>, OpenError> {
        let ModelPlace::Servers(plan) = place(self.model(name)?)? else { return Ok(None) };
        let remote = self.connect(name, &plan)?;
        Ok(Some((remote.identity.clone(), Arc::clone(&remote.tokenizer))))
    }

    /// Where a model's files are; of one on servers, those of its tokenizer.
    fn files(&mut self, name: &str) -> Result<ModelSource, OpenError> {
        match place(self.model(name)?)? {
            ModelPlace::Files(source) => Ok(source),
            ModelPlace::Servers(plan) => Ok(self.connect(name, &plan)?.files.clone()),
        }
    }

    /// Which layers of the model called `name` would go to which device, and the memory that they would take there.
    /// Nothing is loaded, and the devices need not be there.
    ///
    /// # Errors
    /// When the model's files are missing or damaged, or it has fewer layers than devices.
    pub fn placement(&mut self, name: &str) -> Result<Placement, OpenError> {
        let source = self.files(name)?;
        Ok(placement(&source, &self.options(self.model(name)?))?)
    }

    /// How the engine of `model` is set up.
    pub fn options(&self, model: &ModelPlan) -> EngineOptions {
        // Where the recipe says, else where the run does.
        let device = model.device.as_ref().map_or(&self.device, |device| &device.0).clone();
        EngineOptions {
            cache_bytes: self.cache_share(&device),
            keeping: self.keeping(),
            device,
            dtype: model.dtype,
            compute: model.compute,
            ..EngineOptions::default()
        }
    }

    /// Bytes of keys and values of one model.
    fn cache_share(&self, device: &DeviceList) -> usize {
        // What is free on the host says nothing of a GPU.
        let on_host = device.as_slice().iter().all(|device| *device == DeviceSpec::Cpu);
        let quarter = || available_memory().filter(|_| on_host).map(|free| free / 4);
        let here = self.models.iter().filter(|model| !matches!(model.source, model::ModelOrigin::Server(_)));
        let share = self.cache_bytes.or_else(quarter).map(|all| all / here.count().max(1) as u64);
        share.map_or(EngineOptions::default().cache_bytes, |share| usize::try_from(share).unwrap_or(usize::MAX))
    }

    /// What is kept of keys and values that nobody reads at the moment.
    pub fn keeping(&self) -> Keeping {
        if self.cache_bytes.is_some() { Keeping::Everything } else { Keeping::AsUsed }
    }

    fn model(&self, name: &str) -> Result<&ModelPlan, OpenError> {
        self.models
            .iter()
            .find(|model| model.name == name)
            .ok_or_else(|| OpenError::UnknownModel { name: name.to_owned() })
    }
}

impl OpenSystems for ModelStore {
    fn check(&mut self, system: &SystemPlan) -> Result<(), SystemError> {
        let checked = system.members.iter().try_for_each(|name| {
            let model = self.model(name)?;
            match place(model)? {
                ModelPlace::Files(source) => Ok(check_model(&source, &self.options(model))?),
                ModelPlace::Servers(plan) => self.connect(name, &plan).map(|_| ()),
            }
        });
        checked.map_err(|error: OpenError| failed(system, error))
    }

    fn identify(&mut self, system: &SystemPlan) -> Result<Vec<ModelIdentity>, SystemError> {
        let mut cache = HashCache::of_user();
        let mut hash = |path: &Path| cache.hash(path);
        let members = system.members.iter().map(|name| {
            if let Some(known) = self.identities.get(name) {
                return Ok(known.clone());
            }
            let model = self.model(name)?.clone();
            let identity = match place(&model)? {
                ModelPlace::Files(source) => ModelIdentity::of(&model, &source, &mut hash)?,
                ModelPlace::Servers(plan) => {
                    let remote = self.connect(name, &plan)?;
                    ModelIdentity::of_server(&model, &remote.identity, &remote.files, &mut hash)?
                }
            };
            self.identities.insert(name.clone(), identity.clone());
            Ok(identity)
        });
        let members = members.collect::<Result<Vec<_>, OpenError>>();
        cache.save();
        members.map_err(|error| failed(system, error))
    }

    fn keep_for(&mut self, coming: &[SystemPlan]) {
        let needed: BTreeSet<&str> = coming.iter().flat_map(SystemPlan::models).collect();
        if self.loaded.keys().all(|name| needed.contains(name.as_str())) {
            return;
        }
        self.loaded.clear();
        for model in std::mem::take(&mut self.scheduler).into_models() {
            if needed.contains(model.name.as_str()) {
                let name = model.name.clone();
                self.loaded.insert(name, self.scheduler.add(model));
            } else {
                tracing::info!(model = model.name, "no longer needed: its memory is given back");
            }
        }
    }

    fn open(&mut self, system: &SystemPlan, thresholds: &[f64]) -> Result<Box<dyn System + '_>, SystemError> {
        // Otherwise this system would find the prompts computed that the one before had to compute.
        self.scheduler.forget_prompts();
        let choice = match system.settings.combination {
            Combination::Tokens(_) | Combination::Safe(_) => None,
            Combination::Vote => Some(Chosen::Majority),
            Combination::BestOf => Some(Chosen::Surest),
        };
        let Some(choice) = choice else {
            let settings = self.settings(system).map_err(|error| failed(system, error))?;
            let name = system.name.clone();
            let thresholds: Result<Vec<Threshold>, _> = thresholds.iter().map(|&value| Threshold::new(value)).collect();
            let thresholds = thresholds.map_err(|error| failed(system, EnsembleError::from(error).into()))?;
            let opened = EnsembleSystem::new(name, &mut self.scheduler, settings, self.limits);
            return Ok(Box::new(opened.with_thresholds(thresholds)));
        };
        let members = self.alone(system).map_err(|error| failed(system, error))?;
        let (name, scheduler) = (system.name.clone(), &mut self.scheduler);
        Ok(Box::new(FullResponse::new(name, choice, scheduler, members, self.limits)))
    }
}

fn failed(system: &SystemPlan, error: OpenError) -> SystemError {
    SystemError { system: system.name.clone(), source: Box::new(error) }
}

/// Where a model is.
enum ModelPlace {
    /// Its files are here, or on the hub.
    Files(ModelSource),
    /// Somebody else has it.
    Servers(ServerPlan),
}

fn place(model: &ModelPlan) -> Result<ModelPlace, CheckpointError> {
    match &model.source {
        model::ModelOrigin::Path(path) => ModelSource::local(path).map(ModelPlace::Files),
        model::ModelOrigin::Hub(id) => ModelSource::parse(id).map(ModelPlace::Files),
        model::ModelOrigin::Server(plan) => Ok(ModelPlace::Servers(plan.clone())),
    }
}
