//! A task made ready to run.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use gac_ensemble::Decoding;
use gac_systems::sha256;
use serde_json::Value;

use super::definition::{
    DEFAULT_MAX_NEW_TOKENS, GenerationDefinition, ScoredPart, TaskDefinition, TaskKind, TemplateLanguage,
};
use super::error::TaskError;
use super::fewshot::{DEFAULT_SHOT_SEED, ShotSampler};
use super::limit::Limit;
use super::overrides::GenerationOverrides;
use super::picks::DocumentPicks;
use super::process::UnfitRow;
use super::prompt::{PromptBuilder, Shot};
use super::rendered::{Rendered, Target, outside};
use super::scorer::{Reference, References, TaskScorer};
use super::sections::{Columns, Section, SplitRows, sections};
use super::selection::Selection;
use crate::data::{DataSource, Row};
use crate::prompt_parts::{AnswerPrefix, PromptParts};
use crate::task::{Document, LoadedTask, Request};

/// What may be asked of a task when it is loaded.
#[derive(Clone, Debug, Default)]
pub struct TaskOptions {
    /// Shots in front of every prompt; the task's default unless given.
    pub num_fewshot: Option<usize>,
    /// Evaluates the first documents only. Each document keeps the shots it has without a limit.
    pub limit: Option<Limit>,
    /// Evaluates these documents only, in the order of the data. As in lm-evaluation-harness, shots are drawn for them
    /// alone: where shots are drawn at random, a document can have others than in a run of all.
    pub samples: Option<DocumentPicks>,
    /// What draws of shots depend on; lm-evaluation-harness's default unless given.
    pub fewshot_seed: Option<u64>,
    /// Generation settings instead of the task's own; tasks that score choices have none to override.
    pub generation: Option<GenerationOverrides>,
}

/// Loads a task's documents and builds their prompts.
///
/// # Errors
/// When its data cannot be read, or its rows do not fit it.
pub(super) fn load(
    selection: &Selection<'_>,
    data: &DataSource,
    options: &TaskOptions,
) -> Result<LoadedTask, TaskError> {
    let definition = selection.definition;
    let (drawn, shown) = shots(definition, options.num_fewshot);
    let generation = match (&definition.generation, &options.generation) {
        (Some(own), Some(overrides)) => Some(own.with(overrides)),
        (own, _) => own.clone(),
    };
    let fewshot_seed = options.fewshot_seed.unwrap_or(DEFAULT_SHOT_SEED);
    let decoding = decoding(definition, options.generation.as_ref())?;
    let mut documents = Vec::new();
    let mut references = References::new();
    for section in sections(selection, data, drawn, Columns::OfTask)? {
        let builder = PromptBuilder::new(definition, &section.texts)?;
        let subject = section.subject.clone();
        let part = UnbuiltSection {
            definition,
            data,
            generation: generation.as_ref(),
            decoding,
            builder,
            section,
            shots: drawn,
            fewshot_seed,
        };
        let ids = part.documents(options)?;
        references.insert(subject, part.build(&ids, &mut documents)?);
    }
    if documents.is_empty() {
        return Err(TaskError::Empty {
            task: selection.name.clone(),
            dataset: definition.dataset.id.clone(),
            split: definition.split.clone(),
        });
    }
    Ok(LoadedTask {
        name: selection.name.clone(),
        version: definition.version.clone(),
        num_fewshot: shown,
        primary: definition.primary.clone(),
        documents,
        scorer: Box::new(TaskScorer::new(selection, references)?),
        groups: selection.groups.clone(),
    })
}

/// What documents with the same value in a column have in common.
fn group(value: &Value) -> String {
    sha256::of_bytes(value.to_string())[..16].to_owned()
}

