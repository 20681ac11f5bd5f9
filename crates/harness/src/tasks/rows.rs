//! The rows of a task's documents as its data have them, for whoever wants more of a document than its prompt.

use std::collections::BTreeMap;

use super::definition::TaskDefinition;
use super::error::TaskError;
use super::load::hash;
use super::sections::{Columns, sections};
use super::selection::Selection;
use crate::data::{DataSource, Row};

/// The rows of a task's documents, with all columns of the data.
#[derive(Clone, Debug, Default)]
pub struct TaskRows {
    /// By subject (empty where the task has none): a row and the hash of its document, at the document's number.
    by_subject: BTreeMap<String, Vec<(String, Row)>>,
}

impl TaskRows {
    /// Reads them from what is on this machine.
    pub(super) fn read(selection: &Selection<'_>, data: &DataSource) -> Result<Self, TaskError> {
        let definition = selection.definition;
        // Its shots and descriptions are no part of its documents.
        let documents = TaskDefinition { harness_file: None, ..definition.clone() };
        let documents = Selection { definition: &documents, ..selection.clone() };
        let mut by_subject = BTreeMap::new();
        for section in sections(&documents, data, 0, Columns::All)? {
            let rows = section.rows.rows.into_iter().map(|row| {
                let field = |column: &String| Some((column.clone(), row.get(column)?.clone()));
                let hashed = definition.columns.iter().filter_map(field).collect();
                (hash(&hashed), row)
            });
            by_subject.insert(section.subject.unwrap_or_default(), rows.collect());
        }
        Ok(Self { by_subject })
    }

    /// How many documents there are (of a subject, where the task has subjects); none where its data were not read.
    pub fn count(&self, subject: Option<&str>) -> Option<usize> {
        self.by_subject.get(subject.unwrap_or_default()).map(Vec::len)
    }

    /// The row of a document; none where the data hold another one now in its place.
    pub fn row(&self, subject: Option<&str>, id: usize, doc_hash: &str) -> Option<&Row> {
        let (hash, row) = self.by_subject.get(subject.unwrap_or_default())?.get(id)?;
        (hash == doc_hash).then_some(row)
    }
}
