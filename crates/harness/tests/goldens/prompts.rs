//! Prompts.

use std::collections::HashMap;

use gac_harness::tasks::Limit;
use gac_harness::{Document, Request, TaskOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::{Recordings, key, papers_commit, release};

fn sha256(parts: &[&str]) -> String {
    hex::encode(Sha256::digest(parts.join("\0")))
}

fn by_key(documents: &[Document]) -> HashMap<(Option<String>, usize), &Document> {
    documents.iter().map(|document| ((document.subject.clone(), document.id), document)).collect()
}

/// Every recorded document's prompt (or each of its requests), its text where it is given, and the generation settings.
/// Gives how many documents and requests are equal.
pub(crate) fn compare(recordings: &Recordings, recording: &str, task: &str, shots: Option<usize>) -> (usize, usize) {
    let task = recordings.task(task);
    let options = TaskOptions { num_fewshot: shots, ..TaskOptions::default() };
    let loaded = recordings.load(&task, &options);
    let documents = by_key(&loaded.documents);
    let settings = serde_json::to_value(&recordings.definition(&task).generation).unwrap();
    let (mut compared, mut requests) = (0, 0);
    for line in recordings.lines(&format!("{recording}.jsonl")) {
        let document = documents[&key(&line)];
        match &document.request {
            Request::Generate { prompt, stop, max_new_tokens, no_answer, .. } => {
                if let Some(text) = line["prompt"].as_str() {
                    assert_eq!(prompt, text, "{recording} {:?}", key(&line));
                }
                assert_eq!(json!(sha256(&[prompt])), line["prompt_sha256"], "{recording} {:?}", key(&line));
                assert_eq!(settings, line["gen_kwargs"], "{recording}");
                assert_eq!(json!(stop), line["gen_kwargs"]["until"]);
                assert_eq!(*max_new_tokens as u64, line["gen_kwargs"]["max_gen_toks"].as_u64().unwrap_or(256));
                let second = no_answer.as_deref().map(|text| sha256(&[prompt, text]));
                assert_eq!(json!(second), line["no_answer_sha256"], "{recording} {:?}", key(&line));
                requests += 1 + usize::from(second.is_some());
            }
            asked @ (Request::Choose { .. } | Request::Fill { .. }) => {
                let asked = asked.choices();
                if let Some(text) = line["context"].as_str() {
                    assert!(asked.iter().all(|(context, _)| *context == text), "{recording} {:?}", key(&line));
                    assert_eq!(json!(asked.iter().map(|(_, text)| text).collect::<Vec<_>>()), line["continuations"]);
                }
                let hashes: Vec<Value> = asked.iter().map(|(context, text)| json!(sha256(&[context, text]))).collect();
                assert_eq!(json!(hashes), line["request_sha256"], "{recording} {:?}", key(&line));
                requests += hashes.len();
            }
        }
        compared += 1;
    }
    let (name, loaded) = (recordings.name, loaded.documents.len());
    eprintln!("{name} {recording}: {compared} documents, {requests} requests equal, of {loaded} loaded");
    (compared, requests)
}

fn options(shots: usize, limit: Option<Limit>) -> TaskOptions {
    TaskOptions { num_fewshot: Some(shots), limit, ..TaskOptions::default() }
}

/// `bbh_fewshot` is in no recording, but its shots are those of `bbh_cot_fewshot` without the reasoning.
pub(crate) fn bbh_without_reasoning() {
    let recordings = papers_commit();
    let load = |task| recordings.load(task, &TaskOptions::default());
    let (fewshot, cot) = (load("bbh_fewshot@9e6e240"), load("bbh_cot_fewshot@9e6e240"));
    assert_eq!((fewshot.num_fewshot, fewshot.documents.len()), (3, 6511));
    let prompt = |document: &Document| match &document.request {
        Request::Generate { prompt, .. } => prompt.clone(),
        Request::Choose { .. } | Request::Fill { .. } => panic!("a prompt to continue"),
    };
    for (document, reasoned) in fewshot.documents.iter().zip(&cot.documents) {
        assert_eq!((&document.subject, document.id), (&reasoned.subject, reasoned.id));
        let (text, reasoned) = (prompt(document), prompt(reasoned));
        assert!(text.len() < reasoned.len() && text.ends_with("\nA:"), "{text}");
        let description = reasoned.split("\n\nQ: ").next().unwrap();
        assert!(text.starts_with(description), "{text}");
    }
}

/// The first documents with a limit are those without one.
pub(crate) fn compare_limited(task: &str, shots: usize) {
    let recordings = release();
    let load = |limit| recordings.load(task, &options(shots, limit)).documents;
    let (limited, full) = (load(Limit::documents(3).ok()), load(None));
    let full = by_key(&full);
    assert!(limited.iter().all(|document| document.id < 3));
    for document in &limited {
        assert_eq!(document.request, full[&(document.subject.clone(), document.id)].request);
    }
}
