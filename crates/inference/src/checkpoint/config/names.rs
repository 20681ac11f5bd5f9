//! How the architectures call their tensors.

use super::decoder::{Experts, GateUp, Names, Projections};
use super::family::Family;

impl Names {
    /// Names of tensors in GGUF files of an architecture.
    pub(super) fn of_gguf(architecture: &str) -> Self {
        let usual = Self::GGUF;
        match architecture {
            "glm4" => Self { gate_up: GateUp::Joined("ffn_up"), ..usual },
            "phi3" => Self { projections: Projections::Joined("attn_qkv"), gate_up: GateUp::Joined("ffn_up"), ..usual },
            "gptneox" => {
                Self { projections: Projections::Joined("attn_qkv"), gate_up: GateUp::Separate("", "ffn_up"), ..usual }
            }
            "starcoder2" => Self { gate_up: GateUp::Separate("", "ffn_up"), ..usual },
            _ => usual,
        }
    }
}

impl Family {
    /// Names of tensors in safetensors files.
    pub(super) fn names(self) -> Names {
        let llama = Names::LLAMA;
        match self {
            Self::Gemma2 | Self::Gemma3 => Names { mlp_norm: "pre_feedforward_layernorm", ..llama },
            Self::Glm4 => Names {
                attention_post_norm: "post_self_attn_layernorm",
                mlp_post_norm: "post_mlp_layernorm",
                gate_up: GateUp::Joined("mlp.gate_up_proj"),
                ..llama
            },
            Self::Glm => Names { gate_up: GateUp::Joined("mlp.gate_up_proj"), ..llama },
            Self::Phi3 => Names {
                projections: Projections::Joined("self_attn.qkv_proj"),
                gate_up: GateUp::Joined("mlp.gate_up_proj"),
                ..llama
            },
            Self::GptNeoX => Names {
                embedding: "gpt_neox.embed_in",
                layers: "gpt_neox.layers",
                final_norm: "gpt_neox.final_layer_norm",
                output: "embed_out",
                projections: Projections::Grouped("attention.query_key_value"),
                attention_output: "attention.dense",
                gate_up: GateUp::Separate("", "mlp.dense_h_to_4h"),
                down: "mlp.dense_4h_to_h",
                ..llama
            },
            Self::InternLm2 => Names {
                embedding: "model.tok_embeddings",
                output: "output",
                projections: Projections::Grouped("attention.wqkv"),
                attention_output: "attention.wo",
                attention_norm: "attention_norm",
                mlp_norm: "ffn_norm",
                gate_up: GateUp::Separate("feed_forward.w1", "feed_forward.w3"),
                down: "feed_forward.w2",
                ..llama
            },
            Self::StarCoder2 => Names { gate_up: GateUp::Separate("", "mlp.c_fc"), down: "mlp.c_proj", ..llama },
            Self::StableLm => Names { query_norm: "self_attn.q_layernorm", key_norm: "self_attn.k_layernorm", ..llama },
            Self::Mixtral => Names {
                router: "block_sparse_moe.gate",
                experts: Experts::Numbered("block_sparse_moe.experts", ["w1", "w3", "w2"]),
                ..llama
            },
            _ => llama,
        }
    }
}
