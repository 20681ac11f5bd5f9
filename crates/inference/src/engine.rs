//! The native engine: a decoder with its paged cache behind the [`LanguageModel`] seam.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use candle_core::Device;

use crate::ask::Ask;
use crate::checkpoint::opened::Checkpoint;
use crate::checkpoint::source::ModelSource;
use crate::decoder::batch::{BatchPart, RaggedBatch};
use crate::decoder::blocks::{BlockKey, BlockTable};
use crate::decoder::cache::PagedCache;
#[cfg(feature = "cuda")]
use crate::decoder::captured_steps::CapturedSteps;
use crate::decoder::rope::Factors;
use crate::decoder::transformer::Transformer;
use crate::device::DeviceSpec;
use crate::device_list::DeviceList;
use crate::distribution::Distribution;
use crate::engine_error::EngineError;
#[cfg(feature = "cuda")]
use crate::engine_options::StepLaunch;
use crate::engine_options::{EngineOptions, Handover};
use crate::forwards::{Turned, forward_tokens, plan_forwards};
use crate::handover::kept_logits::KeptLogits;
use crate::id::{SequenceId, TokenId};
use crate::kernel::BLOCK;
use crate::language_model::{Extension, LanguageModel, Limits, ModelError, Wanted};
use crate::memory_plan::MemoryPlan;
use crate::placement::Placement;
use crate::spinning::spinning;

/// Tokens that must be spared to make computing shared prefixes first, in forwards of their own, worth it.
const WORTH_A_FORWARD: usize = 128;

/// A decoder with its weights and its cache.
pub struct Engine {
    transformer: Transformer,
    cache: PagedCache,
    table: BlockTable,
    limits: Limits,
    devices: DeviceList,
    /// Longest pass that is turned by the short factors of `LongRoPE`; none for other models.
    border: Option<usize>,
    handover: Handover,
    kept: KeptLogits,
    /// None where steps are launched kernel by kernel.
    #[cfg(feature = "cuda")]
    captured: Option<CapturedSteps>,
}

impl Engine {
    /// Loads a checkpoint, each layer to its own device.
    ///
    /// # Errors
    /// When a device cannot be used or has too little memory, a file is missing or damaged, the architecture is
    /// unknown, or a tensor does not fit the configuration.
    pub fn load(source: &ModelSource, options: &EngineOptions) -> Result<Self, EngineError> {
        Self::load_checkpoint(Checkpoint::open(source)?, options)
    }

    /// As [`load`](Self::load), of a checkpoint that is open.
    pub(crate) fn load_checkpoint(checkpoint: Checkpoint<'_>, options: &EngineOptions) -> Result<Self, EngineError> {
        let devices = options.device.open()?;
        let (config, weights) = checkpoint.native(devices.first().cloned().unwrap_or(Device::Cpu), options)?;
        let MemoryPlan { placement, blocks } = MemoryPlan::new(&config, &weights, options)?;
        placement.check()?;
        let devices: Vec<Device> = placement.by_layer().into_iter().map(|index| devices[index].clone()).collect();
        let transformer = Transformer::load(config, &weights, &devices)?;
        Ok(Self::new(transformer, blocks, options)?)
    }

    /// Finds out cheaply whether a checkpoint could be loaded: that its files are there, the configuration makes sense
    /// and the headers of the weights can be read.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for the shapes of tensors and for memory.
    pub fn check(source: &ModelSource, options: &EngineOptions) -> Result<(), EngineError> {
        Self::check_checkpoint(Checkpoint::open(source)?, options)
    }

    /// As [`check`](Self::check), of a checkpoint that is open.
    pub(crate) fn check_checkpoint(checkpoint: Checkpoint<'_>, options: &EngineOptions) -> Result<(), EngineError> {
        options.device.open()?;
        Self::placement_of(checkpoint, options)?;
        Ok(())
    }

    /// Which layers would go to which device, and the memory that they would take there, found out from headers alone.
    /// The devices need not be there: where one does not say how much memory it has, layers are split equally.
    ///
    /// # Errors
    /// When a file is missing or damaged, the architecture is unknown, or there are more devices than layers.
    pub fn placement(source: &ModelSource, options: &EngineOptions) -> Result<Placement, EngineError> {
        Self::placement_of(Checkpoint::open(source)?, options)
    }

