//! How what was found of two runs is shown: on stdout, in a file of JUnit's, in GitHub's summary of a step.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
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

/// Writes JUnit's XML, where a file for it is named.
pub(super) fn write_junit(path: Option<&Path>, xml: &str) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    Ok(write_atomic(path, xml.as_bytes()).with_context(|| format!("failed to write `{}`", path.display()))?)
}

/// Adds to the step's summary, where there is one.
pub(super) fn append_summary(markdown: &str) -> Result<(), Failure> {
    let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = Path::new(&path);
    let appended = OpenOptions::new().create(true).append(true).open(path);
    let appended = appended.and_then(|mut file| file.write_all(format!("{markdown}\n").as_bytes()));
    Ok(appended.with_context(|| format!("failed to write `{}` ({STEP_SUMMARY})", path.display()))?)
}
