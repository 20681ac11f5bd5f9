//! A frame as a file for notebooks.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType as Stored, DoubleType, Int64Type};
use ::parquet::errors::ParquetError as WriteError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};
use polars::prelude::{Column, DataFrame, DataType, PolarsError};

/// A frame cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// The writer failed.
    #[error("failed to write a table")]
    Write(#[from] WriteError),
    /// A column cannot be read.
    #[error("failed to read a table")]
    Read(#[from] PolarsError),
    /// No table of ours has such a column.
    #[error("column `{column}` holds {dtype}, which is none of text, whole number, number and truth value")]
    Type {
        /// The column.
        column: String,
        /// What it holds.
        dtype: DataType,
    },
}

/// Writes a frame of texts, whole numbers, numbers and truth values as parquet. Any of them may be null.
///
/// # Errors
/// When the writer fails, or for a column of another type.
pub fn write_parquet(frame: &DataFrame, writer: impl Write + Send) -> Result<(), ParquetError> {
    let fields = frame.columns().iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder("table").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut file = SerializedFileWriter::new(writer, Arc::new(schema), Arc::new(properties))?;
    let mut rows = file.next_row_group()?;
    for column in frame.columns() {
        write(column, &mut rows)?;
    }
    rows.close()?;
    file.close()?;
    Ok(())
}

/// The column in the schema.
fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.dtype() {
        DataType::String => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        DataType::Int64 => (Physical::INT64, None),
        DataType::Float64 => (Physical::DOUBLE, None),
        DataType::Boolean => (Physical::BOOLEAN, None),
        other => return Err(ParquetError::Type { column: column.name().to_string(), dtype: other.clone() }),
    };
    let builder = Type::primitive_type_builder(column.name(), physical).with_logical_type(logical);
    Ok(Arc::new(builder.with_repetition(Repetition::OPTIONAL).build()?))
}

fn write<W: Write + Send>(column: &Column, rows: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
    match column.dtype() {
        DataType::String => next::<ByteArrayType, W>(rows, column.str()?.iter().map(|text| text.map(ByteArray::from))),
        DataType::Int64 => next::<Int64Type, W>(rows, column.i64()?.iter()),
        DataType::Float64 => next::<DoubleType, W>(rows, column.f64()?.iter()),
        DataType::Boolean => next::<BoolType, W>(rows, column.bool()?.iter()),
        other => Err(ParquetError::Type { column: column.name().to_string(), dtype: other.clone() }),
    }
}

/// Writes the next column: for each row whether it has a value, and the values there are.
fn next<T: Stored, W: Write + Send>(
    rows: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.collect();
    let there: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    let mut column = rows.next_column()?.ok_or_else(|| WriteError::General("the schema has no such column".into()))?;
    column.typed::<T>().write_batch(&values, Some(&there), None)?;
    Ok(column.close()?)
}
