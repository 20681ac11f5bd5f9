//! The header of a GGUF file: metadata, and where its tensors are.
//!
//! The format is that of `docs/gguf.md` in ggml, versions 1 to 3, in either order of bytes. Nothing that stands in a file
//! is trusted: counts and lengths are held against what is left of it before anything is made room for.

use std::collections::HashMap;
use std::io::{self, Read};

use super::bytes::{Bytes, invalid};
use crate::checkpoint::tensor_type::TensorType;

/// Where tensors begin, unless the file says otherwise: at multiples of so many bytes.
const ALIGNMENT: u64 = 32;
/// Most dimensions of a tensor.
const DIMENSIONS: u32 = 4;

/// A value of the metadata. Numbers are one kind: what is asked for is seldom of the type that another writer chose.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Number(f64),
    Text(String),
    Flags(Vec<bool>),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

/// Where a tensor is, and what.
#[derive(Clone, Debug)]
pub(super) struct TensorEntry {
    pub(super) stored: TensorType,
    /// Outermost first.
    pub(super) dims: Vec<usize>,
    /// Bytes from the beginning of the file.
    pub(super) offset: u64,
}

/// What stands before the tensors.
#[derive(Debug)]
pub(super) struct GgufHeader {
    pub(super) metadata: HashMap<String, Value>,
    pub(super) tensors: HashMap<String, TensorEntry>,
    pub(super) big_endian: bool,
    /// Where the metadata end.
    pub(super) metadata_end: u64,
    /// Bytes of a count.
    pub(super) count_bytes: usize,
}

impl GgufHeader {
    /// Reads the header of a file of `length` bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is not a header.
    pub(super) fn read(from: impl Read, length: u64) -> io::Result<Self> {
        let mut bytes = Bytes::new(from, length);
        if bytes.take()? != *b"GGUF" {
            return Err(invalid("it is no GGUF file: it does not begin with `GGUF`"));
        }
        let mut version = bytes.u32()?;
        if version.swap_bytes() < 0x1_0000 {
            bytes.set_big_endian();
            version = version.swap_bytes();
        }
        if !(1..=3).contains(&version) {
            let problem = format!("it is of version {version} of GGUF; known are 1, 2 and 3");
            return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
        }
        let mut reader = HeaderReader { bytes, wide: version > 1 };
        let (tensors, pairs) = (reader.count()?, reader.count()?);
        let metadata = reader.metadata(pairs)?;
        let metadata_end = reader.bytes.at();
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(&Value::Number(given)) if given >= 1.0 && given <= f64::from(1 << 20) && given.fract() == 0.0 => {
                given as u64
            }
            Some(_) => return Err(invalid("`general.alignment` is no number of bytes")),
        };
        let tensors = reader.tensors(tensors, alignment, length)?;
        let count_bytes = if reader.wide { 8 } else { 4 };
        Ok(Self { metadata, tensors, big_endian: reader.bytes.big_endian(), metadata_end, count_bytes })
    }

    /// A whole number of the metadata.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key)? {
            Value::Number(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
            _ => None,
        }
    }
}

struct HeaderReader<R> {
    bytes: Bytes<R>,
    /// Whether counts have 64 bits.
    wide: bool,
}

impl<R: Read> HeaderReader<R> {
    fn count(&mut self) -> io::Result<u64> {
        if self.wide { self.bytes.u64() } else { self.bytes.u32().map(u64::from) }
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.count()?;
        self.bytes.text(length)
    }

