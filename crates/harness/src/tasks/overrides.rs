//! Generation settings that a user asks for instead of a task's own.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::definition::GenerationDefinition;

/// What of a task's generation settings is overridden; under lm-evaluation-harness's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationOverrides {
    /// Where generation ends, instead of where the task says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<String>>,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gen_toks: Option<usize>,
    /// `false`: systems decode greedily.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_sample: Option<bool>,
    /// 0: systems decode greedily.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// Generation settings could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum GenerationOverridesError {
    /// The text is neither JSON nor a list of settings.
    #[error("generation settings `{text}`: {reason}")]
    Parse {
        /// What was given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Sampling was asked for.
    #[error("generation settings `{text}` ask for sampling, but systems decode greedily")]
    Sampling {
        /// What was given.
        text: String,
    },
}

impl GenerationOverridesError {
    /// What would be valid.
    pub fn hint(&self) -> String {
        match self {
            Self::Parse { .. } => {
                r#"valid are `max_gen_toks=N`, `until=TEXT` (repeatable), separated by commas, or a JSON object {"max_gen_toks": N, "until": [".."]}"#.to_owned()
            }
            Self::Sampling { .. } => "leave out `do_sample` and `temperature`, or set them to false and 0".to_owned(),
        }
    }
}

impl FromStr for GenerationOverrides {
    type Err = GenerationOverridesError;

    /// Reads `name=value,name=value` or a JSON object. Escapes (`\n`) and commas in a text need the JSON form.
    fn from_str(text: &str) -> Result<Self, GenerationOverridesError> {
        let failed = |reason: String| GenerationOverridesError::Parse { text: text.to_owned(), reason };
        let overrides: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| failed(error.to_string()))?
        } else {
            pairs(text).map_err(failed)?
        };
        if overrides == Self::default() {
            return Err(failed("nothing is set".to_owned()));
        }
        if overrides.max_gen_toks == Some(0) {
            return Err(failed("`max_gen_toks` is 0; at least 1 is needed".to_owned()));
        }
        if overrides.do_sample == Some(true) || overrides.temperature.is_some_and(|temperature| temperature != 0.0) {
            return Err(GenerationOverridesError::Sampling { text: text.to_owned() });
        }
        Ok(overrides)
    }
}

fn pairs(text: &str) -> Result<GenerationOverrides, String> {
    let mut overrides = GenerationOverrides::default();
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no `name=value`"))?;
        let wrong = |what: &str| format!("`{}` is `{value}`, not {what}", name.trim());
        match name.trim() {
            "until" => overrides.until.get_or_insert_default().push(value.to_owned()),
            "max_gen_toks" => overrides.max_gen_toks = Some(value.trim().parse().map_err(|_| wrong("a number"))?),
            "do_sample" => {
                let value = value.trim().to_ascii_lowercase();
                overrides.do_sample = Some(value.parse().map_err(|_| wrong("`true` or `false`"))?);
            }
            "temperature" => overrides.temperature = Some(value.trim().parse().map_err(|_| wrong("a number"))?),
            other => return Err(format!("there is no setting `{other}`")),
        }
    }
    Ok(overrides)
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<GenerationOverrides, String> {
        text.parse().map_err(|error: GenerationOverridesError| format!("{error}; {}", error.hint()))
    }

    #[test]
    fn settings_are_read_in_both_forms() {
        let expected = GenerationOverrides {
            until: Some(vec!["Q:".to_owned(), " end".to_owned()]),
            max_gen_toks: Some(12),
            do_sample: Some(false),
            temperature: Some(0.0),
        };
        let pairs = "max_gen_toks=12,until=Q:,until= end,do_sample=False,temperature=0";
        assert_eq!(parse(pairs).unwrap(), expected);
        let json = r#"{"max_gen_toks": 12, "until": ["Q:", " end"], "do_sample": false, "temperature": 0}"#;
        assert_eq!(parse(json).unwrap(), expected);
    }

    #[test]
    fn what_is_not_overridden_stays() {
        let own = GenerationDefinition {
            until: vec!["\n".to_owned()],
            max_gen_toks: Some(9),
            do_sample: None,
            temperature: None,
        };
        let changed = own.with(&parse("max_gen_toks=3").unwrap());
        assert_eq!((changed.until, changed.max_gen_toks), (own.until.clone(), Some(3)));
        assert_eq!(own.with(&parse(r#"{"until": []}"#).unwrap()).until, Vec::<String>::new());
    }

    #[test]
    fn wrong_settings_say_what_would_be_right() {
        assert!(parse("max_gen_toks=many").unwrap_err().contains("`max_gen_toks` is `many`, not a number"));
        assert!(parse("top_p=1").unwrap_err().contains("no setting `top_p`"));
        assert!(parse("").unwrap_err().contains("name=value"));
        assert!(parse("{}").unwrap_err().contains("nothing is set"));
        assert!(parse("max_gen_toks=0").unwrap_err().contains("at least 1"));
        assert!(parse("do_sample=true").unwrap_err().contains("greedily"));
        assert!(parse(r#"{"temperature": 0.7}"#).unwrap_err().contains("greedily"));
    }
}
