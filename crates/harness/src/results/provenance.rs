//! Who ran something, with what, and where.

use std::path::{Path, PathBuf};
use std::process::Command;

use gac_systems::any_path;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::{DataFiles, TaskFile};

/// What a run cannot know of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The commit that the binary was built from, where that is known.
    pub build: Option<String>,
    /// The command line.
    pub command: Vec<String>,
    /// The device's name: `cpu`, `cuda:0`, ...
    pub device: Option<String>,
    /// The data that were read.
    pub data: Vec<DataFiles>,
    /// The files of lm-evaluation-harness that were read.
    pub task_files: Vec<TaskFile>,
    /// The state of the repository that the recipe is in.
    pub git: Option<GitState>,
}

/// One process's work on a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC; absent while it runs, or after it was killed.
    pub ended: Option<String>,
    /// gac's version.
    pub gac: String,
    /// The commit that it was built from, where that is known.
    pub build: Option<String>,
    /// The state of the repository that the recipe is in, where it is in one.
    pub git: Option<GitState>,
    /// The command line.
    pub command: Vec<String>,
    /// The current folder, where relative paths start.
    #[serde(with = "any_path")]
    pub folder: PathBuf,
    /// The device's name.
    pub device: Option<String>,
    /// The machine.
    pub machine: Machine,
}

/// A git repository at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// The commit checked out.
    pub commit: String,
    /// Whether tracked files differ from it.
    pub changed: bool,
}

/// Where a run ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `linux`, `macos`, `windows`, ...
    pub os: String,
    /// `x86_64`, `aarch64`, ...
    pub arch: String,
    /// Its name in the network, where it says so.
    pub host: Option<String>,
    /// The processor's name, where the system says so.
    pub processor: Option<String>,
    /// Bytes of memory, where the system says so.
    pub memory: Option<u64>,
    /// Processors that the process may use.
    pub cores: usize,
    /// Threads that compute: `RAYON_NUM_THREADS`, or one per core.
    pub threads: usize,
}

impl Session {
    /// A session that starts now.
    pub(super) fn starting(provenance: &Provenance) -> Self {
        Self {
            started: Timestamp::now().rfc3339(),
            ended: None,
            gac: env!("CARGO_PKG_VERSION").to_owned(),
            build: provenance.build.clone(),
            git: provenance.git.clone(),
            command: provenance.command.clone(),
            folder: std::env::current_dir().unwrap_or_default(),
            device: provenance.device.clone(),
            machine: Machine::here(),
        }
    }
}

impl GitState {
    /// The repository around `folder`; none where there is none, or no git.
    pub fn around(folder: &Path) -> Option<Self> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let git = |args: &[&str]| {
            let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let commit = git(&["rev-parse", "HEAD"])?;
        let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
        Some(Self { commit, changed: !changed.is_empty() })
    }
}

impl Machine {
    /// The present one.
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let field = |text: &str, name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'))?.1.trim().to_owned();
            Some(value)
        };
        let memory = read("/proc/meminfo").and_then(|text| field(&text, "MemTotal"));
        let kilobytes = memory.and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            host: read("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()),
            processor: read("/proc/cpuinfo").and_then(|text| field(&text, "model name")),
            memory: kilobytes.map(|kilobytes| kilobytes * 1024),
            cores,
            // rayon takes 0 for "choose yourself".
            threads: threads.filter(|threads| *threads > 0).unwrap_or(cores),
        }
    }
}
