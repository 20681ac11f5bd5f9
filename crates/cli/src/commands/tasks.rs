//! `gac tasks`: what can be evaluated.

use gac_harness::task_names;
use gac_harness::tasks::TaskKind;

use crate::Outcome;
use crate::args::{TasksArgs, TasksCommand};
use crate::printer::Printer;

/// Lists the tasks.
pub(crate) fn tasks(args: &TasksArgs, printer: &mut Printer) -> Outcome {
    let TasksCommand::List { json } = args.command;
    let tasks = task_names();
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
