//! `gac leaderboard`: runs as one table.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use gac_harness::report::{self, BesidePaper, Leaderboard, Mixing, PaperTable};
use gac_harness::results::{StoredRun, SystemResults};
use gac_harness::stats::Bootstrap;
use serde::Serialize;

use crate::failure::Failure;
use crate::hints::Hint;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct LeaderboardArgs {
    /// Runs, folders; rows and columns of all of them
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal, conflicts_with = "json")]
    pub(crate) format: TableFormat,
    /// As JSON: `--format json`
    #[arg(long)]
    pub(crate) json: bool,
    /// Let rows of different protocols stand in one column
    #[arg(long)]
    pub(crate) mix_protocols: bool,
    /// Show published numbers beside ours: the GaC paper's, or those of a CSV file
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "gac")]
    pub(crate) paper: Option<String>,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    Terminal,
    Markdown,
    Csv,
    Json,
    Latex,
    Html,
}

/// Prints the leaderboard of one run, or of several together.
pub(crate) fn leaderboard(args: &LeaderboardArgs, printer: &mut Printer) -> CommandOutcome {
    let systems = read(&args.runs)?;
    let mixing = if args.mix_protocols { Mixing::Allowed } else { Mixing::Refused };
    let mut leaderboard = Leaderboard::merge(&systems, mixing)?;
    for (system, error) in leaderboard.compare(&systems, Bootstrap::default()) {
        printer.warning(&format!("system `{system}` is not compared: {error}"), error.hint().as_deref());
    }
    let format = if args.json { TableFormat::Json } else { args.format };
    let paper = args.paper.as_deref().map(|name| Ok::<_, Failure>(paper(name)?.beside(&leaderboard))).transpose()?;
    let text = match &paper {
        None => plain(&leaderboard, format, printer.width())?,
        Some(paper) => beside(&leaderboard, paper, format, printer.width())?,
    };
    printer.data(&text)?;
    Ok(())
}

/// The systems of all runs; where a name comes twice, with its run's.
fn read(runs: &[PathBuf]) -> Result<Vec<SystemResults>, Failure> {
    let mut systems: Vec<SystemResults> = Vec::new();
    for path in runs {
        let run = StoredRun::read(path)?;
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        for system in &run.systems {
            let mut results = system.results();
            if systems.iter().any(|known| known.system == results.system) {
                results.system = format!("{} ({name})", results.system);
            }
            systems.push(results);
        }
    }
    Ok(systems)
}

fn paper(name: &str) -> Result<PaperTable, Failure> {
    if name == "gac" {
        return Ok(PaperTable::gac());
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("failed to read `{name}`"))?;
    Ok(PaperTable::parse(&text).with_context(|| format!("`{name}` is no table of published numbers"))?)
}

fn plain(leaderboard: &Leaderboard, format: TableFormat, width: usize) -> Result<String, Failure> {
    Ok(match format {
        TableFormat::Terminal => report::terminal(leaderboard, width),
        TableFormat::Markdown => report::markdown(leaderboard),
        TableFormat::Csv => report::csv(leaderboard)?,
        TableFormat::Json => report::json(leaderboard),
        TableFormat::Latex => report::latex(leaderboard),
        TableFormat::Html => report::html(leaderboard, None),
    })
}

fn beside(
    leaderboard: &Leaderboard,
    paper: &BesidePaper,
    format: TableFormat,
    width: usize,
) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Both<'a> {
        leaderboard: &'a Leaderboard,
        paper: &'a BesidePaper,
    }

    let ours = || plain(leaderboard, format, width);
    Ok(match format {
        TableFormat::Terminal => format!("{}\n{}", ours()?, paper.terminal(width)),
        TableFormat::Markdown => format!("{}\n{}", ours()?, paper.markdown()),
        TableFormat::Latex => format!("{}\n{}", ours()?, paper.latex()),
        TableFormat::Html => report::html(leaderboard, Some(paper)),
        // Rows of another shape are another file: of the two, the one that was asked for.
        TableFormat::Csv => paper.csv(),
        TableFormat::Json => serde_json::to_string_pretty(&Both { leaderboard, paper })? + "\n",
    })
}
