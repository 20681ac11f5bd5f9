//! `gac report`: a run as one page.

use std::path::{Path, PathBuf};

use clap::Args;
use gac_harness::history::History;
use gac_harness::report::{self, Chart, Sweep};
use gac_harness::results::StoredRun;
use gac_systems::write_atomic;

use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// Another run whose axes of thresholds are shown beside this one [default: its own, where it has any]
    #[arg(long, value_name = "RUN")]
    pub(crate) sweep: Option<PathBuf>,
    /// A history of scores that is shown beside the run, a file that `gac track` writes
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) history: Option<PathBuf>,
    /// The page [default: RUN/report.html]
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: Option<PathBuf>,
    /// Write the charts into this folder as well, each as SVG, as PNG, and its points as CSV
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
}

/// Writes a run's report.
pub(crate) fn report(args: &ReportArgs, printer: &mut Printer) -> CommandOutcome {
    let run = StoredRun::read(&args.run)?;
    let sweep = match &args.sweep {
        Some(other) => Some(Sweep::of(&StoredRun::read(other)?).ok_or_else(|| no_axis(other))?),
        None => Sweep::of(&run),
    };
    let mut charts = report::charts(&run)?;
    charts.extend(sweep.iter().flat_map(report::sweep_charts));
    let history = args.history.as_deref().map(read).transpose()?;
    charts.extend(history.iter().flat_map(report::history_charts));
    let page = report::report(&run, sweep.as_ref(), history.as_ref())?;
    let output = args.output.clone().unwrap_or_else(|| args.run.join("report.html"));
    write_atomic(&output, page.as_bytes())
        .map_err(|source| Failure::cannot_write(&output, source, "name another file with `-o FILE.html`"))?;
    printer.note(&format!("report: {} ({} bytes)", output.display(), page.len()));
    if let Some(folder) = &args.plots {
        plots(folder, &charts)?;
        printer.note(&format!("{} charts in {}", charts.len(), folder.display()));
    }
    Ok(())
}

/// A history that is asked for has to be there.
fn read(path: &Path) -> Result<History, Failure> {
    let history = History::read(path)?;
    if history.rows().is_empty() {
        let error = anyhow::anyhow!("there is no history in `{}`", path.display());
        return Err(Failure::with_hint(error, "`gac track RUN --history FILE.csv` adds a run to one"));
    }
    Ok(history)
}

fn no_axis(run: &Path) -> Failure {
    let error = anyhow::anyhow!("the run in `{}` has no axis of thresholds", run.display());
    Failure::with_hint(error, "`gac sweep` makes one, or `thresholds = [0.1, 0.5]` of a system in a recipe")
}

fn plots(folder: &Path, charts: &[Chart]) -> Result<(), Failure> {
    let cannot_write = |path: &Path, source| Failure::cannot_write(path, source, "name another folder with `--plots`");
    std::fs::create_dir_all(folder).map_err(|source| cannot_write(folder, source))?;
    for chart in charts {
        let name = file_name(&chart.title);
        let files = [
            ("svg", report::svg(chart)?.into_bytes()),
            ("png", report::png(chart)?),
            ("csv", report::chart_csv(chart).into_bytes()),
        ];
        for (ending, bytes) in files {
            let path = folder.join(format!("{name}.{ending}"));
            write_atomic(&path, &bytes).map_err(|source| cannot_write(&path, source))?;
        }
    }
    Ok(())
}

/// A chart's title as a file's name.
fn file_name(title: &str) -> String {
    let words = title.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}
