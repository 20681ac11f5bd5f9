//! A candle model behind [`LanguageModel`].

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::families;
use super::fields::CandleFields;
use super::runner::{Blueprint, Runner};
use super::tensors::builder;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::source::ModelSource;
use crate::checkpoint::weights::CheckpointTensors;
use crate::device::DeviceError;
use crate::device::DeviceSpec;
use crate::device_list::DeviceList;
use crate::distribution::Distribution;
use crate::dtype::WeightType;
use crate::engine_error::EngineError;
use crate::engine_options::EngineOptions;
use crate::id::{SequenceId, TokenId};
use crate::language_model::{Extension, LanguageModel, Limits, ModelError};
use crate::memory::working_memory;
use crate::named::Named;
use crate::placement::{ModelBytes, Placement, Room};

/// A model of candle-transformers. It runs the sequences of a batch one after the other, in f32.
pub(crate) struct CandleModel {
    blueprint: Blueprint,
    tensors: VarBuilder<'static>,
    device: Device,
    devices: DeviceList,
    /// A model that no token was fed to.
    fresh: Option<Box<dyn Runner>>,
    sequences: BTreeMap<SequenceId, CandleSequence>,
    next: u64,
    limits: Limits,
}

/// An open sequence.
struct CandleSequence {
    tokens: Vec<TokenId>,
    /// The model after `tokens`; none where they have to be fed (again) first.
    runner: Option<Box<dyn Runner>>,
}

impl CandleModel {
    /// Loads the checkpoint at `source`, whose configuration is `fields`.
    ///
    /// # Errors
    /// As [`check`](Self::check), and for a tensor that is missing or does not fit.
    pub(crate) fn load(
        source: &ModelSource,
        fields: CandleFields,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let (mut blueprint, weights, device) = open(source, fields, options)?;
        let names = (blueprint.rename, blueprint.adjust.take());
        let (tensors, failed) = builder(weights, names, device.clone(), blueprint.rebuilt);
        let fresh = (blueprint.build)(tensors.clone()).map_err(|error| {
            let unfit = || CheckpointError::Config {
                field: "model_type",
                path: source.to_string(),
                problem: format!(
                    "is one that candle-transformers does not build of these files: {}",
                    first_line(&error)
                ),
            };
            failed.take().unwrap_or_else(unfit)
        })?;
        // At least one whole sequence must fit.
        let cache = (options.cache_bytes / blueprint.token_bytes.max(1)).max(blueprint.context.min(4096));
        let limits =
            Limits { vocabulary: blueprint.vocabulary, context: blueprint.context, cache, sequences: usize::MAX };
        let devices = options.device.clone();
        Ok(Self {
            blueprint,
            tensors,
            device,
            devices,
            fresh: Some(fresh),
            sequences: BTreeMap::new(),
            next: 0,
            limits,
        })
    }

    /// Finds out whether it could be loaded, without reading weights.
    ///
    /// # Errors
    /// When the device cannot be used, the configuration is one that candle does not run, a file is missing or damaged,
    /// or the weights were to be quantised.
    pub(crate) fn check(
        source: &ModelSource,
        fields: CandleFields,
        options: &EngineOptions,
    ) -> Result<(), EngineError> {
        open(source, fields, options).map(|_| ())
    }

    /// The memory that it would take on its device, where it holds weights in f32.
    ///
    /// # Errors
    /// When a file is missing or damaged, or for several devices.
    pub(crate) fn placement(source: &ModelSource, options: &EngineOptions) -> Result<Placement, EngineError> {
        let device = one_device(options)?;
        let weights =
            CheckpointTensors::open(&source.weights()?, source.to_string(), Device::Cpu, WeightType::F32, None)?;
        let numbers: u64 = weights.headers().map(|header| header.numbers()).sum();
        let whole = ModelBytes { embedding: 0, layers: vec![4 * numbers], output: 0 };
        let room =
            Room { device, free: None, layer_cache: options.cache_bytes as u64, working: working_memory(device) };
        Ok(Placement::new(&whole, &[room])?)
    }

    /// A model that no token was fed to.
    fn fresh(&mut self) -> Result<Box<dyn Runner>, ModelError> {
        match self.fresh.as_ref().and_then(|fresh| fresh.fork()) {
            Some(clone) => Ok(clone),
            None => match self.fresh.take() {
                Some(first) => Ok(first),
                None => (self.blueprint.build)(self.tensors.clone()).map_err(backend),
            },
        }
    }

