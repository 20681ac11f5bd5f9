//! `gac compare`: a run against another, and whether that is a regression.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gac_harness::compare::{self, Comparison, RegressionRule, SystemPair};
use gac_harness::policy::{self, Policy, Review};
use gac_harness::results::StoredRun;
use gac_harness::stats::Bootstrap;
use serde::Serialize;

use super::verdict::{CompareFormat, VerdictOutput};
use crate::failure::Failure;
use crate::outcome::Check;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The run to compare against, a folder
    pub(crate) base: PathBuf,
    /// The run that is compared, a folder
    pub(crate) new: PathBuf,
    /// Systems to compare [default: all, by name]
    #[arg(long, value_name = "NAME or BASE=NEW")]
    pub(crate) system: Vec<String>,
    /// Tasks to compare [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    /// Show the difference on every subject as well, in a terminal
    #[arg(long)]
    pub(crate) by_subject: bool,
    /// Exit with 1 where there is a regression
    #[arg(long, value_enum, conflicts_with = "policy")]
    pub(crate) fail_on: Option<FailOn>,
    /// Judge the new run by this policy as well, and exit as `gac gate` does
    #[arg(long, value_name = "POLICY.toml", conflicts_with_all = ["max_drop", "alpha", "tasks"])]
    pub(crate) policy: Option<PathBuf>,
    /// Percentage points that a score may drop without being a regression
    #[arg(long, value_name = "POINTS", default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) max_drop: f64,
    /// Probability of calling chance a regression; 1: every drop larger than --max-drop is one
    #[arg(long, value_name = "ALPHA", default_value_t = 0.05, allow_negative_numbers = true)]
    pub(crate) alpha: f64,
    /// Resamples of the bootstrap
    #[arg(long, value_name = "N", default_value_t = Bootstrap::default().resamples)]
    pub(crate) resamples: usize,
    /// Seed of the bootstrap
    #[arg(long, value_name = "SEED", default_value_t = Bootstrap::default().seed)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: VerdictOutput,
}

/// What makes the command say no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A task or the average is worse
    Regression,
}

/// Compares two runs. In GitHub Actions the step's summary gets the comparison as well.
pub(crate) fn compare(args: &CompareArgs, printer: &mut Printer) -> Result<Check, Failure> {
    let found = args.output.or_told(find(args))?;
    let Found { comparison, review } = &found;
    let text = match args.output.format() {
        CompareFormat::Terminal => {
            let subjects = if args.by_subject { compare::terminal_subjects(comparison) } else { String::new() };
            let review = review.as_ref().map(|review| format!("\n{}", policy::terminal(review, printer.width())));
            subjects + &compare::terminal(comparison, printer.width()) + &review.unwrap_or_default()
        }
        CompareFormat::Markdown => found.markdown(),
        CompareFormat::Json if review.is_some() => serde_json::to_string_pretty(&found)? + "\n",
        CompareFormat::Json => compare::json(comparison),
        CompareFormat::Junit => found.junit(),
    };
    printer.data(&text)?;
    args.output.tell(&found.junit(), &found.markdown())?;
    if let Some(review) = review {
        return Ok(review.ruling.into());
    }
    let is_worse = comparison.regressions().next().is_some();
    Ok(if is_worse && args.fail_on == Some(FailOn::Regression) { Check::SaidNo } else { Check::Fine })
}

/// What was found out about two runs.
#[derive(Serialize)]
struct Found {
    comparison: Comparison,
    review: Option<Review>,
}

impl Found {
    fn markdown(&self) -> String {
        let review = self.review.as_ref().map(|review| policy::markdown(review) + "\n");
        review.unwrap_or_default() + &compare::markdown(&self.comparison)
    }

    /// Where there is a policy, its limits are the cases.
    fn junit(&self) -> String {
        self.review.as_ref().map_or_else(|| compare::junit(&self.comparison), policy::junit)
    }
}

fn find(args: &CompareArgs) -> Result<Found, Failure> {
    let rule = RegressionRule::new(args.max_drop, args.alpha)?;
    let bootstrap = Bootstrap { resamples: args.resamples, seed: args.seed, ..Bootstrap::default() };
    let policy = args.policy.as_deref().map(Policy::load).transpose()?;
    let pairs: Vec<SystemPair> = args.system.iter().map(|text| SystemPair::parse(text)).collect();
    let (base, new) = (StoredRun::read(&args.base)?, StoredRun::read(&args.new)?);
    let review = policy.map(|policy| policy::review(&base, &new, &pairs, &policy)).transpose()?;
    Ok(Found { comparison: compare::compare(&base, &new, &pairs, &args.tasks, rule, bootstrap)?, review })
}
