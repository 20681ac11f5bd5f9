//! Opens the systems of a plan, loading each model once.

use std::collections::BTreeMap;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, Chat, Ensemble, EnsembleError, Gating, Member, MemberId, ThinkEnd, ThinkSource, Threshold, Weights,
};
use gac_inference::{
    ChatError, ChatTemplate, CheckpointError, DeviceList, DeviceSpec, EngineError, EngineOptions, ModelSource,
    Placement, Quantization, Symbol, TokenId, Tokenizer, TokenizerLoadError, UnixTime, WeightType, available_memory,
    check_model, load_model, placement,
};

use crate::full_response::{Choice, FullResponse};
use crate::identity::{HashCache, IdentityError, ModelIdentity, SystemIdentity};
use crate::recipe::{Combination, Dtype, ModelPlan, Plan, SystemPlan, ThinkEndToken};
use crate::{EnsembleSystem, OpenSystems, System, SystemError};

/// The models of a plan. Each is loaded when a system first needs it, and kept for the systems that follow.
pub struct ModelStore {
    models: Vec<ModelPlan>,
    device: DeviceList,
    limits: BatchLimits,
    /// Most bytes of keys and values of all models together.
    cache_bytes: Option<u64>,
    parked: BTreeMap<String, Member>,
    /// The system that is open: one ensemble, or each member alone.
    open: Vec<Ensemble>,
    identities: BTreeMap<String, ModelIdentity>,
}

impl ModelStore {
    /// A store of `models`, which compute on `device` with at most `batch_size` samples in flight.
    pub fn new(models: Vec<ModelPlan>, device: impl Into<DeviceList>, batch_size: usize) -> Self {
        Self {
            models,
            device: device.into(),
            limits: BatchLimits { max_samples: batch_size },
            cache_bytes: None,
            parked: BTreeMap::new(),
            open: Vec::new(),
            identities: BTreeMap::new(),
        }
    }

    /// With at most `bytes` for the keys and values of all models together, shared equally. Otherwise those of models
    /// on the CPU take a quarter of the memory that is free, and those of others what an engine takes by default.
    #[must_use]
    pub fn with_max_memory(mut self, bytes: Option<u64>) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The ensemble of `system`, its members taken out of the store or loaded.
    ///
    /// # Errors
    /// When a member cannot be loaded, or the system is none that votes on tokens.
    pub fn ensemble(&mut self, system: &SystemPlan) -> Result<Ensemble, OpenError> {
        let settings = &system.settings;
        let (method, drafts) = match settings.combination {
            Combination::Tokens(method) => (method, false),
            Combination::Safe(method) => (method, true),
            Combination::Vote | Combination::BestOf => {
                return Err(OpenError::FullResponse { system: system.name.clone() });
            }
        };
        let members = system.members.iter().map(|name| self.member(name)).collect::<Result<Vec<_>, _>>()?;
        let gating = match (&system.gate, system.gate_index()) {
            (Some(gate), Some(index)) => Gating::KeyTokens {
                gate: MemberId(index),
                certainty: settings.certainty,
                threshold: Threshold::new(gate.threshold).map_err(EnsembleError::from)?,
            },
            _ if drafts => Gating::Safe { drafter: MemberId(system.drafter_index()) },
            _ => Gating::EveryStep,
        };
        let weights = Weights::given(&system.weights).map_err(EnsembleError::from)?;
        let mut ensemble = Ensemble::new(members, weights, gating)?;
        ensemble.set_method(method)?;
        ensemble.set_weighting(settings.weighting)?;
        ensemble.set_decoding(settings.decoding);
        self.set_chat(&mut ensemble, system)?;
        Ok(ensemble)
    }

    /// Gives an ensemble of members of `system` what their templates and plans say of chats and of reasoning.
    fn set_chat(&self, ensemble: &mut Ensemble, system: &SystemPlan) -> Result<(), OpenError> {
        let names: Vec<String> = ensemble.names().map(str::to_owned).collect();
        let chat = system.settings.chat.as_ref();
        let templates = if chat.is_some() { self.templates(&names, system)? } else { Vec::new() };
        let ends = ensemble.members().iter().enumerate();
        let ends = ends.map(|(place, member)| self.think_end(member, templates.get(place)));
        let ends = ends.collect::<Result<_, OpenError>>()?;
        ensemble.set_think_ends(ends)?;
        if let Some(chat) = chat {
            ensemble.set_chat(Some(Chat::new(templates, chat.time.unwrap_or_else(UnixTime::now))))?;
        }
        Ok(())
    }

