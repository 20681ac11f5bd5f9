//! Generation settings that a user asks for instead of a task's own.

use std::str::FromStr;

use gac_ensemble::{Decoding, Sampling, SamplingError};
use serde::{Deserialize, Deserializer, Serialize};

use super::definition::GenerationDefinition;
use super::error::NoTemperature;
use crate::python::Literal;

/// What of a task's generation settings is overridden; under lm-evaluation-harness's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationOverrides {
    /// Where generation ends, instead of where the task says.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "one_or_several")]
    pub until: Option<Vec<String>>,
    /// Most tokens to generate.
    #[serde(
        skip_serializing_if = "Option::is_none",
        alias = "max_new_tokens",
        alias = "max_tokens",
        alias = "max_completion_tokens"
    )]
    pub max_gen_toks: Option<usize>,
    /// Whether tokens are drawn; as the temperature says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_sample: Option<bool>,
    /// Sampling temperature; 0 is greedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Share of probability to draw from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Tokens to draw from; 0 and -1: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Least share of the most probable token's probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// What draws depend on; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The names of all settings.
pub const GENERATION_SETTINGS: &str =
    "`until`, `max_gen_toks`, `do_sample`, `temperature`, `top_p`, `top_k`, `min_p` and `seed`";

/// Generation settings could not be understood.
#[derive(Debug, thiserror::Error)]
#[error("generation settings `{text}`: {reason}")]
pub struct GenerationOverridesError {
    /// What was given.
    text: String,
    /// What is wrong.
    reason: String,
}

impl GenerationOverrides {
    /// With this seed, where they draw and have none.
    #[must_use]
    pub fn with_seed(self, seed: Option<u64>) -> Self {
        if self.picks() { Self { seed: self.seed.or(seed), ..self } } else { self }
    }

    /// Whether they say how tokens are picked.
    fn picks(&self) -> bool {
        self.do_sample.is_some()
            || self.temperature.is_some()
            || self.top_p.is_some()
            || self.top_k.is_some()
            || self.min_p.is_some()
    }

    /// What is drawn at `temperature`.
    fn sampling(&self, temperature: f64) -> Result<Sampling, SamplingError> {
        let mut sampling = Sampling::new(temperature, self.seed.unwrap_or(0))?;
        if let Some(top_k) = self.top_k.and_then(|k| usize::try_from(k).ok()).filter(|k| *k > 0) {
            sampling = sampling.with_top_k(top_k)?;
        }
        if let Some(top_p) = self.top_p {
            sampling = sampling.with_top_p(top_p)?;
        }
        if let Some(min_p) = self.min_p {
            sampling = sampling.with_min_p(min_p)?;
        }
        Ok(sampling)
    }

    fn check(&self) -> Result<(), String> {
        if *self == Self::default() {
            return Err("nothing is set".to_owned());
        }
        if self.max_gen_toks == Some(0) {
            return Err("`max_gen_toks` is 0; at least 1 is needed".to_owned());
        }
        if let Some(top_k) = self.top_k.filter(|top_k| *top_k < -1) {
            return Err(format!("`top_k` is {top_k}; it is a number of tokens, or 0 or -1 for all"));
        }
        if let Some(temperature) = self.temperature.filter(|temperature| temperature.is_nan() || *temperature < 0.0) {
            return Err(format!("temperature {temperature} is not a number from 0 up"));
        }
        let temperature = self.temperature.filter(|temperature| *temperature > 0.0).unwrap_or(1.0);
        self.sampling(temperature).map(|_| ()).map_err(|error| error.to_string())
    }
}

impl FromStr for GenerationOverrides {
    type Err = GenerationOverridesError;

    /// Reads `name=value,name=value` or a JSON object, as lm-evaluation-harness does (`_cli/utils.py`): commas in
    /// brackets and quotation marks divide nothing, and a value is a Python literal where it is one. Several `until`
    /// are one list.
    fn from_str(text: &str) -> Result<Self, GenerationOverridesError> {
        let failed = |reason: String| GenerationOverridesError { text: text.to_owned(), reason };
        let overrides: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| failed(error.to_string()))?
        } else {
            pairs(text).map_err(failed)?
        };
        overrides.check().map_err(failed)?;
        Ok(overrides)
    }
}

