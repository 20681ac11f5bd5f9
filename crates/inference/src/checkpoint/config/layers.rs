//! What differs from layer to layer: windows, positions, the MLP.

use super::architecture::{Architecture, Mlps, Windows};
use super::decoder::{ExpertsConfig, LayerConfig, MlpConfig};
use super::fields::Problem;
use super::raw::{LayerType, RawConfig};

impl Architecture {
    /// Every layer, in order.
    pub(super) fn layers(&self, raw: &RawConfig) -> Result<Vec<LayerConfig>, Problem> {
        // The second rotary embedding, where there is one, is that of layers with a window.
        let two_ropes = self.sliding_theta.is_some();
        self.layer_windows(raw)?
            .into_iter()
            .enumerate()
            .map(|(index, window)| {
                Ok(LayerConfig {
                    window,
                    rope: (self.rotates)(raw, index).then_some(usize::from(two_ropes && window.is_some())),
                    mlp: self.layer_mlp(raw, index)?,
                })
            })
            .collect()
    }

    fn layer_windows(&self, raw: &RawConfig) -> Result<Vec<Option<usize>>, Problem> {
        let layers = raw.num_hidden_layers;
        let window = raw.sliding_window.or(self.defaults.window, None);
        if let Some(types) = raw.layer_types.as_ref().filter(|types| types.len() != layers) {
            return Err(("layer_types", format!("is of {} layers, but `num_hidden_layers` is {layers}", types.len())));
        }
        if self.windows_are_opt_in && !raw.use_sliding_window.unwrap_or(false) {
            return Ok(vec![None; layers]);
        }
        Ok(match self.windows {
            Windows::None => vec![None; layers],
            Windows::Every => vec![window; layers],
            Windows::Listed(default) => {
                let slides = |layer: usize| match &raw.layer_types {
                    Some(types) => types[layer] == LayerType::Sliding,
                    None => default(raw, layer),
                };
                (0..layers).map(|layer| window.filter(|_| slides(layer))).collect()
            }
        })
    }

    fn layer_mlp(&self, raw: &RawConfig, layer: usize) -> Result<MlpConfig, Problem> {
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
        match self.mlp {
            Mlps::Gated => Ok(MlpConfig::Gated { intermediate }),
            Mlps::Plain => Ok(MlpConfig::Plain { intermediate }),
            Mlps::Experts => experts(intermediate, true, None),
            Mlps::SparseExperts { intermediate: width, shared } => {
                let step = raw.decoder_sparse_step.unwrap_or(1).max(1);
                let dense = raw.mlp_only_layers.as_ref().is_some_and(|layers| layers.contains(&layer));
                if dense || !(layer + 1).is_multiple_of(step) {
                    return Ok(MlpConfig::Gated { intermediate });
                }
                let shared = shared.map(|width| raw.shared_expert_intermediate_size.unwrap_or(width));
                experts(raw.moe_intermediate_size.unwrap_or(width), raw.norm_topk_prob.unwrap_or(false), shared)
            }
        }
    }
}