    /// Fixes the time that chats tell, for every system of `plan` with a member whose template tells it: the time that
    /// `before` says (an earlier session's plan of the same run), or else now.
    ///
    /// # Errors
    /// When a chat template cannot be used.
    pub fn fix_times(&self, plan: &mut Plan, before: Option<&Plan>) -> Result<(), OpenError> {
        let times = |plan: &Plan| plan.systems.iter().find_map(|system| system.settings.chat.as_ref()?.time);
        let time = times(plan).or_else(|| before.and_then(times)).unwrap_or_else(UnixTime::now);
        for system in &mut plan.systems {
            if system.settings.chat.is_none() {
                continue;
            }
            let templates = self.chat_templates(system)?;
            if let Some(chat) = &mut system.settings.chat {
                chat.time = templates.iter().any(ChatTemplate::tells_time).then_some(time);
            }
        }
        Ok(())
    }

    /// How the members of `system` write chats down; nothing where its prompts are no chats.
    ///
    /// # Errors
    /// When a chat template cannot be used.
    pub fn chat_templates(&self, system: &SystemPlan) -> Result<Vec<ChatTemplate>, OpenError> {
        if system.settings.chat.is_some() { self.templates(&system.members, system) } else { Ok(Vec::new()) }
    }

    fn templates(&self, members: &[String], system: &SystemPlan) -> Result<Vec<ChatTemplate>, OpenError> {
        let of_all = system.settings.chat.as_ref().map(|chat| chat.arguments.clone()).unwrap_or_default();
        let load = |name: &String| {
            let model = self.model(name)?;
            let template = ChatTemplate::load(&source(model)?, model.chat_template.as_ref())?;
            Ok(template.with_arguments(of_all.clone()).with_arguments(model.chat_template_args.clone()))
        };
        members.iter().map(load).collect()
    }

    /// The identity of `system` by what its models' files are on this machine now; nothing is read. For going on with
    /// what was cut short.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn stamp(&self, system: &SystemPlan) -> Result<SystemIdentity, OpenError> {
        let members = system.members.iter().map(|name| {
            let model = self.model(name)?;
            Ok(ModelIdentity::stamped(model, &source(model)?)?)
        });
        Ok(SystemIdentity::new(system, &members.collect::<Result<Vec<_>, OpenError>>()?))
    }

    /// How a member's reasoning ends: as its plan says, or as the template of its chats does.
    fn think_end(&self, member: &Member, template: Option<&ChatTemplate>) -> Result<Option<ThinkEnd>, OpenError> {
        let stated = |token| Some(ThinkEnd { token, source: ThinkSource::Stated });
        match &self.model(&member.name)?.think_end_token {
            Some(ThinkEndToken::Text(text)) if text.is_empty() => Ok(None),
            Some(ThinkEndToken::Text(text)) => Ok(stated(text.clone())),
            Some(ThinkEndToken::Id(id)) => {
                let vocabulary = member.tokenizer.vocabulary();
                let known = (*id as usize) < vocabulary.len();
                let token = match known.then(|| vocabulary.symbol(TokenId(*id))) {
                    Some(Symbol::Control { name }) => Some(name.to_string()),
                    Some(Symbol::Text { bytes, .. }) => String::from_utf8(bytes.to_vec()).ok(),
                    Some(Symbol::Unused) | None => None,
                };
                let model = || member.name.clone();
                token.map(stated).ok_or_else(|| OpenError::ThinkEndToken { model: model(), id: *id })
            }
            None => {
                let found = template.and_then(ChatTemplate::thinking_end);
                Ok(found.map(|token| ThinkEnd { token: token.to_owned(), source: ThinkSource::Found }))
            }
        }
    }

    /// Each member of `system` as an ensemble of its own.
    fn alone(&mut self, system: &SystemPlan) -> Result<Vec<Ensemble>, OpenError> {
        let mut members = Vec::with_capacity(system.members.len());
        for name in &system.members {
            let mut alone = Ensemble::new(vec![self.member(name)?], Weights::uniform(1), Gating::EveryStep)?;
            alone.set_decoding(system.settings.decoding);
            self.set_chat(&mut alone, system)?;
            members.push(alone);
        }
        Ok(members)
    }

    /// Takes an ensemble's members back, for the systems that follow.
    pub fn take_back(&mut self, ensemble: Ensemble) {
        for member in ensemble.into_members() {
            self.parked.insert(member.name.clone(), member);
        }
    }

    fn member(&mut self, name: &str) -> Result<Member, OpenError> {
        if let Some(mut member) = self.parked.remove(name) {
            // Otherwise this system would find the prompts computed that the one before had to compute.
            member.model.forget();
            return Ok(member);
        }
        let model = self.model(name)?;
        let source = source(model)?;
        let loaded = load_model(&source, &self.options(model))?;
        let tokenizer = Tokenizer::load(&source, Some(loaded.limits().vocabulary))?
            .with_add_bos(model.add_bos)
            .map_err(TokenizerLoadError::from)?;
        Ok(Member { name: name.to_owned(), model: loaded, tokenizer: Arc::new(tokenizer) })
    }

    /// Which layers of the model called `name` would go to which device, and the memory that they would take there.
    /// Nothing is loaded, and the devices need not be there.
    ///
    /// # Errors
    /// When the model's files are missing or damaged, or it has fewer layers than devices.
    pub fn placement(&self, name: &str) -> Result<Placement, OpenError> {
        let model = self.model(name)?;
        Ok(placement(&source(model)?, &self.options(model))?)
    }

    /// How the engine of `model` is set up.
    pub fn options(&self, model: &ModelPlan) -> EngineOptions {
        // Where the recipe says, else where the run does.
        let device = model.device.as_ref().map_or(&self.device, |device| &device.0).clone();
        EngineOptions {
            cache_bytes: self.cache_share(&device),
            device,
            weight_type: weight_type(model),
            quantization: quantization(model),
        }
    }

    /// Bytes of keys and values of one model.
    fn cache_share(&self, device: &DeviceList) -> usize {
        // What is free on the host says nothing of a GPU.
        let on_host = device.as_slice().iter().all(|device| *device == DeviceSpec::Cpu);
        let quarter = || available_memory().filter(|_| on_host).map(|free| free / 4);
        let share = self.cache_bytes.or_else(quarter).map(|all| all / self.models.len().max(1) as u64);
        share.map_or(EngineOptions::default().cache_bytes, |share| usize::try_from(share).unwrap_or(usize::MAX))
    }

    fn model(&self, name: &str) -> Result<&ModelPlan, OpenError> {
        self.models
            .iter()
            .find(|model| model.name == name)
            .ok_or_else(|| OpenError::UnknownModel { name: name.to_owned() })
    }

    /// Puts the members of the system that was open back.
    fn park(&mut self) {
        for ensemble in std::mem::take(&mut self.open) {
            self.take_back(ensemble);
        }
    }
}

