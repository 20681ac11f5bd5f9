//! Checkpoints as GGUF files, as llama.cpp's converter writes them: its names, its order of rows, its metadata.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use serde_json::Value as Json;

/// A copy of a fixture whose layers are those of the fixture in `layers`, with `change`d configuration.
pub(crate) fn relayered(fixture: &Path, layers: &[usize], change: impl FnOnce(&mut Json)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut config: Json = serde_json::from_slice(&std::fs::read(fixture.join("config.json")).unwrap()).unwrap();
    config["num_hidden_layers"] = layers.len().into();
    change(&mut config);
    std::fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    let stored = candle_core::safetensors::load(fixture.join("model.safetensors"), &Device::Cpu).unwrap();
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    for (name, tensor) in stored {
        let Some((before, rest)) = name.split_once("layers.") else {
            tensors.insert(name, tensor);
            continue;
        };
        let (old, rest) = rest.split_once('.').unwrap();
        for (new, _) in layers.iter().enumerate().filter(|(_, layer)| layer.to_string() == old) {
            tensors.insert(format!("{before}layers.{new}.{rest}"), tensor.clone());
        }
    }
    candle_core::safetensors::save(&tensors, copy.path().join("model.safetensors")).unwrap();
    copy
}

/// The sizes that decide how rows are ordered.
struct Heads {
    queries: usize,
    keys: usize,
    width: usize,
}

