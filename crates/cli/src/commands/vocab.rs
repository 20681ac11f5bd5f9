//! `gac vocab`: what models' vocabularies have in common.

use std::sync::Arc;

use clap::Args;
use gac_ensemble::VocabularyReport;
use gac_inference::{ModelSource, Tokenizer, output_rows};

use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct VocabArgs {
    /// The models: folders, or hub ids org/name[@revision]
    #[arg(required = true, value_name = "MODEL")]
    pub(crate) models: Vec<String>,

    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reports on the vocabularies of some models. Their weights are not needed.
pub(crate) fn vocab(args: &VocabArgs, printer: &mut Printer) -> CommandOutcome {
    let load = |model: &String| -> Result<(String, Arc<Tokenizer>), Failure> {
        let source = ModelSource::parse(model)?;
        let tokenizer = Tokenizer::load(&source, output_rows(&source)?)?;
        Ok((model.clone(), Arc::new(tokenizer)))
    };
    let tokenizers = args.models.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let report = VocabularyReport::new(&tokenizers);
    if args.json {
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        printer.data(&table(&report))?;
    }
    Ok(())
}

fn table(report: &VocabularyReport) -> String {
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    let mut lines = Vec::new();
    for member in &report.members {
        lines.push(member.name.clone());
        lines.push(format!("  rows           {:>8}", member.rows));
        lines.push(format!(
            "  texts          {:>8}  ({} pieces, {} added, {} bytes)",
            member.pieces + member.added + member.bytes,
            member.pieces,
            member.added,
            member.bytes
        ));
        lines.push(format!("  control        {:>8}", member.control));
        lines.push(format!("  unused         {:>8}", member.unused));
        let ends: Vec<String> = member.ends.iter().map(|end| format!("{} {}", end.id, end.name)).collect();
        lines.push(format!("  END            {:>8}  ({})", ends.len(), ends.join(", ")));
        lines.push(format!(
            "  fed in pieces  {:>8}  ({:.1}% of the union's texts)",
            member.in_pieces,
            percent(member.in_pieces, report.union_texts)
        ));
        if member.unspellable > 0 {
            lines.push(format!("  cannot spell   {:>8}", member.unspellable));
        }
    }
    lines.push(format!("union: {} tokens, {} of them texts", report.union_tokens, report.union_texts));
    for overlap in &report.overlaps {
        let (a, b) = (&report.members[overlap.a], &report.members[overlap.b]);
        lines.push(format!(
            "{} texts in both {} ({:.1}% of its own) and {} ({:.1}%)",
            overlap.texts,
            a.name,
            percent(overlap.texts, a.distinct_texts),
            b.name,
            percent(overlap.texts, b.distinct_texts)
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
