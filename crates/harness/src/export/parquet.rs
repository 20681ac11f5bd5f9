//! All samples of a run as one table for notebooks.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError as WriteError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};

use crate::Outcome;
use crate::results::{ResponseRecord, SampleRecord, StoredRun, StoredTask};

/// A table of samples cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the table of samples")]
pub struct ParquetError(#[from] WriteError);

type Of<'a, T> = &'a dyn Fn(&StoredTask, &SampleRecord) -> T;

/// What a column holds of each sample.
enum Values<'a> {
    Text(Of<'a, Option<String>>),
    Whole(Of<'a, usize>),
    Real(Of<'a, Option<f64>>),
    Flag(Of<'a, bool>),
}

/// Writes every sample of a run, a row each, as parquet.
///
/// Columns: `system`, `task`, `version`, `num_fewshot`, `subject`, `doc_id`, `outcome` (`correct`, `wrong`, `no_answer`,
/// `failed`), `value` (of the task's primary metric, 0 to 1), `response` (a text, or JSON of the choices' scores),
/// `scored` (the text without reasoning in front of it), `finish`, `target` and `extracted` (JSON; under the primary filter), `tokens`, `ensembled`, `seconds`, `truncated`,
/// `prompt` (where the run logged it), `identity`, `doc_hash`, `prompt_hash`.
///
/// # Errors
/// When the writer fails.
pub fn parquet(run: &StoredRun, writer: impl Write + Send) -> Result<(), ParquetError> {
    let samples: Vec<(&StoredTask, &SampleRecord)> = run
        .systems
        .iter()
        .flat_map(|system| &system.tasks)
        .flat_map(|task| task.samples.iter().map(move |sample| (task, sample)))
        .collect();
    let columns: [(&str, Values<'_>); 21] = [
        ("system", Values::Text(&|_, sample| Some(sample.system.clone()))),
        ("task", Values::Text(&|_, sample| Some(sample.task.clone()))),
        ("version", Values::Text(&|_, sample| Some(sample.task_version.clone()))),
        ("num_fewshot", Values::Whole(&|task, _| task.entry.num_fewshot)),
        ("subject", Values::Text(&|_, sample| sample.subject.clone())),
        ("doc_id", Values::Whole(&|_, sample| sample.doc_id)),
        ("outcome", Values::Text(&|_, sample| Some(outcome(&sample.outcome).to_owned()))),
        ("value", Values::Real(&|task, sample| sample.primary(&task.entry.primary))),
        ("response", Values::Text(&|_, sample| response(&sample.response))),
        (
            "scored",
            Values::Text(&|_, sample| match &sample.response {
                ResponseRecord::Generated { thinking: Some(thinking), .. } => Some(thinking.scored.clone()),
                ResponseRecord::Generated { text, thinking: None, .. } => Some(text.clone()),
                ResponseRecord::Choices(_) | ResponseRecord::None => None,
            }),
        ),
        (
            "finish",
            Values::Text(&|_, sample| match &sample.response {
                ResponseRecord::Generated { finish, .. } => Some(finish.clone()),
                ResponseRecord::Choices(_) | ResponseRecord::None => None,
            }),
        ),
        ("target", Values::Text(&|_, sample| Some(sample.target.to_string()))),
        (
            "extracted",
            Values::Text(&|task, sample| {
                let filter = sample.filters.iter().find(|filter| filter.filter == task.entry.primary.filter)?;
                Some(filter.extracted.to_string())
            }),
        ),
        ("tokens", Values::Whole(&|_, sample| sample.tokens)),
        ("ensembled", Values::Whole(&|_, sample| sample.ensembled)),
        ("seconds", Values::Real(&|_, sample| sample.seconds)),
        ("truncated", Values::Flag(&|_, sample| sample.truncated)),
        ("prompt", Values::Text(&|_, sample| sample.prompt.clone())),
        (
            "identity",
            Values::Text(&|_, sample| serde_json::to_value(&sample.identity).ok()?.as_str().map(str::to_owned)),
        ),
        ("doc_hash", Values::Text(&|_, sample| Some(sample.doc_hash.clone()))),
        ("prompt_hash", Values::Text(&|_, sample| Some(sample.prompt_hash.clone()))),
    ];
    let fields = columns.iter().map(|(name, values)| values.field(name)).collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder("samples").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut file = SerializedFileWriter::new(writer, Arc::new(schema), Arc::new(properties))?;
    let mut rows = file.next_row_group()?;
    for (_, values) in &columns {
        values.write(&samples, &mut rows)?;
    }
    rows.close()?;
    file.close()?;
    Ok(())
}

impl Values<'_> {
    /// The column in the schema. Texts and reals may be null.
    fn field(&self, name: &str) -> Result<TypePtr, WriteError> {
        let (physical, logical, repetition) = match self {
            Self::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
            Self::Whole(_) => (Physical::INT64, None, Repetition::REQUIRED),
            Self::Real(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
            Self::Flag(_) => (Physical::BOOLEAN, None, Repetition::REQUIRED),
        };
        let builder = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        Ok(Arc::new(builder.with_repetition(repetition).build()?))
    }

    fn write<W: Write + Send>(
        &self,
        samples: &[(&StoredTask, &SampleRecord)],
        rows: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), WriteError> {
        let samples = samples.iter();
        match self {
            Self::Text(value) => {
                let texts =
                    samples.map(|(task, sample)| value(task, sample).map(|text| ByteArray::from(text.as_str())));
                optional::<ByteArrayType, W>(&texts.collect::<Vec<_>>(), rows)
            }
            Self::Real(value) => {
                optional::<DoubleType, W>(&samples.map(|(task, sample)| value(task, sample)).collect::<Vec<_>>(), rows)
            }
            Self::Whole(value) => {
                let numbers: Vec<i64> = samples.map(|(task, sample)| value(task, sample) as i64).collect();
                column::<Int64Type, W>(&numbers, None, rows)
            }
            Self::Flag(value) => {
                let flags: Vec<bool> = samples.map(|(task, sample)| value(task, sample)).collect();
                column::<BoolType, W>(&flags, None, rows)
            }
        }
    }
}

/// Writes a column of which some values may be null.
fn optional<T: DataType, W: Write + Send>(
    values: &[Option<T::T>],
    rows: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), WriteError> {
    let there: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    column::<T, W>(&values.iter().flatten().cloned().collect::<Vec<_>>(), Some(&there), rows)
}

/// Writes the next column: its values, and where some are null for each row whether it has one.
fn column<T: DataType, W: Write + Send>(
    values: &[T::T],
    there: Option<&[i16]>,
    rows: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), WriteError> {
    let mut column = rows.next_column()?.ok_or_else(|| WriteError::General("the schema has no such column".into()))?;
    column.typed::<T>().write_batch(values, there, None)?;
    column.close()
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Correct => "correct",
        Outcome::Wrong => "wrong",
        Outcome::NoAnswer => "no_answer",
        Outcome::Failed { .. } => "failed",
    }
}

fn response(response: &ResponseRecord) -> Option<String> {
    match response {
        ResponseRecord::Generated { text, .. } => Some(text.clone()),
        ResponseRecord::Choices(choices) => serde_json::to_string(choices).ok(),
        ResponseRecord::None => None,
    }
}
