//! `gac tasks`: what can be evaluated.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gac_harness::tasks::TaskKind;
use gac_harness::{TaskInfo, TaskRegistry};

use super::tasks_render::RenderArgs;
use super::tasks_score::RescoreArgs;
use super::{tasks_render, tasks_score};
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct TasksArgs {
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
    /// Folder with task definitions of your own: *.toml, or *.yaml as lm-evaluation-harness has them (repeatable)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) include_path: Vec<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TasksCommand {
    /// List the tasks with what they are
    List {
        /// With their groups and subtasks, which can be evaluated alone
        #[arg(long)]
        subtasks: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a task's definition, as TOML
    Show {
        /// The task's name; `@9e6e240`, `@deepen` or `@unite` after it picks a protocol
        task: String,
    },
    /// Write every document's prompt
    Render(RenderArgs),
    /// Score saved responses, without a model
    Score(RescoreArgs),
}

/// Lists, shows, renders or scores tasks.
pub(crate) fn tasks(args: &TasksArgs, printer: &mut Printer) -> CommandOutcome {
    let registry = TaskRegistry::with_folders(&args.include_path)?;
    match &args.command {
        TasksCommand::List { subtasks, json } => list(&registry, *subtasks, *json, printer),
        TasksCommand::Show { task } => show(&registry, task, printer),
        TasksCommand::Render(args) => tasks_render::render(&registry, args),
        TasksCommand::Score(args) => tasks_score::score(&registry, args),
    }
}

fn list(registry: &TaskRegistry, subtasks: bool, json: bool, printer: &mut Printer) -> CommandOutcome {
    let tasks = registry.list();
    let parts = |name: &str| if subtasks { registry.parts(name) } else { Ok(Vec::new()) };
    if json {
        let with_parts = |task: &TaskInfo<'_>| -> Result<_, Failure> {
            let mut value = serde_json::to_value(task)?;
            if subtasks {
                value["parts"] = parts(task.name)?.into();
            }
            Ok(value)
        };
        let tasks = tasks.iter().map(with_parts).collect::<Result<Vec<_>, _>>()?;
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
        for part in parts(task.name)? {
            printer.data(&format!("  {part}\n"))?;
        }
    }
    Ok(())
}

/// A definition as it is after everything it extends: a file with this text defines the same task.
fn show(registry: &TaskRegistry, task: &str, printer: &mut Printer) -> CommandOutcome {
    let text = registry.definition(task)?.to_toml()?;
    printer.data(&text)?;
    Ok(())
}
