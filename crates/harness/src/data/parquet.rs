//! Rows of a parquet file.

use std::fs::File;
use std::path::Path;

use polars::prelude::{AnyValue, ArrowDataType, ParquetReader, SerReader, Series};
use serde_json::{Map, Value};

use super::DataError;

/// A row: column name to value, in the order the columns were asked for. Integers stay integers, lists stay lists, and
/// a struct is a map.
pub type Row = Map<String, Value>;

/// Reads the named columns of a parquet file, row by row.
///
/// # Errors
/// When the file does not parse, or a column is missing or holds something else than text, numbers, booleans, and lists
/// and structs of them.
pub fn read(path: &Path, columns: &[String]) -> Result<Vec<Row>, DataError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| DataError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| failed(source.into()))?;
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema().map_err(|source| failed(source.into()))?;
    for column in columns {
        let Some(field) = schema.get(column) else {
            return Err(DataError::MissingColumn {
                path: path.to_owned(),
                column: column.clone(),
                available: schema.iter_names().map(ToString::to_string).collect(),
            });
        };
        if !is_supported(&field.dtype) {
            return Err(DataError::UnsupportedColumn {
                path: path.to_owned(),
                column: column.clone(),
                kind: format!("{:?}", field.dtype),
            });
        }
    }

    let frame = reader.with_columns(Some(columns.to_vec())).finish().map_err(|source| failed(source.into()))?;
    let mut rows = vec![Row::new(); frame.height()];
    for name in columns {
        let column = frame.column(name).map_err(|source| failed(source.into()))?;
        for (row, value) in rows.iter_mut().zip(column.as_materialized_series().iter()) {
            row.insert(name.clone(), json(&value));
        }
    }
    Ok(rows)
}

/// Reads every column of a parquet file, row by row.
///
/// # Errors
/// As [`read`].
pub(super) fn read_all(path: &Path) -> Result<Vec<Row>, DataError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| DataError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| failed(source.into()))?;
    let schema = ParquetReader::new(file).schema().map_err(|source| failed(source.into()))?;
    let columns: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
    read(path, &columns)
}

/// How many rows a parquet file has.
///
/// # Errors
/// When the file does not parse.
pub(super) fn height(path: &Path) -> Result<usize, DataError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| DataError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| failed(source.into()))?;
    ParquetReader::new(file).num_rows().map_err(|source| failed(source.into()))
}

/// Whether values of this type become JSON without loss.
fn is_supported(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    match dtype {
        T::Boolean
        | T::Int32
        | T::Int64
        | T::UInt32
        | T::UInt64
        | T::Float32
        | T::Float64
        | T::Utf8
        | T::LargeUtf8
        | T::Utf8View => true,
        T::List(inner) | T::LargeList(inner) => matches!(inner.dtype, T::Null) || is_supported(&inner.dtype),
        T::Struct(fields) => fields.iter().all(|field| is_supported(&field.dtype)),
        _ => false,
    }
}

fn json(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Boolean(value) => (*value).into(),
        AnyValue::String(text) => (*text).into(),
        AnyValue::StringOwned(text) => text.as_str().into(),
        AnyValue::UInt32(value) => (*value).into(),
        AnyValue::UInt64(value) => (*value).into(),
        AnyValue::Int32(value) => (*value).into(),
        AnyValue::Int64(value) => (*value).into(),
        AnyValue::Float32(value) => (*value).into(),
        AnyValue::Float64(value) => (*value).into(),
        AnyValue::List(series) => list(series),
        AnyValue::Struct(_, _, fields) => fields
            .iter()
            .zip(value._iter_struct_av())
            .map(|(field, value)| (field.name().to_string(), json(&value)))
            .collect::<Map<_, _>>()
            .into(),
        AnyValue::StructOwned(owned) => owned
            .1
            .iter()
            .zip(&owned.0)
            .map(|(field, value)| (field.name().to_string(), json(value)))
            .collect::<Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}

fn list(series: &Series) -> Value {
    series.iter().map(|value| json(&value)).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, DataFrame, IntoSeries, NamedFrom, ParquetWriter, StructChunked};
    use std::path::PathBuf;

    fn write(folder: &Path, mut frame: DataFrame) -> PathBuf {
        let path = folder.join("rows.parquet");
        ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
        path
    }

    fn frame() -> DataFrame {
        let texts = Series::new("text".into(), [Series::new("".into(), ["x", "y"]), Series::new("".into(), ["z"])]);
        let labels = Series::new("label".into(), [Series::new("".into(), ["A", "B"]), Series::new("".into(), ["1"])]);
        let choices = StructChunked::from_series("choices".into(), 2, [texts, labels].iter()).unwrap().into_series();
        DataFrame::new(
            2,
            vec![
                Column::new("question".into(), ["what?", "why?"]),
                Column::new("answer".into(), [3_i64, 1]),
                choices.into(),
            ],
        )
        .unwrap()
    }

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_structs_and_integers_survive() {
        let folder = tempfile::tempdir().unwrap();
        let rows = read(&write(folder.path(), frame()), &columns(&["answer", "choices"])).unwrap();
        let expected = [
            r#"{"answer":3,"choices":{"text":["x","y"],"label":["A","B"]}}"#,
            r#"{"answer":1,"choices":{"text":["z"],"label":["1"]}}"#,
        ];
        assert_eq!(rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_missing_column_is_named_with_the_columns_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&write(folder.path(), frame()), &columns(&["goal"])).unwrap_err().to_string();
        assert!(error.ends_with("has no column `goal`; its columns are question, answer, choices"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_parquet_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        std::fs::write(&path, "not parquet").unwrap();
        assert!(matches!(read(&path, &[]), Err(DataError::Read { .. })));
        assert!(matches!(height(&path), Err(DataError::Read { .. })));
        assert_eq!(height(&write(folder.path(), frame())).unwrap(), 2);
    }
}