/// Names of the converter by those of transformers, in the order in which they are replaced.
fn names(architecture: &str) -> Vec<(&'static str, &'static str)> {
    let mut names = match architecture {
        "gemma2" | "gemma3" | "olmo2" => vec![("post_attention_layernorm", "post_attention_norm")],
        "glm4" => vec![
            ("post_self_attn_layernorm", "post_attention_norm"),
            ("post_mlp_layernorm", "post_ffw_norm"),
            ("mlp.gate_up_proj", "ffn_up"),
        ],
        "phi3" => vec![("mlp.gate_up_proj", "ffn_up")],
        _ => Vec::new(),
    };
    names.extend([
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        // GPT-NeoX
        ("gpt_neox.embed_in", "token_embd"),
        ("gpt_neox.layers", "blk"),
        ("gpt_neox.final_layer_norm", "output_norm"),
        ("embed_out", "output"),
        ("attention.query_key_value", "attn_qkv"),
        ("attention.dense", "attn_output"),
        ("mlp.dense_h_to_4h", "ffn_up"),
        ("mlp.dense_4h_to_h", "ffn_down"),
        // InternLM2
        ("model.tok_embeddings", "token_embd"),
        ("attention.wqkv", "attn_qkv"),
        ("attention.wo", "attn_output"),
        (".attention_norm", ".attn_norm"),
        ("feed_forward.w1", "ffn_gate"),
        ("feed_forward.w3", "ffn_up"),
        ("feed_forward.w2", "ffn_down"),
        // StarCoder2
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
        // Experts
        ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
        ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"),
        ("mlp.shared_expert.up_proj", "ffn_up_shexp"),
        ("mlp.shared_expert.down_proj", "ffn_down_shexp"),
        ("block_sparse_moe.gate", "ffn_gate_inp"),
        ("block_sparse_moe.experts", "mlp.experts"),
        (".w1.", ".gate_proj."),
        (".w3.", ".up_proj."),
        (".w2.", ".down_proj."),
        ("mlp.gate.", "ffn_gate_inp."),
        // Most
        ("model.embed_tokens", "token_embd"),
        ("model.layers", "blk"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_layernorm", "attn_q_norm"),
        ("self_attn.k_layernorm", "attn_k_norm"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("self_attn.", "attn_"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("_proj.", "."),
    ]);
    names
}

/// Rows of heads whose halves are rotated together, put in the order in which neighbours are.
fn permuted(tensor: &Tensor, heads: usize) -> Tensor {
    let (rows, columns) = tensor.dims2().unwrap();
    let halves = tensor.reshape((heads, 2, rows / heads / 2, columns)).unwrap();
    halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, columns)).unwrap()
}

/// Rows that are stored per key head, as queries, keys and values.
fn ungrouped(tensor: &Tensor, heads: &Heads) -> [Tensor; 3] {
    let columns: usize = tensor.dims()[1..].iter().product();
    let group = heads.queries / heads.keys;
    let grouped = tensor.reshape((heads.keys, group + 2, heads.width * columns)).unwrap();
    [(0, group), (group, 1), (group + 1, 1)].map(|(from, count)| {
        let part = grouped.narrow(1, from, count).unwrap().contiguous().unwrap();
        let rows = heads.keys * count * heads.width;
        if tensor.dims().len() == 1 { part.reshape(rows) } else { part.reshape((rows, columns)) }.unwrap()
    })
}

/// The tensors under the converter's names and in its order.
fn converted(stored: HashMap<String, Tensor>, architecture: &str, heads: &Heads) -> BTreeMap<String, Tensor> {
    let replaced = names(architecture);
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for (name, tensor) in stored {
        let name = replaced.iter().fold(name, |name, (from, to)| name.replace(from, to));
        tensors.insert(name, tensor.to_dtype(DType::F32).unwrap());
    }
    let mut out: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut stacks: BTreeMap<String, Vec<(usize, Tensor)>> = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((layer, rest)) = name.split_once(".mlp.experts.") {
            let (expert, part) = rest.split_once('.').unwrap();
            let part = part.trim_end_matches(".weight");
            let stack = stacks.entry(format!("{layer}.ffn_{part}_exps.weight")).or_default();
            stack.push((expert.parse().unwrap(), tensor));
        } else if let Some((norm, head)) = name.split_once(".norms.") {
            let head = head.trim_end_matches(".weight").parse().unwrap();
            stacks.entry(format!("{norm}.weight")).or_default().push((head, tensor));
        } else if name.contains("attn_qkv") && architecture == "gptneox" {
            out.insert(name, Tensor::cat(&ungrouped(&tensor, heads), 0).unwrap());
        } else if name.contains("attn_qkv") && architecture == "internlm2" {
            let [query, key, value] = ungrouped(&tensor, heads);
            out.insert(name.replace("attn_qkv", "attn_q"), permuted(&query, heads.queries));
            out.insert(name.replace("attn_qkv", "attn_k"), permuted(&key, heads.keys));
            out.insert(name.replace("attn_qkv", "attn_v"), value);
        } else if ["llama", "granite"].contains(&architecture) && name.contains("attn_q.") {
            out.insert(name, permuted(&tensor, heads.queries));
        } else if ["llama", "granite"].contains(&architecture) && name.contains("attn_k.") {
            out.insert(name, permuted(&tensor, heads.keys));
        } else if architecture.starts_with("gemma") && name.ends_with("norm.weight") {
            out.insert(name, (tensor + 1.0).unwrap());
        } else if name.contains("ffn_gate_inp_shexp") {
            out.insert(name, tensor.squeeze(0).unwrap());
        } else if name != "output.weight" || !["command-r", "gemma", "gemma2"].contains(&architecture) {
            out.insert(name, tensor);
        }
    }
    for (name, mut parts) in stacks {
        parts.sort_by_key(|(at, _)| *at);
        let parts: Vec<Tensor> = parts.into_iter().map(|(_, tensor)| tensor).collect();
        out.insert(name, Tensor::stack(&parts, 0).unwrap());
    }
    out
}

