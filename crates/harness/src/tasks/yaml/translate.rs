//! A task's file as a definition.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::file::{YamlConfig, function, stand_in};
use super::functions::{MetricsStandIn, RowsStandIn, StandIn};
use super::scoring::{OutputType, columns_of_filters, filters, generation, metrics, of_results};
use super::settings::{count, flag, only, part, text, texts};
use crate::data::{Dataset, Row};
use crate::metrics::MetricDefinition;
use crate::python::repr::text as python_text;
use crate::task::MetricKey;
use crate::tasks::definition::{
    FewShotDefinition, PromptDefinition, SamplerKind, ScoredPart, TaskDefinition, TaskKind, TemplateLanguage,
};
use crate::tasks::process::RowProcess;
use crate::tasks::rules::HarnessRules;
use crate::tasks::scorer::NONE;

/// All settings that a task's file may have.
const SETTINGS: [&str; 37] = [
    "task",
    "task_alias",
    "tag",
    "group",
    "task_list",
    "custom_dataset",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_image",
    "doc_to_audio",
    "unsafe_code",
    "doc_to_choice",
    "process_results",
    "use_prompt",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "gen_prefix",
    "metadata",
    "class",
];

/// All settings that its shots may have.
const SHOT_SETTINGS: [&str; 6] = ["sampler", "split", "samples", "fewshot_indices", "doc_to_text", "doc_to_target"];

/// The definition of the task `name`, which the file at `path` writes.
///
/// # Errors
/// Why it cannot be had here.
pub(super) fn definition(name: &str, path: &Path, config: &YamlConfig) -> Result<TaskDefinition, String> {
    refuse(config)?;
    let output = OutputType::of(config)?;
    let kind = if output == OutputType::GenerateUntil { TaskKind::Generate } else { TaskKind::Choose };
    let split = |name: &str| text(config, name);
    let (training, validation, test) = (split("training_split")?, split("validation_split")?, split("test_split")?);
    let evaluated =
        test.as_ref().or(validation.as_ref()).ok_or("it has neither a `test_split` nor a `validation_split`")?;
    let fewshot_delimiter = text(config, "fewshot_delimiter")?.unwrap_or_else(|| "\n\n".to_owned());
    let results = of_results(config)?;
    let metrics = match &results {
        Some(results) => results.list.clone(),
        None => metrics(config, output)?,
    };
    let mut filters = if kind == TaskKind::Generate { filters(config)? } else { Vec::new() };
    if let Some(results) = &results {
        for filter in &mut filters {
            filter.steps.extend(results.steps.iter().cloned());
        }
    }
    let rows = rows(config)?;
    let process = process(config, &rows, results.as_ref())?;
    let filter = filters.first().map_or(NONE, |filter| filter.name.as_str()).to_owned();
    let metric = metrics.first().map(MetricDefinition::name).unwrap_or_default().to_owned();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let scored = match output {
        OutputType::GenerateUntil | OutputType::MultipleChoice => ScoredPart::Choices,
        OutputType::LogLikelihood => ScoredPart::Target,
        OutputType::LogLikelihoodRolling => ScoredPart::Whole,
    };
    let choices = choices(config)?;
    let shown = part(config, "fewshot_config")?;
    if output == OutputType::MultipleChoice && choices.is_none() {
        return Err("it has no `doc_to_choice`".to_owned());
    }
    Ok(TaskDefinition {
        name: name.to_owned(),
        title: text(config, "task_alias")?
            .unwrap_or_else(|| format!("as {file} of lm-evaluation-harness's form has it")),
        version: version(config),
        rules: HarnessRules::Release0_4_13,
        kind,
        split: evaluated.clone(),
        columns: Vec::new(),
        keep: rows.keep,
        process,
        group_by: None,
        robust: None,
        primary: MetricKey { metric, filter },
        dataset: dataset(config)?,
        subjects: None,
        harness_file: None,
        fewshot: fewshot(config, training.or(validation).or(test.clone()), test.as_deref())?,
        generation: (kind == TaskKind::Generate).then(|| generation(config, &fewshot_delimiter)).transpose()?,
        prompt: PromptDefinition {
            language: TemplateLanguage::Yaml,
            scored,
            description: text(config, "description")?.unwrap_or_default(),
            text: Some(template(config, "doc_to_text")?.ok_or("it has no `doc_to_text`")?),
            target: match (config.get("doc_to_target"), results.as_ref().and_then(|results| results.target.clone())) {
                (_, Some(target)) => target,
                (Some(list @ &Json::Array(_)), None) => literal(list),
                _ => template(config, "doc_to_target")?.ok_or("it has no `doc_to_target`")?,
            },
            shot_text: template(&shown, "doc_to_text")?,
            shot_target: match (template(&shown, "doc_to_target")?, &results) {
                (None, Some(results)) if results.target.is_some() => template(config, "doc_to_target")?,
                (own, _) => own,
            },
            choices: choices.filter(|_| scored == ScoredPart::Choices),
            continuation: None,
            right_choices: results.as_ref().and_then(|results| results.right_choices.clone()),
            right_choice: None,
            measured: results.as_ref().and_then(|results| results.measured.clone()),
            no_answer: None,
            solution: results.and_then(|results| results.solution),
            answer_prefix: text(config, "gen_prefix")?,
            target_delimiter: text(config, "target_delimiter")?.unwrap_or_else(|| " ".to_owned()),
            fewshot_delimiter,
        },
        filters,
        metrics,
    })
}