    /// As [`placement`](Self::placement), of a checkpoint that is open.
    pub(crate) fn placement_of(checkpoint: Checkpoint<'_>, options: &EngineOptions) -> Result<Placement, EngineError> {
        let (config, weights) = checkpoint.native(Device::Cpu, options)?;
        Ok(MemoryPlan::new(&config, &weights, options)?.placement)
    }

    fn new(transformer: Transformer, blocks: usize, options: &EngineOptions) -> Result<Self, ModelError> {
        let config = transformer.config();
        let cache = PagedCache::new(config, blocks, options.compute, transformer.layer_devices()).map_err(backend)?;
        let limits = Limits {
            vocabulary: config.vocabulary,
            context: config.context,
            cache: blocks * BLOCK,
            sequences: usize::MAX,
        };
        Ok(Self {
            cache,
            table: BlockTable::new(blocks, options.keeping),
            limits,
            devices: options.device.clone(),
            border: transformer.border(),
            handover: options.handover,
            kept: KeptLogits::default(),
            #[cfg(feature = "cuda")]
            captured: (options.steps == StepLaunch::Captured).then(CapturedSteps::default),
            transformer,
        })
    }

    /// Checks a batch against vocabulary, context and cache, changing nothing.
    fn admit(&self, batch: &[Extension<'_>]) -> Result<(), ModelError> {
        let mut needed = 0;
        for extension in batch {
            if let Some(token) = extension.tokens.iter().find(|token| token.index() >= self.limits.vocabulary) {
                return Err(ModelError::UnknownToken { token: token.0, vocabulary: self.limits.vocabulary });
            }
            let length = self.table.get(extension.sequence)?.tokens.len() + extension.tokens.len();
            if length > self.limits.context {
                return Err(ModelError::ContextFull { length, context: self.limits.context });
            }
            needed += if self.is_read_anew(extension)? {
                self.table.blocks_needed_anew(extension.sequence, length)?
            } else {
                self.table.blocks_needed(extension.sequence, extension.tokens.len())?
            };
        }
        let free = self.table.available();
        if needed > free { Err(ModelError::CacheFull { needed, free }) } else { Ok(()) }
    }

    fn forward(&mut self, parts: &[BatchPart<'_>]) -> Result<Vec<Distribution>, ModelError> {
        let batch = RaggedBatch::new(&self.table, parts)?;
        let after = parts.iter().flat_map(|BatchPart { sequence, past, wanted, .. }| {
            wanted.iter().map(move |index| (*sequence, past + index + 1))
        });
        let after: Vec<(SequenceId, usize)> = after.collect();
        let Self { transformer, cache, kept, handover, .. } = self;
        #[cfg(feature = "cuda")]
        let captured = &mut self.captured;
        let on_cpu = transformer.layer_devices().all(|layer| layer.device.is_cpu());
        let mut forward = || {
            #[cfg(feature = "cuda")]
            let step = match captured {
                Some(captured) => captured.run(transformer, &batch, cache)?,
                None => None,
            };
            #[cfg(not(feature = "cuda"))]
            let step = None;
            let last = match step {
                Some(last) => Some(last),
                None => transformer.run(transformer.begin(&batch, cache), cache)?,
            };
            let Some(last) = last else { return Ok(Vec::new()) };
            let Some(count) = handover.listed_of(last.device()) else {
                return kept.downloads.distributions(&transformer.logits(&last, None)?);
            };
            let vocabulary = transformer.config().vocabulary;
            kept.hand_up_computed((vocabulary, last.device()), count, &after, |place| transformer.logits(&last, place))
        };
        // Threads that wait for a GPU may sleep.
        let distributions = if on_cpu { spinning(forward) } else { forward() };
        distributions.map_err(backend)
    }

    /// How many steps have been captured as CUDA graphs, each for another number of sequences.
    pub fn captured_steps(&self) -> usize {
        #[cfg(feature = "cuda")]
        return self.captured.as_ref().map_or(0, CapturedSteps::count);
        #[cfg(not(feature = "cuda"))]
        0
    }

    /// Bytes of logits that have come from where they were computed to be handed up, or to tell more.
    pub fn handed_up_bytes(&self) -> u64 {
        self.kept.downloads.bytes
    }
}

impl LanguageModel for Engine {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn devices(&self) -> &[DeviceSpec] {
        self.devices.as_slice()
    }

    fn open(&mut self, prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        Ok(self.table.open(prompt, self.factors(prompt.len())))
    }

    fn announce(&mut self, sequence: SequenceId, length: usize) {
        self.table.announce(sequence, length);
    }

    fn turns_alike(&self, length: usize, other: usize) -> bool {
        self.factors(length) == self.factors(other)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let fork = self.table.fork(sequence)?;
        self.kept.fork(sequence, fork);
        Ok(fork)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError> {
        self.kept.truncate(sequence, length);
        self.table.truncate(sequence, length)
    }

    fn close(&mut self, sequence: SequenceId) {
        self.kept.close(sequence);
        self.table.close(sequence);
    }

    fn forget(&mut self) {
        self.table.forget();
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.table.length(sequence)
    }

    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        self.admit(batch)?;
        self.kept.extend(batch);
        if self.border.is_none() {
            return self.extend_alike(batch);
        }
        let short = batch.iter().map(|extension| self.short_tokens(extension)).collect::<Result<Vec<_>, _>>()?;
        let mut distributions: Vec<Vec<Distribution>> = batch.iter().map(|_| Vec::new()).collect();
        for factors in [Factors::Short, Factors::Long] {
            let mut turned = Vec::new();
            for (index, (extension, &short)) in batch.iter().zip(&short).enumerate() {
                let range = if factors == Factors::Short { 0..short } else { short..extension.tokens.len() };
                if !range.is_empty() {
                    turned.push((index, self.turned(extension, range, factors)?));
                }
            }
            let alike = turned.iter().map(|(_, turned)| turned.extension()).collect::<Vec<_>>();
            for (&(index, _), found) in turned.iter().zip(self.extend_alike(&alike)?) {
                distributions[index].extend(found);
            }
        }
        Ok(distributions)
    }

    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        let mut answers = Vec::with_capacity(asks.len());
        for (ask, answer) in asks.iter().zip(self.kept.answer(asks).map_err(backend)?) {
            answers.push(match answer {
                Some(answer) => answer,
                None => self.computed_again(ask)?.tell(ask.detail),
            });
            self.kept.was_asked(ask, self.limits.vocabulary);
        }
        Ok(answers)
    }
}

impl Engine {
    /// What the positions of a pass over `length` tokens are turned by.
    fn factors(&self, length: usize) -> Factors {
        if self.border.is_some_and(|border| length > border) { Factors::Long } else { Factors::Short }
    }

