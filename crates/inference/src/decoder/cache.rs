//! Keys and values of all sequences, in blocks.

#[cfg(feature = "cuda")]
use candle_core::Device;
use candle_core::{DType, Result, Shape, Tensor};
use half::bf16;
use half::vec::HalfBitsVecExt;

use super::batch::SlotRun;
use super::blocks::BlockCopy;
#[cfg(feature = "cuda")]
use super::blocks::BlockId;
use super::layer_device::LayerDevice;
#[cfg(feature = "cuda")]
use super::rope::{AngleTable, RopeTable};
use crate::checkpoint::config::DecoderConfig;
#[cfg(feature = "cuda")]
use crate::checkpoint::config::RopeConfig;
use crate::compute_type::ComputeType;
use crate::cpu::fused;
#[cfg(feature = "cuda")]
use crate::cuda::shared_keys::counters;
use crate::kernel::{BLOCK, LANES, components_together};

/// One layer's keys and values. Slot `block * BLOCK + offset` holds one token.
pub(crate) struct LayerCache {
    /// `(blocks * BLOCK, kv_heads, head_dim)`; on the CPU `(blocks * BLOCK / LANES, kv_heads, head_dim, LANES)`, as its
    /// kernel reads them, and where it computes in bfloat16 `(blocks * BLOCK / LANES, kv_heads, head_dim / 2, LANES, 2)`.
    pub(crate) keys: Tensor,
    /// `(blocks * BLOCK, kv_heads, head_dim)`; on the CPU, with so many [components `together`](components_together),
    /// `(blocks * BLOCK / LANES, kv_heads, head_dim / together, LANES, together)`, and where it computes in bfloat16
    /// `(blocks * BLOCK / LANES, kv_heads, head_dim / together, LANES / 2, together, 2)`.
    pub(crate) values: Tensor,
    /// What positions are turned by, on an NVIDIA GPU; none where the layer has no positions.
    #[cfg(feature = "cuda")]
    pub(crate) angles: Option<AngleTable>,
    /// By which blocks of the step's attention know who is last, on an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    pub(crate) counters: Option<Tensor>,
}

/// Keys and values of every layer.
pub(crate) struct PagedCache {
    layers: Vec<LayerCache>,
    /// Blocks that sequences can have.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "only GPUs have one more"))]
    blocks: usize,
    /// Positions that a sequence can have.
    positions: usize,
}

impl PagedCache {
    /// Room for `blocks` blocks; each layer's are on its own one of `devices`. On the CPU, which computes in `compute`, the
    /// pages are only claimed as they are written, and those of different layers by different tokens.
    pub(crate) fn new<'p>(
        config: &DecoderConfig,
        blocks: usize,
        compute: ComputeType,
        devices: impl IntoIterator<Item = &'p LayerDevice>,
    ) -> Result<Self> {
        let DecoderConfig { kv_heads, head_dim, .. } = *config;
        let slots = |blocks| (blocks * BLOCK, kv_heads, head_dim);
        let (vectors, together) = (blocks * BLOCK / LANES, components_together(head_dim));
        let devices: Vec<&LayerDevice> = devices.into_iter().collect();
        let cached = cached_type(compute, head_dim);
        let mut on_cpu = CpuTensors::new(blocks * BLOCK * kv_heads * head_dim, cached, &devices)?;
        let positions = config.context.min(blocks * BLOCK);
        #[cfg(feature = "cuda")]
        let mut tables = AngleTables { ropes: &config.ropes, positions, made: Vec::new() };
        #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "the index is of a GPU's tables"))]
        let layer = |(index, LayerDevice { device, dtype }): (usize, &LayerDevice)| {
            if fused(device) {
                return Ok(match cached {
                    DType::BF16 => LayerCache::new(
                        on_cpu.take((vectors, kv_heads, head_dim / 2, LANES, 2))?,
                        on_cpu.take([vectors, kv_heads, head_dim / together, LANES / 2, together, 2].as_slice())?,
                    ),
                    _ => LayerCache::new(
                        on_cpu.take((vectors, kv_heads, head_dim, LANES))?,
                        on_cpu.take((vectors, kv_heads, head_dim / together, LANES, together))?,
                    ),
                });
            }
            // One more is nobody's: rows that fill up a captured step write there.
            let [keys, values] = [(); 2].map(|()| Tensor::zeros(slots(blocks + 1), *dtype, device));
            Ok(LayerCache {
                #[cfg(feature = "cuda")]
                angles: config.layers[index].rope.map(|rope| tables.on(rope, device)).transpose()?,
                #[cfg(feature = "cuda")]
                counters: device.is_cuda().then(|| counters(config.heads, kv_heads, device)).transpose()?,
                ..LayerCache::new(keys?, values?)
            })
        };
        Ok(Self { layers: devices.into_iter().enumerate().map(layer).collect::<Result<_>>()?, blocks, positions })
    }

    /// Positions that a sequence can have.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// The block that is nobody's. On the CPU there is none.
    #[cfg(feature = "cuda")]
    pub(crate) fn spare_block(&self) -> BlockId {
        self.blocks as BlockId
    }

    pub(crate) fn layer(&self, index: usize) -> &LayerCache {
        &self.layers[index]
    }

    /// Copies the beginning of a block into another, in every layer.
    pub(crate) fn copy(&mut self, copy: BlockCopy) -> Result<()> {
        let (from, to) = (copy.from as usize * BLOCK, copy.to as usize * BLOCK);
        for layer in &self.layers {
            for tensor in [&layer.keys, &layer.values] {
                // On the CPU, vectors of tokens.
                let together = if tensor.rank() > 3 { LANES } else { 1 };
                let (from, to, count) = (from / together, to / together, copy.tokens.div_ceil(together));
                // Not `copy`, which clones all of the storage behind a view.
                let part = tensor.narrow(0, from, count)?.force_contiguous()?;
                tensor.slice_set(&part, 0, to)?;
            }
        }
        Ok(())
    }
}