    fn metadata(&mut self, pairs: u64) -> io::Result<HashMap<String, Value>> {
        // A length, a type and one byte.
        self.bytes.room(pairs, 9, "metadata")?;
        let mut metadata = HashMap::new();
        for _ in 0..pairs {
            let key = self.text()?;
            let value = self.value().map_err(|error| in_context(&error, &format!("metadata `{key}`")))?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(invalid(format!("metadata `{key}` are there twice")));
            }
        }
        Ok(metadata)
    }

    fn value(&mut self) -> io::Result<Value> {
        Ok(match self.bytes.u32()? {
            7 => Value::Flag(self.flag()?),
            8 => Value::Text(self.text()?),
            9 => {
                let (kind, count) = (self.bytes.u32()?, self.count()?);
                let size = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    8 if !self.wide => 4,
                    8 | 10..=12 => 8,
                    9 => return Err(invalid("it is a list of lists")),
                    _ => return Err(unknown_type(kind)),
                };
                let count = self.bytes.room(count, size, "values")?;
                match kind {
                    7 => Value::Flags((0..count).map(|_| self.flag()).collect::<io::Result<_>>()?),
                    8 => Value::Texts((0..count).map(|_| self.text()).collect::<io::Result<_>>()?),
                    _ => Value::Numbers((0..count).map(|_| self.number(kind)).collect::<io::Result<_>>()?),
                }
            }
            kind => Value::Number(self.number(kind)?),
        })
    }

    fn flag(&mut self) -> io::Result<bool> {
        match self.bytes.take()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(invalid(format!("{other} is neither true nor false"))),
        }
    }

    fn number(&mut self, kind: u32) -> io::Result<f64> {
        let bytes = &mut self.bytes;
        Ok(match kind {
            0 => f64::from(u8::from_le_bytes(bytes.take()?)),
            1 => f64::from(i8::from_le_bytes(bytes.take()?)),
            2 => f64::from(u16::from_le_bytes(bytes.take()?)),
            3 => f64::from(i16::from_le_bytes(bytes.take()?)),
            4 => f64::from(bytes.u32()?),
            5 => f64::from(i32::from_le_bytes(bytes.take()?)),
            6 => f64::from(f32::from_le_bytes(bytes.take()?)),
            10 => bytes.u64()? as f64,
            11 => i64::from_le_bytes(bytes.take()?) as f64,
            12 => f64::from_le_bytes(bytes.take()?),
            _ => return Err(unknown_type(kind)),
        })
    }

    fn tensors(&mut self, count: u64, alignment: u64, length: u64) -> io::Result<HashMap<String, TensorEntry>> {
        // A name's length, the number of dimensions, a type and an offset.
        self.bytes.room(count, 20, "tensors")?;
        let mut tensors = HashMap::new();
        for _ in 0..count {
            let name = self.text()?;
            let entry = self.entry().map_err(|error| in_context(&error, &format!("tensor `{name}`")))?;
            if !entry.offset.is_multiple_of(alignment) {
                return Err(invalid(format!("tensor `{name}` does not begin at a multiple of {alignment} bytes")));
            }
            if tensors.insert(name.clone(), entry).is_some() {
                return Err(invalid(format!("tensor `{name}` is there twice")));
            }
        }
        let data = self.bytes.at().next_multiple_of(alignment);
        for (name, entry) in &mut tensors {
            // How long a tensor of an unknown type is, is unknown.
            let bytes = entry.stored.bytes(&entry.dims).unwrap_or(0);
            let end = data.checked_add(entry.offset).and_then(|start| start.checked_add(bytes));
            let beyond = end.is_none_or(|end| end > length);
            if beyond {
                return Err(invalid(format!("tensor `{name}` ends beyond the end of the file at byte {length}")));
            }
            entry.offset += data;
        }
        Ok(tensors)
    }

    fn entry(&mut self) -> io::Result<TensorEntry> {
        let rank = self.bytes.u32()?;
        if rank > DIMENSIONS {
            return Err(invalid(format!("it has {rank} dimensions, more than {DIMENSIONS}")));
        }
        let mut dims = (0..rank).map(|_| self.count().map(|dim| dim as usize)).collect::<io::Result<Vec<_>>>()?;
        dims.reverse();
        let stored = TensorType::of_gguf(self.bytes.u32()?);
        let offset = self.bytes.u64()?;
        if dims.iter().try_fold(1usize, |all, &dim| all.checked_mul(dim)).is_none_or(|all| all > isize::MAX as usize) {
            return Err(invalid(format!("its dimensions {dims:?} are too large")));
        }
        if !dims.last().copied().unwrap_or(1).is_multiple_of(stored.block()) {
            return Err(invalid(format!(
                "its rows {dims:?} do not consist of whole blocks of {} ({stored})",
                stored.block()
            )));
        }
        Ok(TensorEntry { stored, dims, offset })
    }
}

