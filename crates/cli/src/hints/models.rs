//! Checkpoints, tokenizers, chat templates, devices and servers.

use gac_inference::remote::RemoteError;
use gac_inference::{
    ChatError, CheckpointError, EngineError, FileKind, HubError, OtherWeights, PlacementError, TokenizerError,
    TokenizerLoadError,
};

use super::Hint;

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Checkpoint(error) => error.hint(),
            Self::Device(_) => Some("`--device cpu` runs everywhere".to_owned()),
            Self::Placement(error) => error.hint(),
            Self::Model(_) => None,
        }
    }
}

impl Hint for PlacementError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::TooFewLayers { .. } => "name fewer devices",
            Self::DoesNotFit { .. } => {
                "name more devices, as in `--device cuda:0,cuda:1`, lower `--max-memory`, or try `--quantize q8_0`"
            }
        };
        Some(hint.to_owned())
    }
}

impl Hint for CheckpointError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSuchFolder { .. } | Self::NotAFolder { .. } => {
                "a model is a local folder with config.json, tokenizer.json and safetensors, or a hub id"
            }
            Self::MissingFile { .. } | Self::NoWeights { .. } => {
                "is the download complete? a model folder holds config.json, tokenizer.json and model.safetensors"
            }
            Self::Unreadable { .. } => "the file may be truncated or damaged; download it again",
            Self::MissingShards { .. } => "the download is not complete; fetch the missing files",
            Self::OtherWeights { kind, .. } => of_weights(*kind),
            Self::WrongKind { found, .. } => of_file(*found),
            Self::Quantised { .. } => {
                "take the model's unquantised weights, or a GGUF file of it; `--quantize q8_0` or `q4_k` makes them smaller"
            }
            Self::Read { .. } => "is the file there, and may it be read?",
            Self::Field { .. } => "is the file one that transformers wrote, of the same model?",
            Self::Part { .. } => {
                "is the download complete? all parts, `NAME-00001-of-0000N.gguf` and so on, belong in one folder"
            }
            Self::GgufVersion { .. } => "take a file of version 3, as llama.cpp's converters write it",
            Self::GgufType { .. } => "take a file of the same model in another type, such as Q4_K_M or Q8_0",
            Self::Hub(HubError::Failed { .. }) => {
                "check the network and HF_TOKEN, or give a local folder; HF_HUB_OFFLINE=1 uses the cache alone"
            }
            Self::Hub(HubError::NotThere { .. }) => {
                "check the id, the revision and HF_TOKEN (a private or gated repository looks as if it were not there)"
            }
            Self::UnknownArchitecture { .. } => {
                "`model_type` in config.json names the architecture; `gac models list` shows those that run"
            }
            Self::NotQuantisable { .. } => {
                "leave the quantisation out, or take a model that `gac models list` calls native"
            }
            Self::ComputesElsewhere { .. } => "leave `compute` out; on a GPU, `--dtype bf16` computes in bfloat16",
            Self::MissingTensor { .. } | Self::TensorShape { .. } | Self::Config { .. } => {
                "do config.json and the weights belong together?"
            }
            Self::TensorType { .. } => "take the weights in f32, f16 or bf16, or a GGUF file of the model",
        };
        Some(hint.to_owned())
    }
}

/// Weights that are not read, and what makes of them some that are.
fn of_weights(kind: OtherWeights) -> &'static str {
    match kind {
        OtherWeights::Gguf => "give the GGUF file itself as the model",
        OtherWeights::ShardWithoutIndex => {
            "`model.safetensors.index.json` says what is in which file; download it as well"
        }
        OtherWeights::Adapter => {
            "merge it into its base model first: peft's `merge_and_unload()`, then `save_pretrained`"
        }
        OtherWeights::Consolidated => "take the files of the model that transformers reads (`model*.safetensors`)",
        OtherWeights::Pickle | OtherWeights::Framework => {
            "convert it: transformers' `AutoModelForCausalLM.from_pretrained(A).save_pretrained(B)` writes safetensors"
        }
    }
}

/// A file that is something else, and how the right one is had.
fn of_file(kind: FileKind) -> &'static str {
    match kind {
        FileKind::LfsPointer => "`git lfs pull` in the model's folder fetches the files themselves",
        FileKind::WebPage | FileKind::Message => {
            "download the file again, from its `resolve` address; a gated model needs HF_TOKEN"
        }
        FileKind::Empty => "download the file again",
        FileKind::Pickle => {
            "convert it: transformers' `AutoModelForCausalLM.from_pretrained(A).save_pretrained(B)` writes safetensors"
        }
        FileKind::Gguf => "give the GGUF file itself as the model, with a name that ends in .gguf",
        FileKind::Ggml => "take the model as a GGUF file of version 3, as llama.cpp's converters write it",
        FileKind::Safetensors => "a model of safetensors is a folder with config.json and tokenizer.json beside them",
    }
}

impl Hint for TokenizerLoadError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Checkpoint(error) => return error.hint(),
            Self::Tokenizer(TokenizerError::BeyondModel { .. }) => "do tokenizer.json and config.json belong together?",
            Self::Tokenizer(TokenizerError::Metadata { .. }) => {
                "convert the model again with llama.cpp's converter, or give its folder with tokenizer.json"
            }
            Self::Tokenizer(TokenizerError::NoBeginOfText) => {
                "leave `add-bos` out, or name `bos_token` in tokenizer_config.json"
            }
            Self::Tokenizer(TokenizerError::OtherId { .. }) => {
                "every token has to be in the file once, with the id that the model was trained with"
            }
            Self::Tokenizer(_) => "gac reads tokenizer.json files with a byte-level or SentencePiece-style vocabulary",
        };
        Some(hint.to_owned())
    }
}

impl Hint for ChatError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Checkpoint(error) => return error.hint(),
            Self::NoTemplate { .. } => {
                "only models tuned for chat have one: `--chat-template FILE` gives it one, prompts that are no chats need none"
            }
            Self::NoDefault { .. } | Self::UnknownTemplate { .. } => {
                "`--chat-template NAME` picks one of them, `--chat-template FILE` another"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl Hint for RemoteError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoServers => String::from("`llama = { url = [\"http://host:8000\"] }`"),
            Self::Unreachable { .. } => String::from(
                "is it up, and is the address right? behind a proxy the address is that of the API without `/v1`",
            ),
            Self::UnknownEngine { .. } => String::from("gac needs an engine that lists tokens with their ids"),
            Self::WhichModel { .. } => String::from("a recipe says which one: `{ url = ..., name = \"...\" }`"),
            Self::NotAReplica { .. } => String::from("replicas serve the same model by the same engine"),
            Self::Lacks { flag: Some(flag), .. } => format!("start the server with `{flag}`"),
            Self::OtherTokenizer { .. } => String::from(
                "name the folder or hub id that the server's model has its tokenizer from: `tokenizer = \"org/name\"`",
            ),
            Self::Tokenizer { source, .. } => {
                let how = "name a local folder or a hub id with `tokenizer = \"...\"`";
                source.hint().map_or_else(|| how.to_owned(), |hint| format!("{how}; {hint}"))
            }
            Self::Lacks { flag: None, .. } | Self::Probe { .. } => return None,
        })
    }
}
