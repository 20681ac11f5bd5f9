//! Recipes, tasks, data and runs.

use gac_harness::plan::PlanError;
use gac_harness::tasks::{GENERATION_SETTINGS, GenerationOverridesError};
use gac_harness::{DataError, MergeError, RunError, TaskError, Warning};

use super::Hint;

impl Hint for PlanError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Systems(error) => error.hint(),
            Self::NoTasks => Some("name at least one (`gac tasks list` shows all)".to_owned()),
            Self::NoData { .. } => Some(
                "a path in a recipe is relative to the recipe's folder, one on the command line to the present one"
                    .to_owned(),
            ),
            Self::EmptyName | Self::Duplicate { .. } | Self::NoBatch | Self::NoRepeats => None,
        }
    }
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Folder(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::Samples(error) => error.hint(),
            Self::NoTasks => Some("`gac tasks list` shows all".to_owned()),
            Self::NothingDrawn { .. } => Some(
                "repeats need drawn tokens: `sampling = { temperature = 0.7 }` of the system in a recipe, or `--gen-kwargs \
                 do_sample=True,temperature=0.7`"
                    .to_owned(),
            ),
            Self::NoDocuments { .. } => Some("is the data folder complete, and the limit above 0?".to_owned()),
            _ => None,
        }
    }
}

impl Hint for MergeError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Nothing | Self::NoShard { .. } => "`gac run RECIPE --shard I/N` makes a shard",
            Self::Count { .. } => "merge the shards of one division",
            Self::Twice { .. } | Self::Overlap { .. } => "`--allow overlaps` takes the first",
            Self::Missing { .. } | Self::Gap { .. } => "`--allow gaps` merges what is there",
            Self::Settings { .. } => "`--allow settings` merges them all the same",
            Self::NotEmpty { .. } => "name another folder with `--output-path`",
            Self::Run(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

impl Hint for TaskError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`? {LIST}")),
            Self::Unknown { nearest: None, .. } | Self::NoMatch { .. } => Some(LIST.to_owned()),
            Self::NamePattern { .. } => {
                Some("in a pattern, `*` is any text, `?` any character, `[ab]` one of these".to_owned())
            }
            Self::Several { names, .. } => Some(format!("name one of `{}`", names.join("`, `"))),
            Self::PickedElsewhere { tasks, .. } => Some(format!("valid are {}", shortened(tasks))),
            Self::TwoSettings { .. } => Some("name it once; a group has its subtasks with it".to_owned()),
            Self::Decoding { .. } => {
                Some("add a temperature above 0, as `temperature=0.7`, or leave `do_sample` out".to_owned())
            }
            Self::NoSubject { available, .. } => Some(format!("its subjects are `{}`", available.join("`, `"))),
            Self::Data { source, .. } => source.hint(),
            Self::HarnessFile { task, .. } => {
                Some(format!("`gac data fetch {task}` fetches it, to `--data-dir` if given"))
            }
            Self::TooFewShots { .. } => Some("`--num-fewshot` asks for fewer".to_owned()),
            Self::Parse { .. } | Self::NoName { .. } => {
                Some("`gac tasks show gsm8k` prints a definition with all its parts".to_owned())
            }
            Self::NameTaken { .. } => Some("a task may say `extends = \"NAME\"` under a name of its own".to_owned()),
            Self::Refused { .. } | Self::RefusedParts { .. } => Some(
                "`gac tasks list` shows what can be evaluated; docs/tasks.md says which settings are known".to_owned(),
            ),
            Self::GroupInItself { .. }
            | Self::Empty { .. }
            | Self::NoDocument { .. }
            | Self::Row { .. }
            | Self::File { .. }
            | Self::Definition { .. }
            | Self::Pattern { .. } => None,
        }
    }
}

impl Hint for GenerationOverridesError {
    fn hint(&self) -> Option<String> {
        Some(format!(
            "valid are {GENERATION_SETTINGS}, as in `temperature=0.7,do_sample=True` or \
             `{{\"temperature\": 0.7, \"until\": [\"..\"]}}`"
        ))
    }
}

impl Hint for DataError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotInFolder { dataset, .. } => Some(format!(
                "a data folder is laid out as the hub is: DIR/{dataset}/<config>/<split>-00000-of-00001.parquet"
            )),
            Self::Hub(_) => Some("`--data-dir DIR` reads the data from a folder laid out as the hub is".to_owned()),
            Self::MissingShard { .. } | Self::Read { .. } => Some("fetch the file again".to_owned()),
            Self::Damaged { .. } => {
                Some("delete it and fetch it again (`gac data fetch`); `gac data verify` checks every file".to_owned())
            }
            Self::Download { .. } => Some("fetch again; files that have arrived are kept".to_owned()),
            Self::NoFile { .. } => Some("a path without a root is looked for in the current folder".to_owned()),
            Self::ReadJson { .. }
            | Self::NoSuchSplit { .. }
            | Self::Write { .. }
            | Self::MissingColumn { .. }
            | Self::UnsupportedColumn { .. } => None,
        }
    }
}

impl Hint for Warning<'_> {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Truncated { .. } => Some("fewer shots make shorter prompts: `--num-fewshot`".to_owned()),
            Self::Failed { .. } => Some("their records say why; the same command again asks them once more".to_owned()),
            Self::ThinkingChoices { .. } => Some(
                "tasks that generate suit it, or switch thinking off by an argument of its chat template".to_owned(),
            ),
            Self::ThinkingNoAnswer { .. } => Some(
                "the task's other figures are of its answers; an argument of its chat template switches thinking off"
                    .to_owned(),
            ),
            Self::Unclosed { .. } => Some("more tokens: `--gen-kwargs max_gen_toks=N`".to_owned()),
            Self::OtherServer { .. } => {
                Some("what it answered so far is set aside, and asked of the present one again".to_owned())
            }
            Self::NotCompared { .. } | Self::Torn { .. } | Self::Superseded { .. } => None,
        }
    }
}

/// How to find a task's name.
const LIST: &str = "`gac tasks list` shows all, `gac tasks list --subtasks` their groups and subtasks too";

/// Names, of many only the first ones.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
