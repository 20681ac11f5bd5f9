//! Filters, metrics and generation settings of a task's file.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::file::{YamlConfig, function, stand_in};
use super::functions::{FilterStandIn, MetricsStandIn, StandIn};
use super::settings::{count, flag, only, part, parts, real, text, texts, truth};
use crate::filters::{FilterDefinition, FilterStep};
use crate::metrics::{F1Average, MetricDefinition};
use crate::tasks::definition::GenerationDefinition;
use crate::tasks::process::ColumnTemplate;

/// What lm-evaluation-harness asks a model for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputType {
    GenerateUntil,
    MultipleChoice,
    LogLikelihood,
    LogLikelihoodRolling,
}

impl OutputType {
    pub(super) fn of(config: &YamlConfig) -> Result<Self, String> {
        match text(config, "output_type")?.as_deref() {
            None | Some("generate_until") => Ok(Self::GenerateUntil),
            Some("multiple_choice") => Ok(Self::MultipleChoice),
            Some("loglikelihood") => Ok(Self::LogLikelihood),
            Some("loglikelihood_rolling") => Ok(Self::LogLikelihoodRolling),
            Some(other) => Err(format!("its output type `{other}` is not known here")),
        }
    }

    /// The metrics of a task that names none.
    fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::GenerateUntil => &["exact_match"],
            Self::MultipleChoice => &["acc", "acc_norm"],
            Self::LogLikelihood => &["perplexity", "acc"],
            Self::LogLikelihoodRolling => &["word_perplexity", "byte_perplexity", "bits_per_byte"],
        }
    }
}

/// The metrics, each once.
pub(super) fn metrics(config: &YamlConfig, output: OutputType) -> Result<Vec<MetricDefinition>, String> {
    let Some(listed) = parts(config, "metric_list")? else {
        let named = |name: &&str| metric(&YamlConfig::from_iter([("metric".to_owned(), (*name).into())]), output);
        return output.metrics().iter().map(named).collect();
    };
    let mut metrics: Vec<MetricDefinition> = Vec::new();
    for found in listed.iter().map(|listed| metric(listed, output)) {
        let found = found?;
        // The last one of a name counts, in the place of the first.
        match metrics.iter_mut().find(|known| known.name() == found.name()) {
            Some(known) => *known = found,
            None => metrics.push(found),
        }
    }
    if metrics.is_empty() { Err("`metric_list` is empty".to_owned()) } else { Ok(metrics) }
}

/// What stands for its function that makes metrics of results, if it has one.
pub(super) fn of_results(config: &YamlConfig) -> Result<Option<MetricsStandIn>, String> {
    match config.get("process_results") {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match stand_in("process_results", value)? {
            Some(StandIn::Metrics(metrics)) => Ok(Some(metrics)),
            _ => Err(format!("its `process_results` is {value}, no function over results")),
        },
    }
}

/// The metric that a function is, or that it makes of documents together.
fn metric_of_function(config: &YamlConfig, setting: &str) -> Result<Option<MetricDefinition>, String> {
    let Some(value) = config.get(setting) else { return Ok(None) };
    match stand_in(setting, value)? {
        None => Ok(None),
        Some(StandIn::Metric(metric)) => Ok(Some(metric)),
        Some(_) => Err(format!("its `{setting}` is {value}, no function over documents")),
    }
}

