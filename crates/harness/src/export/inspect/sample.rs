//! `samples/<id>_epoch_<n>.json`, and its line in `summaries.json`.

use gac_ensemble::Prompt;
use serde_json::{Map, Value, json};

use super::choice_letter::choice_letter;
use super::message::{asked, input, log_probs, said, stop_reason};
use super::sample_id::{id, identifier};
use super::score;
use crate::export::asked::{AskedDocuments, AskedSystem};
use crate::export::sources::TaskSources;
use crate::results::{ChoiceRecord, ResponseRecord, SampleRecord, StoredTask};
use crate::task::Outcome;

/// Bytes of a text in a summary; readers cut longer ones.
const SUMMARY_TEXT: usize = 5120;
/// Bytes of a field of metadata in a summary; readers drop longer ones.
const SUMMARY_FIELD: usize = 1024;
/// Writes a task's samples under one system.
pub(super) struct SampleWriter<'a> {
    pub(super) task: &'a StoredTask,
    pub(super) asking: &'a AskedSystem<'a>,
    pub(super) source: &'a TaskSources,
    pub(super) documents: AskedDocuments<'a>,
    /// The system under the name of a model.
    pub(super) model: &'a str,
}

impl SampleWriter<'_> {
    /// A sample as its file has it.
    pub(super) fn sample(&self, sample: &SampleRecord) -> Value {
        let requests = self.documents.of(sample).map(|document| self.asking.requests(document)).unwrap_or_default();
        let question = AskedQuestion::new(sample, &requests);
        let mut messages = asked(&question.input);
        let output = self.output(sample, &question);
        messages.extend(output["choices"].as_array().into_iter().flatten().map(|choice| choice["message"].clone()));
        let error = match &sample.outcome {
            Outcome::Failed { error } => json!({ "message": error, "traceback": "", "traceback_ansi": "" }),
            Outcome::Correct | Outcome::Wrong | Outcome::NoAnswer => Value::Null,
        };
        json!({
            "id": id(sample),
            "epoch": sample.repeat + 1,
            "input": question.input,
            "choices": question.choices,
            "target": target(sample),
            "messages": messages,
            "output": output,
            "scores": score::of_sample(self.task, sample),
            "metadata": self.metadata(sample, &question),
            "store": {},
            "events": [],
            "model_usage": usage(self.model, sample.tokens),
            "total_time": sample.seconds,
            "working_time": sample.seconds,
            "uuid": identifier(sample.identity.as_str()),
            "error": error,
            "attachments": {},
        })
    }

    fn output(&self, sample: &SampleRecord, question: &AskedQuestion) -> Value {
        match &sample.response {
            ResponseRecord::Generated { text, finish, thinking } => {
                let message = said(text, thinking.as_ref(), self.model);
                let log_probs = sample.trace.as_ref().map(|trace| log_probs(trace));
                let choice = json!({ "message": message, "stop_reason": stop_reason(finish), "logprobs": log_probs });
                json!({
                    "model": self.model,
                    "choices": [choice],
                    "completion": text,
                    "usage": usage(self.model, sample.tokens)[self.model],
                    "time": sample.seconds,
                })
            }
            ResponseRecord::Choices(choices) => {
                // Nothing was said; the most probable choice stands for it.
                let text = best(choices).map_or_else(String::new, |best| question.choice(best));
                let message = said(&text, None, self.model);
                json!({
                    "model": self.model,
                    "choices": [{ "message": message, "stop_reason": "unknown" }],
                    "completion": text,
                })
            }
            ResponseRecord::None => json!({ "model": self.model, "choices": [], "completion": "" }),
        }
    }

    fn metadata(&self, sample: &SampleRecord, question: &AskedQuestion) -> Value {
        let mut fields = Map::new();
        let outcome = match &sample.outcome {
            Outcome::Correct => "correct",
            Outcome::Wrong => "wrong",
            Outcome::NoAnswer => "no_answer",
            Outcome::Failed { .. } => "failed",
        };
        fields.insert("outcome".to_owned(), outcome.into());
        fields.insert("subject".to_owned(), sample.subject.as_deref().into());
        fields.insert("group".to_owned(), sample.group.as_deref().into());
        if let ResponseRecord::Choices(choices) = &sample.response {
            let choices = choices.iter().enumerate().map(|(index, choice)| question.log_likelihood(index, choice));
            fields.insert("log_likelihoods".to_owned(), choices.collect());
        } else {
            fields.insert("tokens".to_owned(), sample.tokens.into());
            fields.insert("ensembled_steps".to_owned(), sample.ensembled.into());
            fields.insert("member_tokens".to_owned(), json!(sample.member_tokens));
        }
        let no_answer = sample.no_answer.as_ref().map(|score| question.no_answer(score));
        fields.insert("no_answer".to_owned(), no_answer.into());
        fields.insert("truncated".to_owned(), sample.truncated.into());
        for (name, hash) in [("doc_hash", &sample.doc_hash), ("prompt_hash", &sample.prompt_hash)] {
            fields.insert(name.to_owned(), hash.as_str().into());
        }
        let row = self.source.rows.row(sample.subject.as_deref(), sample.doc_id, &sample.doc_hash);
        if let Some(row) = row {
            fields.insert("doc".to_owned(), row.clone().into());
        }
        fields.retain(|_, value| !value.is_null());
        fields.into()
    }
}