impl OpenSystems for ModelStore {
    fn check(&mut self, system: &SystemPlan) -> Result<(), SystemError> {
        let checked = system.members.iter().try_for_each(|name| {
            let model = self.model(name)?;
            Ok(check_model(&source(model)?, &self.options(model))?)
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
        let choice = match system.settings.combination {
            Combination::Tokens(_) | Combination::Safe(_) => None,
            Combination::Vote => Some(Choice::Majority),
            Combination::BestOf => Some(Choice::Surest),
        };
        let Some(choice) = choice else {
            let ensemble = self.ensemble(system).map_err(|error| failed(system, error))?;
            self.open.push(ensemble);
            let ensemble = self.open.last_mut().ok_or_else(|| failed(system, EnsembleError::NoMembers.into()))?;
            return Ok(Box::new(EnsembleSystem::new(system.name.clone(), ensemble, self.limits)));
        };
        self.open = self.alone(system).map_err(|error| failed(system, error))?;
        Ok(Box::new(FullResponse::new(system.name.clone(), choice, &mut self.open, self.limits)))
    }
}

fn failed(system: &SystemPlan, error: OpenError) -> SystemError {
    SystemError { system: system.name.clone(), source: Box::new(error) }
}

fn source(model: &ModelPlan) -> Result<ModelSource, CheckpointError> {
    match &model.source {
        crate::recipe::ModelSource::Path(path) => ModelSource::local(path),
        crate::recipe::ModelSource::Hub(id) => ModelSource::parse(id),
    }
}

fn weight_type(model: &ModelPlan) -> WeightType {
    match model.dtype {
        None | Some(Dtype::Q8_0 | Dtype::Q4K) => WeightType::Stored,
        Some(Dtype::F32) => WeightType::F32,
        Some(Dtype::Bf16) => WeightType::BF16,
        Some(Dtype::F16) => WeightType::F16,
    }
}

fn quantization(model: &ModelPlan) -> Option<Quantization> {
    match model.dtype {
        Some(Dtype::Q8_0) => Some(Quantization::Q8_0),
        Some(Dtype::Q4K) => Some(Quantization::Q4K),
        None | Some(Dtype::F32 | Dtype::Bf16 | Dtype::F16) => None,
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
    /// A system whose members answer alone is no ensemble.
    #[error("the members of `{system}` answer alone, and its answer is chosen by a task's rules")]
    FullResponse {
        /// The system.
        system: String,
    },
    /// Reasoning is to end with a token that is no text.
    #[error("model `{model}` is to end its reasoning with token {id}, which its vocabulary does not have as a text")]
    ThinkEndToken {
        /// The model.
        model: String,
        /// The id.
        id: u32,
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
    /// Its chat template cannot be used.
    #[error(transparent)]
    Chat(#[from] ChatError),
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
            Self::FullResponse { .. } => Some("`vote` and `best-of` are for `gac eval` and `gac run`"),
            Self::ThinkEndToken { .. } => Some("name the token by its text, as `think-end-token = \"</think>\"`"),
            Self::Checkpoint(error) | Self::Identity(IdentityError::Checkpoint(error)) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Chat(error) => error.hint(),
            Self::Tokenizer(error) => error.hint(),
            Self::Identity(IdentityError::Read { .. }) | Self::UnknownModel { .. } | Self::Ensemble(_) => None,
        };
        hint.map(str::to_owned)
    }
}