fn metric(config: &YamlConfig, output: OutputType) -> Result<MetricDefinition, String> {
    let (own, together) = (metric_of_function(config, "metric")?, metric_of_function(config, "aggregation")?);
    if let Some(found) = own.or(together) {
        let named = config.get("metric").map(|value| (function(value).is_some(), value.as_str()));
        return match named {
            Some((false, name)) if name != Some(found.name()) => {
                Err(format!("its metric `{}` has the function of `{}`", name.unwrap_or_default(), found.name()))
            }
            _ => Ok(found),
        };
    }
    let name = text(config, "metric")?.ok_or("`metric_list` has an entry without `metric`")?;
    let unknown = || Err(format!("its metric `{name}` is not known here"));
    // Metrics of choices are lm-evaluation-harness's own whatever that says.
    if flag(config, "hf_evaluate")? == Some(true) && output == OutputType::GenerateUntil {
        return unknown();
    }
    let found = match (output, name.as_str()) {
        (OutputType::GenerateUntil, "exact_match") => {
            const SETTINGS: [&str; 7] = [
                "metric",
                "aggregation",
                "higher_is_better",
                "hf_evaluate",
                "regexes_to_ignore",
                "ignore_case",
                "ignore_punctuation",
            ];
            only(config, "its metric `exact_match`", &SETTINGS)?;
            MetricDefinition::ExactMatch {
                regexes_to_ignore: texts(config, "regexes_to_ignore")?.unwrap_or_default(),
                ignore_case: truth(config, "ignore_case"),
                ignore_punctuation: truth(config, "ignore_punctuation"),
            }
        }
        (OutputType::GenerateUntil, "bleu") => MetricDefinition::Bleu,
        (OutputType::GenerateUntil, "chrf") => MetricDefinition::Chrf,
        (OutputType::GenerateUntil, "ter") => MetricDefinition::Ter,
        (OutputType::MultipleChoice, "f1") => MetricDefinition::F1 { average: F1Average::Binary },
        (OutputType::MultipleChoice, "mcc") => MetricDefinition::Mcc,
        (OutputType::MultipleChoice, "acc") => MetricDefinition::Acc,
        (OutputType::MultipleChoice, "acc_norm") => MetricDefinition::AccNorm,
        (OutputType::MultipleChoice, "acc_bytes") => MetricDefinition::AccBytes,
        (OutputType::LogLikelihood, "acc") => MetricDefinition::Greedy,
        (OutputType::LogLikelihood, "perplexity") => MetricDefinition::Perplexity,
        (OutputType::LogLikelihoodRolling, "word_perplexity") => MetricDefinition::WordPerplexity,
        (OutputType::LogLikelihoodRolling, "byte_perplexity") => MetricDefinition::BytePerplexity,
        (OutputType::LogLikelihoodRolling, "bits_per_byte") => MetricDefinition::BitsPerByte,
        _ => return unknown(),
    };
    let usual = found.aggregation();
    match text(config, "aggregation")? {
        Some(other) if other != usual => {
            Err(format!("its metric `{name}` is aggregated by `{other}`, not by `{usual}`"))
        }
        _ => Ok(found),
    }
}

/// The filters; lm-evaluation-harness's `none` where the task names none.
pub(super) fn filters(config: &YamlConfig) -> Result<Vec<FilterDefinition>, String> {
    let Some(listed) = parts(config, "filter_list")? else {
        return Ok(vec![FilterDefinition { name: "none".to_owned(), steps: vec![FilterStep::TakeFirst] }]);
    };
    let filter = |listed: &YamlConfig| {
        let name = text(listed, "name")?.ok_or("`filter_list` has an entry without `name`")?;
        let steps = parts(listed, "filter")?.unwrap_or_default();
        Ok(FilterDefinition { name, steps: steps.iter().map(step).collect::<Result<_, String>>()? })
    };
    listed.iter().map(filter).collect()
}

/// What stands for the function that a step is, if it is one.
fn filter_of_function(step: &YamlConfig) -> Result<Option<FilterStandIn>, String> {
    let Some(value) = step.get("function") else { return Ok(None) };
    match stand_in("filter_list", value)? {
        None => Ok(None),
        Some(StandIn::Filter(filter)) => Ok(Some(filter)),
        Some(_) => Err("a filter has a function that filters nothing".to_owned()),
    }
}

/// The columns that filters read which are functions.
pub(super) fn columns_of_filters(config: &YamlConfig) -> Result<BTreeMap<String, ColumnTemplate>, String> {
    let mut columns = BTreeMap::new();
    for listed in parts(config, "filter_list")?.unwrap_or_default() {
        for step in parts(&listed, "filter")?.unwrap_or_default() {
            columns.extend(filter_of_function(&step)?.map(|filter| filter.columns).unwrap_or_default());
        }
    }
    Ok(columns)
}

