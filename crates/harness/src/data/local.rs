//! Rows of files on this machine that are in no data set's layout: JSON lines, JSON lists, parquet.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{DataError, Row, parquet};

/// Reads every row of a file, with the named columns, or all where none is named. A column that some rows lack is null
/// there.
///
/// # Errors
/// When the file cannot be read, is neither JSON rows nor parquet, or lacks a column.
pub(super) fn read(path: &Path, columns: &[String]) -> Result<Vec<Row>, DataError> {
    if path.extension().is_some_and(|extension| extension == "parquet") {
        return if columns.is_empty() { parquet::read_all(path) } else { parquet::read(path, columns) };
    }
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| DataError::ReadJson { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(|source| failed(source.into()))?;
    let rows: Vec<Row> = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).map_err(|source| failed(source.into()))?
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let row = |(at, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|source| failed(format!("line {}: {source}", at + 1).into()))
        };
        lines.map(row).collect::<Result<_, _>>()?
    };
    let mut names: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(Row::keys) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if let Some(missing) = columns.iter().find(|column| !names.contains(column)) {
        return Err(DataError::MissingColumn { path: path.to_owned(), column: missing.clone(), available: names });
    }
    let kept = if columns.is_empty() { names.as_slice() } else { columns };
    let whole =
        |row: Row| kept.iter().map(|name| (name.clone(), row.get(name).cloned().unwrap_or(Value::Null))).collect();
    Ok(rows.into_iter().map(whole).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(name: &str, text: &str, columns: &[&str]) -> Result<Value, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        read(&path, &columns).map(|rows| rows.into_iter().map(Value::from).collect())
    }

    #[test]
    fn lines_and_lists_are_rows_and_what_is_missing_is_null() {
        let expected = json!([{"a": 1, "b": null}, {"a": null, "b": ["x"]}]);
        assert_eq!(rows("x.jsonl", "{\"a\": 1}\n\n{\"b\": [\"x\"]}\n", &[]).unwrap(), expected);
        assert_eq!(rows("x.json", " [{\"a\": 1}, {\"b\": [\"x\"]}]", &[]).unwrap(), expected);
        assert_eq!(rows("x.json", "{\"a\": 1, \"b\": 2}", &["b"]).unwrap(), json!([{"b": 2}]));
    }

    #[test]
    fn a_wrong_line_and_a_missing_column_are_named() {
        let said = |text, columns: &[&str]| {
            let error = rows("x.jsonl", text, columns).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}")
        };
        let wrong = said("{\"a\": 1}\nno\n", &[]);
        assert!(wrong.contains("x.jsonl") && wrong.contains("line 2: "), "{wrong}");
        let missing = said("{\"a\": 1}\n", &["b"]);
        assert!(missing.contains("has no column `b`; its columns are a"), "{missing}");
    }
}
