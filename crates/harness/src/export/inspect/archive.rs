//! The zip that a log is.

use std::io::{Cursor, Write};

use serde_json::Value;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::export::error::ExportError;

/// JSON files in a zip, as they are: the same ones are always the same bytes.
pub(super) struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    pub(super) fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())).set_auto_large_file())
    }

    /// Adds a file.
    pub(super) fn add(&mut self, file: &str, value: &Value) -> Result<(), ExportError> {
        let text = serde_json::to_vec(value)?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default());
        let added = self.0.start_file(file, options).and_then(|()| self.0.write_all(&text).map_err(ZipError::Io));
        added.map_err(|source| ExportError::Archive { file: file.to_owned(), source })
    }

    /// The bytes of the zip.
    pub(super) fn finish(self) -> Result<Vec<u8>, ExportError> {
        let finished = self.0.finish().map(Cursor::into_inner);
        finished.map_err(|source| ExportError::Archive { file: "the list of files".to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::json;

    use super::*;

    fn archive() -> Vec<u8> {
        let mut archive = Archive::new();
        archive.add("header.json", &json!({ "version": 2 })).unwrap();
        archive.add("samples/a-1_epoch_1.json", &json!({ "id": "a-1" })).unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn files_come_out_of_the_zip_as_they_went_in() {
        let mut read = zip::ZipArchive::new(Cursor::new(archive())).unwrap();
        let mut text = String::new();
        read.by_name("samples/a-1_epoch_1.json").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((read.len(), text.as_str()), (2, r#"{"id":"a-1"}"#));
    }

    #[test]
    fn the_same_files_are_the_same_bytes_whenever_they_are_written() {
        assert_eq!(archive(), archive());
    }
}
