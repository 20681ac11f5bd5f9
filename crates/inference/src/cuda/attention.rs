//! Heads on their way from the projection, and attention over the paged cache.

use candle_core::{DType, Result, Tensor, bail};

use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};
use super::shared_keys::{QUERIES, splits};
use crate::checkpoint::config::RopeStyle;
use crate::decoder::attention::Attention;
use crate::decoder::cache::LayerCache;
use crate::decoder::step_tables::StepTables;
use crate::kernel::BLOCK;

/// Threads of a block, as the kernels have them.
const THREADS: usize = 128;

/// Shared memory that any card has, less what the kernels declare themselves.
const SHARED: usize = (48 << 10) - (QUERIES * 32 + 3 * QUERIES) * size_of::<f32>();

/// The widest head that the kernels take.
const WIDEST: usize = 4 * THREADS;

/// Projected rows and what is done to their heads on the way.
pub(crate) struct ProjectedHeads<'a> {
    /// `(T, (heads + 2 kv_heads) * head_dim)`.
    pub(crate) rows: Tensor,
    pub(crate) bias: Option<&'a Tensor>,
    pub(crate) norms: Option<HeadNormWeights<'a>>,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
}

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadNormWeights<'a> {
    pub(crate) query: &'a Tensor,
    pub(crate) key: &'a Tensor,
    pub(crate) epsilon: f32,
    pub(crate) kind: HeadNormKind,
}

/// Over which numbers, and with whose weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadNormKind {
    /// Each head's root mean square; all heads have the same weights.
    Shared,
    /// Each head's, centred, with weights of its own.
    Own,
    /// The root mean square of all heads together.
    Whole,
}

/// Whether heads of this width have kernels.
pub(crate) fn takes_heads(head_dim: usize) -> bool {
    head_dim <= WIDEST
}

/// How many rows of one sequence a block takes.
pub(crate) fn rows_of_tile(heads: usize, kv_heads: usize) -> usize {
    QUERIES / (heads / kv_heads).clamp(1, QUERIES)
}

impl ProjectedHeads<'_> {
    /// Stores keys and values and gives the queries, `(T, heads, head_dim)`.
    pub(crate) fn store(&self, cache: &LayerCache, tables: &StepTables) -> Result<Tensor> {
        let tokens = self.rows.dim(0)?;
        let (suffix, dtype, device) = (self.suffix()?, self.rows.dtype(), self.rows.device());
        let queries = to_fill((tokens, self.heads, self.head_dim), dtype, device)?;
        let mut arguments = self.arguments(cache, tables)?;
        arguments.extend([address(&cache.keys)?, address(&cache.values)?, address(&queries)?]);
        let (threads, warps) = (THREADS, THREADS / 32);
        let blocks = ((self.heads + 2 * self.kv_heads).div_ceil(warps), tokens, 1);
        let shape = LaunchShape { blocks, threads, shared: 0 };
        launch(device, (KernelFile::Attention, dtype), &format!("store_{suffix}"), shape, &arguments)?;
        Ok(queries)
    }

    /// Stores keys and values of one token of each sequence, and gives what it attends to, `(T, heads * head_dim)`.
    pub(crate) fn decode(&self, attention: &Attention, cache: &LayerCache, tables: &StepTables) -> Result<Tensor> {
        let (tokens, suffix, device) = (self.rows.dim(0)?, self.suffix()?, self.rows.device());
        let out = to_fill((tokens, self.heads * self.head_dim), self.rows.dtype(), device)?;
        let splits = cache.counters.as_ref().map_or(1, |_| splits(tokens));
        let mut tiling = Tiling::new(self.heads, self.kv_heads, self.head_dim, tables);
        tiling.shape.blocks.0 *= splits;
        let partials = (splits > 1)
            .then(|| to_fill((tokens, self.heads * splits * (self.head_dim + 2)), DType::F32, device))
            .transpose()?;
        let mut arguments = self.arguments(cache, tables)?;
        arguments.extend(tiling.arguments(attention, cache, tables, &out)?);
        let counters = cache.counters.as_ref().filter(|_| splits > 1);
        arguments.extend([splits.into(), address_or_null(partials.as_ref())?, address_or_null(counters)?]);
        launch(
            device,
            (KernelFile::Attention, self.rows.dtype()),
            &tiling.kernel("decode", suffix),
            tiling.shape,
            &arguments,
        )?;
        Ok(out)
    }

    fn suffix(&self) -> Result<&'static str> {
        match suffix(self.rows.dtype()) {
            Some(suffix) => Ok(suffix),
            None => bail!("no attention of {:?}", self.rows.dtype()),
        }
    }

    fn arguments(&self, cache: &LayerCache, tables: &StepTables) -> Result<Vec<Argument>> {
        let angles = cache.angles.as_ref();
        Ok(vec![
            address(&self.rows)?,
            address_or_null(self.bias)?,
            address_or_null(self.norms.map(|norms| norms.query))?,
            address_or_null(self.norms.map(|norms| norms.key))?,
            Argument::Count(self.norms.map_or(0, |norms| norms.kind as u32)),
            address_or_null(angles.map(|angles| &angles.cosines))?,
            address_or_null(angles.map(|angles| &angles.sines))?,
            address(&tables.slots)?,
            address(&tables.angles)?,
            self.heads.into(),
            self.kv_heads.into(),
            self.head_dim.into(),
            angles.map_or(Ok(0), |angles| angles.cosines.dim(1))?.into(),
            Argument::from(angles.is_some_and(|angles| angles.style == RopeStyle::Pairs)),
            self.norms.map_or(0.0, |norms| norms.epsilon).into(),
        ])
    }
}

