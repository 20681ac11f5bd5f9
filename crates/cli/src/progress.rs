//! Progress bars on stderr, fed by a run's events.

use std::io;
use std::time::Duration;

use gac_harness::{Event, Reporter};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::hints::Hint;
use crate::printer::Printer;

/// Shows a run's progress to a person: one bar, for the task that is being run.
pub(crate) struct Progress<'a> {
    printer: &'a mut Printer,
    bar: ProgressBar,
    /// Samples that an earlier session had finished.
    reused: usize,
    /// Systems that are at a task together, and that task.
    at_work: (usize, String),
}

impl<'a> Progress<'a> {
    /// Bars where stderr is a terminal, else nothing but warnings.
    pub(crate) fn new(printer: &'a mut Printer) -> Self {
        let bar = ProgressBar::with_draw_target(None, target(printer));
        Self { printer, bar, reused: 0, at_work: (0, String::new()) }
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

impl Progress<'_> {
    /// What the bar is about.
    fn work(&self, system: &str, task: &str) -> String {
        match self.at_work.0 {
            0 | 1 => format!("{system}: {task}"),
            systems => format!("{task}, {systems} systems"),
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
                let (systems, of_task) = &mut self.at_work;
                if *systems > 0 && of_task.as_str() == *task {
                    // One bar for all of them.
                    self.bar.inc_length(*documents as u64);
                    self.bar.set_message(format!("{task}, {} systems", *systems + 1));
                    self.bar.inc(*reused as u64);
                } else {
                    (*task).clone_into(of_task);
                    self.start(format!("{system}: {task}"), Some(*documents));
                    self.bar.set_position(*reused as u64);
                }
                self.at_work.0 += 1;
                self.bar.reset_eta();
                self.reused += reused;
            }
            Event::NoAnswerScored { system, task, asked, documents } => {
                let work = self.work(system, task);
                // The bar counts samples, which come after that.
                if asked == documents {
                    self.bar.set_message(work);
                    self.bar.reset_eta();
                } else {
                    self.bar.set_message(format!("{work}, no answer {asked}/{documents}"));
                }
            }
            Event::SampleFinished { .. } => self.bar.inc(1),
            Event::TaskFinished { .. } => {
                self.at_work.0 = self.at_work.0.saturating_sub(1);
                if self.at_work.0 == 0 {
                    self.bar.finish_and_clear();
                }
            }
            Event::SystemFinished { .. } => self.bar.finish_and_clear(),
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
