//! A task made ready to run.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::definition::{DEFAULT_MAX_NEW_TOKENS, TaskDefinition, TaskKind};
use super::error::TaskError;
use super::fewshot::ShotSampler;
use super::prompt::{PromptBuilder, Rendered, Target};
use super::registry::task_definition;
use super::scorer::{Reference, References, TaskScorer};
use super::template::{Template, context};
use crate::data::{DataSource, Row};
use crate::{Document, LoadedTask, Request};

/// What may be asked of a task when it is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskOptions {
    /// Shots in front of every prompt; the task's default unless given.
    pub num_fewshot: Option<usize>,
    /// Evaluates the first documents only: this many, of every subject where the task has subjects. Each document
    /// keeps the shots it has without a limit.
    pub limit: Option<usize>,
}

/// Loads a task's documents and builds their prompts.
///
/// # Errors
/// When no task has this name, its data cannot be read, or its rows do not fit it.
pub fn load_task(name: &str, data: &DataSource, options: &TaskOptions) -> Result<LoadedTask, TaskError> {
    let definition = task_definition(name)?;
    let num_fewshot = options.num_fewshot.unwrap_or(definition.fewshot.default);
    let rows = |split: &str| {
        data.rows(&definition.dataset, split, &definition.columns)
            .map_err(|source| TaskError::Data { task: definition.name.clone(), source })
    };

    let evaluated = rows(&definition.split)?;
    if evaluated.is_empty() {
        return Err(TaskError::Empty {
            task: definition.name.clone(),
            dataset: definition.dataset.id.clone(),
            split: definition.split.clone(),
        });
    }
    let mut pools = if num_fewshot == 0 {
        BTreeMap::new()
    } else {
        by_subject(definition, &definition.fewshot.split, rows(&definition.fewshot.split)?)?
    };

    let builder = PromptBuilder::new(definition)?;
    let mut documents = Vec::new();
    let mut references = References::new();
    for (subject, rows) in by_subject(definition, &definition.split, evaluated)? {
        let section = Section {
            definition,
            builder: &builder,
            name: section_name(definition, subject.as_deref()),
            pool: pools.remove(&subject).unwrap_or_default(),
            num_fewshot,
        };
        let rows = &rows[..options.limit.unwrap_or(rows.len()).min(rows.len())];
        references.insert(subject.clone(), section.build(subject.as_deref(), rows, &mut documents)?);
    }
    Ok(LoadedTask {
        name: definition.name.clone(),
        version: definition.version.clone(),
        num_fewshot,
        primary: definition.primary.clone(),
        documents,
        scorer: Box::new(TaskScorer::new(definition, references)?),
    })
}

/// A subtask, or a task without subjects.
struct Section<'a> {
    definition: &'a TaskDefinition,
    builder: &'a PromptBuilder,
    name: String,
    pool: Vec<Row>,
    num_fewshot: usize,
}

impl Section<'_> {
    /// Appends the documents of `rows` and gives their references.
    fn build(
        &self,
        subject: Option<&str>,
        rows: &[Row],
        documents: &mut Vec<Document>,
    ) -> Result<HashMap<usize, Reference>, TaskError> {
        let mut sampler = ShotSampler::new(&self.definition.fewshot, self.num_fewshot, &self.pool);
        let mut shots: HashMap<usize, String> = HashMap::new();
        let mut references = HashMap::with_capacity(rows.len());
        for (id, row) in rows.iter().enumerate() {
            let in_row = |reason| self.row_error(&self.definition.split, id, reason);
            let chosen = sampler.next(row).map_err(|small| TaskError::TooFewShots {
                task: self.name.clone(),
                available: small.available,
                needed: small.needed,
                shots: self.num_fewshot,
            })?;

            let mut prompt = self.builder.description(row).map_err(in_row)?;
            for index in chosen {
                if let Some(shot) = shots.get(&index) {
                    prompt.push_str(shot);
                    continue;
                }
                let shot = self
                    .builder
                    .shot(&self.pool[index])
                    .map_err(|reason| self.row_error(&self.definition.fewshot.split, index, reason))?;
                prompt.push_str(&shot);
                shots.insert(index, shot);
            }
            let rendered = self.builder.render(row).map_err(in_row)?;
            prompt.push_str(&rendered.text);
            let request = self.request(prompt, &rendered).map_err(in_row)?;

            let Rendered { target, choices, .. } = rendered;
            documents.push(Document {
                id,
                subject: subject.map(str::to_owned),
                hash: hash(row),
                request,
                target: target.to_json(),
            });
            references.insert(id, Reference { target, choices });
        }
        Ok(references)
    }

    fn request(&self, prompt: String, rendered: &Rendered) -> Result<Request, String> {
        match (self.definition.kind, &self.definition.generation) {
            (TaskKind::Generate, Some(generation)) => Ok(Request::Generate {
                prompt,
                stop: generation.until.clone(),
                max_new_tokens: generation.max_gen_toks.unwrap_or(DEFAULT_MAX_NEW_TOKENS),
            }),
            (TaskKind::Generate, None) => Err("the task has no `generation` settings".to_owned()),
            (TaskKind::Choose, _) if !matches!(rendered.target, Target::Index(_)) => {
                Err("its answer is not the number of a choice".to_owned())
            }
            (TaskKind::Choose, _) if rendered.choices.is_empty() => Err("it has no choices".to_owned()),
            (TaskKind::Choose, _) => {
                Ok(Request::Choose { context: prompt, continuations: self.builder.continuations(&rendered.choices) })
            }
        }
    }

    fn row_error(&self, split: &str, row: usize, reason: String) -> TaskError {
        TaskError::Row { task: self.name.clone(), split: split.to_owned(), row, reason }
    }
}

/// Rows by subject, subjects in alphabetical order; all under `None` where the task has no subjects.
fn by_subject(
    definition: &TaskDefinition,
    split: &str,
    rows: Vec<Row>,
) -> Result<BTreeMap<Option<String>, Vec<Row>>, TaskError> {
    let Some(subjects) = &definition.subjects else { return Ok(BTreeMap::from([(None, rows)])) };
    let mut sections: BTreeMap<Option<String>, Vec<Row>> = BTreeMap::new();
    for (index, row) in rows.into_iter().enumerate() {
        let subject = row.get(&subjects.column).and_then(|value| value.as_str()).map(str::to_owned);
        if subject.is_none() {
            return Err(TaskError::Row {
                task: definition.name.clone(),
                split: split.to_owned(),
                row: index,
                reason: format!("column `{}` holds no text", subjects.column),
            });
        }
        sections.entry(subject).or_default().push(row);
    }
    Ok(sections)
}

fn section_name(definition: &TaskDefinition, subject: Option<&str>) -> String {
    let named = definition.subjects.as_ref().zip(subject).and_then(|(subjects, subject)| {
        Template::new(&subjects.subtask).ok()?.render(&context(&HashMap::from([("subject", subject)]))).ok()
    });
    named.unwrap_or_else(|| definition.name.clone())
}

/// SHA-256 of a document's fields as JSON, hexadecimal.
fn hash(row: &Row) -> String {
    let json = serde_json::Value::Object(row.clone()).to_string();
    Sha256::digest(json.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
