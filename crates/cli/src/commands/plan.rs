//! `gac plan`: how many documents it takes to tell a drop.

use std::path::PathBuf;

use clap::Args;
use gac_harness::compare::SystemPair;
use gac_harness::policy;
use gac_harness::results::StoredRun;
use gac_harness::stats::{Demand, Spread, documents_needed};

use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

/// Shares of documents whose verdict changes, where nothing is known of them: from another build to another model.
const DISCORDANCES: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.3];

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// Two runs that show how much documents differ, folders (twice the same one with `--system A=B`)
    #[arg(num_args = 2, value_names = ["BASE", "NEW"], conflicts_with_all = ["discordance", "deviation"])]
    pub(crate) runs: Vec<PathBuf>,
    /// Percentage points that a score may drop
    #[arg(long, value_name = "POINTS", allow_negative_numbers = true)]
    pub(crate) max_drop: f64,
    /// Probability of taking a larger drop for a smaller one
    #[arg(long, value_name = "ALPHA", default_value_t = 0.05, allow_negative_numbers = true)]
    pub(crate) alpha: f64,
    /// Probability of showing that a system which did not change keeps to that
    #[arg(long, value_name = "POWER", default_value_t = 0.8, allow_negative_numbers = true)]
    pub(crate) power: f64,
    /// Percent of the documents whose verdict is thought to change [default: several]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    pub(crate) discordance: Option<f64>,
    /// Standard deviation of a document's difference, in percentage points, for metrics that are not right or wrong
    #[arg(long, value_name = "POINTS", conflicts_with = "discordance", allow_negative_numbers = true)]
    pub(crate) deviation: Option<f64>,
    /// Systems of the runs [default: all, by name]
    #[arg(long, value_name = "NAME or BASE=NEW", requires = "runs")]
    pub(crate) system: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints how many documents it takes.
pub(crate) fn plan(args: &PlanArgs, printer: &mut Printer) -> CommandOutcome {
    within(
        "--max-drop",
        args.max_drop,
        |drop| drop > 0.0 && drop <= 100.0,
        "above 0 and at most 100 percentage points",
    )?;
    within("--alpha", args.alpha, |alpha| alpha > 0.0 && alpha < 0.5, "above 0 and below 0.5, such as 0.05")?;
    within("--power", args.power, |power| power > 0.0 && power < 1.0, "above 0 and below 1, such as 0.8")?;
    let demand = Demand { max_drop: args.max_drop / 100.0, alpha: args.alpha, power: args.power };
    let found = match (&args.runs[..], args.discordance, args.deviation) {
        ([base, new], ..) => {
            let pairs: Vec<SystemPair> = args.system.iter().map(|text| SystemPair::parse(text)).collect();
            policy::needed(&StoredRun::read(base)?, &StoredRun::read(new)?, &pairs, demand)?
        }
        (_, Some(percent), _) => {
            within(
                "--discordance",
                percent,
                |share| (0.0..=100.0).contains(&share),
                "0 to 100 percent of the documents",
            )?;
            policy::needed_by_discordance(&[percent / 100.0], demand)
        }
        (_, _, Some(points)) => {
            within("--deviation", points, |points| points > 0.0 && points <= 100.0, "above 0 and at most 100 points")?;
            vec![policy::Needed {
                of: format!("a deviation of {points} points"),
                documents: None,
                groups: None,
                smallest_told: None,
                needed: documents_needed(Spread::Deviation(points / 100.0), demand),
            }]
        }
        _ => policy::needed_by_discordance(&DISCORDANCES, demand),
    };
    if args.json {
        printer.data(&(serde_json::to_string_pretty(&found)? + "\n"))?;
    } else {
        printer.data(&policy::needed_table(&found, demand))?;
    }
    Ok(())
}

fn within(flag: &str, value: f64, valid: impl Fn(f64) -> bool, range: &str) -> Result<(), Failure> {
    if valid(value) { Ok(()) } else { Err(Failure::from(anyhow::anyhow!("{flag} {value} cannot be; it is {range}"))) }
}