/// Writes the checkpoint in `folder` as a GGUF file.
pub(crate) fn write(folder: &Path, architecture: &str, dtype: GgmlDType, out: &Path) {
    let config: Json = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let count = |key: &str| config[key].as_u64();
    let queries = count("num_attention_heads").unwrap();
    let width = count("head_dim").unwrap_or(count("hidden_size").unwrap() / queries);
    let heads = Heads {
        queries: queries as usize,
        keys: count("num_key_value_heads").unwrap_or(queries) as usize,
        width: width as usize,
    };
    let rope = &config["rope_parameters"];
    let rope = rope.get("full_attention").unwrap_or(rope);
    let mut metadata = vec![("general.architecture".to_owned(), Value::String(architecture.to_owned()))];
    let mut put = |key: &str, value: Option<Value>| {
        metadata.extend(value.map(|value| (format!("{architecture}.{key}"), value)));
    };
    for (key, field) in [
        ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"),
        ("block_count", "num_hidden_layers"),
        ("attention.head_count", "num_attention_heads"),
        ("attention.head_count_kv", "num_key_value_heads"),
        ("attention.key_length", "head_dim"),
        ("context_length", "max_position_embeddings"),
        ("attention.sliding_window", "sliding_window"),
        ("expert_count", "num_experts"),
        ("expert_count", "num_local_experts"),
        ("expert_used_count", "num_experts_per_tok"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    ] {
        put(key, count(field).map(|count| Value::U32(count as u32)));
    }
    let number = |value: &Json| value.as_f64().map(|number| Value::F32(number as f32));
    for (key, field) in [
        ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
        ("attention.layer_norm_epsilon", "layer_norm_eps"),
        ("attention.layer_norm_epsilon", "norm_epsilon"),
        ("attn_logit_softcapping", "attn_logit_softcapping"),
        ("final_logit_softcapping", "final_logit_softcapping"),
        ("embedding_scale", "embedding_multiplier"),
        ("residual_scale", "residual_multiplier"),
        ("attention.scale", "attention_multiplier"),
        ("logit_scale", "logits_scaling"),
        ("logit_scale", "logit_scale"),
    ] {
        put(key, number(&config[field]));
    }
    put("rope.freq_base", number(&rope["rope_theta"]));
    let partial = rope["partial_rotary_factor"].as_f64().unwrap_or(1.0);
    put("rope.dimension_count", Some(Value::U32((width as f64 * partial) as u32)));
    put("use_parallel_residual", config["use_parallel_residual"].as_bool().map(Value::Bool));
    if rope["rope_type"] == "linear" {
        put("rope.scaling.type", Some(Value::String("linear".to_owned())));
        put("rope.scaling.factor", number(&rope["factor"]));
    }
    let stored = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let mut tensors = converted(stored, architecture, &heads);
    if rope["rope_type"] == "longrope" {
        let original = rope["original_max_position_embeddings"].as_f64().unwrap();
        let factor = config["max_position_embeddings"].as_f64().unwrap() / original;
        put("rope.scaling.original_context_length", Some(Value::U32(original as u32)));
        put("rope.scaling.attn_factor", Some(Value::F32((1.0 + factor.ln() / original.ln()).sqrt() as f32)));
        for kind in ["short", "long"] {
            let factors: Vec<f32> = serde_json::from_value(rope[format!("{kind}_factor")].clone()).unwrap();
            tensors.insert(format!("rope_factors_{kind}.weight"), Tensor::new(factors, &Device::Cpu).unwrap());
        }
    }
    let tensors: Vec<(String, QTensor)> = tensors
        .into_iter()
        .map(|(name, wide)| {
            let whole = wide.rank() > 1 && wide.dims()[wide.rank() - 1].is_multiple_of(dtype.block_size());
            // As the converter, it keeps embeddings, norms and routers.
            let kept = name.starts_with("token_embd") || name.contains("norm") || name.contains("ffn_gate_inp");
            let kind = if whole && !kept { dtype } else { GgmlDType::F32 };
            (name, QTensor::quantize(&wide, kind).unwrap())
        })
        .collect();
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut std::fs::File::create(out).unwrap(), &metadata, &tensors).unwrap();
}
