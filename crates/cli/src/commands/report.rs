//! `gac report`: a run as one page.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use gac_harness::report;
use gac_harness::results::{StoredRun, write_atomic};

use crate::Outcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// The page [default: RUN/report.html]
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: Option<PathBuf>,
    /// Write the charts into this folder as well, each as SVG and as PNG
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
}

/// Writes a run's report.
pub(crate) fn report(args: &ReportArgs, printer: &mut Printer) -> Outcome {
    let run = StoredRun::read(&args.run)?;
    let page = report::report(&run)?;
    let output = args.output.clone().unwrap_or_else(|| args.run.join("report.html"));
    write_atomic(&output, page.as_bytes()).with_context(|| format!("failed to write `{}`", output.display()))?;
    printer.note(&format!("report: {} ({} bytes)", output.display(), page.len()));
    let Some(folder) = &args.plots else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("failed to write `{}`", folder.display()))?;
    let charts = report::charts(&run);
    for chart in &charts {
        let name = chart.title.to_lowercase().replace(' ', "-");
        for (ending, bytes) in [("svg", report::svg(chart)?.into_bytes()), ("png", report::png(chart)?)] {
            let path = folder.join(format!("{name}.{ending}"));
            write_atomic(&path, &bytes).with_context(|| format!("failed to write `{}`", path.display()))?;
        }
    }
    printer.note(&format!("{} charts in {}", charts.len(), folder.display()));
    Ok(())
}
