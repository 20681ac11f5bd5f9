//! A file of an export.

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its place in the export's folder, with `/` between folder and file.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl ExportedFile {
    /// A file of `text` at `path`.
    pub(super) fn text(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), bytes: text.into().into_bytes() }
    }
}
