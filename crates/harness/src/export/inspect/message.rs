//! Prompts and responses as inspect_ai's messages.

use gac_ensemble::Prompt;
use gac_systems::StepRecord;
use serde_json::{Value, json};

use crate::results::ThinkingRecord;

/// A prompt as a sample's `input`: a text, or messages.
pub(super) fn input(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Text(text) => text.as_str().into(),
        Prompt::Chat(chat) => {
            chat.messages.iter().map(|message| json!({ "role": message.role(), "content": message.words() })).collect()
        }
        // No task writes ids.
        Prompt::Tokens(_) => "".into(),
    }
}

/// An `input` as messages.
pub(super) fn asked(input: &Value) -> Vec<Value> {
    match input {
        Value::Array(messages) => messages.clone(),
        text => vec![json!({ "role": "user", "content": text, "source": "input" })],
    }
}

/// What a model said, reasoning apart from what is scored.
pub(super) fn said(text: &str, thinking: Option<&ThinkingRecord>, model: &str) -> Value {
    let content = match thinking {
        Some(ThinkingRecord { closed: false, .. }) => json!([{ "type": "reasoning", "reasoning": text }]),
        Some(ThinkingRecord { scored, .. }) => match text.strip_suffix(scored.as_str()) {
            Some(reasoning) if !reasoning.is_empty() => {
                json!([{ "type": "reasoning", "reasoning": reasoning }, { "type": "text", "text": scored }])
            }
            _ => text.into(),
        },
        None => text.into(),
    };
    json!({ "role": "assistant", "content": content, "source": "generate", "model": model })
}

/// Why a response ended, in their words.
pub(super) fn stop_reason(finish: &str) -> &'static str {
    match finish {
        "end" | "stop" => "stop",
        "length" => "max_tokens",
        "context" => "model_length",
        _ => "unknown",
    }
}

/// The tokens of a traced response with their natural log-probabilities, those of the fused distribution where members voted.
pub(super) fn log_probs(trace: &[StepRecord]) -> Value {
    let token = |step: &StepRecord| {
        let bytes = step.hex.as_ref().and_then(|hex| hex::decode(hex).ok()).unwrap_or_else(|| step.text.clone().into());
        // No logarithm of zero in JSON.
        let log_prob = step.probability.max(f64::MIN_POSITIVE).ln();
        json!({ "token": step.text, "logprob": log_prob, "bytes": bytes })
    };
    json!({ "content": trace.iter().map(token).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_apart_from_what_is_scored_and_no_byte_is_lost() {
        let thinking = ThinkingRecord { closed: true, scored: " 4".to_owned() };
        let message = said("2 and 2</think> 4", Some(&thinking), "gac/m");
        assert_eq!(message["content"][0]["reasoning"], "2 and 2</think>");
        assert_eq!(message["content"][1]["text"], " 4");
        let open = ThinkingRecord { closed: false, scored: String::new() };
        assert_eq!(
            said("2 and", Some(&open), "gac/m")["content"],
            json!([{"type": "reasoning", "reasoning": "2 and"}])
        );
        assert_eq!(said("4", None, "gac/m")["content"], "4");
    }

    #[test]
    fn a_token_that_is_part_of_a_character_has_its_bytes() {
        let step =
            StepRecord { text: "\u{fffd}".into(), hex: Some("e6".into()), probability: 0.5, ..StepRecord::default() };
        let content = &log_probs(&[step])["content"][0];
        assert_eq!(content["bytes"], json!([0xe6]));
        assert!((content["logprob"].as_f64().unwrap() - 0.5_f64.ln()).abs() < 1e-12, "{content}");
    }

    #[test]
    fn a_token_of_probability_zero_has_a_number() {
        let step = StepRecord { text: "a".into(), probability: 0.0, ..StepRecord::default() };
        assert!(log_probs(&[step])["content"][0]["logprob"].as_f64().unwrap() < -700.0);
    }
}