/// Attention of `queries` `(T, heads, head_dim)` whose keys and values are stored, `(T, heads * head_dim)`.
pub(crate) fn attend(
    attention: &Attention,
    queries: &Tensor,
    cache: &LayerCache,
    tables: &StepTables,
) -> Result<Tensor> {
    let (tokens, heads, width) = queries.dims3()?;
    let kv_heads = cache.keys.dim(1)?;
    let Some(suffix) = suffix(queries.dtype()) else { bail!("no attention of {:?}", queries.dtype()) };
    let out = to_fill((tokens, heads * width), queries.dtype(), queries.device())?;
    let tiling = Tiling::new(heads, kv_heads, width, tables);
    let mut arguments = vec![address(queries)?, heads.into(), kv_heads.into(), width.into()];
    arguments.extend(tiling.arguments(attention, cache, tables, &out)?);
    // Keys are not shared out.
    arguments.extend([1.into(), Argument::Address(0), Argument::Address(0)]);
    launch(
        queries.device(),
        (KernelFile::Attention, queries.dtype()),
        &tiling.kernel("attend", suffix),
        tiling.shape,
        &arguments,
    )?;
    Ok(out)
}

/// How the work of attention is dealt out.
struct Tiling {
    /// Keys that a block looks at together.
    chunk: usize,
    /// Components that a thread mixes.
    columns: usize,
    shape: LaunchShape,
}

impl Tiling {
    fn new(heads: usize, kv_heads: usize, width: usize, tables: &StepTables) -> Self {
        let asked = QUERIES * width;
        let chunk = ((SHARED / size_of::<f32>()).saturating_sub(asked) / (width + 1)).clamp(1, 32);
        let columns = width.div_ceil(THREADS).next_power_of_two();
        let blocks = (tables.tile_count, kv_heads, (heads / kv_heads).div_ceil(QUERIES));
        let shared = (asked + chunk * (width + 1)) * size_of::<f32>();
        Self { chunk, columns, shape: LaunchShape { blocks, threads: THREADS, shared } }
    }

    fn kernel(&self, name: &str, suffix: &str) -> String {
        format!("{name}_{suffix}_{}", self.columns)
    }