    /// How many of an extension's first tokens are turned by the short factors; the others are by the long ones.
    ///
    /// Where no pass was announced, a distribution is that of the pass that ends with its token. Tokens that no
    /// distribution is wanted of go with those after them.
    fn short_tokens(&self, extension: &Extension<'_>) -> Result<usize, ModelError> {
        let sequence = self.table.get(extension.sequence)?;
        let (held, count) = (sequence.tokens.len(), extension.tokens.len());
        if self.factors(sequence.pass) == Factors::Long {
            return Ok(0);
        }
        let within = self.border.map_or(count, |border| border.saturating_sub(held).min(count));
        let is_asked = extension.unwanted() < within;
        Ok(if within == count || is_asked { within } else { 0 })
    }

    /// Whether what a sequence holds has to be read again, turned by other factors.
    fn is_read_anew(&self, extension: &Extension<'_>) -> Result<bool, ModelError> {
        let sequence = self.table.get(extension.sequence)?;
        let short = self.short_tokens(extension)?;
        let is_other = |factors, any| any && sequence.factors != factors;
        Ok(is_other(Factors::Short, short > 0) || is_other(Factors::Long, short < extension.tokens.len()))
    }

    /// Some tokens of an extension, after those that its sequence holds where these have to be read again.
    fn turned(
        &mut self,
        extension: &Extension<'_>,
        range: Range<usize>,
        factors: Factors,
    ) -> Result<Turned, ModelError> {
        let sequence = extension.sequence;
        let is_turned = self.table.get(sequence)?.factors == factors;
        let mut tokens = if is_turned { Vec::new() } else { self.table.rewind(sequence, factors)? };
        let before = tokens.len();
        tokens.extend_from_slice(&extension.tokens[range.clone()]);
        let wanted = extension.wanted.indices(extension.tokens.len()).into_iter().filter(|index| range.contains(index));
        let wanted = wanted.map(|index| before + index - range.start).collect();
        Ok(Turned { sequence, tokens, wanted })
    }