/// Refuses what needs Python, and what is not known here.
fn refuse(config: &YamlConfig) -> Result<(), String> {
    only(config, "it", &SETTINGS)?;
    for name in ["class", "custom_dataset", "use_prompt", "doc_to_image", "doc_to_audio"] {
        if config.get(name).is_some_and(|value| !value.is_null()) {
            return Err(format!("`{name}` is not known here"));
        }
    }
    if flag(config, "unsafe_code")? == Some(true) {
        return Err("`unsafe_code` runs what models write, which is not done here".to_owned());
    }
    match count(config, "repeats")? {
        None | Some(1) => Ok(()),
        Some(repeats) => Err(format!("`repeats` asks each document {repeats} times and makes one answer of them")),
    }
}

/// A setting that is a template, or a function for which one stands.
fn template(config: &YamlConfig, name: &str) -> Result<Option<String>, String> {
    let Some(value) = config.get(name) else { return Ok(None) };
    match stand_in(name, value)? {
        None => text(config, name),
        Some(StandIn::Template(template)) => Ok(Some(template)),
        Some(_) => Err(format!("`{name}` has a function that writes nothing")),
    }
}

/// What its function makes of rows.
fn rows(config: &YamlConfig) -> Result<RowsStandIn, String> {
    match config.get("process_docs") {
        None | Some(Json::Null) => Ok(RowsStandIn::default()),
        Some(value) => match stand_in("process_docs", value)? {
            Some(StandIn::Rows(rows)) => Ok(rows),
            _ => Err(format!("its `process_docs` is {value}, no function over rows")),
        },
    }
}

/// What is made of rows for its templates, its filters and its metrics.
fn process(
    config: &YamlConfig,
    rows: &RowsStandIn,
    results: Option<&MetricsStandIn>,
) -> Result<Option<RowProcess>, String> {
    let columns = columns_of_filters(config)?;
    let of_filters = (!columns.is_empty()).then_some(RowProcess::Columns(columns));
    let of_results = results.and_then(|results| results.process.clone());
    let mut found = rows.process.clone().into_iter().chain(of_filters).chain(of_results);
    let first = found.next();
    match found.find(|other| Some(other) != first.as_ref()) {
        Some(_) => Err("its functions make two things of its rows".to_owned()),
        None => Ok(first),
    }
}

/// lm-evaluation-harness's number of a task that has none is a word.
fn version(config: &YamlConfig) -> String {
    let metadata = config.get("metadata").and_then(Json::as_object);
    metadata.and_then(|metadata| metadata.get("version")).map_or_else(|| "Yaml".to_owned(), python_text)
}

