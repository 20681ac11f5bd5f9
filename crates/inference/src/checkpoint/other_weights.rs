//! Weights in formats that are not read.

use std::path::Path;

/// Weights that are not read; those that say most of a model first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtherWeights {
    /// GGUF files within a folder.
    Gguf,
    /// A part of safetensors whose index is missing.
    ShardWithoutIndex,
    /// The differences that an adapter (`LoRA`) makes to another model.
    Adapter,
    /// Mistral's own layout.
    Consolidated,
    /// Python's pickles.
    Pickle,
    /// Of another framework.
    Framework,
}

impl OtherWeights {
    /// What a file of this name is, if it is one of them.
    pub(super) fn of(file: &str) -> Option<Self> {
        let path = Path::new(file);
        let ends = |ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
        Some(match file {
            _ if ends("gguf") => Self::Gguf,
            _ if file.starts_with("model-") && ends("safetensors") => Self::ShardWithoutIndex,
            "adapter_config.json" | "adapter_model.safetensors" | "adapter_model.bin" => Self::Adapter,
            _ if file.starts_with("consolidated") => Self::Consolidated,
            _ if file.starts_with("pytorch_model") || ends("pth") || ends("pt") || ends("bin") => Self::Pickle,
            _ if ends("h5") || ends("msgpack") || ends("onnx") || ends("ckpt") => Self::Framework,
            _ => return None,
        })
    }
}

impl std::fmt::Display for OtherWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gguf => "a GGUF file",
            Self::ShardWithoutIndex => "one of several safetensors files, whose index is missing",
            Self::Adapter => "an adapter, which is no model by itself",
            Self::Consolidated => "weights in Mistral's own layout",
            Self::Pickle => "weights as a Python pickle, which can run code when it is read",
            Self::Framework => "weights of another framework",
        })
    }
}