/// What a system was asked, as far as that is known.
struct AskedQuestion {
    input: Value,
    /// The choices that follow the input; null where a text was to be generated.
    choices: Value,
    /// What says that there is no answer, where it was asked how likely that is.
    no_answer: Value,
}

impl AskedQuestion {
    fn new(sample: &SampleRecord, requests: &[(Prompt, Option<String>)]) -> Self {
        let logged = || sample.prompt.as_deref().unwrap_or_default();
        let Some((first, continuation)) = requests.first() else {
            return Self { input: logged().into(), choices: Value::Null, no_answer: Value::Null };
        };
        if continuation.is_none() {
            let no_answer = requests.get(1).and_then(|(_, continuation)| continuation.clone()).into();
            return Self { input: input(first), choices: Value::Null, no_answer };
        }
        let texts: Option<Vec<&str>> = requests
            .iter()
            .map(|(prompt, _)| if let Prompt::Text(text) = prompt { Some(text.as_str()) } else { None })
            .collect();
        // Contexts that differ end in a choice each: what they share is the question.
        let shared = texts.as_deref().map_or(0, shared_words);
        let whole = |prompt: &Prompt, continuation: &Option<String>| {
            let context = if let Prompt::Text(text) = prompt { &text[shared..] } else { "" };
            format!("{context}{}", continuation.as_deref().unwrap_or_default())
        };
        let input = texts.map_or_else(|| input(first), |texts| texts[0][..shared].into());
        let choices = requests.iter().map(|(prompt, continuation)| whole(prompt, continuation)).collect();
        Self { input, choices, no_answer: Value::Null }
    }

    /// A choice as a text, or its letter where it is not known.
    fn choice(&self, index: usize) -> String {
        self.choices[index].as_str().map_or_else(|| choice_letter(index), str::to_owned)
    }

    fn log_likelihood(&self, index: usize, choice: &ChoiceRecord) -> Value {
        json!({
            "choice": choice_letter(index),
            "text": self.choices[index],
            "log_likelihood": number(choice.sum),
            "tokens": choice.tokens,
            "greedy": choice.greedy,
        })
    }

    fn no_answer(&self, score: &ChoiceRecord) -> Value {
        json!({
            "text": self.no_answer,
            "log_likelihood": number(score.sum),
            "tokens": score.tokens,
            "greedy": score.greedy,
        })
    }
}

/// JSON has no infinities.
fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

/// Bytes that texts begin with alike: all of them where they are the same, else up to the last white space.
fn shared_words(texts: &[&str]) -> usize {
    let Some(first) = texts.first() else { return 0 };
    let same = |other: &&str| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let shared = texts.iter().map(same).min().unwrap_or(0);
    if texts.iter().all(|text| text.len() == shared) {
        return shared;
    }
    let mut end = shared;
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    first[..end].rfind(char::is_whitespace).unwrap_or(0)
}

/// The most probable choice; the first of equals.
fn best(choices: &[ChoiceRecord]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (index, choice) in choices.iter().enumerate() {
        if best.is_none_or(|best| choice.sum > choices[best].sum) {
            best = Some(index);
        }
    }
    best
}

/// A target as a text, a list of texts, or the letter of a choice.
fn target(sample: &SampleRecord) -> Value {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (&sample.target, &sample.response) {
        (Value::Number(index), ResponseRecord::Choices(_)) => {
            index.as_u64().map_or_else(|| index.to_string(), |index| choice_letter(index as usize)).into()
        }
        (Value::Array(texts), _) => texts.iter().map(text).collect(),
        (Value::Null, _) => "".into(),
        (other, _) => text(other).into(),
    }
}

