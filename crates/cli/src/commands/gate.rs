//! `gac gate`: whether a run may stand in for another, by a policy.

use std::path::PathBuf;

use clap::Args;
use gac_harness::compare::{self, SystemPair};
use gac_harness::policy::{self, Policy, Review};
use gac_harness::results::StoredRun;

use super::shown::{CompareFormat, append_summary, write_junit};
use crate::failure::Failure;
use crate::outcome::Check;
use crate::printer::Printer;

#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 GO, 1 NO-GO, 2 the runs could not be compared, 3 INCONCLUSIVE")]
pub(crate) struct GateArgs {
    /// What is asked for, a TOML file; `docs/gate.md` says how
    pub(crate) policy: PathBuf,
    /// The run to compare against, a folder
    pub(crate) base: PathBuf,
    /// The run that is judged, a folder
    pub(crate) new: PathBuf,
    /// Systems to judge [default: all, by name]
    #[arg(long, value_name = "NAME or BASE=NEW")]
    pub(crate) system: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = CompareFormat::Terminal, conflicts_with = "json")]
    pub(crate) format: CompareFormat,
    /// As JSON: `--format json`
    #[arg(long)]
    pub(crate) json: bool,
    /// Write JUnit's XML to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// Judges a run. In GitHub Actions the step's summary gets the answer as well.
pub(crate) fn gate(args: &GateArgs, printer: &mut Printer) -> Result<Check, Failure> {
    let review = match find(args) {
        Ok(review) => review,
        Err(failure) => {
            let reason = failure.message();
            write_junit(args.junit.as_deref(), &compare::junit_error(&reason))?;
            append_summary(&format!("### Could not compare\n\n{reason}\n"))?;
            return Err(failure);
        }
    };
    let text = match if args.json { CompareFormat::Json } else { args.format } {
        CompareFormat::Terminal => policy::terminal(&review, printer.width()),
        CompareFormat::Markdown => policy::markdown(&review),
        CompareFormat::Json => policy::json(&review),
        CompareFormat::Junit => policy::junit(&review),
    };
    printer.data(&text)?;
    write_junit(args.junit.as_deref(), &policy::junit(&review))?;
    append_summary(&policy::markdown(&review))?;
    Ok(review.ruling.into())
}

fn find(args: &GateArgs) -> Result<Review, Failure> {
    let policy = Policy::load(&args.policy)?;
    let pairs: Vec<SystemPair> = args.system.iter().map(|text| SystemPair::parse(text)).collect();
    let (base, new) = (StoredRun::read(&args.base)?, StoredRun::read(&args.new)?);
    Ok(policy::review(&base, &new, &pairs, &policy)?)
}