/// How tokens are picked where a user says so.
fn decoding(
    definition: &TaskDefinition,
    overrides: Option<&GenerationOverrides>,
) -> Result<Option<Decoding>, TaskError> {
    let (Some(own), Some(overrides)) = (&definition.generation, overrides) else { return Ok(None) };
    let decoding =
        own.decoding(overrides).map_err(|source| TaskError::Decoding { task: definition.name.clone(), source })?;
    let asked = overrides.do_sample != Some(false) && overrides.temperature.is_some_and(|asked| asked > 0.0);
    if asked && decoding == Some(Decoding::Greedy) {
        tracing::warn!(
            task = definition.name,
            "the temperature is passed over: the task says `do_sample: false`; add `do_sample=True` to draw tokens"
        );
    }
    Ok(decoding)
}

/// How many shots are taken for each document, and how many a prompt has in all.
fn shots(definition: &TaskDefinition, asked: Option<usize>) -> (usize, usize) {
    let Some(built_in) = definition.fewshot.built_in else {
        let shots = asked.unwrap_or(definition.fewshot.default);
        return (shots, shots);
    };
    if let Some(asked) = asked.filter(|asked| *asked != built_in) {
        tracing::warn!(task = definition.name, asked, built_in, "the task's number of shots is fixed and stays");
    }
    (0, built_in)
}

/// A section whose prompts are being built.
struct UnbuiltSection<'a> {
    definition: &'a TaskDefinition,
    data: &'a DataSource,
    generation: Option<&'a GenerationDefinition>,
    decoding: Option<Decoding>,
    builder: PromptBuilder,
    section: Section,
    shots: usize,
    fewshot_seed: u64,
}