    /// The whole distribution that is asked about, by a fork that reads the token before it.
    fn computed_again(&mut self, ask: &Ask<'_>) -> Result<Distribution, ModelError> {
        let tokens = &self.table.get(ask.sequence)?.tokens;
        let last = ask.length.checked_sub(1).and_then(|at| tokens.get(at)).copied();
        let last = last.ok_or(ModelError::TruncateBeyondEnd { length: tokens.len(), requested: ask.length })?;
        let fork = self.fork(ask.sequence)?;
        self.kept.hand_up_whole(fork);
        let given = self
            .truncate(fork, ask.length - 1)
            .and_then(|()| self.extend(&[Extension { sequence: fork, tokens: &[last], wanted: Wanted::Last }]));
        self.close(fork);
        given?.into_iter().flatten().next().ok_or_else(|| ModelError::Backend(String::from("no distribution")))
    }

    /// Appends tokens to sequences whose positions are turned as they are to be.
    fn extend_alike(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let mut spared: Vec<usize> = batch.iter().map(|extension| self.adopt(extension, 0)).collect();
        let mut distributions: Vec<Vec<Distribution>> = batch.iter().map(|_| Vec::new()).collect();
        let (leaders, followers) = self.waves(batch, &spared);
        self.extend_wave(batch, &leaders, &spared, &mut distributions)?;
        if !followers.is_empty() {
            for &index in &followers {
                spared[index] += self.adopt(&batch[index], spared[index]);
            }
            self.extend_wave(batch, &followers, &spared, &mut distributions)?;
        }
        Ok(distributions)
    }

    /// Fills in what is remembered of an extension's tokens from `from` on, as far as no distribution is wanted of it.
    fn adopt(&mut self, extension: &Extension<'_>, from: usize) -> usize {
        self.table.adopt(extension.sequence, &extension.tokens[from..extension.unwanted().max(from)])
    }

    /// Splits a batch into extensions that go first and those that find the beginning of their prompt computed by one
    /// of them. All go first unless that spares a good number of tokens.
    fn waves(&self, batch: &[Extension<'_>], spared: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let mut first_with: HashMap<BlockKey, usize> = HashMap::new();
        let (mut leaders, mut followers, mut shared) = (Vec::new(), Vec::new(), 0);
        for (index, extension) in batch.iter().enumerate() {
            let open = |index: usize| &batch[index].tokens[spared[index]..batch[index].unwanted().max(spared[index])];
            let Some(key) = self.table.next_key(extension.sequence, open(index)) else {
                leaders.push(index);
                continue;
            };
            match first_with.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(index);
                    leaders.push(index);
                }
                Entry::Occupied(entry) => {
                    let leader = *entry.get();
                    let tokens = batch[leader].tokens[spared[leader]..].iter().zip(open(index));
                    shared += tokens.take_while(|(a, b)| a == b).count() / BLOCK * BLOCK;
                    followers.push(index);
                }
            }
        }
        if shared < WORTH_A_FORWARD { ((0..batch.len()).collect(), Vec::new()) } else { (leaders, followers) }
    }

    /// Computes the extensions at `wave`, each from its first token that was not spared.
    fn extend_wave(
        &mut self,
        batch: &[Extension<'_>],
        wave: &[usize],
        spared: &[usize],
        distributions: &mut [Vec<Distribution>],
    ) -> Result<(), ModelError> {
        let mut starts = HashMap::with_capacity(wave.len());
        for &index in wave {
            let Extension { sequence, tokens, .. } = batch[index];
            // Where the extension's first token would stand, spared ones counted.
            starts.insert(index, self.table.length(sequence) - spared[index]);
            if let Some(copy) = self.table.reserve(sequence, &tokens[spared[index]..])? {
                self.cache.copy(copy).map_err(backend)?;
            }
        }
        for forward in plan_forwards(batch, wave, spared, forward_tokens(&self.devices)) {
            let parts: Vec<BatchPart<'_>> = forward
                .iter()
                .map(|piece| BatchPart {
                    sequence: batch[piece.extension].sequence,
                    past: starts[&piece.extension] + piece.from,
                    tokens: &batch[piece.extension].tokens[piece.from..piece.to],
                    wanted: piece.wanted.iter().map(|index| index - piece.from).collect(),
                })
                .collect();
            let owners: Vec<usize> =
                forward.iter().flat_map(|piece| std::iter::repeat_n(piece.extension, piece.wanted.len())).collect();
            for (owner, distribution) in owners.into_iter().zip(self.forward(&parts)?) {
                distributions[owner].push(distribution);
            }
        }
        for &index in wave {
            self.table.remember(batch[index].sequence);
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn backend(source: candle_core::Error) -> ModelError {
    ModelError::Backend(source.to_string().lines().next().unwrap_or_default().to_owned())
}
