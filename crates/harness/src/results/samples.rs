//! `samples.jsonl`: appended while a task runs, read back by whoever compares.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
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
        Ok(Self { path: path.to_path_buf(), file, unsynced: 0, synced_at: Instant::now() })
    }

    /// Appends one record. It is with the operating system when this returns, and on the disk within a small group.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, record: &SampleRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
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

/// Reads a whole `samples.jsonl`.
///
/// # Errors
/// When it cannot be read, a line is no record (the line is named), or a record has another version.
pub fn read_samples(path: &Path) -> Result<Vec<SampleRecord>, ReadError> {
    let read = |source| ReadError::Read { path: path.to_path_buf(), source };
    let mut records = Vec::new();
    for (index, line) in BufReader::new(File::open(path).map_err(read)?).lines().enumerate() {
        let record: SampleRecord = serde_json::from_str(&line.map_err(read)?).map_err(|source| ReadError::Line {
            path: path.to_path_buf(),
            line: index + 1,
            source,
        })?;
        if record.version != RECORD_VERSION {
            return Err(ReadError::Version { path: path.to_path_buf(), line: index + 1, version: record.version });
        }
        records.push(record);
    }
    Ok(records)
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
