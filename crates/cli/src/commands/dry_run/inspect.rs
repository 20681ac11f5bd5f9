//! Models, tasks and vocabularies of a plan.

use std::path::Path;

use gac_ensemble::{MemberId, UnionVocabulary};
use gac_harness::recipe::{Dtype, ModelPlan, Plan, SystemPlan};
use gac_harness::{DataSource, LoadedTask, Request, TaskRegistry};
use gac_inference::{Backend, ModelSource, Tokenizer, TokenizerError, backend_of};
use serde::Serialize;

use crate::commands::run::options;
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
    /// The device's name.
    pub(super) device: String,
    #[serde(skip)]
    pub(super) tokenizer: Option<Tokenizer>,
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

pub(super) fn model(plan: &ModelPlan, default: &str) -> ModelInspection {
    let source = match &plan.source {
        gac_harness::recipe::ModelSource::Path(path) => ModelSource::local(path),
        gac_harness::recipe::ModelSource::Hub(id) => ModelSource::parse(id),
    };
    let missing = source.as_ref().map_or_else(|error| vec![error.to_string()], ModelSource::missing);
    let here = source.ok().filter(|_| missing.is_empty());
    let weight_bytes = here.as_ref().and_then(|source| {
        let files = source.artifacts().ok()?.weights;
        // candle-transformers computes in f32, whatever the weights are rounded to.
        let candle = backend_of(source).is_ok_and(|backend| backend == Backend::Candle);
        let dtype = if candle { Some(Dtype::F32) } else { plan.dtype };
        files.iter().map(|file| weight_bytes(file, dtype)).sum()
    });
    ModelInspection {
        name: plan.name.clone(),
        source: plan.source.to_string(),
        missing,
        weight_bytes,
        device: plan.device.map_or_else(|| default.to_owned(), |device| device.0.to_string()),
        tokenizer: here.and_then(|source| Tokenizer::load(&source, None).ok()),
    }
}

/// Bytes that a file's tensors take in `dtype`, by its header.
fn weight_bytes(path: &Path, dtype: Option<Dtype>) -> Option<u64> {
    use std::io::Read;
    let mut file = std::fs::File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let tensors = header.as_object()?.iter().filter(|(name, _)| *name != "__metadata__");
    let bytes = tensors.map(|(_, tensor)| {
        let numbers = tensor["shape"].as_array()?.iter().map(serde_json::Value::as_u64).product::<Option<u64>>()?;
        Some(match dtype {
            Some(Dtype::F32) => numbers * 4,
            Some(Dtype::Bf16 | Dtype::F16) => numbers * 2,
            Some(Dtype::Q8_0) => numbers * 17 / 16,
            Some(Dtype::Q4K) => numbers * 9 / 16,
            None => tensor["data_offsets"][1].as_u64()? - tensor["data_offsets"][0].as_u64()?,
        })
    });
    bytes.sum()
}

/// Loads the tasks that can be; what cannot is told with its reason.
pub(super) fn tasks(
    plan: &Plan,
    models: &[ModelInspection],
) -> Result<(Vec<TaskInspection>, Vec<LoadedTask>), Failure> {
    let data = DataSource::new(plan.data_dir.clone());
    let registry = TaskRegistry::with_folders(&plan.include_path)?;
    let mut inspections = Vec::new();
    let mut loaded = Vec::new();
    for task in &plan.tasks {
        match registry.load(&task.name, &data, &options(task)) {
            Ok(task) => {
                inspections.push(inspect(&task, models)?);
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

fn inspect(task: &LoadedTask, models: &[ModelInspection]) -> Result<TaskInspection, TokenizerError> {
    let (mut requests, mut most_new_tokens) = (0, 0);
    for document in &task.documents {
        match &document.request {
            Request::Generate { max_new_tokens, .. } => {
                requests += 1;
                most_new_tokens += max_new_tokens;
            }
            Request::Choose { continuations, .. } => requests += continuations.len(),
        }
    }
    let mut prompts = Vec::new();
    for model in models {
        let Some(tokenizer) = &model.tokenizer else { continue };
        let encoder = tokenizer.encoder();
        let (mut tokens, mut longest) = (0, 0);
        for document in &task.documents {
            let (asked, choices) = match &document.request {
                Request::Generate { prompt, .. } => (prompt, &[][..]),
                Request::Choose { context, continuations } => (context, &continuations[..]),
            };
            let context = encoder.encode(asked)?.len();
            let choices = choices.iter().map(|choice| Ok(encoder.encode_inner(choice)?.len()));
            let choices = choices.collect::<Result<Vec<usize>, TokenizerError>>()?;
            tokens += context + choices.iter().sum::<usize>();
            longest = longest.max(context + choices.iter().max().unwrap_or(&0));
        }
        prompts.push(PromptInspection { model: model.name.clone(), tokens, longest });
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
    let member = |name: &String| models.iter().find(|model| model.name == *name)?.tokenizer.as_ref();
    let tokenizers = system.members.iter().map(member).collect::<Option<Vec<_>>>()?;
    let vocabularies: Vec<_> = tokenizers.iter().map(|tokenizer| tokenizer.vocabulary()).collect();
    let union = UnionVocabulary::new(&vocabularies);
    let everybody =
        |token| (0..vocabularies.len()).all(|member| !union.projection(MemberId(member)).ids(token).is_empty());
    let shared = union.iter().filter(|(token, _)| everybody(*token)).count();
    Some(UnionInspection { system: system.name.clone(), tokens: union.len(), shared })
}
