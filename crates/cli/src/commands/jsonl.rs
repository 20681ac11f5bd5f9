//! JSON lines in, JSON lines out at once: errors name the line, a file appears whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// What a user can do where an output cannot be written.
pub(super) const ELSEWHERE: &str = "name another file with `--output`";

/// Reads every line of `path`; blank lines are passed over, and so is a byte order mark. Gives line numbers, from 1,
/// with the values.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, shape: &str) -> Result<Vec<(usize, T)>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| {
        let error = anyhow::Error::new(source).context(format!("failed to read `{}`", path.display()));
        Failure::with_hint(error, format!("a text file of JSON lines: {shape}"))
    })?;
    parse(text.strip_prefix('\u{feff}').unwrap_or(&text), path, shape)
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path, shape: &str) -> Result<Vec<(usize, T)>, Failure> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let values = lines
        .map(|(number, line)| {
            let value = serde_json::from_str(line).map_err(|source| {
                Failure::with_hint(
                    anyhow::anyhow!("line {number} of `{}` does not parse: {source}", path.display()),
                    format!("each line is a JSON object {shape}"),
                )
            })?;
            Ok((number, value))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    if values.is_empty() {
        return Err(Failure::with_hint(
            anyhow::anyhow!("`{}` has no lines", path.display()),
            format!("each line is a JSON object {shape}"),
        ));
    }
    Ok(values)
}

/// A file of lines that are all there before the first is written.
pub(crate) struct JsonLines {
    path: PathBuf,
    output: gac_systems::Output,
}

impl JsonLines {
    /// Opens it, so that a place that cannot be written is known before the work begins.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let output =
            gac_systems::Output::open(path).map_err(|source| Failure::cannot_write(path, source, ELSEWHERE))?;
        Ok(Self { path: path.to_owned(), output })
    }

    /// Writes all lines.
    pub(crate) fn finish<T: Serialize>(self, lines: impl IntoIterator<Item = T>) -> Result<(), Failure> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        self.output.write(&text).map_err(|source| Failure::cannot_write(&self.path, source, ELSEWHERE))
    }
}
