//! `gac gate`: whether a run may stand in for another, by a policy.

use std::path::PathBuf;

use clap::Args;
use gac_harness::compare::SystemPair;
use gac_harness::policy::{self, Policy, Review};
use gac_harness::results::StoredRun;

use super::verdict::{CompareFormat, VerdictOutput};
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
    #[command(flatten)]
    pub(crate) output: VerdictOutput,
}

/// Judges a run. In GitHub Actions the step's summary gets the answer as well.
pub(crate) fn gate(args: &GateArgs, printer: &mut Printer) -> Result<Check, Failure> {
    let review = args.output.or_told(find(args))?;
    let text = match args.output.format() {
        CompareFormat::Terminal => policy::terminal(&review, printer.width()),
        CompareFormat::Markdown => policy::markdown(&review),
        CompareFormat::Json => policy::json(&review),
        CompareFormat::Junit => policy::junit(&review),
    };
    printer.data(&text)?;
    args.output.tell(&policy::junit(&review), &policy::markdown(&review))?;
    Ok(review.ruling.into())
}

fn find(args: &GateArgs) -> Result<Review, Failure> {
    let policy = Policy::load(&args.policy)?;
    let pairs: Vec<SystemPair> = args.system.iter().map(|text| SystemPair::parse(text)).collect();
    let (base, new) = (StoredRun::read(&args.base)?, StoredRun::read(&args.new)?);
    Ok(policy::review(&base, &new, &pairs, &policy)?)
}
