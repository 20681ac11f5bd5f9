//! A task's definition under lm-evaluation-harness's names, as `configs` has it.

use serde_json::{Map, Value, json};

use crate::metrics::MetricDefinition;
use crate::results::TaskEntry;
use crate::tasks::{
    GenerationOverrides, Leaf, PromptDefinition, SamplerKind, ScoredPart, TaskDefinition, TaskKind, TaskOutline,
    TemplateLanguage,
};

/// The configuration of a subtask.
pub(super) fn config(
    outline: Option<&TaskOutline>,
    entry: &TaskEntry,
    leaf: &Leaf,
    subject: Option<&str>,
    overrides: Option<&GenerationOverrides>,
    model: &Map<String, Value>,
) -> Value {
    let mut metadata = Map::from_iter([("version".to_owned(), version(&entry.version))]);
    let mut config = Map::new();
    let mut set = |name: &str, value: Value| config.insert(name.to_owned(), value);
    set("task", leaf.name.as_str().into());
    if let Some(alias) = &leaf.alias {
        set("task_alias", alias.as_str().into());
    }
    let Some(outline) = outline else {
        set("num_fewshot", entry.num_fewshot.into());
        set("metadata", metadata.into());
        return config.into();
    };
    let definition = &outline.definition;
    metadata.extend(model.clone());
    let source = format!("{} of gac {}", definition.name, env!("CARGO_PKG_VERSION"));
    metadata.insert("config_source".to_owned(), source.into());
    let PromptDefinition { target_delimiter, fewshot_delimiter, .. } = &definition.prompt;
    let texts = texts(definition);
    let fewshot_split = definition.fewshot.split.clone();

    set("dataset_path", definition.dataset.id.as_str().into());
    set("dataset_name", definition.dataset.config.replace("{{subject}}", subject.unwrap_or_default()).into());
    for (key, split) in [("training_split", "train"), ("validation_split", "validation"), ("test_split", "test")] {
        if definition.split == split || fewshot_split.as_deref() == Some(split) {
            set(key, split.into());
        }
    }
    set("fewshot_split", fewshot_split.clone().into());
    set("doc_to_text", texts.text.clone());
    set("doc_to_target", texts.target.clone());
    set("unsafe_code", false.into());
    if !texts.choices.is_null() {
        set("doc_to_choice", texts.choices.clone());
    }
    set("description", outline.description(subject).into());
    set("target_delimiter", target_delimiter.as_str().into());
    set("fewshot_delimiter", fewshot_delimiter.as_str().into());
    let sampler = match definition.fewshot.sampler {
        SamplerKind::Random => "default",
        SamplerKind::FirstN => "first_n",
    };
    let fewshot = json!({
        "sampler": sampler,
        "split": fewshot_split,
        "process_docs": null,
        "fewshot_indices": null,
        "samples": null,
        "doc_to_text": texts.text,
        "doc_to_choice": texts.choices,
        "doc_to_target": texts.target,
        "gen_prefix": null,
        "fewshot_delimiter": fewshot_delimiter,
        "target_delimiter": target_delimiter,
    });
    set("fewshot_config", fewshot);
    set("num_fewshot", entry.num_fewshot.into());
    set("metric_list", definition.metrics.iter().map(metric).collect());
    let output = match definition.kind {
        TaskKind::Generate => "generate_until",
        TaskKind::Choose if definition.prompt.scored == ScoredPart::Whole => "loglikelihood_rolling",
        TaskKind::Choose if definition.metrics.contains(&MetricDefinition::Greedy) => "loglikelihood",
        TaskKind::Choose => "multiple_choice",
    };
    set("output_type", output.into());
    if let Some(kwargs) = generation_kwargs(definition, overrides) {
        set("generation_kwargs", kwargs);
    }
    set("repeats", 1.into());
    if !definition.filters.is_empty() {
        set("filter_list", definition.filters.iter().map(filter).collect());
    }
    set("should_decontaminate", false.into());
    set("metadata", metadata.into());
    config.into()
}

/// A task's generation settings with what a user overrides; none for tasks that score choices.
pub(super) fn generation_kwargs(definition: &TaskDefinition, overrides: Option<&GenerationOverrides>) -> Option<Value> {
    let mut kwargs = serde_json::to_value(definition.generation.as_ref()?).ok()?;
    let overrides = overrides.and_then(|overrides| serde_json::to_value(overrides).ok());
    if let (Some(kwargs), Some(Value::Object(overrides))) = (kwargs.as_object_mut(), overrides) {
        kwargs.extend(overrides);
    }
    Some(kwargs)
}

/// `doc_to_text` and its like.
struct Texts {
    text: Value,
    target: Value,
    choices: Value,
}

fn texts(definition: &TaskDefinition) -> Texts {
    let PromptDefinition { language, text, target, choices, .. } = &definition.prompt;
    if *language == TemplateLanguage::Yaml {
        return Texts { text: text.clone().into(), target: target.clone().into(), choices: choices.clone().into() };
    }
    let braced = |expression: &String| Value::from(format!("{{{{{expression}}}}}"));
    // A list of plain texts is one there too.
    let list = |choices: &String| serde_json::from_str::<Value>(&choices.replace('\'', "\"")).ok();
    Texts {
        text: text.clone().into(),
        target: braced(target),
        choices: choices.as_ref().map_or(Value::Null, |choices| list(choices).unwrap_or_else(|| braced(choices))),
    }
}

fn metric(definition: &MetricDefinition) -> Value {
    let mut fields = Map::new();
    fields.insert("metric".to_owned(), definition.name().into());
    fields.insert("aggregation".to_owned(), definition.aggregation().into());
    fields.insert("higher_is_better".to_owned(), definition.is_higher_better().into());
    if let Ok(Value::Object(settings)) = serde_json::to_value(definition) {
        fields.extend(settings.into_iter().filter(|(name, _)| name != "name"));
    }
    fields.into()
}

fn filter(definition: &crate::filters::FilterDefinition) -> Value {
    let steps = serde_json::to_value(&definition.steps).unwrap_or_default();
    let step = |step: &Value| -> Value {
        let fields = step.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| (if name == "pattern" { "regex_pattern" } else { name }.to_owned(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    json!({ "name": definition.name, "filter": steps.as_array().into_iter().flatten().map(step).collect::<Vec<_>>() })
}

/// Versions are numbers there, where they are numbers.
pub(super) fn version(text: &str) -> Value {
    text.parse::<f64>().map_or_else(|_| text.into(), Value::from)
}
