//! Checkpoints whose weights are quantised in ways that are not read: said to be that, by name.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::CheckpointError;

/// What `quant_method` says, and what it is called.
const METHODS: [(&str, &str); 22] = [
    ("aqlm", "AQLM"),
    ("auto-round", "AutoRound"),
    ("awq", "AWQ"),
    ("bitnet", "BitNet"),
    ("bitsandbytes", "bitsandbytes"),
    ("compressed-tensors", "compressed-tensors"),
    ("eetq", "EETQ"),
    ("exl2", "EXL2"),
    ("exl3", "EXL3"),
    ("fbgemm_fp8", "FBGEMM FP8"),
    ("fp8", "FP8"),
    ("fp_quant", "FP-Quant"),
    ("gptq", "GPTQ"),
    ("higgs", "HIGGS"),
    ("hqq", "HQQ"),
    ("modelopt", "NVIDIA ModelOpt"),
    ("mxfp4", "MXFP4"),
    ("quanto", "Quanto"),
    ("quark", "Quark"),
    ("spqr", "SpQR"),
    ("torchao", "torchao"),
    ("vptq", "VPTQ"),
];

/// Ends of names that only quantised checkpoints have, and what those are called.
const TELL_TALES: [(&str, &str); 17] = [
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".absmax", "bitsandbytes"),
    (".quant_map", "bitsandbytes"),
    (".quant_state.bitsandbytes__nf4", "bitsandbytes"),
    (".quant_state.bitsandbytes__fp4", "bitsandbytes"),
    (".SCB", "bitsandbytes"),
    (".weight_scale_inv", "FP8"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale", "FP8 or compressed-tensors"),
    (".W_q", "HQQ"),
    (".weight_scales", "EETQ"),
    (".weight._data", "Quanto"),
    (".codebooks", "AQLM"),
    (".q_weight", "EXL2"),
    ("_proj_blocks", "MXFP4"),
    ("_proj_scales", "MXFP4"),
];

/// Refuses a configuration that says that the weights are quantised.
pub(crate) fn refuse_configured(config: &Map<String, Value>, path: &Path) -> Result<(), CheckpointError> {
    let said = |field: &'static str, method: &str| {
        let known = METHODS.iter().find(|(name, _)| *name == method).map_or(method, |(_, title)| title);
        Err(CheckpointError::Quantised {
            method: known.to_owned(),
            place: format!("`{field}` in `{}`", path.display()),
        })
    };
    for field in ["quantization_config", "compression_config"] {
        let quantised = match config.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(quantised)) => quantised,
            Some(other) => {
                return Err(CheckpointError::Config {
                    field,
                    path: path.display().to_string(),
                    problem: format!("is {other}, must be an object"),
                });
            }
        };
        let method = quantised.get("quant_method").and_then(Value::as_str);
        let is = |name: &str| quantised.get(name).and_then(Value::as_bool);
        match method {
            // What a fine-tuning left behind that had loaded a model whole.
            None | Some("bitsandbytes") if is("load_in_4bit") == Some(false) && is("load_in_8bit") == Some(false) => {}
            Some(method) => return said(field, method),
            None if is("load_in_4bit").is_some() || is("load_in_8bit").is_some() => return said(field, "bitsandbytes"),
            None if field == "compression_config" || quantised.contains_key("config_groups") => {
                return said(field, "compressed-tensors");
            }
            None if !quantised.is_empty() => return said(field, "an unnamed method"),
            None => {}
        }
    }
    match config.get("quantization") {
        Some(Value::Object(mlx)) if mlx.contains_key("bits") => said("quantization", "MLX"),
        _ => Ok(()),
    }
}

/// Refuses weights of which some are of the kind that only quantised checkpoints have.
pub(super) fn refuse_named<'n>(mut tensors: impl Iterator<Item = &'n str>, model: &str) -> Result<(), CheckpointError> {
    let found = tensors.find_map(|tensor| {
        let (_, method) = TELL_TALES.iter().find(|(end, _)| tensor.ends_with(end))?;
        Some((tensor, *method))
    });
    match found {
        None => Ok(()),
        Some((tensor, method)) => Err(CheckpointError::Quantised {
            method: method.to_owned(),
            place: format!("the tensor `{tensor}` of `{model}`"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(config: &Value) -> Option<String> {
        refuse_configured(config.as_object().unwrap(), Path::new("m/config.json")).err().map(|error| error.to_string())
    }

    #[test]
    fn a_quantised_checkpoint_is_said_to_be_that_by_its_method() {
        for (config, method) in [
            (json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}), "GPTQ"),
            (json!({"quantization_config": {"quant_method": "awq"}}), "AWQ"),
            (json!({"quantization_config": {"quant_method": "fp8"}}), "FP8"),
            (json!({"quantization_config": {"load_in_4bit": true, "quant_method": "bitsandbytes"}}), "bitsandbytes"),
            (json!({"quantization_config": {"load_in_8bit": true, "load_in_4bit": false}}), "bitsandbytes"),
            (json!({"quantization_config": {"quant_method": "compressed-tensors"}}), "compressed-tensors"),
            (json!({"compression_config": {"config_groups": {}}}), "compressed-tensors"),
            (json!({"quantization_config": {"quant_method": "mxfp4"}}), "MXFP4"),
            (json!({"quantization_config": {"quant_method": "brand-new"}}), "brand-new"),
            (json!({"quantization": {"group_size": 64, "bits": 4}}), "MLX"),
        ] {
            let said = refused(&config).unwrap();
            assert!(said.contains(method) && said.contains("m/config.json"), "{config}: {said}");
        }
    }

    #[test]
    fn what_says_nothing_of_quantisation_is_a_wrong_field() {
        let error = refused(&json!({"quantization_config": 4})).unwrap();
        assert_eq!(error, "`quantization_config` in `m/config.json` is 4, must be an object");
    }

    #[test]
    fn settings_that_quantise_nothing_are_no_obstacle() {
        for config in [
            json!({}),
            json!({"quantization_config": null}),
            json!({"quantization_config": {}}),
            json!({"quantization_config": {"load_in_4bit": false, "load_in_8bit": false, "quant_method": "bitsandbytes"}}),
        ] {
            assert_eq!(refused(&config), None, "{config}");
        }
    }

    #[test]
    fn tensors_tell_where_the_configuration_does_not() {
        for (tensor, method) in [
            ("model.layers.0.self_attn.q_proj.qweight", "GPTQ or AWQ"),
            ("model.layers.0.mlp.up_proj.weight.absmax", "bitsandbytes"),
            ("model.layers.0.mlp.up_proj.weight_scale_inv", "FP8"),
            ("model.layers.0.mlp.experts.gate_up_proj_blocks", "MXFP4"),
        ] {
            let error = refuse_named(["model.embed_tokens.weight", tensor].into_iter(), "m").unwrap_err().to_string();
            assert!(error.contains(method) && error.contains(tensor), "{error}");
        }
        assert!(refuse_named(["lm_head.weight", "model.layers.0.mlp.gate_proj.weight"].into_iter(), "m").is_ok());
    }
}
