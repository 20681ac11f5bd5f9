//! A run's folder: who lies where.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use gac_systems::{is_temporary, write_atomic};

use super::folder_error::FolderError;
use super::lock::{LOCK, RunLock};

/// The manifest's name in a run's folder.
pub(super) const MANIFEST: &str = "manifest.json";
/// Files that a run's folder may hold, beside its systems' folders.
const TAKEN: [&str; 7] =
    [MANIFEST, "leaderboard.md", "leaderboard.csv", "leaderboard.json", "leaderboard.html", "report.html", "sweep.csv"];
/// Longest slug, in bytes; file systems end at 255.
const MAX_SLUG: usize = 80;

/// A run's folder, with a folder of its own for every system and every task. Nobody else writes to it meanwhile.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    systems: Vec<String>,
    tasks: Vec<String>,
    _lock: RunLock,
}

/// What a folder holds that a run is to be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing: a new run.
    Nothing,
    /// A run, finished or not.
    Run,
}

/// Finds out whether a run may be written to `path`: there is nothing, an empty folder, or a run to go on with.
///
/// # Errors
/// When there is something else.
pub fn check_folder(path: &Path) -> Result<Contents, FolderError> {
    let owned = || path.to_path_buf();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(FolderError::NotAFolder { path: owned() });
        }
        Err(source) => return Err(FolderError::Write { path: owned(), source }),
    };
    if path.join(MANIFEST).is_file() {
        return Ok(Contents::Run);
    }
    for entry in entries {
        let name = entry.map_err(|source| FolderError::Write { path: owned(), source })?.file_name();
        // What a run leaves that was killed before it had written its manifest.
        if name != OsStr::new(LOCK) && !is_temporary(&name) {
            return Err(FolderError::NotEmpty { path: owned() });
        }
    }
    Ok(Contents::Nothing)
}

impl RunFolder {
    /// Opens the folder at `path` for a run, creating it where there is none, and keeps other processes out until it is
    /// dropped.
    ///
    /// # Errors
    /// As [`check_folder`], when it is in use, or when it cannot be created.
    pub fn open(path: &Path, systems: &[&str], tasks: &[&str]) -> Result<Self, FolderError> {
        check_folder(path)?;
        fs::create_dir_all(path).map_err(|source| FolderError::Write { path: path.to_path_buf(), source })?;
        let lock = RunLock::take(path)?;
        check_folder(path)?;
        remove_temporary(path).map_err(|source| FolderError::Write { path: path.to_path_buf(), source })?;
        Ok(Self { path: path.to_path_buf(), systems: slugs(systems, &TAKEN), tasks: slugs(tasks, &[]), _lock: lock })
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest's file.
    pub fn manifest(&self) -> PathBuf {
        self.path.join(MANIFEST)
    }

    /// Folder names of the systems, in order.
    pub fn systems(&self) -> &[String] {
        &self.systems
    }

    /// Folder names of the tasks inside each system's, in order.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// Creates, and returns, the folder of a task under a system, by their places in the run.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn task(&self, system: usize, task: usize) -> Result<PathBuf, FolderError> {
        let path = self.path.join(&self.systems[system]).join(&self.tasks[task]);
        fs::create_dir_all(&path).map_err(|source| FolderError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// Writes a record as indented JSON to `path`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(path: &Path, record: &impl Serialize) -> Result<(), FolderError> {
        let json = serde_json::to_string_pretty(record)
            .map_err(|source| FolderError::Write { path: path.to_path_buf(), source: source.into() })?;
        Self::write_text(path, &(json + "\n"))
    }

    /// Writes text to `path`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_text(path: &Path, text: &str) -> Result<(), FolderError> {
        write_atomic(path, text.as_bytes()).map_err(|source| FolderError::Write { path: path.to_path_buf(), source })
    }
}

/// Removes files that were being written when a process was killed, down to the tasks' folders.
fn remove_temporary(folder: &Path) -> io::Result<()> {
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                if depth < 2 {
                    folders.push((entry.path(), depth + 1));
                }
            } else if is_temporary(&entry.file_name()) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// One distinct folder name per name: its ASCII letters, digits, `-`, `_` and `.`, everything else a `-`; never empty,
/// never starting with a dot, never one of `taken`, distinct also where letters' case does not count.
fn slugs(names: &[&str], taken: &[&str]) -> Vec<String> {
    let mut used: BTreeSet<String> = taken.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut distinct = |name: &&str| {
        let base = slug(name);
        let mut candidate = base.clone();
        let mut number = 1;
        while !used.insert(candidate.to_ascii_lowercase()) {
            number += 1;
            candidate = format!("{base}-{number}");
        }
        candidate
    };
    names.iter().map(&mut distinct).collect()
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        let kept = character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        let character = if kept { character } else { '-' };
        if slug.len() < MAX_SLUG && !(character == '-' && slug.ends_with('-')) {
            slug.push(character);
        }
    }
    let trimmed = slug.trim_matches(['-', '.']);
    // Windows keeps these for devices, whatever their ending.
    let stem = trimmed.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || ((stem.starts_with("com") || stem.starts_with("lpt")) && stem.len() == 4);
    match trimmed {
        "" => "unnamed".to_owned(),
        _ if device => format!("x-{trimmed}"),
        _ => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_readable_distinct_and_inside() {
        let names = [
            "GaC(Yi + Mixtral)",
            "gac-yi-mixtral",
            "GaC Yi Mixtral",
            "gac-yi-mixtral-2",
            "../x",
            "..",
            "/",
            "",
            "日本",
            "manifest.json",
            "con",
            "a/b\\c\0d",
        ];
        assert_eq!(
            slugs(&names, &[MANIFEST]),
            [
                "GaC-Yi-Mixtral",
                "gac-yi-mixtral-2",
                "GaC-Yi-Mixtral-3",
                "gac-yi-mixtral-2-2",
                "x",
                "unnamed",
                "unnamed-2",
                "unnamed-3",
                "unnamed-4",
                "manifest.json-2",
                "x-con",
                "a-b-c-d",
            ]
        );
    }

    #[test]
    fn very_long_names_are_cut_and_stay_distinct() {
        let long = "m".repeat(300);
        let slugs = slugs(&[&long, &long], &[]);
        assert_eq!(slugs[0].len(), MAX_SLUG);
        assert_ne!(slugs[0], slugs[1]);
    }
}
