//! The ids of texts under a model's tokenizer, for comparing tokenizers.
//!
//!     cargo run --release -p gac-inference --example encode -- MODEL < TEXTS.jsonl > IDS.jsonl
//!
//! Reads a JSON string a line, and writes a JSON array a line: the ids with what the tokenizer puts around a text.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::io::{BufRead, BufWriter, Write};

use gac_inference::{ModelSource, Tokenizer, output_rows};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().nth(1).ok_or("usage: encode MODEL < TEXTS.jsonl > IDS.jsonl")?;
    let source = ModelSource::parse(&model)?;
    let tokenizer = Tokenizer::load(&source, output_rows(&source)?)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let ids: Vec<u32> = tokenizer.encoder().encode(&text)?.iter().map(|id| id.0).collect();
        writeln!(out, "{}", serde_json::to_string(&ids)?)?;
    }
    Ok(())
}
