//! How what was found of two runs is shown: on stdout, in a file of JUnit's, in GitHub's summary of a step.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use gac_harness::compare;
use gac_systems::write_atomic;

use crate::failure::Failure;

/// Where GitHub Actions wants a step's summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// How a comparison is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    Terminal,
    Markdown,
    Json,
    Junit,
}

/// Where a verdict on two runs goes.
#[derive(Args, Debug)]
pub(crate) struct VerdictOutput {
    /// What to print
    #[arg(long, value_enum, default_value_t = CompareFormat::Terminal, conflicts_with = "json")]
    format: CompareFormat,
    /// As JSON: `--format json`
    #[arg(long)]
    json: bool,
    /// Write JUnit's XML to this file as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl VerdictOutput {
    /// How it is printed.
    pub(super) fn format(&self) -> CompareFormat {
        if self.json { CompareFormat::Json } else { self.format }
    }

    /// What was found; where that failed, JUnit's file and the step's summary say so.
    pub(super) fn or_told<T>(&self, found: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &found {
            let reason = failure.message();
            self.tell(&compare::junit_error(&reason), &format!("### Could not compare\n\n{reason}\n"))?;
        }
        found
    }

    /// Writes JUnit's XML where a file for it is named, and adds to the step's summary where there is one.
    pub(super) fn tell(&self, junit: &str, markdown: &str) -> Result<(), Failure> {
        if let Some(path) = &self.junit {
            write_atomic(path, junit.as_bytes()).with_context(|| format!("failed to write `{}`", path.display()))?;
        }
        append_summary(markdown)
    }
}

/// Adds to the step's summary, where there is one.
fn append_summary(markdown: &str) -> Result<(), Failure> {
    let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = Path::new(&path);
    let appended = OpenOptions::new().create(true).append(true).open(path);
    let appended = appended.and_then(|mut file| file.write_all(format!("{markdown}\n").as_bytes()));
    Ok(appended.with_context(|| format!("failed to write `{}` ({STEP_SUMMARY})", path.display()))?)
}
