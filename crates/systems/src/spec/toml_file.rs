//! TOML files, with errors that say where.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Reads what a recipe file says of `T`.
///
/// # Errors
/// When the file cannot be read, or is not a recipe: then with the line and the column.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, RecipeError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| RecipeError::Read { path: path.to_path_buf(), source })?;
    parse_toml(&text, path)
}

/// [`read_toml`] of the text of a recipe that lies, or would lie, at `path`.
///
/// # Errors
/// When the text is not TOML, or not a `T`.
pub fn parse_toml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, RecipeError> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = position(text, error.span());
        let message = error.message().trim().replace('\n', ", ");
        RecipeError::Parse { path: path.to_path_buf(), line, column, message }
    })
}

/// Line and column of where `span` starts, counted from one, columns in characters.
fn position(text: &str, span: Option<Range<usize>>) -> (usize, usize) {
    let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A recipe file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("failed to read recipe `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a recipe.
    #[error("recipe `{}`, line {line}, column {column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// Counted from one, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}
