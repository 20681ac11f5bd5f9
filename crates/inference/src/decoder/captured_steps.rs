//! Steps of one token for each sequence, captured as CUDA graphs: launched by one call, in memory that they keep.
//!
//! A graph is of so many rows. A step of fewer has rows more, which write to a block that is nobody's. Tokens, positions and
//! blocks change from step to step, and lie where the graph reads them.

use std::collections::HashMap;

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::CudaGraph;
use candle_core::cuda_backend::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::{DType, Device, Result, Tensor};

use super::batch::RaggedBatch;
use super::cache::PagedCache;
use super::forward::step_numbers;
use super::last_rows::LastRows;
use super::step_tables::{StepNumbers, StepTables};
use super::transformer::Transformer;
use crate::cuda::pinned::PinnedWords;
use crate::kernel::BLOCK;

/// The most rows of a graph: for more, what launches cost is little beside the step.
const ROWS: usize = 256;

/// Captured steps, by their rows.
#[derive(Default)]
pub(crate) struct CapturedSteps {
    by_rows: HashMap<usize, CapturedStep>,
    /// A model whose steps cannot be captured is not tried again.
    is_refused: bool,
}

struct CapturedStep {
    graph: CudaGraph,
    numbers: PinnedWords,
    tables: Tensor,
    last: LastRows,
}

// SAFETY: a graph may be used from any thread, by one at a time; that it is behind `&mut`.
unsafe impl Send for CapturedStep {}

impl CapturedSteps {
    /// How many have been captured.
    pub(crate) fn count(&self) -> usize {
        self.by_rows.len()
    }

    /// Runs `batch` where it is a step that can be captured, and gives its rows as they come through all layers; else none,
    /// and nothing is done.
    pub(crate) fn run(
        &mut self,
        transformer: &Transformer,
        batch: &RaggedBatch,
        cache: &PagedCache,
    ) -> Result<Option<LastRows>> {
        let rows = batch.tokens.len();
        if self.is_refused || !batch.is_one_token_each() || !batch.wants_all() || !(1..=ROWS).contains(&rows) {
            return Ok(None);
        }
        let Some(device) = transformer.only_gpu() else { return Ok(None) };
        let bucket = rows.next_power_of_two();
        let batch = batch.padded(bucket, cache.spare_block());
        let numbers = step_numbers(transformer.config(), &batch, cache.positions());
        let step = match self.by_rows.get_mut(&bucket) {
            Some(step) => step,
            None => match CapturedStep::capture(transformer, (&batch, &numbers), cache, device) {
                Ok(step) => self.by_rows.entry(bucket).or_insert(step),
                Err(error) => {
                    let reason = error.to_string();
                    let reason = reason.lines().next().unwrap_or_default();
                    tracing::warn!(
                        reason,
                        "steps are launched kernel by kernel: they cannot be captured as CUDA graphs"
                    );
                    self.is_refused = true;
                    return Ok(None);
                }
            },
        };
        step.numbers.upload(&numbers.all, &step.tables)?;
        step.graph.launch().w()?;
        step.last.first(rows).map(Some)
    }
}

impl CapturedStep {
    /// Captures the step of a batch of as many rows as it is to have. The batch itself is run, too: kernels are loaded, and the
    /// memory for what comes out is there.
    fn capture(
        transformer: &Transformer,
        (batch, numbers): (&RaggedBatch, &StepNumbers),
        cache: &PagedCache,
        device: &Device,
    ) -> Result<Self> {
        let blocks = batch.tokens.len() * cache.positions().div_ceil(BLOCK);
        let capacity = numbers.all.len() + blocks;
        let tables = Tensor::zeros(capacity, DType::U32, device)?;
        let mut pinned = PinnedWords::new(capacity, device)?;
        pinned.upload(&numbers.all, &tables)?;
        let run = || {
            let forward = transformer.begin(batch, cache).over(StepTables::over(&tables, numbers)?);
            match transformer.run(forward, cache)? {
                Some(last) => Ok(last),
                None => candle_core::bail!("no row of a step is wanted"),
            }
        };
        let last = run()?;
        let cuda = device.as_cuda_device()?;
        let stream = cuda.cuda_stream();
        // What would go up or down in the midst of the step is an error while this is there.
        let no_copies = cuda.enable_cuda_graph_htod_cache();
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).w()?;
        let captured = run().and_then(|captured| last.become_like(&captured));
        let graph = stream.end_capture(CUgraphInstantiate_flags(0)).w();
        drop(no_copies);
        // Errors of a capture that came to nothing are not those of what is next.
        let left = stream.context().check_err();
        captured?;
        left.w()?;
        match graph? {
            Some(graph) => Ok(Self { graph, numbers: pinned, tables, last }),
            None => candle_core::bail!("nothing was captured"),
        }
    }
}
