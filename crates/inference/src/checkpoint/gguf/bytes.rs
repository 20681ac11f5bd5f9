//! Reads the numbers and texts of a header, never beyond the end of the file.

use std::io::{self, Read};

/// Most bytes of one text. (Of a chat template, the longest there are, some ten thousand.)
const TEXT: u64 = 1 << 26;

/// What a file holds, from its beginning on.
pub(super) struct Bytes<R> {
    from: R,
    /// Bytes read.
    at: u64,
    /// Bytes of the file.
    length: u64,
    big_endian: bool,
}

impl<R: Read> Bytes<R> {
    pub(super) fn new(from: R, length: u64) -> Self {
        Self { from, at: 0, length, big_endian: false }
    }

    /// Has numbers begin with their highest byte.
    pub(super) fn set_big_endian(&mut self) {
        self.big_endian = true;
    }

    pub(super) fn big_endian(&self) -> bool {
        self.big_endian
    }

    /// Bytes read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// That many things of at least `bytes` bytes each are still to come, says the file: whether there is room for them.
    ///
    /// # Errors
    /// When there is not.
    pub(super) fn room(&self, count: u64, bytes: u64, what: &str) -> io::Result<usize> {
        let left = self.length - self.at;
        if count.checked_mul(bytes).is_none_or(|needed| needed > left) {
            return Err(invalid(format!("{count} {what} at byte {}, where {left} bytes are left", self.at)));
        }
        Ok(count as usize)
    }

    pub(super) fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        if self.big_endian {
            bytes.reverse();
        }
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// A text of so many bytes. What is no UTF-8 in it is replaced.
    pub(super) fn text(&mut self, length: u64) -> io::Result<String> {
        let length = self.room(length, 1, "bytes of text")?;
        if length as u64 > TEXT {
            return Err(invalid(format!("a text of {length} bytes at byte {}", self.at)));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => invalid(format!("it ends at byte {}, within its header", self.length)),
            _ => error,
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

pub(super) fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}