fn dataset(config: &YamlConfig) -> Result<Dataset, String> {
    let id = text(config, "dataset_path")?.ok_or("it has no `dataset_path`")?;
    let settings = part(config, "dataset_kwargs")?;
    only(&settings, "`dataset_kwargs`", &["trust_remote_code", "revision", "data_files"])?;
    Ok(Dataset {
        files: files(&id, settings.get("data_files"))?,
        config: text(config, "dataset_name")?.unwrap_or_else(|| "default".to_owned()),
        revision: text(&settings, "revision")?.unwrap_or_else(|| "main".to_owned()),
        id,
    })
}

/// Files of one's own by split; those without a split are for training, as the library `datasets` has it.
fn files(id: &str, named: Option<&Json>) -> Result<BTreeMap<String, Vec<PathBuf>>, String> {
    let is_format = ["json", "parquet"].contains(&id);
    let named = match named {
        None | Some(Json::Null) if is_format => return Err(format!("its data are `{id}` without `data_files`")),
        None | Some(Json::Null) => return Ok(BTreeMap::new()),
        Some(_) if !is_format => return Err(format!("it picks `data_files` of `{id}`")),
        Some(Json::Object(splits)) => splits.clone(),
        Some(files) => YamlConfig::from_iter([("train".to_owned(), files.clone())]),
    };
    let paths = |split: &String| {
        let paths = texts(&named, split)?.unwrap_or_default();
        match paths.iter().find(|path| path.contains("://") || path.contains('*')) {
            Some(other) => Err(format!("`data_files` has `{other}`, which is no file of this machine")),
            None => Ok((split.clone(), paths.into_iter().map(PathBuf::from).collect())),
        }
    };
    named.keys().map(paths).collect()
}

fn fewshot(config: &YamlConfig, usual: Option<String>, test: Option<&str>) -> Result<FewShotDefinition, String> {
    let settings = part(config, "fewshot_config")?;
    only(&settings, "`fewshot_config`", &SHOT_SETTINGS)?;
    let named = match text(&settings, "split")? {
        Some(split) => Some(split),
        None => text(config, "fewshot_split")?,
    };
    let samples: Vec<Row> = match settings.get("samples") {
        None | Some(Json::Null) => Vec::new(),
        Some(value) if function(value).is_some() => match stand_in("samples", value)? {
            Some(StandIn::Shots(shots)) => shots,
            _ => return Err("its shots are of a function that lists none".to_owned()),
        },
        Some(list) => serde_json::from_value(list.clone())
            .map_err(|_| "`fewshot_config` has `samples` that are no list of mappings".to_owned())?,
    };
    let has_samples = named.is_none() && !samples.is_empty();
    Ok(FewShotDefinition {
        // The document stays away where the few-shot split has the name of the test split, or neither is named.
        exclude_document: named.as_deref() == test,
        split: if has_samples { None } else { named.or(usual) },
        samples: if has_samples { samples } else { Vec::new() },
        sampler: match text(&settings, "sampler")?.as_deref() {
            None | Some("default") => SamplerKind::Random,
            Some("first_n") => SamplerKind::FirstN,
            Some(other) => return Err(format!("its few-shot sampler `{other}` is not known here")),
        },
        default: count(config, "num_fewshot")?.unwrap_or(0),
        built_in: None,
    })
}

fn choices(config: &YamlConfig) -> Result<Option<String>, String> {
    match config.get("doc_to_choice") {
        Some(list @ Json::Array(_)) => Ok(Some(literal(list))),
        Some(value @ Json::Object(fields)) if function(value).is_none() => {
            Ok(Some(literal(&fields.values().cloned().collect())))
        }
        _ => template(config, "doc_to_choice"),
    }
}

/// A template that writes a value as Python writes it.
fn literal(value: &Json) -> String {
    let literal = python_text(value);
    if ["{{", "{%", "{#"].iter().any(|tag| literal.contains(tag)) {
        return format!("{{% raw %}}{literal}{{% endraw %}}");
    }
    literal
}
