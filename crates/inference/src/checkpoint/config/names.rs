//! How the architectures call their tensors.

/// Names of tensors. Those of a layer follow `{layers}.{index}.`; weights end in `.weight`, biases in `.bias`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TensorNames {
    pub(crate) embedding: &'static str,
    pub(crate) layers: &'static str,
    pub(crate) final_norm: &'static str,
    pub(crate) output: &'static str,
    pub(crate) projections: Projections,
    pub(crate) query_norm: &'static str,
    pub(crate) key_norm: &'static str,
    pub(crate) attention_output: &'static str,
    /// Norm before attention.
    pub(crate) attention_norm: &'static str,
    /// Norm after attention.
    pub(crate) attention_post_norm: &'static str,
    /// Norm before the MLP.
    pub(crate) mlp_norm: &'static str,
    /// Norm after the MLP.
    pub(crate) mlp_post_norm: &'static str,
    pub(crate) gate_up: GateUp,
    pub(crate) down: &'static str,
    pub(crate) router: &'static str,
    pub(crate) experts: ExpertNames,
    /// Gate, up and down projection of the expert that every token goes to.
    pub(crate) shared_expert: [&'static str; 3],
    /// How much it counts: `(1, H)`, in GGUF files `(H,)`.
    pub(crate) shared_gate: &'static str,
}

/// How experts are stored: their gate, up and down projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpertNames {
    /// Each on its own, numbered under a prefix.
    Numbered(&'static str, [&'static str; 3]),
    /// Those of all experts one upon the other: `(experts, output, input)`.
    Stacked([&'static str; 3]),
}

/// How queries, keys and values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projections {
    /// Each on its own.
    Separate([&'static str; 3]),
    /// All queries, all keys, all values in one.
    Joined(&'static str),
    /// Per key head: its queries, the key, the value (GPT-NeoX, `InternLM2`).
    Grouped(&'static str),
}

/// How the gate and the up projection are stored. A plain MLP has the second name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateUp {
    /// Each on its own.
    Separate(&'static str, &'static str),
    /// The gate, then the up projection in one.
    Joined(&'static str),
}

impl TensorNames {
    /// Llama's, which most architectures follow.
    pub(crate) const LLAMA: Self = Self {
        embedding: "model.embed_tokens",
        layers: "model.layers",
        final_norm: "model.norm",
        output: "lm_head",
        projections: Projections::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
        query_norm: "self_attn.q_norm",
        key_norm: "self_attn.k_norm",
        attention_output: "self_attn.o_proj",
        attention_norm: "input_layernorm",
        attention_post_norm: "post_attention_layernorm",
        mlp_norm: "post_attention_layernorm",
        mlp_post_norm: "post_feedforward_layernorm",
        gate_up: GateUp::Separate("mlp.gate_proj", "mlp.up_proj"),
        down: "mlp.down_proj",
        router: "mlp.gate",
        experts: ExpertNames::Numbered("mlp.experts", ["gate_proj", "up_proj", "down_proj"]),
        shared_expert: ["mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj", "mlp.shared_expert.down_proj"],
        shared_gate: "mlp.shared_expert_gate",
    };

    /// Those of GGUF files.
    pub(crate) const GGUF: Self = Self {
        embedding: "token_embd",
        layers: "blk",
        final_norm: "output_norm",
        output: "output",
        projections: Projections::Separate(["attn_q", "attn_k", "attn_v"]),
        query_norm: "attn_q_norm",
        key_norm: "attn_k_norm",
        attention_output: "attn_output",
        attention_norm: "attn_norm",
        attention_post_norm: "post_attention_norm",
        mlp_norm: "ffn_norm",
        mlp_post_norm: "post_ffw_norm",
        gate_up: GateUp::Separate("ffn_gate", "ffn_up"),
        down: "ffn_down",
        router: "ffn_gate_inp",
        experts: ExpertNames::Stacked(["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"]),
        shared_expert: ["ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"],
        shared_gate: "ffn_gate_inp_shexp",
    };

    pub(super) const GEMMA2: Self = Self { mlp_norm: "pre_feedforward_layernorm", ..Self::LLAMA };

    pub(super) const GLM: Self = Self { gate_up: GateUp::Joined("mlp.gate_up_proj"), ..Self::LLAMA };

    pub(super) const GLM4: Self =
        Self { attention_post_norm: "post_self_attn_layernorm", mlp_post_norm: "post_mlp_layernorm", ..Self::GLM };

    pub(super) const GPT_NEOX: Self = Self {
        embedding: "gpt_neox.embed_in",
        layers: "gpt_neox.layers",
        final_norm: "gpt_neox.final_layer_norm",
        output: "embed_out",
        projections: Projections::Grouped("attention.query_key_value"),
        attention_output: "attention.dense",
        gate_up: GateUp::Separate("", "mlp.dense_h_to_4h"),
        down: "mlp.dense_4h_to_h",
        ..Self::LLAMA
    };

    pub(super) const INTERNLM2: Self = Self {
        embedding: "model.tok_embeddings",
        output: "output",
        projections: Projections::Grouped("attention.wqkv"),
        attention_output: "attention.wo",
        attention_norm: "attention_norm",
        mlp_norm: "ffn_norm",
        gate_up: GateUp::Separate("feed_forward.w1", "feed_forward.w3"),
        down: "feed_forward.w2",
        ..Self::LLAMA
    };

    pub(super) const MIXTRAL: Self = Self {
        router: "block_sparse_moe.gate",
        experts: ExpertNames::Numbered("block_sparse_moe.experts", ["w1", "w3", "w2"]),
        ..Self::LLAMA
    };

    pub(super) const PHI3: Self = Self { projections: Projections::Joined("self_attn.qkv_proj"), ..Self::GLM };

    pub(super) const STABLELM: Self =
        Self { query_norm: "self_attn.q_layernorm", key_norm: "self_attn.k_layernorm", ..Self::LLAMA };

    pub(super) const STARCODER2: Self =
        Self { gate_up: GateUp::Separate("", "mlp.c_fc"), down: "mlp.c_proj", ..Self::LLAMA };

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
