//! Attention by candle-flash-attn's kernels, which read the paged cache in place (Dao 2023, arXiv 2307.08691).

use std::sync::OnceLock;

use candle_core::{DType, Device, Result, Tensor};

use super::attention::Attention;
use super::batch::Segment;
use super::cache::LayerCache;
use crate::kernel::BLOCK;

/// A batch's lengths and blocks where the kernels want them. They know nothing of layers, so all layers of a device
/// share one.
#[derive(Default)]
pub(crate) struct Paged {
    tables: OnceLock<PagedTables>,
}

/// [`Lengths`] on a device.
#[cfg_attr(not(feature = "flash-attn"), expect(dead_code, reason = "only the kernels read them"))]
struct PagedTables {
    lengths: Lengths,
    query_ends: Tensor,
    key_ends: Tensor,
    blocks: Tensor,
}

/// What the kernels are told of `S` sequences of different lengths.
#[derive(Debug, PartialEq, Eq)]
struct Lengths {
    /// Where each sequence's queries end, 0 first: `(S + 1,)`.
    query_ends: Vec<u32>,
    /// Where its keys would end if they stood one after the other, 0 first: `(S + 1,)`.
    key_ends: Vec<u32>,
    most_queries: usize,
    most_keys: usize,
    /// Blocks of each sequence, `(S, most blocks)`. What is beyond a sequence's keys is never read, and 0.
    blocks: Vec<u32>,
}

impl Paged {
    /// Attention of `queries` `(T, heads, head_dim)` over `cache`, `(T, heads * head_dim)`; none where the kernels are
    /// not compiled in or do not take the device, the type or the width.
    pub(crate) fn attend(&self, attention: &Attention, queries: &Tensor, cache: &LayerCache) -> Result<Option<Tensor>> {
        let (tokens, heads, width) = queries.dims3()?;
        let taken = cfg!(feature = "flash-attn")
            && queries.device().is_cuda()
            && matches!(queries.dtype(), DType::BF16 | DType::F16)
            && width.is_multiple_of(8)
            && width <= 512;
        if !taken {
            return Ok(None);
        }
        let by_block = |slots: &Tensor| slots.reshape(((), BLOCK, slots.dim(1)?, width));
        let (keys, values) = (by_block(&cache.keys)?, by_block(&cache.values)?);
        let tables = self.tables(&attention.segments, queries.device())?;
        let attended = call(attention, left(attention.window), tables, queries, [&keys, &values])?;
        Ok(Some(attended.reshape((tokens, heads * width))?))
    }

    /// Makes ready for another device: the tables are made there when something attends.
    pub(crate) fn leave_device(&mut self) {
        self.tables = OnceLock::new();
    }

    fn tables(&self, segments: &[Segment], device: &Device) -> Result<&PagedTables> {
        if let Some(tables) = self.tables.get() {
            return Ok(tables);
        }
        let lengths = Lengths::of(segments);
        let tables = PagedTables {
            query_ends: Tensor::new(lengths.query_ends.as_slice(), device)?,
            key_ends: Tensor::new(lengths.key_ends.as_slice(), device)?,
            blocks: Tensor::from_slice(&lengths.blocks, (segments.len(), ()), device)?,
            lengths,
        };
        Ok(self.tables.get_or_init(|| tables))
    }
}

impl Lengths {
    fn of(segments: &[Segment]) -> Self {
        let ends = |length: fn(&Segment) -> usize| {
            let mut ends = vec![0];
            ends.extend(segments.iter().scan(0, |end, segment| {
                *end += length(segment) as u32;
                Some(*end)
            }));
            ends
        };
        let most = |count: fn(&Segment) -> usize| segments.iter().map(count).max().unwrap_or(0);
        let queries = |segment: &Segment| segment.length;
        let keys = |segment: &Segment| segment.past + segment.length;
        let width = most(|segment| segment.blocks.len());
        let padded = |segment: &Segment| {
            let padding = std::iter::repeat_n(0, width - segment.blocks.len());
            segment.blocks.iter().copied().chain(padding).collect::<Vec<_>>()
        };
        Self {
            query_ends: ends(queries),
            key_ends: ends(keys),
            most_queries: most(queries),
            most_keys: most(keys),
            blocks: segments.iter().flat_map(padded).collect(),
        }
    }
}

/// How many tokens to the left of its own a query sees: the kernels do not count the token itself, as our windows do.
fn left(window: Option<usize>) -> Option<usize> {
    window.map(|window| window - 1)
}