    /// Checks a batch against vocabulary, context and cache, changing nothing.
    fn admit(&self, batch: &[Extension<'_>]) -> Result<(), ModelError> {
        let Limits { vocabulary, context, cache, .. } = self.limits;
        let mut needed = 0;
        for extension in batch {
            if let Some(token) = extension.tokens.iter().find(|token| token.index() >= vocabulary) {
                return Err(ModelError::UnknownToken { token: token.0, vocabulary });
            }
            let length = self.get(extension.sequence)?.tokens.len() + extension.tokens.len();
            if length > context {
                return Err(ModelError::ContextFull { length, context });
            }
            needed += extension.tokens.len();
        }
        let used: usize = self.sequences.values().map(|sequence| sequence.tokens.len()).sum();
        let free = cache.saturating_sub(used);
        if needed > free { Err(ModelError::CacheFull { needed, free }) } else { Ok(()) }
    }

    fn get(&self, sequence: SequenceId) -> Result<&CandleSequence, ModelError> {
        self.sequences.get(&sequence).ok_or(ModelError::UnknownSequence(sequence))
    }

    fn get_mut(&mut self, sequence: SequenceId) -> Result<&mut CandleSequence, ModelError> {
        self.sequences.get_mut(&sequence).ok_or(ModelError::UnknownSequence(sequence))
    }

    fn insert(&mut self, sequence: CandleSequence) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, sequence);
        id
    }

    /// Runs one extension. Where that fails the sequence keeps its tokens, to be fed again.
    fn extend_one(&mut self, extension: &Extension<'_>) -> Result<Vec<Distribution>, ModelError> {
        if extension.tokens.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = extension.wanted.indices(extension.tokens.len());
        let held = self.get(extension.sequence)?.tokens.len();
        let runner = self.get_mut(extension.sequence)?.runner.take();
        let mut runner = if let Some(runner) = runner {
            runner
        } else {
            let mut runner = self.fresh()?;
            self.feed(runner.as_mut(), &self.get(extension.sequence)?.tokens, 0, &[])?;
            runner
        };
        let distributions = self.feed(runner.as_mut(), extension.tokens, held, &wanted)?;
        let sequence = self.get_mut(extension.sequence)?;
        sequence.tokens.extend_from_slice(extension.tokens);
        sequence.runner = Some(runner);
        Ok(distributions)
    }

    /// Feeds `tokens` at position `past` and gives the distributions after the `wanted` ones, ascending indices.
    ///
    /// candle's models give logits for the last position alone, so a forward ends at every wanted token.
    fn feed(
        &self,
        runner: &mut dyn Runner,
        tokens: &[TokenId],
        past: usize,
        wanted: &[usize],
    ) -> Result<Vec<Distribution>, ModelError> {
        let mut distributions = Vec::with_capacity(wanted.len());
        let mut from = 0;
        while from < tokens.len() {
            let most = self.blueprint.chunks.most(past + from).min(tokens.len() - from);
            let wanted = wanted.get(distributions.len()).copied().filter(|at| (from..from + most).contains(at));
            let to = wanted.map_or(from + most, |at| at + 1);
            let ids: Vec<u32> = tokens[from..to].iter().map(|token| token.0).collect();
            let ids = Tensor::from_vec(ids, (1, to - from), &self.device).map_err(backend)?;
            let logits = runner.forward(&ids, past + from).map_err(backend)?;
            if wanted.is_some() {
                distributions.push(self.distribution(&logits).map_err(backend)?);
            }
            from = to;
        }
        Ok(distributions)
    }

    fn distribution(&self, logits: &Tensor) -> candle_core::Result<Distribution> {
        let logits = logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        if logits.len() != self.limits.vocabulary {
            candle_core::bail!("the model gave {} logits for {} tokens", logits.len(), self.limits.vocabulary);
        }
        Ok(Distribution::dense(logits))
    }
}

impl LanguageModel for CandleModel {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn devices(&self) -> &[DeviceSpec] {
        self.devices.as_slice()
    }

    fn open(&mut self, _prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        Ok(self.insert(CandleSequence { tokens: Vec::new(), runner: None }))
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let original = self.get(sequence)?;
        let runner = original.runner.as_ref().and_then(|runner| runner.fork());
        let copy = CandleSequence { tokens: original.tokens.clone(), runner };
        Ok(self.insert(copy))
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError> {
        let sequence = self.get_mut(sequence)?;
        if length > sequence.tokens.len() {
            return Err(ModelError::TruncateBeyondEnd { length: sequence.tokens.len(), requested: length });
        }
        if length < sequence.tokens.len() {
            sequence.tokens.truncate(length);
            sequence.runner = None;
        }
        Ok(())
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.sequences.get(&sequence).map_or(0, |sequence| sequence.tokens.len())
    }

    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        self.admit(batch)?;
        batch.iter().map(|extension| self.extend_one(extension)).collect()
    }
}

/// Everything but reading weights.
fn open(
    source: &ModelSource,
    fields: CandleFields,
    options: &EngineOptions,
) -> Result<(Blueprint, CheckpointTensors, Device), EngineError> {
    let device = one_device(options)?.open()?;
    if let Some(dtype) = options.dtype.filter(|dtype| dtype.is_quantised()) {
        let architecture = fields.model_type().to_owned();
        return Err(CheckpointError::NotQuantisable { architecture, quantization: dtype.name().to_owned() }.into());
    }
    if !options.compute.is_default() {
        let place = String::from("by candle-transformers");
        return Err(CheckpointError::ComputesElsewhere { compute: options.compute.name(), place }.into());
    }
    let blueprint = families::blueprint(fields)?;
    let weights = CheckpointTensors::open(
        &source.weights()?,
        source.to_string(),
        device.clone(),
        WeightType::of(options.dtype),
        None,
    )?;
    Ok((blueprint, weights, device))
}

/// The device, where there is no more than one.
fn one_device(options: &EngineOptions) -> Result<DeviceSpec, DeviceError> {
    match options.device.as_slice() {
        [device] => Ok(*device),
        _ => Err(DeviceError::NotSplit { devices: options.device.to_string() }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn backend(source: candle_core::Error) -> ModelError {
    ModelError::Backend(first_line(&source))
}

fn first_line(source: &candle_core::Error) -> String {
    source.to_string().lines().next().unwrap_or_default().to_owned()
}
