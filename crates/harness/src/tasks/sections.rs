//! A task's rows, cut into its subtasks.

use std::collections::{BTreeMap, HashMap};

use super::definition::{SubjectsDefinition, TaskDefinition};
use super::error::TaskError;
use super::harness_file::HarnessTexts;
use super::process::UnfitRow;
use super::selection::{Part, Selection};
use super::template::{Template, context};
use crate::data::{DataSource, Dataset, Needs, Row};

/// A subtask, or a task without subjects.
pub(super) struct Section {
    /// The subtask's name; the task's where it has no subjects.
    pub(super) name: String,
    pub(super) subject: Option<String>,
    /// Where its rows come from.
    pub(super) dataset: Dataset,
    /// What is evaluated.
    pub(super) rows: SplitRows,
    /// What shots are taken from; empty where none are wanted.
    pub(super) pool: SplitRows,
    /// What lm-evaluation-harness's task file gives.
    pub(super) texts: HarnessTexts,
}

/// Rows of a split.
#[derive(Clone, Debug, Default)]
pub(super) struct SplitRows {
    pub(super) rows: Vec<Row>,
    /// The number of each in the split; none for rows that are of none.
    pub(super) numbers: Vec<usize>,
}

/// Which columns rows have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Those that the task names.
    OfTask,
    /// All that the data have, as far as these are on this machine.
    All,
}

/// A task's sections in alphabetical order of their subjects. The pools stay empty for 0 shots.
pub(super) fn sections(
    selection: &Selection<'_>,
    data: &DataSource,
    shots: usize,
    columns: Columns,
) -> Result<Vec<Section>, TaskError> {
    let Selection { definition, part, .. } = selection;
    let reader = SectionReader { definition, data, columns };
    let pool_split = definition.fewshot.split.as_deref().filter(|_| shots > 0);
    match &definition.subjects {
        None => {
            let rows = reader.rows(&definition.dataset, &definition.split)?;
            let pool = pool_split.map(|split| reader.rows(&definition.dataset, split)).transpose()?;
            Ok(vec![reader.section(None, &definition.dataset, rows, pool, shots)?])
        }
        Some(SubjectsDefinition { column: Some(column), .. }) => {
            let rows = reader.rows(&definition.dataset, &definition.split)?;
            let mut pools = match pool_split {
                Some(split) => reader.by_subject(column, split, reader.rows(&definition.dataset, split)?)?,
                None => BTreeMap::new(),
            };
            let sections = reader.by_subject(column, &definition.split, rows)?;
            if *part != Part::Whole && !sections.keys().any(|subject| part.has(subject)) {
                return Err(reader.no_subject(selection, sections.into_keys().collect()));
            }
            sections
                .into_iter()
                .filter(|(subject, _)| part.has(subject))
                .map(|(subject, rows)| {
                    let pool = pools.remove(&subject);
                    reader.section(Some(subject), &definition.dataset, rows, pool, shots)
                })
                .collect()
        }
        Some(SubjectsDefinition { column: None, names, .. }) if !names.is_empty() => {
            let mut names = names.clone();
            names.sort();
            names
                .into_iter()
                .filter(|subject| part.has(subject))
                .map(|subject| {
                    let config = reader.of_subject("config", &definition.dataset.config, Some(&subject))?;
                    let dataset = Dataset { config, ..definition.dataset.clone() };
                    let rows = reader.rows(&dataset, &definition.split)?;
                    let pool = pool_split.map(|split| reader.rows(&dataset, split)).transpose()?;
                    reader.section(Some(subject), &dataset, rows, pool, shots)
                })
                .collect()
        }
        Some(_) => Err(reader.wrong("`subjects` needs either a `column` or `names`".to_owned())),
    }
}

/// What a task reads: splits of data sets and lm-evaluation-harness's files.
pub(super) fn needs(selection: &Selection<'_>) -> Result<Needs, TaskError> {
    let Selection { definition, part, .. } = selection;
    let own_files = definition.subjects.as_ref().filter(|subjects| subjects.column.is_none());
    let names = own_files.map_or(&[][..], |subjects| &subjects.names);
    let subjects: Vec<Option<&str>> = if names.is_empty() {
        vec![None]
    } else {
        names.iter().filter(|name| part.has(name)).map(|name| Some(name.as_str())).collect()
    };
    let mut needs = Needs::default();
    for subject in subjects {
        let of_subject = |what, template: &str| of_subject(definition, what, template, subject);
        let config = of_subject("config", &definition.dataset.config)?;
        for split in std::iter::once(&definition.split).chain(&definition.fewshot.split) {
            let dataset = Dataset { config: config.clone(), ..definition.dataset.clone() };
            needs.splits.insert((dataset, split.clone()));
        }
        if let Some(file) = &definition.harness_file {
            needs.sources.insert(of_subject("harness_file.path", &file.path)?);
        }
    }
    Ok(needs)
}

