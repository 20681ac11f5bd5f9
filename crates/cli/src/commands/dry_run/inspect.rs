//! Models, tasks and vocabularies of a plan.

use std::sync::Arc;

use gac_ensemble::{MemberId, UnionVocabulary};
use gac_harness::{DataSource, LoadedTask, Request};
use gac_inference::{DeviceSpec, ModelSource, Placement, Tokenizer, TokenizerError};
use gac_systems::{ModelPlan, ModelStore, SystemPlan};
use serde::Serialize;

use crate::commands::planning::{Planned, options};
use crate::failure::Failure;

/// A model of the plan.
#[derive(Serialize)]
pub(super) struct ModelInspection {
    pub(super) name: String,
    pub(super) source: String,
    /// Required files that are not on this machine.
    pub(super) missing: Vec<String>,
    /// Bytes of the weights once loaded; none where they are not here.
    pub(super) weight_bytes: Option<u64>,
    /// The device's name, or several with commas between.
    pub(super) device: String,
    /// What each of its devices would hold.
    pub(super) shares: Vec<ShareInspection>,
    /// Tokens whose keys and values they have room for; none where that is not known.
    pub(super) cached_tokens: Option<usize>,
    #[serde(skip)]
    pub(super) tokenizer: Option<Arc<Tokenizer>>,
}

/// What one device would hold of a model.
#[derive(Serialize)]
pub(super) struct ShareInspection {
    #[serde(serialize_with = "name")]
    pub(super) device: DeviceSpec,
    /// Its first and its last layer; none where the model's files are not here.
    pub(super) layers: Option<(usize, usize)>,
    /// Bytes of weights; none where the model's files are not here.
    pub(super) weights: Option<u64>,
    /// Most bytes of keys and values.
    pub(super) cache: u64,
}

/// A task of the plan.
#[derive(Serialize)]
pub(super) struct TaskInspection {
    pub(super) task: String,
    /// Why it cannot be loaded.
    pub(super) missing: Option<String>,
    pub(super) documents: usize,
    /// What a system is asked: one request per document, or one per choice.
    pub(super) requests: usize,
    /// Most tokens that are generated, over all documents.
    pub(super) most_new_tokens: usize,
    /// What each model reads: its prompts' tokens, the longest, and each model's name.
    pub(super) prompts: Vec<PromptInspection>,
}

#[derive(Serialize)]
pub(super) struct PromptInspection {
    pub(super) model: String,
    pub(super) tokens: usize,
    pub(super) longest: usize,
    /// Most tokens that are held at once: the longest requests in flight, with all that they may generate.
    pub(super) at_once: usize,
}

/// The union of an ensemble's vocabularies.
#[derive(Serialize)]
pub(super) struct UnionInspection {
    pub(super) system: String,
    /// Union tokens.
    pub(super) tokens: usize,
    /// Union tokens that every member has.
    pub(super) shared: usize,
}

/// `store` is what would load the model.
pub(super) fn model(plan: &ModelPlan, store: &mut ModelStore) -> ModelInspection {
    let source = match &plan.source {
        gac_systems::ModelOrigin::Path(path) => ModelSource::local(path),
        gac_systems::ModelOrigin::Hub(id) => ModelSource::parse(id),
        gac_systems::ModelOrigin::Server(_) => return served(plan, store),
    };
    let missing = source.as_ref().map_or_else(|error| vec![error.to_string()], ModelSource::missing);
    let here = source.ok().filter(|_| missing.is_empty());
    let placement = here.as_ref().and_then(|_| store.placement(&plan.name).ok());
    let options = store.options(plan);
    let shares = placement.as_ref().map_or_else(
        || {
            let devices = options.device.as_slice();
            let cache = options.cache_bytes as u64 / devices.len() as u64;
            let unknown = |&device| ShareInspection { device, layers: None, weights: None, cache };
            devices.iter().map(unknown).collect()
        },
        shares,
    );
    ModelInspection {
        name: plan.name.clone(),
        source: plan.source.to_string(),
        missing,
        weight_bytes: shares.iter().map(|share| share.weights).sum(),
        device: options.device.to_string(),
        cached_tokens: placement.as_ref().and_then(Placement::cached_tokens),
        shares,
        tokenizer: here
            .and_then(|source| Tokenizer::load(&source, None).ok()?.with_add_bos(plan.add_bos).ok())
            .map(Arc::new),
    }
}

/// A model on servers, which are asked what they serve and what they can tell.
fn served(plan: &ModelPlan, store: &mut ModelStore) -> ModelInspection {
    let found = store.server(&plan.name);
    let (missing, device, tokenizer) = match found {
        Ok(Some((server, tokenizer))) => (Vec::new(), server.to_string(), Some(tokenizer)),
        Ok(None) => (Vec::new(), String::new(), None),
        Err(error) => (vec![Failure::from(error).message()], "a server".to_owned(), None),
    };
    let source = plan.source.to_string();
    ModelInspection {
        name: plan.name.clone(),
        source,
        missing,
        weight_bytes: None,
        device,
        shares: Vec::new(),
        cached_tokens: None,
        tokenizer,
    }
}

