//! Progress bars on stderr, fed by a run's events.

use std::io;
use std::time::Duration;

use gac_harness::{Event, Reporter};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer::Printer;

/// Shows a run's progress to a person: one bar, for the task that is being run.
pub(crate) struct Progress<'a> {
    printer: &'a mut Printer,
    bar: ProgressBar,
    /// Samples that an earlier session had finished.
    reused: usize,
}

impl<'a> Progress<'a> {
    /// Bars where stderr is a terminal, else nothing but warnings.
    pub(crate) fn new(printer: &'a mut Printer) -> Self {
        let bar = ProgressBar::with_draw_target(None, target(printer));
        Self { printer, bar, reused: 0 }
    }

    fn start(&mut self, message: String, length: Option<usize>) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::with_draw_target(length.map(|length| length as u64), target(self.printer));
        let style = if length.is_some() { style() } else { ProgressStyle::default_spinner() };
        self.bar.set_style(style);
        self.bar.set_message(message);
        if self.printer.shows_progress() {
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }
}

/// A bar for work that is counted, outside of runs.
pub(crate) fn counter(printer: &Printer, message: &str, length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), target(printer)).with_style(style());
    bar.set_message(message.to_owned());
    if printer.shows_progress() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

fn target(printer: &Printer) -> ProgressDrawTarget {
    if printer.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}  {wide_bar:.dim}  {pos}/{len}  {per_sec}  ETA {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Reporter for Progress<'_> {
    fn on(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::SystemStarted { system, .. } => self.start(format!("loading {system}"), None),
            Event::TaskStarted { system, task, documents, reused } => {
                self.start(format!("{system}: {task}"), Some(*documents));
                self.bar.set_position(*reused as u64);
                self.bar.reset_eta();
                self.reused += reused;
            }
            Event::SampleFinished { .. } => self.bar.inc(1),
            Event::TaskFinished { .. } | Event::SystemFinished { .. } => self.bar.finish_and_clear(),
            Event::RunFinished { .. } => {
                self.bar.finish_and_clear();
                if self.reused > 0 {
                    self.printer.note(&format!("{} samples were there already", self.reused));
                }
            }
            Event::Warning(warning) => {
                let printer = &mut *self.printer;
                self.bar.suspend(|| printer.warning(&warning.to_string(), warning.hint().as_deref()));
            }
            Event::RunStarted { .. } | Event::SystemOpened { .. } => {}
        }
        Ok(())
    }
}
