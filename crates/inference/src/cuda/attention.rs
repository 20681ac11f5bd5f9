//! Heads on their way from the projection, and attention over the paged cache.

use candle_core::{Result, Tensor, bail};

use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};
use crate::checkpoint::config::RopeStyle;
use crate::decoder::attention::Attention;
use crate::decoder::cache::LayerCache;
use crate::decoder::step_tables::StepTables;
use crate::kernel::BLOCK;

/// Threads of a block, and queries that it answers at most; as the kernels have them.
const THREADS: usize = 128;
const QUERIES: usize = 16;

/// Shared memory that any card has, less what the kernels declare themselves.
const SHARED: usize = (48 << 10) - (QUERIES * 32 + 3 * QUERIES) * size_of::<f32>();

/// The widest head that the kernels take.
const WIDEST: usize = 4 * THREADS;

/// Projected rows and what is done to their heads on the way.
pub(crate) struct ProjectedHeads<'a> {
    /// `(T, (heads + 2 kv_heads) * head_dim)`.
    pub(crate) rows: Tensor,
    pub(crate) bias: Option<&'a Tensor>,
    /// Weights of root mean square norms over each head of queries and of keys, and their epsilon.
    pub(crate) norms: Option<(&'a Tensor, &'a Tensor, f32)>,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
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
        let tiling = Tiling::new(self.heads, self.kv_heads, self.head_dim, tables);
        let mut arguments = self.arguments(cache, tables)?;
        arguments.extend(tiling.arguments(attention, cache, tables, &out)?);
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
        let (query_norm, key_norm, epsilon) =
            self.norms.map_or((None, None, 0.0), |(query, key, epsilon)| (Some(query), Some(key), epsilon));
        Ok(vec![
            address(&self.rows)?,
            address_or_null(self.bias)?,
            address_or_null(query_norm)?,
            address_or_null(key_norm)?,
            address_or_null(angles.map(|angles| &angles.cosines))?,
            address_or_null(angles.map(|angles| &angles.sines))?,
            address(&tables.slots)?,
            address(&tables.angles)?,
            self.heads.into(),
            self.kv_heads.into(),
            self.head_dim.into(),
            angles.map_or(Ok(0), |angles| angles.cosines.dim(1))?.into(),
            Argument::from(angles.is_some_and(|angles| angles.style == RopeStyle::Pairs)),
            epsilon.into(),
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
    use crate::decoder::batch::{RaggedBatch, Segment, SlotRun};
    use crate::decoder::rope::Factors;
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
            let tables = StepTables::new(&batch, rows_of_tile(heads, kv_heads), 0, &device)?;
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
}