/// A template of `subject`, rendered.
fn of_subject(
    definition: &TaskDefinition,
    what: &str,
    template: &str,
    subject: Option<&str>,
) -> Result<String, TaskError> {
    let values: HashMap<&str, &str> = subject.map(|subject| ("subject", subject)).into_iter().collect();
    Template::new(template)
        .and_then(|template| template.render(&context(&values)))
        .map_err(|error| TaskError::Definition { task: definition.name.clone(), reason: format!("`{what}`: {error}") })
}

struct SectionReader<'a> {
    definition: &'a TaskDefinition,
    data: &'a DataSource,
    columns: Columns,
}

impl SectionReader<'_> {
    fn rows(&self, dataset: &Dataset, split: &str) -> Result<SplitRows, TaskError> {
        let rows = match self.columns {
            Columns::OfTask => self.data.rows(dataset, split, &self.definition.columns),
            Columns::All => self.data.whole_rows(dataset, split),
        };
        let rows = rows.map_err(|source| TaskError::Data { task: self.definition.name.clone(), source })?;
        let Some(keep) = &self.definition.keep else {
            return Ok(SplitRows { numbers: (0..rows.len()).collect(), rows });
        };
        let numbers = keep.kept(&rows).map_err(|UnfitRow { row, reason }| TaskError::Row {
            task: self.definition.name.clone(),
            split: split.to_owned(),
            row,
            file: self.data.place_of_row(dataset, split, row),
            reason,
        })?;
        let mut kept = numbers.iter().copied().peekable();
        let is_kept = |(number, _): &(usize, Row)| kept.next_if_eq(number).is_some();
        let rows = rows.into_iter().enumerate().filter(is_kept).map(|(_, row)| row).collect();
        Ok(SplitRows { rows, numbers })
    }

    fn section(
        &self,
        subject: Option<String>,
        dataset: &Dataset,
        rows: SplitRows,
        pool: Option<SplitRows>,
        shots: usize,
    ) -> Result<Section, TaskError> {
        let texts = match &self.definition.harness_file {
            Some(file) => {
                let path = self.of_subject("harness_file.path", &file.path, subject.as_deref())?;
                let path = self.data.checked_file(&path).map_err(|source| TaskError::HarnessFile {
                    task: self.definition.name.clone(),
                    path: self.data.file(&path),
                    source: source.into(),
                })?;
                HarnessTexts::read(&self.definition.name, &path, &file.take)?
            }
            None => HarnessTexts::default(),
        };
        let name = match (&self.definition.subjects, &subject) {
            (Some(subjects), Some(subject)) => self.of_subject("subtask", &subjects.subtask, Some(subject))?,
            _ => self.definition.name.clone(),
        };
        let samples = Some(&self.definition.fewshot.samples).filter(|samples| !samples.is_empty());
        let written = || texts.shots.as_ref().or(samples).filter(|_| shots > 0).cloned();
        let pool = pool.or_else(|| written().map(|rows| SplitRows { rows, numbers: Vec::new() })).unwrap_or_default();
        Ok(Section { name, subject, dataset: dataset.clone(), rows, pool, texts })
    }

    /// Rows by subject, subjects in alphabetical order.
    fn by_subject(&self, column: &str, split: &str, rows: SplitRows) -> Result<BTreeMap<String, SplitRows>, TaskError> {
        let mut sections: BTreeMap<String, SplitRows> = BTreeMap::new();
        for (row, number) in rows.rows.into_iter().zip(rows.numbers) {
            let Some(subject) = row.get(column).and_then(|value| value.as_str()).map(str::to_owned) else {
                return Err(TaskError::Row {
                    task: self.definition.name.clone(),
                    split: split.to_owned(),
                    row: number,
                    file: self.data.place_of_row(&self.definition.dataset, split, number),
                    reason: format!("column `{column}` holds no text"),
                });
            };
            let section = sections.entry(subject).or_default();
            section.rows.push(row);
            section.numbers.push(number);
        }
        Ok(sections)
    }

    fn of_subject(&self, what: &str, template: &str, subject: Option<&str>) -> Result<String, TaskError> {
        of_subject(self.definition, what, template, subject)
    }

    /// The error for subjects that the data do not have.
    fn no_subject(&self, selection: &Selection<'_>, available: Vec<String>) -> TaskError {
        TaskError::NoSubject {
            task: selection.name.clone(),
            dataset: self.definition.dataset.id.clone(),
            split: self.definition.split.clone(),
            subjects: match &selection.part {
                Part::Whole => Vec::new(),
                Part::Group(subjects) => subjects.clone(),
                Part::Subtask(subject) => vec![subject.clone()],
            },
            available,
        }
    }

    fn wrong(&self, reason: String) -> TaskError {
        TaskError::Definition { task: self.definition.name.clone(), reason }
    }
}
