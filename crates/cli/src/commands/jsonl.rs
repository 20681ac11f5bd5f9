//! JSON lines in, JSON lines out: errors name the line, output appears whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Reads every line of `path`; blank lines are passed over. Gives line numbers, from 1, with the values.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, shape: &str) -> Result<Vec<(usize, T)>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| {
        let error = anyhow::Error::new(source).context(format!("failed to read `{}`", path.display()));
        Failure::with_hint(error, format!("a text file of JSON lines: {shape}"))
    })?;
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

/// A file that is there only once it is complete: written beside its place, then renamed.
pub(crate) struct Output {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Output {
    /// Opens it, so that a place that cannot be written is known before the work begins.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file =
            tempfile::NamedTempFile::new_in(folder).with_context(|| format!("failed to write `{}`", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes all lines and puts the file in its place.
    pub(crate) fn finish<T: Serialize>(mut self, lines: impl IntoIterator<Item = T>) -> Result<(), Failure> {
        let write = |file: &mut tempfile::NamedTempFile| -> anyhow::Result<()> {
            let mut out = std::io::BufWriter::new(file.as_file_mut());
            for line in lines {
                serde_json::to_writer(&mut out, &line)?;
                out.write_all(b"\n")?;
            }
            out.flush()?;
            Ok(())
        };
        write(&mut self.file).with_context(|| format!("failed to write `{}`", self.path.display()))?;
        self.file.as_file().sync_all().with_context(|| format!("failed to write `{}`", self.path.display()))?;
        share(&self.file)?;
        self.file.persist(&self.path).with_context(|| format!("failed to write `{}`", self.path.display()))?;
        Ok(())
    }
}

/// Temporary files are private; results are as readable as any new file.
#[cfg(unix)]
fn share(file: &tempfile::NamedTempFile) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    Ok(())
}

#[cfg(not(unix))]
fn share(_file: &tempfile::NamedTempFile) -> Result<(), Failure> {
    Ok(())
}