/// What the CPU keeps keys and values in, which have heads of `head_dim` components.
pub(crate) fn cached_type(compute: ComputeType, head_dim: usize) -> DType {
    match compute {
        // Components come in pairs.
        ComputeType::Bf16 if head_dim.is_multiple_of(2) => DType::BF16,
        _ => DType::F32,
    }
}

/// What positions are turned by, made once for each device and rotary embedding.
#[cfg(feature = "cuda")]
struct AngleTables<'c> {
    ropes: &'c [RopeConfig],
    positions: usize,
    made: Vec<(usize, Device, AngleTable)>,
}

#[cfg(feature = "cuda")]
impl AngleTables<'_> {
    fn on(&mut self, rope: usize, device: &Device) -> Result<AngleTable> {
        let made = self.made.iter().find(|(of, on, _)| *of == rope && on.same_device(device));
        if let Some((_, _, table)) = made {
            return Ok(table.clone());
        }
        let table = RopeTable::new(&self.ropes[rope]).table(self.positions, device)?;
        self.made.push((rope, device.clone(), table.clone()));
        Ok(table)
    }
}

/// What the system clears at once when a page is first written, where it has large pages.
const LARGE_PAGE: usize = 2 << 20;

/// Keys and values of all layers on the CPU: tensors of equally many elements that lie in one piece of memory. What a model
/// is given in one large piece comes from the system as zeros that claim nothing, and goes back to it with the model; small
/// pieces are kept by the allocator, which clears them, and so claims all of them, for the next model's.
struct CpuTensors {
    all: Option<Tensor>,
    /// Elements of a tensor.
    each: usize,
    /// Elements from the beginning of one to that of the next.
    stride: usize,
    taken: usize,
}

impl CpuTensors {
    /// Two tensors of `each` elements for every one of `devices` that is the CPU. One that is longer than a large page
    /// begins in another part of one than all others do. Tensors that are filled alike would else all reach their next pages
    /// with the same token, and whoever streams would wait until all of them are cleared.
    fn new(each: usize, dtype: DType, devices: &[&LayerDevice]) -> Result<Self> {
        let mut devices = devices.iter().filter(|layer| fused(&layer.device));
        let count = 2 * devices.clone().count();
        let Some(LayerDevice { device, .. }) = devices.next() else {
            return Ok(Self { all: None, each, stride: each, taken: 0 });
        };
        let page = LARGE_PAGE / dtype.size_in_bytes();
        let stride =
            if each < page { each } else { each.next_multiple_of(page) + (page / count).next_multiple_of(LANES) };
        let all = match dtype {
            // Of zeros of this type the standard library does not know that the system has them: it would write them.
            DType::BF16 => {
                Tensor::from_vec(vec![0u16; count * stride].reinterpret_into::<bf16>(), count * stride, device)
            }
            _ => Tensor::zeros(count * stride, dtype, device),
        }?;
        Ok(Self { all: Some(all), each, stride, taken: 0 })
    }