fn pairs(text: &str) -> Result<GenerationOverrides, String> {
    let mut overrides = GenerationOverrides::default();
    for pair in Literal::split(text).into_iter().filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no `name=value`"))?;
        let name = name.trim();
        let wrong = |what: &str| format!("`{name}` is `{value}`, not {what}");
        let number = || value.trim().parse::<f64>().map_err(|_| wrong("a number"));
        match name {
            "until" => {
                let texts = match Literal::parse(value.trim()) {
                    Some(Literal::List(texts)) => texts,
                    Some(Literal::Text(text)) => vec![text],
                    None => vec![value.to_owned()],
                };
                overrides.until.get_or_insert_default().extend(texts);
            }
            "max_gen_toks" | "max_new_tokens" | "max_tokens" | "max_completion_tokens" => {
                overrides.max_gen_toks = Some(value.trim().parse().map_err(|_| wrong("a number of tokens"))?);
            }
            "do_sample" => {
                let value = value.trim().to_ascii_lowercase();
                overrides.do_sample = Some(value.parse().map_err(|_| wrong("`True` or `False`"))?);
            }
            "temperature" => overrides.temperature = Some(number()?),
            "top_p" => overrides.top_p = Some(number()?),
            "min_p" => overrides.min_p = Some(number()?),
            "top_k" => overrides.top_k = Some(value.trim().parse().map_err(|_| wrong("a whole number"))?),
            "seed" => overrides.seed = Some(value.trim().parse().map_err(|_| wrong("a whole number from 0 up"))?),
            other => return Err(format!("there is no setting `{other}`")),
        }
    }
    Ok(overrides)
}

/// A text, or a list of texts.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "`until` is a text or a list of texts")]
    enum OneOrSeveral {
        One(String),
        Several(Vec<String>),
    }
    let given = Option::<OneOrSeveral>::deserialize(deserializer)?;
    Ok(given.map(|given| match given {
        OneOrSeveral::One(text) => vec![text],
        OneOrSeveral::Several(texts) => texts,
    }))
}

impl GenerationDefinition {
    /// These settings with what is overridden.
    #[must_use]
    pub fn with(&self, overrides: &GenerationOverrides) -> Self {
        Self {
            until: overrides.until.clone().unwrap_or_else(|| self.until.clone()),
            max_gen_toks: overrides.max_gen_toks.or(self.max_gen_toks),
            do_sample: overrides.do_sample.or(self.do_sample),
            temperature: overrides.temperature.or(self.temperature),
            top_p: overrides.top_p.or(self.top_p),
        }
    }