    fn arguments(
        &self,
        attention: &Attention,
        cache: &LayerCache,
        tables: &StepTables,
        out: &Tensor,
    ) -> Result<[Argument; 10]> {
        Ok([
            address(&cache.keys)?,
            address(&cache.values)?,
            address(out)?,
            address(&tables.tiles)?,
            address(&tables.blocks)?,
            BLOCK.into(),
            self.chunk.into(),
            attention.scale.into(),
            attention.cap.unwrap_or(0.0).into(),
            attention.window.unwrap_or(0).into(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gac_needs::needs;

    use super::*;
    use crate::cuda::shared_keys::counters;
    use crate::decoder::batch::{RaggedBatch, Segment, SlotRun};
    use crate::decoder::rope::Factors;
    use crate::decoder::step_tables::StepNumbers;
    use crate::device::DeviceSpec;
    use crate::kernel::Simd;

    #[needs(gpu)]
    #[test]
    fn attention_over_the_paged_cache_agrees_with_gathered_tensor_operations() -> Result<()> {
        let device = DeviceSpec::Cuda(0).open().map_err(candle_core::Error::wrap)?;
        let segments = Arc::new(vec![
            Segment { start: 0, length: 5, past: 0, blocks: vec![3] },
            Segment { start: 5, length: 1, past: 2 * BLOCK + 8, blocks: vec![7, 1, 9] },
            Segment { start: 6, length: 20, past: BLOCK - 3, blocks: vec![0, 5, 2] },
        ]);
        let batch = RaggedBatch {
            tokens: vec![0; 26],
            positions: vec![0; 26],
            factors: vec![Factors::Short; 26],
            runs: vec![SlotRun { row: 0, slot: 0, length: 26 }],
            segments: Arc::clone(&segments),
            ..RaggedBatch::default()
        };
        let cases = [(6, 2, 8), (3, 3, 64), (40, 2, 80), (4, 1, 128), (2, 1, 300), (2, 2, 512), (5, 1, 7)];
        for (heads, kv_heads, width) in cases {
            let random = |rows, heads| Tensor::randn(0f32, 1.0, (rows, heads, width), &device);
            let cache = LayerCache::new(random(10 * BLOCK, kv_heads)?, random(10 * BLOCK, kv_heads)?);
            let queries = random(26, heads)?;
            let tables = StepTables::new(&StepNumbers::new(&batch, rows_of_tile(heads, kv_heads), 0), &device)?;
            for (window, cap) in [(None, None), (Some(7), None), (None, Some(0.5)), (Some(BLOCK + 5), Some(0.5))] {
                let segments = Arc::clone(&segments);
                let attention = Attention { segments, scale: 0.25, cap, window, simd: Simd::detect() };
                let plain = attention.gathered(&queries, &cache, usize::MAX)?;
                let own = attend(&attention, &queries, &cache, &tables)?;
                let error = (plain - own)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                assert!(error < 2e-5, "{heads} heads over {kv_heads}, {width} wide, {window:?}, {cap:?}: {error}");
            }
        }
        assert!(takes_heads(512) && !takes_heads(513));
        Ok(())
    }

    #[needs(gpu)]
    #[test]
    fn kernels_for_steps_share_out_keys_and_say_what_the_others_say() -> Result<()> {
        let device = DeviceSpec::Cuda(0).open().map_err(candle_core::Error::wrap)?;
        for (heads, kv_heads, width) in [(6, 2, 16), (40, 2, 80), (2, 2, 264)] {
            for pasts in [vec![900], vec![5, 300, 127, 128], vec![40; 33]] {
                let blocks =
                    |past: usize, from: usize| (from..=from + past / BLOCK).map(|block| block as u32).collect();
                let mut segments = Vec::new();
                let mut from = 0;
                for (start, &past) in pasts.iter().enumerate() {
                    let segment = Segment { start, length: 1, past, blocks: blocks(past, from) };
                    from += segment.blocks.len();
                    segments.push(segment);
                }
                let slot =
                    |segment: &Segment| segment.blocks[segment.past / BLOCK] as usize * BLOCK + segment.past % BLOCK;
                let runs = segments.iter().map(|it| SlotRun { row: it.start, slot: slot(it), length: 1 }).collect();
                let batch = RaggedBatch {
                    tokens: vec![0; pasts.len()],
                    positions: pasts.iter().map(|&past| past as u32).collect(),
                    factors: vec![Factors::Short; pasts.len()],
                    runs,
                    segments: Arc::new(segments),
                    ..RaggedBatch::default()
                };
                let random = |rows, columns| Tensor::randn(0f32, 1.0, (rows, columns, width), &device);
                let mut cache = LayerCache::new(random(from * BLOCK, kv_heads)?, random(from * BLOCK, kv_heads)?);
                cache.counters = Some(counters(heads, kv_heads, &device)?);
                let rows = random(pasts.len(), heads + 2 * kv_heads)?.reshape((pasts.len(), ()))?;
                let projected = ProjectedHeads { rows, bias: None, norms: None, heads, kv_heads, head_dim: width };
                let tables = StepTables::new(&StepNumbers::new(&batch, rows_of_tile(heads, kv_heads), 0), &device)?;
                for (window, cap) in [(None, None), (Some(200), Some(0.5))] {
                    let segments = Arc::clone(&batch.segments);
                    let attention = Attention { segments, scale: 0.25, cap, window, simd: Simd::detect() };
                    let queries = projected.store(&cache, &tables)?;
                    let whole = attend(&attention, &queries, &cache, &tables)?;
                    let stored = cache.keys.copy()?;
                    for _ in 0..2 {
                        let shared = projected.decode(&attention, &cache, &tables)?;
                        let error = (&whole - shared)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                        assert!(error < 2e-5, "{heads} heads over {kv_heads}, {width} wide, {pasts:?}: {error}");
                    }
                    let moved = (&stored - &cache.keys)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                    assert_eq!(moved, 0.0, "keys are stored alike");
                }
            }
        }
        Ok(())
    }
}
