//! `gac explain`: a trace for people.

use std::path::PathBuf;

use clap::Args;
use gac_systems::{Decider, MemberStep, StepRecord};
use serde::Deserialize;

use super::jsonl;
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// JSON lines written with `--trace`
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,

    /// The line to show, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) line: usize,

    /// Tell of every step, not only of those that were voted on
    #[arg(long)]
    pub(crate) all: bool,
}

const SHAPE: &str = "written by `gac generate --trace`, or a sample record of a run with `--trace`";

/// A traced response: a line of `gac generate --trace`, or a sample record of a run.
#[derive(Deserialize)]
struct TracedLine {
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    models: Option<Vec<String>>,
    #[serde(alias = "trace", default)]
    steps: Option<Vec<StepRecord>>,
}

/// Prints one traced response with what was decided how.
pub(crate) fn explain(args: &ExplainArgs, printer: &mut Printer) -> CommandOutcome {
    let mut lines: Vec<(usize, TracedLine)> = jsonl::read(&args.trace, SHAPE)?;
    let count = lines.len();
    if args.line == 0 || args.line > count {
        return Err(Failure::with_hint(
            anyhow::anyhow!("there is no line {} in `{}`", args.line, args.trace.display()),
            format!("it has {count}, counted from 1"),
        ));
    }
    let (_, line) = lines.swap_remove(args.line - 1);
    let Some(steps) = &line.steps else {
        return Err(Failure::with_hint(
            anyhow::anyhow!("line {} of `{}` has no steps", args.line, args.trace.display()),
            "write it with `--trace`",
        ));
    };
    printer.data(&explained(&line, steps, args.all))?;
    Ok(())
}

fn explained(line: &TracedLine, steps: &[StepRecord], all: bool) -> String {
    let mut out = String::new();
    if let Some(prompt) = &line.prompt {
        let tail: String = prompt.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
        let cut = if tail.len() < prompt.len() { "..." } else { "" };
        push(&mut out, format_args!("prompt: {cut}{}\n\n", visible(&tail)));
    }
    for step in steps {
        out.push_str(&marked(step));
    }
    let voted = steps.iter().filter(|step| step.ensembled).count();
    let overruled = steps.iter().filter(|step| overruled(step)).count();
    push(
        &mut out,
        format_args!(
            "\n\n[voted]  [gate's own>voted instead]  |: END\n\
         {} tokens, {voted} voted on, the gate overruled at {overruled}\n",
            steps.len()
        ),
    );
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| all || step.ensembled) {
        out.push_str(&detail(index, step, line.models.as_deref()));
    }
    out
}

/// The token in the flow of the text.
fn marked(step: &StepRecord) -> String {
    let text = shown(&step.text, step.end);
    if !step.ensembled {
        // Line breaks stay; nothing else that a terminal would act on does.
        return if step.end {
            "|".to_owned()
        } else {
            step.text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
        };
    }
    match &step.proposed {
        Some(proposed) if overruled(step) => format!("[{}>{text}]", shown(proposed, proposed.is_empty())),
        _ => format!("[{text}]"),
    }
}

/// Whether the members chose another token than the gate.
fn overruled(step: &StepRecord) -> bool {
    step.proposed.is_some() && step.decider() == Decider::Overruled
}

fn detail(index: usize, step: &StepRecord, models: Option<&[String]>) -> String {
    let certainty = step.certainty.map_or_else(String::new, |certainty| format!(", gate's certainty {certainty:.3}"));
    let how = match (step.ensembled, overruled(step)) {
        (false, _) => "alone",
        (true, true) => "overruled",
        (true, false) => "voted",
    };
    let text = shown(&step.text, step.end);
    let mut out = format!("\n{:>5}  {text:<12} {:.3}  {how}{certainty}\n", index + 1, step.probability);
    for (place, member) in step.members.iter().enumerate() {
        let name = models.and_then(|models| models.get(place)).map_or_else(|| format!("model {place}"), Clone::clone);
        match member {
            None => push(&mut out, format_args!("       {name:<20} not asked\n")),
            Some(member) => out.push_str(&view(&name, member)),
        }
    }
    out
}

fn view(name: &str, member: &MemberStep) -> String {
    let top: Vec<String> =
        member.top.iter().map(|(text, p)| format!("{} {p:.3}", shown(text, text.is_empty()))).collect();
    let unmapped = if member.unmapped > 5e-4 { format!("  (unmapped {:.3})", member.unmapped) } else { String::new() };
    format!("       {name:<20} {:>3.0}%  {}{unmapped}\n", 100.0 * member.share, top.join("  "))
}

/// Appends formatted text.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    use std::fmt::Write;
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// A token in quotes of a kind, so that its spaces can be seen.
fn shown(text: &str, end: bool) -> String {
    if end { "|".to_owned() } else { visible(text).replace(' ', "_") }
}

/// Control characters as escapes.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str, ensembled: bool, proposed: &str) -> StepRecord {
        StepRecord {
            text: text.into(),
            hex: None,
            end: text.is_empty(),
            ensembled,
            probability: 0.5,
            close: false,
            asks: 0,
            certainty: Some(0.4),
            proposed: Some(proposed.into()),
            members: vec![Some(MemberStep { top: vec![(" 5".into(), 0.4)], share: 0.25, unmapped: 0.125 }), None],
        }
    }

    #[test]
    fn key_tokens_are_marked_and_so_is_what_the_gate_would_have_said() {
        let steps = [step("It", false, "It"), step(" is", true, " is"), step(" 4", true, " 5"), step("", false, "")];
        let line = TracedLine { prompt: Some("2+2\n".into()), models: Some(vec!["a".into(), "b".into()]), steps: None };
        let text = explained(&line, &steps, false);
        assert!(text.starts_with("prompt: 2+2\\n\n\nIt[_is][_5>_4]|\n"), "{text}");
        assert!(text.contains("4 tokens, 2 voted on, the gate overruled at 1\n"), "{text}");
        assert!(text.contains("    3  _4           0.500  overruled, gate's certainty 0.400\n"), "{text}");
        assert!(text.contains(" 25%  _5 0.400  (unmapped 0.125)\n") && text.contains("b                    not asked"));
        assert!(!text.contains("    1  It"), "only what was voted on");
        assert!(explained(&line, &steps, true).contains("    1  It"));
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(marked(&step("\u{1b}[2J\n", false, "")), "\\u{1b}[2J\n");
    }
}
