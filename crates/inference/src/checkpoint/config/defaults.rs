//! What transformers takes where `config.json` is silent, by architecture.

use super::family::Family;

/// Values of absent fields.
pub(super) struct Defaults {
    pub(super) vocabulary: usize,
    pub(super) heads: usize,
    /// As many as query heads where none.
    pub(super) kv_heads: Option<usize>,
    /// The hidden size over the heads where none.
    pub(super) head_dim: Option<usize>,
    pub(super) context: usize,
    pub(super) epsilon: f64,
    pub(super) theta: f64,
    /// Share of a head that is rotated.
    pub(super) partial: f64,
    pub(super) window: Option<usize>,
    /// Whether the output layer is the embedding; where none, it is if there is no output layer.
    pub(super) tied: Option<bool>,
}

const USUAL: Defaults = Defaults {
    vocabulary: 32_000,
    heads: 32,
    kv_heads: None,
    head_dim: None,
    context: 2048,
    epsilon: 1e-6,
    theta: 10_000.0,
    partial: 1.0,
    window: None,
    tied: None,
};

impl Family {
    /// Those of the configuration's class in transformers 5.24, and of `InternLM2`'s own code.
    pub(super) fn defaults(self) -> Defaults {
        let qwen = Defaults { vocabulary: 151_936, context: 32_768, window: Some(4096), ..USUAL };
        let gemma = Defaults { vocabulary: 256_000, head_dim: Some(256), context: 8192, tied: Some(true), ..USUAL };
        match self {
            Self::Cohere => Defaults {
                vocabulary: 256_000,
                heads: 64,
                context: 8192,
                epsilon: 1e-5,
                theta: 500_000.0,
                tied: Some(true),
                ..USUAL
            },
            Self::Gemma => Defaults { heads: 16, kv_heads: Some(16), ..gemma },
            Self::Gemma2 => Defaults { heads: 8, kv_heads: Some(4), window: Some(4096), ..gemma },
            Self::Gemma3 => Defaults {
                vocabulary: 262_208,
                heads: 8,
                kv_heads: Some(4),
                context: 131_072,
                theta: 1_000_000.0,
                window: Some(4096),
                ..gemma
            },
            Self::Glm | Self::Glm4 => Defaults {
                vocabulary: 151_552,
                kv_heads: Some(2),
                head_dim: Some(128),
                context: 131_072,
                epsilon: 1.5625e-7,
                partial: 0.5,
                ..USUAL
            },
            Self::GptNeoX => Defaults { vocabulary: 50_432, heads: 64, epsilon: 1e-5, partial: 0.25, ..USUAL },
            Self::InternLm2 => Defaults { vocabulary: 103_168, ..USUAL },
            Self::Granite | Self::Llama => USUAL,
            Self::Mistral => Defaults { kv_heads: Some(8), context: 131_072, window: Some(4096), ..USUAL },
            Self::Mixtral => {
                Defaults { kv_heads: Some(8), context: 131_072, epsilon: 1e-5, theta: 1_000_000.0, ..USUAL }
            }
            Self::Olmo2 => Defaults { vocabulary: 50_304, epsilon: 1e-5, ..USUAL },
            Self::Phi3 => Defaults { vocabulary: 32_064, context: 4096, epsilon: 1e-5, ..USUAL },
            Self::Qwen2 => Defaults { kv_heads: Some(32), ..qwen },
            Self::Qwen2Moe => Defaults { heads: 16, kv_heads: Some(16), ..qwen },
            Self::Qwen3 => Defaults { kv_heads: Some(32), head_dim: Some(128), ..qwen },
            Self::Qwen3Moe => Defaults { kv_heads: Some(4), ..qwen },
            Self::SmolLm3 => Defaults {
                vocabulary: 128_256,
                heads: 16,
                kv_heads: Some(4),
                context: 32_768,
                theta: 2_000_000.0,
                tied: Some(true),
                ..USUAL
            },
            Self::StableLm => Defaults { vocabulary: 50_304, context: 4096, epsilon: 1e-5, partial: 0.25, ..USUAL },
            Self::StarCoder2 => Defaults {
                vocabulary: 49_152,
                heads: 24,
                kv_heads: Some(2),
                context: 4096,
                epsilon: 1e-5,
                tied: Some(true),
                ..USUAL
            },
        }
    }
}
