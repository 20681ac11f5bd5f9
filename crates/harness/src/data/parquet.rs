//! Rows of a parquet file.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use ::parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::DataError;

/// A row: column name to value, in the order the columns were asked for. Integers stay integers, lists stay lists, and
/// a struct is a map.
pub type Row = Map<String, Value>;

/// Reads the named columns of a parquet file, row by row.
///
/// Texts, booleans, integers and floats of every width, and lists and structs of them are what they are in JSON, however
/// the writer stored them (a dictionary, a list of fixed size). Bytes that are UTF-8 are text; dates, times and decimals
/// are as they are written; a float that JSON has no number for is null.
///
/// # Errors
/// When the file does not parse, or a column is missing or holds bytes that are no text.
pub fn read(path: &Path, columns: &[String]) -> Result<Vec<Row>, DataError> {
    let reader = open(path)?;
    let schema = reader.metadata().file_metadata().schema();
    for column in columns {
        if !schema.get_fields().iter().any(|field| field.name() == column) {
            return Err(DataError::MissingColumn {
                path: path.to_owned(),
                column: column.clone(),
                available: schema.get_fields().iter().map(|field| field.name().to_owned()).collect(),
            });
        }
    }
    guarded(path, || rows(path, &reader, columns))?
}

/// Reads every column of a parquet file, row by row.
///
/// # Errors
/// As [`read`].
pub(super) fn read_all(path: &Path) -> Result<Vec<Row>, DataError> {
    let reader = open(path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    let columns: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    guarded(path, || rows(path, &reader, &columns))?
}

/// How many rows a parquet file has.
///
/// # Errors
/// When the file does not parse.
pub(super) fn height(path: &Path) -> Result<usize, DataError> {
    Ok(open(path)?.metadata().file_metadata().num_rows() as usize)
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, DataError> {
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    guarded(path, || SerializedFileReader::new(file))?.map_err(|source| unreadable(path, source))
}

/// The rows of columns that are there.
fn rows(path: &Path, reader: &SerializedFileReader<File>, columns: &[String]) -> Result<Vec<Row>, DataError> {
    let unreadable = |source: ParquetError| unreadable(path, source);
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields().iter().filter(|field| columns.iter().any(|name| name == field.name()));
    let wanted = Type::group_type_builder(schema.name()).with_fields(fields.map(Arc::clone).collect()).build();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(Some(wanted.map_err(unreadable)?)).map_err(unreadable)? {
        let mut found = Row::new();
        for (name, field) in row.map_err(unreadable)?.into_columns() {
            let value = json(&field).map_err(|NotText| DataError::UnsupportedColumn {
                path: path.to_owned(),
                column: name.clone(),
                kind: "bytes that are not UTF-8".to_owned(),
            })?;
            found.insert(name, value);
        }
        let in_order = columns.iter().map(|name| (name.clone(), found.get(name).cloned().unwrap_or_default()));
        rows.push(in_order.collect());
    }
    Ok(rows)
}

/// The library panics on some damaged files.
fn guarded<T>(path: &Path, read: impl FnOnce() -> T) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| unreadable(path, "the file is damaged"))
}

fn unreadable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataError {
    DataError::Read { path: path.to_owned(), source: source.into() }
}

/// Bytes that are no text.
struct NotText;

fn json(field: &Field) -> Result<Value, NotText> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float16(value) => value.to_f64().into(),
        Field::Float(value) => (*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).map_err(|_| NotText)?.into(),
        Field::ListInternal(list) => list.elements().iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        Field::Group(row) => {
            let fields = row.get_column_iter().map(|(name, field)| Ok((name.clone(), json(field)?)));
            fields.collect::<Result<Map<_, _>, _>>()?.into()
        }
        Field::MapInternal(map) => {
            let entry = |(key, value): &(Field, Field)| {
                let key = match json(key)? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                Ok((key, json(value)?))
            };
            map.entries().iter().map(entry).collect::<Result<Map<_, _>, _>>()?.into()
        }
        Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => field.to_string().trim_matches('"').into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(format!("{name}.parquet"))
    }

    fn value() -> Vec<String> {
        vec!["value".to_owned()]
    }

    #[test]
    fn every_way_to_store_a_column_is_read_as_its_writer_meant_it() {
        let expected = std::fs::read(fixture("x").with_file_name("expected.json")).unwrap();
        let expected: Map<String, Value> = serde_json::from_slice(&expected).unwrap();
        assert!(expected.len() > 40);
        for (name, rows) in &expected {
            let found = read(&fixture(name), &value());
            match rows {
                Value::Null => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains("column `value` holds bytes that are not UTF-8"), "{name}: {error}");
                }
                rows => {
                    let mut found = found.unwrap_or_else(|error| panic!("{name}: {error:?}"));
                    let found: Vec<Value> = found.iter_mut().map(|row| row["value"].take()).collect();
                    assert_eq!(&Value::Array(found), rows, "{name}");
                }
            }
            assert!(height(&fixture(name)).unwrap() > 0);
        }
    }

    #[test]
    fn a_missing_column_is_named_with_the_columns_there_are() {
        let error = read(&fixture("string"), &["goal".to_owned()]).unwrap_err().to_string();
        assert!(error.ends_with("has no column `goal`; its columns are value"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        std::fs::write(&path, "not parquet").unwrap();
        assert!(matches!(read(&path, &[]), Err(DataError::Read { .. })));
        assert!(matches!(height(&path), Err(DataError::Read { .. })));
        let whole = std::fs::read(fixture("dictionary_int8")).unwrap();
        let mut refused = 0;
        for at in 0..whole.len() {
            for bits in [0xff, 0x01, 0x80] {
                let mut damaged = whole.clone();
                damaged[at] ^= bits;
                std::fs::write(&path, &damaged).unwrap();
                refused += usize::from(read(&path, &value()).is_err());
            }
        }
        assert!(refused > whole.len(), "{refused} of {}", 3 * whole.len());
    }
}
