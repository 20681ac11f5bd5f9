//! `samples.jsonl`: appended while a task runs, read back by whoever resumes or compares.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::RECORD_VERSION;
use super::sample::SampleRecord;

/// Samples after which the file is forced to the disk.
const SYNC_EVERY: usize = 32;
/// Time after which it is, at the next sample.
const SYNC_AFTER: Duration = Duration::from_secs(2);

/// Appends records, one whole line per write, so that a killed process leaves at most one torn line.
#[derive(Debug)]
pub struct SampleLog {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    unsynced: usize,
    synced_at: Instant,
}

impl SampleLog {
    /// Opens `path` for appending.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_path_buf(), file, length, unsynced: 0, synced_at: Instant::now() })
    }

    /// Appends one record. It is with the operating system when this returns, and on the disk within a small group.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is intact then, and whole.
    pub fn append(&mut self, record: &SampleRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // A full disk takes a part of a line; the error to report is the first one.
            let _ = self.file.set_len(self.length);
            let _ = self.file.sync_data();
            return Err(error);
        }
        self.length += line.len() as u64;
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY || self.synced_at.elapsed() >= SYNC_AFTER {
            self.sync()?;
        }
        Ok(())
    }

    /// Forces what was appended to the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced > 0 {
            self.file.sync_data()?;
        }
        self.unsynced = 0;
        self.synced_at = Instant::now();
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What a `samples.jsonl` holds, up to where its writing was cut short.
#[derive(Debug, Default)]
pub struct SampleFile {
    /// The whole records, in the order of the file.
    pub records: Vec<SampleRecord>,
    /// Bytes that the whole records take.
    pub length: u64,
    /// Bytes after them: a line that was being written when its process was killed. 0 as a rule.
    pub torn: u64,
}

impl SampleFile {
    /// Reads a `samples.jsonl`; one that is not there holds nothing.
    ///
    /// Only the end of a file can be torn: a line that is no record before one that is has been damaged otherwise, and
    /// is an error.
    ///
    /// # Errors
    /// When it cannot be read, a line in the middle is no record (the line is named), or a record has another version.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ReadError::Read { path: path.to_path_buf(), source }),
        };
        let mut found = Self::default();
        let mut bad = None;
        let mut end = 0;
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            end += line.len() as u64;
            let record = match line.strip_suffix(b"\n") {
                Some(line) => parse(path, index + 1, line),
                // Without its end, a line is not all there, whatever it looks like.
                None => break,
            };
            match (record, bad.take()) {
                (Ok(record), None) => {
                    found.records.push(record);
                    found.length = end;
                }
                (Ok(_), Some(error)) | (Err(error @ ReadError::Version { .. }), _) => return Err(error),
                (Err(_), Some(error)) | (Err(error), None) => bad = Some(error),
            }
        }
        found.torn = bytes.len() as u64 - found.length;
        Ok(found)
    }
}

/// Reads a whole `samples.jsonl`.
///
/// # Errors
/// When it cannot be read, a line is no record (the line is named), or a record has another version.
pub fn read_samples(path: &Path) -> Result<Vec<SampleRecord>, ReadError> {
    let bytes = fs::read(path).map_err(|source| ReadError::Read { path: path.to_path_buf(), source })?;
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate();
    lines.map(|(index, line)| parse(path, index + 1, line.strip_suffix(b"\n").unwrap_or(line))).collect()
}

fn parse(path: &Path, line: usize, text: &[u8]) -> Result<SampleRecord, ReadError> {
    let record: SampleRecord =
        serde_json::from_slice(text).map_err(|source| ReadError::Line { path: path.to_path_buf(), line, source })?;
    if record.version == RECORD_VERSION {
        Ok(record)
    } else {
        Err(ReadError::Version { path: path.to_path_buf(), line, version: record.version })
    }
}

/// Samples cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is not a sample.
    #[error("line {line} of `{}` is not a sample record", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A record of another version.
    #[error("line {line} of `{}` has record version {version}; this gac reads version {RECORD_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What it says.
        version: u32,
    },
}
