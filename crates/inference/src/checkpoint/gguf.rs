//! GGUF files: weights, configuration and tokenizer of a model in one.
//!
//! Metadata are translated to what `config.json` and `tokenizer.json` would say, so that everything after is the same.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};

use super::files::CheckpointError;
use super::instead::{Expected, refuse_others};
use super::weights::Header;

/// An open GGUF file: its header is read, its tensors are not.
pub(crate) struct Gguf {
    content: Content,
    file: Mutex<BufReader<File>>,
    path: PathBuf,
}

impl Gguf {
    /// Reads the header.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let unreadable = |reason: String| CheckpointError::Unreadable {
            path: path.display().to_string(),
            reason: first_line(&reason),
        };
        refuse_others(path, Expected::Gguf)?;
        let mut file = BufReader::new(File::open(path).map_err(|source| CheckpointError::read(path, &source))?);
        let content = Content::read(&mut file).map_err(|source| unreadable(source.to_string()))?;
        Ok(Self { content, file: Mutex::new(file), path: path.to_owned() })
    }

    /// The error for a field of the metadata.
    pub(crate) fn problem(&self, field: &'static str, problem: impl Into<String>) -> CheckpointError {
        CheckpointError::Config { field, path: self.path.display().to_string(), problem: problem.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.content.metadata.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.content.metadata.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A number, whole or not.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        number(self.content.metadata.get(key)?)
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        self.number(key).filter(|number| *number >= 0.0 && number.fract() == 0.0).map(|number| number as u64)
    }

    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        let Value::Array(values) = self.content.metadata.get(key)? else { return None };
        values.iter().map(|value| if let Value::String(text) = value { Some(text.as_str()) } else { None }).collect()
    }

    pub(crate) fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        let Value::Array(values) = self.content.metadata.get(key)? else { return None };
        values.iter().map(number).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// What the file says of its tensors, in no particular order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        let infos = self.content.tensor_infos.iter();
        infos.map(|(name, info)| Header { name, dims: info.shape.dims(), stored: info.ggml_dtype })
    }

    /// A tensor as it is stored.
    pub(crate) fn tensor(&self, name: &str, device: &Device) -> candle_core::Result<QTensor> {
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.content.tensor(&mut *file, name, device)
    }

    /// Rows of the embedding.
    pub(super) fn rows(&self) -> Option<usize> {
        self.content.tensor_infos.get("token_embd.weight")?.shape.dims().first().copied()
    }

    /// The values of a tensor of one dimension; none where it is not there.
    pub(crate) fn values(&self, name: &str) -> candle_core::Result<Option<Vec<f64>>> {
        if !self.has(name) {
            return Ok(None);
        }
        let values: Tensor = self.tensor(name, &Device::Cpu)?.dequantize(&Device::Cpu)?;
        Ok(Some(values.to_vec1::<f32>()?.into_iter().map(f64::from).collect()))
    }
}

fn number(value: &Value) -> Option<f64> {
    Some(match *value {
        Value::U8(n) => f64::from(n),
        Value::I8(n) => f64::from(n),
        Value::U16(n) => f64::from(n),
        Value::I16(n) => f64::from(n),
        Value::U32(n) => f64::from(n),
        Value::I32(n) => f64::from(n),
        Value::U64(n) => n as f64,
        Value::I64(n) => n as f64,
        Value::F32(n) => f64::from(n),
        Value::F64(n) => n,
        Value::Bool(_) | Value::String(_) | Value::Array(_) => return None,
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
