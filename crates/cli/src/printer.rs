//! The one place that prints: data to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Width of tables where stdout is no terminal.
const PLAIN_WIDTH: usize = 120;

/// Decides about quiet and progress.
pub(crate) struct Printer {
    quiet: bool,
}

#[expect(clippy::unused_self, reason = "who prints asks the printer, whether or not it needs a setting for that")]
impl Printer {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Whether progress is shown: only to a person.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Data, to stdout.
    pub(crate) fn data(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Something a person should know, to stderr.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            // A closed stderr is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// A warning with its hint, to stderr.
    pub(crate) fn warning(&mut self, text: &str, hint: Option<&str>) {
        self.note(&format!("warning: {text}"));
        if let Some(hint) = hint {
            self.note(&format!("hint: {hint}"));
        }
    }

    /// Why a command failed; also when quiet.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "error: {}", failure.message());
        if let Some(hint) = failure.hint() {
            let _ = writeln!(err, "hint: {hint}");
        }
    }

    /// Characters in a line of stdout.
    pub(crate) fn width(&self) -> usize {
        if io::stdout().is_terminal()
            && let Some((width, _)) = terminal_size::terminal_size()
        {
            return usize::from(width.0);
        }
        PLAIN_WIDTH
    }
}