fn shares(placement: &Placement) -> Vec<ShareInspection> {
    let share = |share: &gac_inference::DeviceShare| ShareInspection {
        device: share.device,
        layers: Some((share.layers.start, share.layers.end - 1)),
        weights: Some(share.weights),
        cache: share.cache,
    };
    placement.shares().iter().map(share).collect()
}

/// Serialises a device by its name.
pub(super) fn name<S: serde::Serializer>(device: &DeviceSpec, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(device)
}

/// Loads the tasks that can be; what cannot is told with its reason.
pub(super) fn tasks(
    Planned { plan, registry }: &Planned,
    models: &[ModelInspection],
) -> Result<(Vec<TaskInspection>, Vec<LoadedTask>), Failure> {
    let data = DataSource::new(plan.data_dir.clone());
    let mut inspections = Vec::new();
    let mut loaded = Vec::new();
    for task in &plan.tasks {
        match registry.load(&task.name, &data, &options(task)) {
            Ok(task) => {
                inspections.push(inspect(&task, models, plan.batch_size)?);
                loaded.push(task);
            }
            Err(error) => inspections.push(TaskInspection {
                task: task.name.clone(),
                missing: Some(Failure::from(error).message()),
                documents: 0,
                requests: 0,
                most_new_tokens: 0,
                prompts: Vec::new(),
            }),
        }
    }
    Ok((inspections, loaded))
}

fn inspect(task: &LoadedTask, models: &[ModelInspection], batch: usize) -> Result<TaskInspection, TokenizerError> {
    let (mut requests, mut most_new_tokens) = (0, 0);
    for document in &task.documents {
        match &document.request {
            Request::Generate { max_new_tokens, no_answer, .. } => {
                requests += 1 + usize::from(no_answer.is_some());
                most_new_tokens += max_new_tokens;
            }
            choices @ (Request::Choose { .. } | Request::Fill { .. }) => requests += choices.choices().len(),
        }
    }
    let mut prompts = Vec::new();
    for model in models {
        let Some(tokenizer) = &model.tokenizer else { continue };
        let (mut tokens, mut longest) = (0, 0);
        let mut held = Vec::new();
        for document in &task.documents {
            // Of several prompts the first: they differ in a few words.
            let context = tokenizer.encode_prompt(document.request.prompt())?.len();
            let choices = document.request.choices().into_iter().map(|(_, choice)| choice);
            // A second question reads the prompt once more.
            let second = document.request.no_answer();
            let choices = choices.chain(second).map(|choice| Ok(tokenizer.encoder().encode_inner(choice)?.len()));
            let choices = choices.collect::<Result<Vec<usize>, TokenizerError>>()?;
            tokens += context * (1 + usize::from(second.is_some())) + choices.iter().sum::<usize>();
            longest = longest.max(context + choices.iter().max().unwrap_or(&0));
            let generated = match &document.request {
                Request::Generate { max_new_tokens, .. } => {
                    choices.iter().fold(*max_new_tokens, |most, it| most.max(*it))
                }
                Request::Choose { .. } | Request::Fill { .. } => choices.iter().sum(),
            };
            held.push(context + generated);
        }
        held.sort_unstable_by(|a, b| b.cmp(a));
        let at_once = held.iter().take(batch.max(1)).sum();
        prompts.push(PromptInspection { model: model.name.clone(), tokens, longest, at_once });
    }
    Ok(TaskInspection {
        task: task.name.clone(),
        missing: None,
        documents: task.documents.len(),
        requests,
        most_new_tokens,
        prompts,
    })
}

/// The union of an ensemble's vocabularies, where all its tokenizers are here.
pub(super) fn union(system: &SystemPlan, models: &[ModelInspection]) -> Option<UnionInspection> {
    if system.is_single() {
        return None;
    }
    let member = |name: &String| models.iter().find(|model| model.name == *name)?.tokenizer.as_deref();
    let tokenizers = system.members.iter().map(member).collect::<Option<Vec<_>>>()?;
    let vocabularies: Vec<_> = tokenizers.iter().map(|tokenizer| tokenizer.vocabulary()).collect();
    let union = UnionVocabulary::new(&vocabularies);
    let everybody =
        |token| (0..vocabularies.len()).all(|member| !union.projection(MemberId(member)).ids(token).is_empty());
    let shared = union.iter().filter(|(token, _)| everybody(*token)).count();
    Some(UnionInspection { system: system.name.clone(), tokens: union.len(), shared })
}