fn step(config: &YamlConfig) -> Result<FilterStep, String> {
    let function = match filter_of_function(config)? {
        Some(filter) => filter.name,
        None => text(config, "function")?.ok_or("a filter has a step without `function`")?,
    };
    let what = format!("its filter `{function}`");
    let select = || match config.get("group_select") {
        None | Some(Json::Null) => Ok(0),
        Some(value) => value
            .as_i64()
            .and_then(|select| isize::try_from(select).ok())
            .ok_or_else(|| format!("{what} has the group {value}, which is no whole number")),
    };
    // lm-evaluation-harness's own default.
    let pattern = || text(config, "regex_pattern").map(|it| it.unwrap_or_else(|| r"#### (\-?[0-9\.\,]+)".to_owned()));
    let fallback = || text(config, "fallback").map(|it| it.unwrap_or_else(|| "[invalid]".to_owned()));
    match function.as_str() {
        // There is one response, which the majority is for.
        "take_first" | "majority_vote" => {
            only(config, &what, &["function"])?;
            Ok(FilterStep::TakeFirst)
        }
        "remove_whitespace" => {
            only(config, &what, &["function"])?;
            Ok(FilterStep::RemoveWhitespace)
        }
        "lowercase" => {
            only(config, &what, &["function"])?;
            Ok(FilterStep::Lowercase)
        }
        "uppercase" => {
            only(config, &what, &["function"])?;
            Ok(FilterStep::Uppercase)
        }
        "regex" => {
            only(config, &what, &["function", "regex_pattern", "group_select", "fallback"])?;
            Ok(FilterStep::Regex { pattern: pattern()?, group_select: select()?, fallback: fallback()? })
        }
        "multi_choice_regex" => {
            const SETTINGS: [&str; 6] =
                ["function", "regex_pattern", "group_select", "fallback", "ignore_case", "ignore_punctuation"];
            only(config, &what, &SETTINGS)?;
            Ok(FilterStep::MultiChoiceRegex {
                pattern: pattern()?,
                group_select: select()?,
                fallback: fallback()?,
                ignore_case: flag(config, "ignore_case")?.unwrap_or(false),
                ignore_punctuation: flag(config, "ignore_punctuation")?.unwrap_or(false),
                longest_first: true,
            })
        }
        _ => Err(format!("{what} is not known here")),
    }
}

/// Generation settings, for tasks that have a text generated.
pub(super) fn generation(config: &YamlConfig, fewshot_delimiter: &str) -> Result<GenerationDefinition, String> {
    const LENGTHS: [&str; 4] = ["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"];
    let delimiter = || vec![fewshot_delimiter.to_owned()];
    if matches!(config.get("generation_kwargs"), None | Some(Json::Null)) {
        return Ok(GenerationDefinition {
            until: delimiter(),
            max_gen_toks: None,
            do_sample: Some(false),
            temperature: Some(0.0),
            top_p: None,
        });
    }
    let settings = part(config, "generation_kwargs")?;
    let known: Vec<&str> =
        ["until", "do_sample", "temperature", "top_p", "num_beams"].into_iter().chain(LENGTHS).collect();
    only(&settings, "`generation_kwargs`", &known)?;
    if let Some(beams) = count(&settings, "num_beams")?.filter(|beams| *beams != 1) {
        return Err(format!("`generation_kwargs` asks for {beams} beams"));
    }
    let mut longest = None;
    for name in LENGTHS {
        longest = longest.or(count(&settings, name)?);
    }
    Ok(GenerationDefinition {
        until: texts(&settings, "until")?.unwrap_or_else(delimiter),
        max_gen_toks: longest,
        do_sample: flag(&settings, "do_sample")?,
        temperature: real(&settings, "temperature")?,
        top_p: real(&settings, "top_p")?,
    })
}