    /// How tokens are picked where overrides say so: by the task's own settings with what is overridden, as
    /// lm-evaluation-harness merges the two (`models/utils.py`, `normalize_gen_kwargs`). `do_sample = false` is greedy
    /// whatever the temperature, also where it is the task that says it. None where the overrides say nothing of it:
    /// then it is as the system has it.
    ///
    /// # Errors
    /// Where tokens are to be drawn at a temperature of 0.
    pub fn decoding(&self, overrides: &GenerationOverrides) -> Result<Option<Decoding>, NoTemperature> {
        if !overrides.picks() {
            return Ok(None);
        }
        let Self { do_sample, temperature, top_p, .. } = self.with(overrides);
        let temperature = temperature.unwrap_or(0.0);
        if !do_sample.unwrap_or(temperature > 0.0) {
            return Ok(Some(Decoding::Greedy));
        }
        // Everything else was checked when it was read.
        let overrides = GenerationOverrides { top_p, ..overrides.clone() };
        overrides.sampling(temperature).map(|sampling| Some(Decoding::Sampled(sampling))).map_err(|_| NoTemperature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<GenerationOverrides, String> {
        text.parse().map_err(|error: GenerationOverridesError| error.to_string())
    }

    fn until(text: &str) -> Vec<String> {
        parse(text).unwrap().until.unwrap()
    }

    #[test]
    fn settings_are_read_in_both_forms() {
        let expected = GenerationOverrides {
            until: Some(vec!["Q:".to_owned(), " end".to_owned()]),
            max_gen_toks: Some(12),
            do_sample: Some(true),
            temperature: Some(0.7),
            top_p: Some(0.9),
            top_k: Some(40),
            min_p: Some(0.05),
            seed: Some(3),
        };
        let pairs =
            "max_gen_toks=12,until=Q:,until= end,do_sample=True,temperature=0.7,top_p=.9,top_k=40,min_p=5e-2,seed=3";
        assert_eq!(parse(pairs).unwrap(), expected);
        let json = r#"{"max_new_tokens": 12, "until": ["Q:", " end"], "do_sample": true, "temperature": 0.7,
                       "top_p": 0.9, "top_k": 40, "min_p": 0.05, "seed": 3}"#;
        assert_eq!(parse(json).unwrap(), expected);
    }

    #[test]
    fn texts_are_python_literals_where_they_are_some() {
        // From lm_eval._cli.utils.key_val_to_dict 0.4.13.
        assert_eq!(until(r#"until=["Q:", 'a,b'],max_gen_toks=3"#), ["Q:", "a,b"]);
        assert_eq!(until(r#"until="\n\n",max_gen_toks=3"#), ["\n\n"]);
        assert_eq!(until(r"until=\n"), [r"\n"], "without quotation marks it is what it is");
        assert_eq!(until("until=a=b"), ["a=b"]);
        assert_eq!(until(r#"{"until": "Q:"}"#), ["Q:"]);
    }

    fn definition(do_sample: Option<bool>, temperature: Option<f64>) -> GenerationDefinition {
        GenerationDefinition {
            until: vec!["\n".to_owned()],
            max_gen_toks: Some(9),
            do_sample,
            temperature,
            top_p: None,
        }
    }

    #[test]
    fn what_is_not_overridden_stays() {
        let own = definition(None, None);
        let changed = own.with(&parse("max_gen_toks=3").unwrap());
        assert_eq!((changed.until, changed.max_gen_toks), (own.until.clone(), Some(3)));
        assert_eq!(own.with(&parse(r#"{"until": []}"#).unwrap()).until, Vec::<String>::new());
    }

    #[test]
    fn tokens_are_picked_as_the_tasks_and_the_users_settings_say_together() {
        let picked =
            |own: (Option<bool>, Option<f64>), given: &str| definition(own.0, own.1).decoding(&parse(given).unwrap());
        let drawn = |temperature| Ok(Some(Decoding::Sampled(Sampling::new(temperature, 0).unwrap())));
        let greedy = Ok(Some(Decoding::Greedy));
        // The task's own settings, the user's, and what lm_eval.models.utils.normalize_gen_kwargs 0.4.13 makes of them.
        let (silent, as_gsm8k, as_gsm8k_cot) = ((None, None), (Some(false), Some(0.0)), (Some(false), None));
        assert_eq!(picked(silent, "temperature=0.7"), drawn(0.7));
        assert_eq!(picked(as_gsm8k, "temperature=0.7"), greedy, "the task says do_sample: false");
        assert_eq!(picked(as_gsm8k, "temperature=0.7,do_sample=True"), drawn(0.7));
        assert_eq!(picked(as_gsm8k_cot, "temperature=0.7,do_sample=False"), greedy);
        assert_eq!(picked(silent, "do_sample=False,temperature=0.7"), greedy);
        assert_eq!(picked(silent, "temperature=0"), greedy);
        assert_eq!(picked((None, Some(0.4)), "top_k=-1"), drawn(0.4));
        assert_eq!(picked((Some(true), Some(0.4)), "temperature=0"), Err(NoTemperature));
        assert_eq!(picked(as_gsm8k, "do_sample=True"), Err(NoTemperature));
        assert_eq!(picked(as_gsm8k, "max_gen_toks=3"), Ok(None), "the system's own");
        let Ok(Some(Decoding::Sampled(sampling))) =
            picked(silent, "temperature=0.7,top_k=5,top_p=0.5,min_p=0.1,seed=2")
        else {
            panic!("drawn")
        };
        let expected = Sampling::new(0.7, 2).unwrap().with_top_k(5).unwrap().with_top_p(0.5).unwrap();
        assert_eq!(sampling, expected.with_min_p(0.1).unwrap());
    }

    #[test]
    fn wrong_settings_say_what_would_be_right() {
        for (text, part) in [
            ("max_gen_toks=many", "`max_gen_toks` is `many`, not a number of tokens"),
            ("repetition_penalty=1.1", "there is no setting `repetition_penalty`"),
            (r#"{"num_beams": 2}"#, "unknown field `num_beams`, expected one of `until`"),
            ("temperature", "`temperature` is no `name=value`"),
            ("", "nothing is set"),
            ("{}", "nothing is set"),
            ("max_gen_toks=0", "at least 1"),
            ("do_sample=yes", "`do_sample` is `yes`, not `True` or `False`"),
            ("temperature=-1", "temperature -1 is not a number from 0 up"),
            ("temperature=nan", "temperature NaN is not a number from 0 up"),
            ("temperature=inf", "temperature inf is not a positive number"),
            ("top_p=1.5", "top-p 1.5 is not above 0"),
            ("top_k=-2", "`top_k` is -2"),
            ("top_k=1.5", "`top_k` is `1.5`, not a whole number"),
            ("min_p=2", "min-p 2 is not from 0 to 1"),
            (r#"{"until": 3}"#, "`until` is a text or a list of texts"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
