//! `gac tasks`: what can be evaluated.

use gac_harness::TaskRegistry;
use gac_harness::tasks::TaskKind;

use super::{tasks_render, tasks_score};
use crate::Outcome;
use crate::args::{TasksArgs, TasksCommand};
use crate::printer::Printer;

/// Lists, shows, renders or scores tasks.
pub(crate) fn tasks(args: &TasksArgs, printer: &mut Printer) -> Outcome {
    let registry = TaskRegistry::with_folders(&args.include_path)?;
    match &args.command {
        TasksCommand::List { json } => list(&registry, *json, printer),
        TasksCommand::Show { task } => show(&registry, task, printer),
        TasksCommand::Render(args) => tasks_render::render(&registry, args),
        TasksCommand::Score(args) => tasks_score::score(&registry, args),
    }
}

fn list(registry: &TaskRegistry, json: bool, printer: &mut Printer) -> Outcome {
    let tasks = registry.list();
    if json {
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&tasks)?))?;
        return Ok(());
    }
    let widest = tasks.iter().map(|task| task.name.len()).max().unwrap_or(0);
    for task in &tasks {
        let kind = match task.kind {
            TaskKind::Generate => "generation",
            TaskKind::Choose => "log-likelihood",
        };
        printer
            .data(&format!("{:<widest$}  {kind:<14}  {:>2} shots  {}\n", task.name, task.num_fewshot, task.title))?;
    }
    Ok(())
}

/// A definition as it is after everything it extends: a file with this text defines the same task.
fn show(registry: &TaskRegistry, task: &str, printer: &mut Printer) -> Outcome {
    let text = registry.definition(task)?.to_toml()?;
    printer.data(&text)?;
    Ok(())
}
