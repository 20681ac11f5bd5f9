//! From the residual stream to queries, keys and values.

use candle_core::{Result, Tensor};

use super::layers::{Linear, StoredLinear};
use super::norm::{HeadNorms, Norm};
use crate::checkpoint::config::{DecoderConfig, Projections as Stored, QueryKeyNorm};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::weights::CheckpointTensors;
#[cfg(feature = "cuda")]
use crate::cuda::attention::{HeadNormKind, HeadNormWeights, ProjectedHeads};

/// Queries, keys and values of all heads, side by side: `(H, (heads + 2 kv_heads) * head_dim)`.
pub(crate) struct QueryKeyValue {
    joined: Linear,
    norms: Option<(HeadNorm, HeadNorm)>,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

enum HeadNorm {
    Shared(Norm),
    Own(HeadNorms),
    Whole(Norm),
}

impl QueryKeyValue {
    /// Reads the projections of the layer whose tensors begin with `prefix`.
    pub(crate) fn load(
        config: &DecoderConfig,
        weights: &CheckpointTensors,
        prefix: &str,
    ) -> std::result::Result<Self, CheckpointError> {
        let DecoderConfig { hidden, heads, kv_heads, head_dim, .. } = *config;
        let (wide, narrow) = (heads * head_dim, kv_heads * head_dim);
        let name = |part: &str| format!("{prefix}.{part}");
        let joined = match config.names.projections {
            Stored::Separate([query, key, value]) => StoredLinear::load_joined(
                weights,
                &[(name(query), wide), (name(key), narrow), (name(value), narrow)],
                hidden,
                config.biases.qkv,
            )?,
            Stored::Joined(all) => {
                StoredLinear::load(weights, &name(all), (hidden, wide + 2 * narrow), config.biases.qkv)?
            }
            Stored::Grouped(all) => {
                let stored = StoredLinear::load(weights, &name(all), (hidden, wide + 2 * narrow), config.biases.qkv)?;
                stored.map(|rows| ungroup(rows, heads, kv_heads, head_dim)).map_err(|e| weights.unreadable(&e))?
            }
        };
        let joined = joined.ready(weights, weights.quantization()).map_err(|e| weights.unreadable(&e))?;
        let norm = |part: &str, heads: usize| -> std::result::Result<Option<HeadNorm>, CheckpointError> {
            let name = name(part);
            Ok(match config.query_key_norm {
                QueryKeyNorm::None => None,
                QueryKeyNorm::PerHead => Some(HeadNorm::Shared(Norm::load(weights, &name, head_dim, config.norm)?)),
                QueryKeyNorm::PerHeadOwnWeights => {
                    Some(HeadNorm::Own(HeadNorms::load(weights, &name, (heads, head_dim), config.norm.epsilon)?))
                }
                QueryKeyNorm::Whole => {
                    Some(HeadNorm::Whole(Norm::load(weights, &name, heads * head_dim, config.norm)?))
                }
            })
        };
        let norms = norm(config.names.query_norm, heads)?.zip(norm(config.names.key_norm, kv_heads)?);
        Ok(Self { joined, norms, heads, kv_heads, head_dim })
    }

    /// `(T, (heads + 2 kv_heads) * head_dim)`, queries and keys normed but not rotated, of what `product` makes of the joined
    /// layer.
    pub(crate) fn forward(&self, product: impl FnOnce(&Linear) -> Result<Tensor>) -> Result<Tensor> {
        self.normed(self.joined.biased(product(&self.joined)?)?)
    }