    /// The next one.
    fn take(&mut self, shape: impl Into<Shape>) -> Result<Tensor> {
        let Some(all) = &self.all else { candle_core::bail!("a layer on the CPU without a cache there") };
        self.taken += 1;
        all.narrow(0, (self.taken - 1) * self.stride, self.each)?.reshape(shape.into())
    }
}

impl LayerCache {
    pub(crate) fn new(keys: Tensor, values: Tensor) -> Self {
        Self {
            keys,
            values,
            #[cfg(feature = "cuda")]
            angles: None,
            #[cfg(feature = "cuda")]
            counters: None,
        }
    }

    /// Writes the batch's keys and values, `(T, kv_heads, head_dim)` each, to their slots.
    pub(crate) fn write(&self, keys: &Tensor, values: &Tensor, runs: &[SlotRun]) -> Result<()> {
        for run in runs {
            self.keys.slice_set(&keys.narrow(0, run.row, run.length)?, 0, run.slot)?;
            self.values.slice_set(&values.narrow(0, run.row, run.length)?, 0, run.slot)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn tensors_that_are_filled_alike_reach_their_next_large_pages_at_different_tokens() -> Result<()> {
        let cpu = LayerDevice { device: Device::Cpu, dtype: DType::F32 };
        let shape = (3 * LARGE_PAGE / 64, 2, 8);
        let mut tensors = CpuTensors::new(shape.0 * 16, DType::F32, &[&cpu; 4])?;
        let mut taken = Vec::new();
        for _ in 0..8 {
            let tensor = tensors.take(shape)?;
            assert_eq!((tensor.dims3()?, tensor.is_contiguous()), (shape, true));
            taken.push(tensor.layout().start_offset() * size_of::<f32>());
        }
        assert!(taken.is_sorted() && taken[1] - taken[0] >= 3 * LARGE_PAGE, "{taken:?}");
        let mut parts: Vec<usize> = taken.iter().map(|at| at % LARGE_PAGE).collect();
        parts.sort_unstable();
        assert!(parts.windows(2).all(|pair| pair[1] - pair[0] >= LARGE_PAGE / 8), "{parts:?}");
        Ok(())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_claimed_as_it_is_written() -> Result<()> {
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
            pages.split_whitespace().nth(1)?.parse::<usize>().ok()
        };
        let cpu = LayerDevice { device: Device::Cpu, dtype: DType::F32 };
        for dtype in [DType::F32, DType::BF16] {
            let before = resident();
            // 4 GiB and 2 GiB, in pages of 4 KiB at least.
            let tensors = CpuTensors::new(1 << 29, dtype, &[&cpu])?;
            let claimed = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
            assert!(claimed.is_some_and(|pages| pages < 1 << 17), "{dtype:?}: {claimed:?} pages");
            drop(tensors);
        }
        Ok(())
    }

    #[test]
    fn small_tensors_lie_side_by_side() -> Result<()> {
        let cpu = LayerDevice { device: Device::Cpu, dtype: DType::F32 };
        let mut tensors = CpuTensors::new(48, DType::F32, &[&cpu])?;
        let (keys, values) = (tensors.take((1, 3, 16))?, tensors.take((16, 3))?);
        assert_eq!((keys.layout().start_offset(), values.layout().start_offset()), (0, 48));
        values.slice_set(&Tensor::ones((2, 3), DType::F32, &Device::Cpu)?, 0, 14)?;
        assert_eq!(keys.flatten_all()?.to_vec1::<f32>()?, [0.0; 48]);
        assert_eq!(values.to_vec2::<f32>()?, [[[0.0; 3]; 14].as_slice(), &[[1.0; 3]; 2]].concat());
        Ok(())
    }
}
