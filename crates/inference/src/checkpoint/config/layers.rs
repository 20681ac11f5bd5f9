//! What differs from layer to layer: windows, positions, the MLP.

use super::decoder::{ExpertsConfig, LayerConfig, MlpConfig};
use super::family::Family;
use super::fields::Problem;
use super::raw::{LayerType, RawConfig};

impl Family {
    /// Every layer, in order.
    pub(super) fn layers(self, raw: &RawConfig) -> Result<Vec<LayerConfig>, Problem> {
        let windows = self.windows(raw)?;
        // The second rotary embedding, where there is one, is that of layers with a window.
        let two_ropes = self == Self::Gemma3;
        windows
            .into_iter()
            .enumerate()
            .map(|(index, window)| {
                Ok(LayerConfig {
                    window,
                    rope: self.rotates(raw, index).then_some(usize::from(two_ropes && window.is_some())),
                    mlp: self.mlp(raw, index)?,
                })
            })
            .collect()
    }

    fn windows(self, raw: &RawConfig) -> Result<Vec<Option<usize>>, Problem> {
        let layers = raw.num_hidden_layers;
        let window = raw.sliding_window.or(self.defaults().window, None);
        if let Some(types) = raw.layer_types.as_ref().filter(|types| types.len() != layers) {
            return Err(("layer_types", format!("is of {} layers, but `num_hidden_layers` is {layers}", types.len())));
        }
        let listed = |default: &dyn Fn(usize) -> bool| {
            let slides = |layer: usize| match &raw.layer_types {
                Some(types) => types[layer] == LayerType::Sliding,
                None => default(layer),
            };
            (0..layers).map(|layer| window.filter(|_| slides(layer))).collect()
        };
        Ok(match self {
            Self::Mistral | Self::Mixtral | Self::StarCoder2 | Self::Phi3 => vec![window; layers],
            Self::Qwen2 | Self::Qwen2Moe | Self::Qwen3 | Self::Qwen3Moe | Self::SmolLm3 => {
                if !raw.use_sliding_window.unwrap_or(false) {
                    return Ok(vec![None; layers]);
                }
                let most = raw.max_window_layers.unwrap_or(28);
                match self {
                    Self::Qwen3Moe => vec![window; layers],
                    // A layer without positions sees a window.
                    Self::SmolLm3 => listed(&|layer| !self.rotates(raw, layer)),
                    Self::Qwen2Moe => listed(&|layer| layer.is_multiple_of(2) && layer < most),
                    _ => listed(&|layer| layer >= most),
                }
            }
            Self::Gemma2 => listed(&|layer| layer.is_multiple_of(2)),
            Self::Gemma3 => {
                let pattern = raw.sliding_window_pattern.unwrap_or(6).max(1);
                listed(&|layer| !(layer + 1).is_multiple_of(pattern))
            }
            _ => vec![None; layers],
        })
    }

    fn rotates(self, raw: &RawConfig, layer: usize) -> bool {
        match (self, &raw.no_rope_layers) {
            // The list says 1 where positions are used.
            (Self::SmolLm3, Some(layers)) => layers.get(layer) != Some(&0),
            (Self::SmolLm3, None) => !(layer + 1).is_multiple_of(raw.no_rope_layer_interval.unwrap_or(4).max(1)),
            _ => true,
        }
    }

    fn mlp(self, raw: &RawConfig, layer: usize) -> Result<MlpConfig, Problem> {
        let intermediate = raw.intermediate_size;
        let experts = |intermediate, renormalise, shared| {
            let need = |field, value: Option<usize>| match value {
                Some(value) if value > 0 => Ok(value),
                _ => Err((field, "is missing or 0".to_owned())),
            };
            let experts = need("num_experts", raw.num_experts)?;
            let active = need("num_experts_per_tok", raw.num_experts_per_tok)?;
            if active > experts {
                return Err(("num_experts_per_tok", format!("is {active}, there are {experts} experts")));
            }
            Ok(MlpConfig::Experts(ExpertsConfig { experts, active, intermediate, renormalise, shared }))
        };
        match self {
            Self::GptNeoX | Self::StarCoder2 => Ok(MlpConfig::Plain { intermediate }),
            Self::Mixtral => experts(intermediate, true, None),
            Self::Qwen2Moe | Self::Qwen3Moe => {
                let step = raw.decoder_sparse_step.unwrap_or(1).max(1);
                let dense = raw.mlp_only_layers.as_ref().is_some_and(|layers| layers.contains(&layer));
                if dense || !(layer + 1).is_multiple_of(step) {
                    return Ok(MlpConfig::Gated { intermediate });
                }
                let (width, shared) = match self {
                    Self::Qwen2Moe => (1408, Some(raw.shared_expert_intermediate_size.unwrap_or(5632))),
                    _ => (768, None),
                };
                experts(raw.moe_intermediate_size.unwrap_or(width), raw.norm_topk_prob.unwrap_or(false), shared)
            }
            _ => Ok(MlpConfig::Gated { intermediate }),
        }
    }
}