fn unknown_type(kind: u32) -> io::Error {
    invalid(format!("it is of type {kind}; known are 0 to 12"))
}

fn in_context(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of one pair of metadata and one tensor, with numbers written by `write`.
    struct Sample {
        bytes: Vec<u8>,
        big_endian: bool,
        wide: bool,
    }

    impl Sample {
        fn put<const N: usize>(&mut self, mut little: [u8; N]) -> &mut Self {
            if self.big_endian {
                little.reverse();
            }
            self.bytes.extend(little);
            self
        }

        fn u32(&mut self, number: u32) -> &mut Self {
            self.put(number.to_le_bytes())
        }

        fn count(&mut self, number: u64) -> &mut Self {
            if self.wide { self.put(number.to_le_bytes()) } else { self.u32(number as u32) }
        }

        fn text(&mut self, text: &str) -> &mut Self {
            self.count(text.len() as u64).bytes.extend(text.as_bytes());
            self
        }

        /// A list of numbers and a matrix of 2 by 32 in `Q8_0`.
        fn whole(version: u32, big_endian: bool) -> Vec<u8> {
            let mut sample = Self { bytes: b"GGUF".to_vec(), big_endian, wide: version > 1 };
            sample.u32(version).count(1).count(2);
            sample.text("numbers").u32(9).u32(5).count(2).u32(7).u32(u32::MAX);
            sample.text("general.alignment").u32(4).u32(8);
            sample.text("w").u32(2).count(32).count(2).u32(8).put(0u64.to_le_bytes());
            let start = sample.bytes.len().next_multiple_of(8);
            sample.bytes.resize(start + 68, 0);
            sample.bytes
        }
    }

    fn read(bytes: &[u8]) -> Result<GgufHeader, String> {
        GgufHeader::read(bytes, bytes.len() as u64).map_err(|error| error.to_string())
    }

    #[test]
    fn every_version_is_read_in_either_order_of_bytes() {
        for (version, big_endian) in [(1, false), (2, false), (3, false), (3, true)] {
            let bytes = Sample::whole(version, big_endian);
            let header = read(&bytes).unwrap();
            assert_eq!(header.metadata["numbers"], Value::Numbers(vec![7.0, -1.0]));
            let entry = &header.tensors["w"];
            assert_eq!((entry.dims.as_slice(), entry.offset), ([2, 32].as_slice(), bytes.len() as u64 - 68));
            assert_eq!(header.big_endian, big_endian);
        }
    }

    #[test]
    fn a_header_that_is_cut_off_anywhere_is_refused() {
        let bytes = Sample::whole(3, false);
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]).unwrap_err();
            assert!(error.contains("byte") || error.contains("GGUF"), "{length}: {error}");
        }
    }

    #[test]
    fn counts_that_the_file_has_no_room_for_are_refused_before_room_is_made() {
        let bytes = Sample::whole(3, false);
        // The numbers of tensors and metadata, the length of a key, the length of a list, a dimension.
        for at in [8, 16, 24, 47, 114] {
            for huge in [u64::MAX, 1 << 40, 1 << 62] {
                let mut changed = bytes.clone();
                changed[at..at + 8].copy_from_slice(&huge.to_le_bytes());
                assert!(read(&changed).is_err(), "{huge} at {at}");
            }
        }
    }

    #[test]
    fn rows_that_are_no_whole_blocks_are_refused() {
        let mut sample = Sample { bytes: b"GGUF".to_vec(), big_endian: false, wide: true };
        sample.u32(3).count(1).count(0).text("w").u32(2).count(48).count(2).u32(12).put(0u64.to_le_bytes());
        sample.bytes.resize(4096, 0);
        let error = read(&sample.bytes).unwrap_err();
        assert!(error.contains("`w`") && error.contains("256 (Q4_K)"), "{error}");
    }
}