/// Tokens by model; nothing where none were generated. Tokens of prompts are not counted: `input_tokens` is 0.
pub(super) fn usage(model: &str, tokens: usize) -> Value {
    if tokens == 0 {
        return json!({});
    }
    json!({ model: { "input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens } })
}

/// A sample's line in `summaries.json`.
pub(super) fn summary(sample: &Value) -> Value {
    const FIELDS: [&str; 11] = [
        "id",
        "epoch",
        "input",
        "choices",
        "target",
        "metadata",
        "scores",
        "model_usage",
        "total_time",
        "working_time",
        "uuid",
    ];
    let mut summary: Map<String, Value> =
        FIELDS.iter().map(|field| ((*field).to_owned(), sample[*field].clone())).collect();
    shorten(&mut summary["input"]);
    if let Some(metadata) = summary["metadata"].as_object_mut() {
        metadata.retain(|_, value| value.to_string().len() < SUMMARY_FIELD);
    }
    summary.insert("error".to_owned(), sample["error"]["message"].clone());
    summary.insert("completed".to_owned(), true.into());
    summary.insert("message_count".to_owned(), sample["messages"].as_array().map_or(0, Vec::len).into());
    summary.into()
}

/// Cuts texts, or the texts of messages.
fn shorten(input: &mut Value) {
    match input {
        Value::String(text) if text.len() > SUMMARY_TEXT => {
            let end = (0..=SUMMARY_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push_str("...");
        }
        Value::Array(messages) => {
            for message in messages {
                shorten(&mut message["content"]);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(response: &Value, prompt: Option<&str>) -> SampleRecord {
        let sample = json!({
            "version": 1, "identity": "", "system": "s", "task": "t", "task_version": "1", "subject": null, "doc_id": 0,
            "doc_hash": "", "prompt_hash": "", "prompt": prompt, "outcome": "wrong", "target": 1, "response": response,
            "filters": [], "tokens": 0, "ensembled": 0, "member_tokens": [], "truncated": false, "seconds": null,
            "elapsed": 0.0,
        });
        serde_json::from_value(sample).unwrap()
    }

    fn requests(pairs: &[(&str, &str)]) -> Vec<(Prompt, Option<String>)> {
        pairs.iter().map(|(context, choice)| (Prompt::from(*context), Some((*choice).to_owned()))).collect()
    }

    #[test]
    fn choices_follow_the_input_also_where_each_stands_in_a_context_of_its_own() {
        let sample = sample(&json!({ "choices": [] }), None);
        let choose = AskedQuestion::new(&sample, &requests(&[("Q: sky?\nA:", " blue"), ("Q: sky?\nA:", " green")]));
        assert_eq!((&choose.input, &choose.choices), (&"Q: sky?\nA:".into(), &json!([" blue", " green"])));
        let fill = [("The cup hit the pan, so the cup", " broke"), ("The cup hit the pan, so the cub", " broke")];
        let fill = AskedQuestion::new(&sample, &requests(&fill));
        assert_eq!(fill.input, "The cup hit the pan, so the");
        assert_eq!(fill.choices, json!([" cup broke", " cub broke"]));
    }

    #[test]
    fn a_prompt_that_was_logged_needs_no_data() {
        let sample = sample(&json!({ "generated": { "text": " 4", "finish": "stop" } }), Some("2+2="));
        let question = AskedQuestion::new(&sample, &[]);
        assert_eq!((question.input, question.choices), ("2+2=".into(), Value::Null));
    }

    #[test]
    fn an_impossible_choice_has_a_log_likelihood_that_json_can_hold() {
        let response = json!({ "choices": [{ "sum": "-inf", "greedy": false, "tokens": 2 }] });
        let sample = sample(&response, None);
        let ResponseRecord::Choices(choices) = &sample.response else { unreachable!("it is one") };
        let question = AskedQuestion::new(&sample, &[]);
        assert_eq!(question.log_likelihood(0, &choices[0])["log_likelihood"], "-inf");
        assert_eq!((question.choice(0), target(&sample)), ("A".to_owned(), "B".into()));
    }

    #[test]
    fn a_second_question_is_no_choice_and_its_score_stands_with_its_text() {
        let sample = sample(&json!({ "generated": { "text": "a lamp", "finish": "stop" } }), None);
        let asked = |continuation: Option<&str>| (Prompt::from("Q:"), continuation.map(str::to_owned));
        let question = AskedQuestion::new(&sample, &[asked(None), asked(Some(" none"))]);
        assert_eq!((&question.input, &question.choices), (&"Q:".into(), &Value::Null));
        let score = question.no_answer(&ChoiceRecord { sum: f64::NEG_INFINITY, greedy: false, tokens: 2 });
        assert_eq!(score, json!({ "text": " none", "log_likelihood": "-inf", "tokens": 2, "greedy": false }));
    }

    #[test]
    fn summaries_cut_long_prompts_between_characters_and_leave_out_long_metadata() {
        let sample = json!({
            "id": 0, "epoch": 1, "input": "é".repeat(SUMMARY_TEXT), "messages": [{}, {}],
            "metadata": { "short": "a", "long": "b".repeat(2 * SUMMARY_FIELD) },
        });
        let summary = summary(&sample);
        assert_eq!(summary["input"].as_str().unwrap().len(), SUMMARY_TEXT + 3);
        assert_eq!((&summary["metadata"], &summary["message_count"]), (&json!({ "short": "a" }), &2.into()));
    }
}
