//! A model of GGUF files: metadata and tensors of all parts.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};

use super::header::{GgufHeader, TensorEntry, Value};
use super::split::split_files;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::file_kind::Expected;
use crate::checkpoint::refuse::refuse_others;
use crate::checkpoint::tensor_header::TensorHeader;
use crate::checkpoint::tensor_type::TensorType;

/// An open GGUF model: the headers of its files are read, its tensors are not.
pub(crate) struct Gguf {
    /// Those of the first part.
    metadata: HashMap<String, Value>,
    /// By name, with the number of the part that has it.
    tensors: HashMap<String, (usize, TensorEntry)>,
    parts: Vec<SplitFile>,
    path: PathBuf,
}

struct SplitFile {
    path: PathBuf,
    file: Mutex<File>,
    big_endian: bool,
}

/// A GGUF file of the metadata alone: what a tokenizer and a chat template are read from.
///
/// # Errors
/// When the file cannot be read, or is one of several parts.
pub fn gguf_without_tensors(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    /// Of the tensors' count: behind magic and version.
    const COUNT: usize = 8;
    let (part, header) = SplitFile::open(path)?;
    if header.count("split.count").is_some_and(|count| count > 1) {
        let problem = String::from("is one of several, whose metadata are no file by themselves");
        return Err(CheckpointError::Part { file: path.display().to_string(), problem });
    }
    let mut bytes = Vec::new();
    let mut file = part.file.lock().unwrap_or_else(PoisonError::into_inner);
    let read =
        file.seek(SeekFrom::Start(0)).and_then(|_| (&mut *file).take(header.metadata_end).read_to_end(&mut bytes));
    read.map_err(|source| CheckpointError::read(path, &source))?;
    bytes[COUNT..COUNT + header.count_bytes].fill(0);
    Ok(bytes)
}