    /// Projected rows, queries and keys normed.
    fn normed(&self, projected: Tensor) -> Result<Tensor> {
        let Some((query_norm, key_norm)) = &self.norms else { return Ok(projected) };
        let (wide, narrow) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let queries = query_norm.forward(&projected.narrow(1, 0, wide)?, self.heads, self.head_dim)?;
        let keys = key_norm.forward(&projected.narrow(1, wide, narrow)?, self.kv_heads, self.head_dim)?;
        Tensor::cat(&[&queries, &keys, &projected.narrow(1, wide + narrow, narrow)?.contiguous()?], 1)
    }
}

#[cfg(feature = "cuda")]
impl QueryKeyValue {
    /// Rows as the kernels of attention take them, of what `product` makes of the joined layer, without its bias: that and
    /// norms are left to the kernels, but for norms that have a bias.
    pub(crate) fn heads(&self, product: impl FnOnce(&Linear) -> Result<Tensor>) -> Result<ProjectedHeads<'_>> {
        let Self { joined, norms, heads, kv_heads, head_dim } = self;
        let norms = norms.as_ref().map(|(query, key)| norm_weights(query, key));
        let rows = product(joined)?;
        let (rows, bias) = match norms {
            Some(None) => (self.normed(joined.biased(rows)?)?, None),
            _ => (rows, joined.bias()),
        };
        let norms = norms.flatten();
        Ok(ProjectedHeads { rows, bias, norms, heads: *heads, kv_heads: *kv_heads, head_dim: *head_dim })
    }
}

/// Norms as the kernels take them; none for those with a bias.
#[cfg(feature = "cuda")]
fn norm_weights<'a>(query: &'a HeadNorm, key: &'a HeadNorm) -> Option<HeadNormWeights<'a>> {
    let (query, key, epsilon, kind) = match (query, key) {
        (HeadNorm::Shared(query), HeadNorm::Shared(key)) if !query.has_bias() && !key.has_bias() => {
            (query.weights().weight, key.weights().weight, query.weights().epsilon, HeadNormKind::Shared)
        }
        (HeadNorm::Whole(query), HeadNorm::Whole(key)) if !query.has_bias() && !key.has_bias() => {
            (query.weights().weight, key.weights().weight, query.weights().epsilon, HeadNormKind::Whole)
        }
        (HeadNorm::Own(query), HeadNorm::Own(key)) => {
            (query.weight(), key.weight(), query.epsilon() as f32, HeadNormKind::Own)
        }
        _ => return None,
    };
    Some(HeadNormWeights { query, key, epsilon, kind })
}

impl HeadNorm {
    /// `(T, heads * head_dim)` to the same shape.
    fn forward(&self, input: &Tensor, heads: usize, head_dim: usize) -> Result<Tensor> {
        let input = input.contiguous()?;
        let by_head = || input.reshape(((), heads, head_dim));
        match self {
            Self::Whole(norm) => norm.forward(&input),
            Self::Shared(norm) => norm.forward(&by_head()?)?.reshape(input.shape()),
            Self::Own(norms) => norms.forward(&by_head()?)?.reshape(input.shape()),
        }
    }
}

/// Puts rows that are stored per key head (its queries, the key, the value) in the order queries, keys, values.
fn ungroup(rows: &Tensor, heads: usize, kv_heads: usize, head_dim: usize) -> Result<Tensor> {
    let group = heads / kv_heads;
    let shape = rows.dims().to_vec();
    let inner: usize = shape[1..].iter().product();
    let grouped = rows.reshape((kv_heads, group + 2, head_dim * inner))?;
    let part = |from, count| grouped.narrow(1, from, count)?.contiguous()?.reshape(((), inner));
    Tensor::cat(&[part(0, group)?, part(group, 1)?, part(group + 1, 1)?], 0)?.reshape(shape)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn rows_stored_per_key_head_are_put_in_order() -> Result<()> {
        // Two key heads with two queries each, heads of one component.
        let rows = Tensor::new(&[0f32, 1., 10., 20., 2., 3., 11., 21.], &Device::Cpu)?;
        assert_eq!(ungroup(&rows, 4, 2, 1)?.to_vec1::<f32>()?, [0., 1., 2., 3., 10., 11., 20., 21.]);
        Ok(())
    }
}
