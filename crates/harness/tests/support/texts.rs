//! Texts to tokenise: documents, code, and what tokenizers stumble over.

use std::path::Path;
use std::sync::OnceLock;

use gac_harness::data::read_parquet;
use serde_json::Value;

/// Benchmarks' files under `datasets`, with the columns to read.
const DOCUMENTS: [(&str, &[&str]); 9] = [
    ("openai/gsm8k/main/test-00000-of-00001.parquet", &["question", "answer"]),
    ("allenai/ai2_arc/ARC-Easy/test-00000-of-00001.parquet", &["question", "choices"]),
    ("allenai/ai2_arc/ARC-Challenge/test-00000-of-00001.parquet", &["question", "choices"]),
    ("ybisk/piqa/plain_text/validation/0000.parquet", &["goal", "sol1", "sol2"]),
    ("google-research-datasets/nq_open/nq_open/validation-00000-of-00001.parquet", &["question", "answer"]),
    ("cais/mmlu/all/validation-00000-of-00001.parquet", &["question", "choices"]),
    ("mandarjoshi/trivia_qa/rc.nocontext/validation-00000-of-00001.parquet", &["question"]),
    ("lukaemon/bbh/dyck_languages/test-00000-of-00001.parquet", &["input", "target"]),
    ("lukaemon/bbh/word_sorting/test-00000-of-00001.parquet", &["input", "target"]),
];

/// Texts that are the same for every vocabulary.
static COMMON: OnceLock<Vec<String>> = OnceLock::new();

/// All texts, with the `added` tokens of a vocabulary alone and within text.
pub(crate) fn all(shared: &Path, added: &[String]) -> Vec<String> {
    let common = COMMON.get_or_init(|| {
        let mut texts = documents(&shared.join("datasets"));
        texts.extend(code());
        texts.extend(made_up());
        texts
    });
    let mut texts = common.clone();
    for (place, token) in added.iter().enumerate() {
        texts.push(token.clone());
        // Gemma has six thousand, most of them alike.
        if place < 300 {
            texts.extend([
                format!(" {token} "),
                format!("a{token}b"),
                format!("a {token} b"),
                format!("{token}\n\n{token}"),
                format!("x{token}   y"),
                format!("\t{token}\t."),
            ]);
        }
    }
    texts
}

/// The strings of every row, a text for each row.
fn documents(datasets: &Path) -> Vec<String> {
    // TriviaQA has many more than others, and they are alike.
    const MOST: usize = 5000;
    let mut texts = Vec::new();
    for (file, columns) in DOCUMENTS {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        for row in read_parquet(&datasets.join(file), &columns).unwrap().into_iter().take(MOST) {
            let mut found = Vec::new();
            row.values().for_each(|value| strings(value, &mut found));
            texts.push(found.join("\n"));
        }
    }
    texts
}

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, out)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// This repository's own code, some lines at a time.
fn code() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("crates"), root.join("scripts")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_code = path.extension().is_some_and(|extension| extension == "rs" || extension == "py");
            if path.is_dir() {
                folders.push(path);
            } else if is_code {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines: Vec<&str> = text.split_inclusive('\n').collect();
                texts.extend(lines.chunks(12).map(<[&str]>::concat));
            }
        }
    }
    texts
}

/// Every word with every kind of white space before, after and in front of another word.
fn made_up() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/texts.json");
    let made: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let list = |name: &str| -> Vec<String> { serde_json::from_value(made[name].clone()).unwrap() };
    let (words, spaces) = (list("words"), list("spaces"));
    let mut texts = vec![String::new()];
    for (at, word) in words.iter().enumerate() {
        for (by, space) in spaces.iter().enumerate() {
            let next = &words[(at * 7 + by * 3 + 1) % words.len()];
            texts.extend([format!("{word}{space}{next}"), format!("{space}{word}"), format!("{word}{space}")]);
        }
    }
    texts
}