impl UnbuiltSection<'_> {
    /// The rows that are evaluated.
    fn documents(&self, options: &TaskOptions) -> Result<Vec<usize>, TaskError> {
        let documents = self.section.rows.rows.len();
        let Some(ids) = options.samples.as_ref().and_then(|picks| picks.of(&self.section.name)) else {
            return Ok((0..options.limit.map_or(documents, |limit| limit.of(documents))).collect());
        };
        match ids.last() {
            Some(&id) if id >= documents => {
                Err(TaskError::NoDocument { task: self.section.name.clone(), id, documents })
            }
            _ => Ok(ids.iter().copied().collect()),
        }
    }

    /// Appends the documents of the rows `ids` and gives their references.
    fn build(&self, ids: &[usize], documents: &mut Vec<Document>) -> Result<HashMap<usize, Reference>, TaskError> {
        let Section { subject, rows, pool, .. } = &self.section;
        let processed = self.processed(&self.definition.split, rows)?;
        let (fewshot, rules) = (&self.definition.fewshot, self.definition.rules);
        let mut sampler = ShotSampler::new(fewshot, rules, self.shots, &pool.rows, self.fewshot_seed);
        let mut shots: HashMap<usize, Shot> = HashMap::new();
        let mut references = HashMap::with_capacity(ids.len());
        let pool_split = fewshot.split.as_deref().unwrap_or("built-in shots");
        // Shots that a YAML file writes out are what it makes of rows.
        let is_written = self.definition.prompt.language == TemplateLanguage::Yaml && pool.numbers.is_empty();
        let shown = if is_written { Cow::Borrowed(&pool.rows[..]) } else { self.processed(pool_split, pool)? };
        for (id, row) in ids.iter().map(|&id| (id, &rows.rows[id])) {
            let in_row = |reason| self.row_error(&self.definition.split, id, rows.numbers.get(id).copied(), reason);
            let chosen = sampler.next(row).map_err(|small| TaskError::TooFewShots {
                task: self.section.name.clone(),
                available: small.available,
                needed: small.needed,
                shots: self.shots,
            })?;

            for &index in &chosen {
                if let Entry::Vacant(vacant) = shots.entry(index) {
                    let shot = self.builder.shot(&shown[index]);
                    let number = pool.numbers.get(index).copied();
                    vacant.insert(shot.map_err(|reason| self.row_error(pool_split, index, number, reason))?);
                }
            }
            let description = self.builder.description(&processed[id]).map_err(in_row)?;
            let rendered = self.builder.render(&processed[id]).map_err(in_row)?;
            let drawn = chosen.iter().map(|index| &shots[index]);
            let question = self.builder.question(&rendered.text, rendered.answer_prefix.as_deref());
            let (prompt, mut parts) = self.builder.assemble(description, drawn, &question);
            parts.answer_prefix = rendered.answer_prefix.as_ref().map(|prefix| AnswerPrefix {
                question_end: parts.question + rendered.text.len(),
                start: prompt.len() - prefix.len(),
            });
            let prompt = if self.definition.prompt.scored == ScoredPart::Whole {
                parts = PromptParts { is_alone: true, ..PromptParts::default() };
                String::new()
            } else {
                prompt
            };
            let request = self.request(prompt, &rendered).map_err(in_row)?;

            let Rendered { target, choices, right_choices, measured, solution, .. } = rendered;
            let column = self.definition.group_by.as_ref();
            let group = column.map(|column| row.get(column).map(group).ok_or_else(|| format!("no column `{column}`")));
            documents.push(Document {
                group: group.transpose().map_err(in_row)?,
                repeat: 0,
                id,
                subject: subject.clone(),
                hash: hash(row),
                request,
                parts,
                target: target.to_json(),
            });
            references.insert(id, Reference { target, choices, right_choices, measured, solution });
        }
        Ok(references)
    }

    fn request(&self, prompt: String, rendered: &Rendered) -> Result<Request, String> {
        match (self.definition.kind, self.generation) {
            (TaskKind::Generate, Some(generation)) => Ok(Request::Generate {
                prompt,
                stop: generation.until.clone(),
                max_new_tokens: generation.max_gen_toks.unwrap_or(DEFAULT_MAX_NEW_TOKENS),
                decoding: self.decoding,
                no_answer: self.definition.no_answer().map(|text| self.builder.continuation(text)),
            }),
            (TaskKind::Generate, None) => Err("the task has no `generation` settings".to_owned()),
            (TaskKind::Choose, _) if rendered.choices.is_empty() => Err("it has no choices".to_owned()),
            (TaskKind::Choose, _) => {
                if rendered.right_choice().is_none() {
                    return Err(match &rendered.target {
                        Target::Index(index) => outside(index, rendered.choices.len()),
                        Target::Text(text) => format!("its answer `{text}` is none of its choices"),
                        Target::Indices(indices) => {
                            let choices = rendered.choices.len();
                            let wrong = indices.iter().find(|index| **index >= choices);
                            wrong.map_or_else(|| "it has no answer".to_owned(), |index| outside(index, choices))
                        }
                        Target::Texts(_) => "its answer is not the number of a choice".to_owned(),
                    });
                }
                let Rendered { choices, continuation, .. } = rendered;
                Ok(match continuation {
                    Some(continuation) => Request::Fill {
                        contexts: choices.iter().map(|choice| format!("{prompt}{choice}")).collect(),
                        continuation: self.builder.continuation(continuation),
                    },
                    None => Request::Choose {
                        context: prompt,
                        continuations: choices.iter().map(|choice| self.builder.continuation(choice)).collect(),
                    },
                })
            }
        }
    }

    /// The rows as templates see them.
    fn processed<'r>(&self, split: &str, rows: &'r SplitRows) -> Result<Cow<'r, [Row]>, TaskError> {
        let Some(process) = &self.definition.process else { return Ok(Cow::Borrowed(&rows.rows)) };
        let processed = process
            .apply(&rows.rows)
            .map_err(|UnfitRow { row, reason }| self.row_error(split, row, rows.numbers.get(row).copied(), reason));
        processed.map(Cow::Owned)
    }

    /// The error for a row of the section, which has `number` in its split (none: it is of no split).
    fn row_error(&self, split: &str, row: usize, number: Option<usize>, reason: String) -> TaskError {
        let file = number.and_then(|number| self.data.place_of_row(&self.section.dataset, split, number));
        TaskError::Row { task: self.section.name.clone(), split: split.to_owned(), row, file, reason }
    }
}

/// SHA-256 of a document's fields as JSON, hexadecimal.
pub(super) fn hash(row: &Row) -> String {
    sha256::of_bytes(serde_json::Value::Object(row.clone()).to_string())
}