impl Gguf {
    /// Reads the header of a file, and those of the other parts where it is one of several.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let (part, header) = SplitFile::open(path)?;
        let count = header.count("split.count").unwrap_or(1);
        if count <= 1 {
            return Self::of(path, vec![(part, header)]);
        }
        let number = header.count("split.no").unwrap_or(0);
        let described = format!("part {} of {count}", number.saturating_add(1));
        let problem =
            |file: &Path, problem: String| CheckpointError::Part { file: file.display().to_string(), problem };
        let Some(paths) = split_files(path).filter(|paths| paths.len() as u64 == count) else {
            let problem = problem(path, format!("is {described}, but its name does not say where the others are"));
            return Err(problem);
        };
        let mut parts = Vec::with_capacity(paths.len());
        for (at, path_of_part) in (0u64..).zip(&paths) {
            if !path_of_part.is_file() {
                return Err(problem(path_of_part, format!("is not there, and `{}` is {described}", path.display())));
            }
            let (part, header) = SplitFile::open(path_of_part)?;
            let (number, total) = (header.count("split.no"), header.count("split.count"));
            if (number, total) != (Some(at), Some(count)) {
                let says = match number.zip(total) {
                    Some((number, total)) => format!("part {} of {total}", number.saturating_add(1)),
                    None => "no part of a model".to_owned(),
                };
                return Err(problem(path_of_part, format!("says that it is {says}, not part {} of {count}", at + 1)));
            }
            parts.push((part, header));
        }
        let found: u64 = parts.iter().map(|(_, header)| header.tensors.len() as u64).sum();
        if let Some(expected) = parts[0].1.count("split.tensors.count").filter(|expected| *expected != found) {
            return Err(problem(path, format!("has {found} tensors in all its parts, not {expected}")));
        }
        Self::of(path, parts)
    }

    fn of(path: &Path, opened: Vec<(SplitFile, GgufHeader)>) -> Result<Self, CheckpointError> {
        let mut gguf =
            Self { metadata: HashMap::new(), tensors: HashMap::new(), parts: Vec::new(), path: path.to_owned() };
        for (at, (part, header)) in opened.into_iter().enumerate() {
            if at == 0 {
                gguf.metadata = header.metadata;
            }
            for (name, entry) in header.tensors {
                if gguf.tensors.contains_key(&name) {
                    let file = part.path.display().to_string();
                    let problem = format!("has the tensor `{name}` that another part has, too");
                    return Err(CheckpointError::Part { file, problem });
                }
                gguf.tensors.insert(name, (at, entry));
            }
            gguf.parts.push(part);
        }
        Ok(gguf)
    }

    /// The files that the model consists of: `path` itself, unless that is one of several parts.
    ///
    /// # Errors
    /// When the file has the name of a part and its header cannot be read.
    pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
        let Some(paths) = split_files(path) else { return Ok(vec![path.to_owned()]) };
        let split = SplitFile::open(path)?.1.count("split.count").is_some_and(|count| count > 1);
        Ok(if split { paths } else { vec![path.to_owned()] })
    }

    /// The error for a field of the metadata.
    pub(crate) fn problem(&self, field: &'static str, problem: impl Into<String>) -> CheckpointError {
        CheckpointError::Config { field, path: self.path.display().to_string(), problem: problem.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A number, whole or not.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        match self.metadata.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        self.number(key).filter(|number| *number >= 0.0 && number.fract() == 0.0).map(|number| number as u64)
    }

    /// A list of texts; an empty list is one of any kind.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        match self.metadata.get(key)? {
            Value::Texts(texts) => Some(texts.iter().map(String::as_str).collect()),
            Value::Numbers(numbers) if numbers.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    /// A list of numbers; an empty list is one of any kind.
    pub(crate) fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        match self.metadata.get(key)? {
            Value::Numbers(numbers) => Some(numbers.clone()),
            Value::Texts(texts) if texts.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// What the files say of their tensors, in no particular order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = TensorHeader<'_>> {
        self.tensors.iter().map(|(name, (_, entry))| TensorHeader { name, dims: &entry.dims, stored: entry.stored })
    }

    /// What the files say of one tensor.
    pub(crate) fn header(&self, name: &str) -> Option<TensorHeader<'_>> {
        let (name, (_, entry)) = self.tensors.get_key_value(name)?;
        Some(TensorHeader { name, dims: &entry.dims, stored: entry.stored })
    }

    /// Reads bytes of a tensor, from byte `from` of it on: whole blocks. Numbers in them begin with the lowest byte,
    /// whatever the file's order is.
    ///
    /// # Errors
    /// When there is no such tensor, or the file cannot be read.
    pub(crate) fn read(&self, name: &str, from: u64, out: &mut [u8]) -> io::Result<()> {
        let (at, entry) = self.tensors.get(name).ok_or(io::ErrorKind::NotFound)?;
        let part = &self.parts[*at];
        {
            let mut file = part.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            file.seek(SeekFrom::Start(entry.offset + from))?;
            file.read_exact(out)?;
        }
        if part.big_endian {
            entry.stored.swap_bytes(out);
        }
        Ok(())
    }

    /// All bytes of a tensor of a known type.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn bytes(&self, header: &TensorHeader<'_>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; header.stored.bytes(header.dims).unwrap_or(0) as usize];
        self.read(header.name, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Rows of the embedding.
    pub(crate) fn rows(&self) -> Option<usize> {
        self.header("token_embd.weight")?.dims.first().copied()
    }

    /// The values of a tensor of one dimension in a plain type; none where it is not there.
    pub(crate) fn values(&self, name: &str) -> candle_core::Result<Option<Vec<f64>>> {
        let Some(header) = self.header(name) else { return Ok(None) };
        let Some(dtype) = header.stored.float() else {
            candle_core::bail!("it is stored as {}, not as plain numbers", header.stored)
        };
        let values = Tensor::from_raw_buffer(&self.bytes(&header)?, dtype, header.dims, &Device::Cpu)?;
        let values = values.to_dtype(candle_core::DType::F64)?;
        Ok(Some(values.to_vec1()?))
    }
}

impl SplitFile {
    fn open(path: &Path) -> Result<(Self, GgufHeader), CheckpointError> {
        let unreadable = |source: io::Error| {
            let (path, reason) = (path.display().to_string(), source.to_string());
            match source.kind() {
                io::ErrorKind::Unsupported => CheckpointError::GgufVersion { path, reason },
                _ => CheckpointError::Unreadable { path, reason },
            }
        };
        refuse_others(path, Expected::Gguf)?;
        let file = File::open(path).map_err(|source| CheckpointError::read(path, &source))?;
        let open = || -> io::Result<(Self, GgufHeader)> {
            let header = GgufHeader::read(BufReader::new(&file), file.metadata()?.len())?;
            let big_endian = header.big_endian;
            Ok((Self { path: path.to_owned(), file: Mutex::new(file), big_endian }, header))
        };
        open().map_err(unreadable)
    }
}

impl TensorType {
    /// Puts the numbers in whole blocks of this type in the other order of bytes.
    fn swap_bytes(self, bytes: &mut [u8]) {
        let (block, numbers): (usize, &[(usize, usize)]) = match self {
            Self::F32 => (4, &[(0, 4)]),
            Self::F16 | Self::BF16 => (2, &[(0, 2)]),
            Self::Blocks(kind) => (kind.bytes(), kind.numbers()),
            Self::Q8K | Self::Other(_) => return,
        };
        for block in bytes.chunks_exact_mut(block) {
            for &(at, width) in numbers {
                block[at..at + width].reverse();
            }
        }
    }
}