#[cfg(feature = "flash-attn")]
fn call(
    attention: &Attention,
    left: Option<usize>,
    tables: &PagedTables,
    queries: &Tensor,
    [keys, values]: [&Tensor; 2],
) -> Result<Tensor> {
    candle_flash_attn::flash_attn_varlen_paged_windowed(
        queries,
        keys,
        values,
        &tables.query_ends,
        &tables.key_ends,
        &tables.blocks,
        None,
        tables.lengths.most_queries,
        tables.lengths.most_keys,
        attention.scale,
        left,
        // Causal: a sequence's last query is at its last key, and none sees what comes after its own.
        Some(0),
        BLOCK,
        attention.cap,
    )
}

#[cfg(not(feature = "flash-attn"))]
fn call(_: &Attention, _: Option<usize>, _: &PagedTables, _: &Tensor, _: [&Tensor; 2]) -> Result<Tensor> {
    candle_core::bail!("flash-attn was not compiled in")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::Simd;

    fn segments() -> Vec<Segment> {
        vec![
            Segment { start: 0, length: 5, past: 0, blocks: vec![3] },
            Segment { start: 5, length: 1, past: 2 * BLOCK + 8, blocks: vec![7, 1, 9] },
            Segment { start: 6, length: 20, past: BLOCK - 3, blocks: vec![0, 5] },
        ]
    }

    fn attention(window: Option<usize>, cap: Option<f32>) -> Attention {
        Attention { segments: Arc::new(segments()), scale: 0.125, cap, window, simd: Simd::detect() }
    }

    #[test]
    fn lengths_are_cumulative_and_blocks_padded_to_the_longest_sequence() -> Result<()> {
        let block = BLOCK as u32;
        let expected = Lengths {
            query_ends: vec![0, 5, 6, 26],
            key_ends: vec![0, 5, 14 + 2 * block, 31 + 3 * block],
            most_queries: 20,
            most_keys: (BLOCK + 17).max(2 * BLOCK + 9),
            blocks: vec![3, 0, 0, 7, 1, 9, 0, 5, 0],
        };
        assert_eq!(Lengths::of(&segments()), expected);

        let mut paged = Paged::default();
        let tables = paged.tables(&segments(), &Device::Cpu)?;
        assert_eq!(tables.blocks.dims(), [3, 3]);
        assert_eq!(tables.key_ends.to_vec1::<u32>()?, expected.key_ends);
        let of_first_layer = tables.blocks.id();
        assert_eq!(paged.tables(&segments(), &Device::Cpu)?.blocks.id(), of_first_layer, "made once");
        paged.leave_device();
        assert_ne!(paged.tables(&segments(), &Device::Cpu)?.blocks.id(), of_first_layer, "made anew elsewhere");
        Ok(())
    }

    #[test]
    fn a_window_of_the_kernels_shows_what_ours_does() {
        for window in [None, Some(1), Some(7), Some(1000)] {
            let attention = attention(window, None);
            for segment in segments() {
                let keys = segment.past + segment.length;
                for row in 0..segment.length {
                    // The kernels align the last query with the last key, then count to the left from there.
                    let own = row + keys - segment.length;
                    let first = left(window).map_or(0, |left| own.saturating_sub(left));
                    assert_eq!(attention.range(segment.past + row), (first, own + 1));
                }
            }
        }
    }

    #[cfg(feature = "flash-attn")]
    #[gac_needs::needs(gpu)]
    #[test]
    fn the_paged_kernels_agree_with_gathered_tensor_operations() -> Result<()> {
        let device = crate::device::DeviceSpec::Cuda(0).open().map_err(candle_core::Error::wrap)?;
        let (heads, kv_heads, slots) = (6, 2, 10 * BLOCK);
        for (dtype, width) in [(DType::BF16, 64), (DType::F16, 80), (DType::BF16, 256)] {
            let random = |rows, heads| Tensor::randn(0f32, 1.0, (rows, heads, width), &device)?.to_dtype(dtype);
            let cache = LayerCache::new(random(slots, kv_heads)?, random(slots, kv_heads)?);
            let queries = random(26, heads)?;
            let wide = |x: &Tensor| x.to_dtype(DType::F32);
            let exact = LayerCache::new(wide(&cache.keys)?, wide(&cache.values)?);
            for (window, cap) in [(None, None), (Some(7), None), (None, Some(0.5)), (Some(BLOCK + 5), Some(0.5))] {
                let attention = attention(window, cap);
                let plain = attention.gathered(&wide(&queries)?, &exact, usize::MAX)?;
                let Some(paged) = Paged::default().attend(&attention, &queries, &cache)? else {
                    panic!("{dtype:?}, {width} wide, is not taken");
                };
                let error = (plain - wide(&paged)?)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                assert!(error < 0.02, "{dtype:?}, {width} wide, window {window:?}, cap {cap:?}: {error}");
            }
        }
        Ok(())
    }
}
