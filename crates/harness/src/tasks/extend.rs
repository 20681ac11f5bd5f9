//! Definitions that say only what they change of another one.

use std::path::PathBuf;

use toml::{Table, Value};

use super::TaskError;
use super::definition::TaskDefinition;

/// The key that names another task.
const EXTENDS: &str = "extends";

/// A definition as its file says it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) path: PathBuf,
    table: Table,
}

impl Source {
    pub(super) fn parse(path: PathBuf, text: &str) -> Result<Self, TaskError> {
        let table: Table = match toml::from_str(text) {
            Ok(table) => table,
            Err(source) => return Err(TaskError::Parse { path, source: Box::new(source) }),
        };
        match table.get("name").and_then(Value::as_str) {
            Some(name) => Ok(Self { name: name.to_owned(), path, table }),
            None => Err(TaskError::NoName { path }),
        }
    }

    fn wrong(&self, reason: String) -> TaskError {
        TaskError::Definition { task: self.name.clone(), reason }
    }
}

/// A definition with what it extends filled in: tables are merged key by key, everything else is replaced.
pub(super) fn resolve(source: &Source, known: &[Source]) -> Result<TaskDefinition, TaskError> {
    let mut table = source.table.clone();
    let mut seen = vec![source.name.clone()];
    while let Some(base) = table.remove(EXTENDS) {
        let Value::String(base) = base else {
            return Err(source.wrong(format!("`{EXTENDS}` is {base}, not the name of a task")));
        };
        if seen.contains(&base) {
            return Err(source.wrong(format!("it extends itself, by way of {}", seen.join(" and "))));
        }
        let Some(found) = known.iter().find(|other| other.name == base) else {
            return Err(source.wrong(format!("it extends `{base}`, which is no task")));
        };
        seen.push(base);
        table = merge(found.table.clone(), table);
    }
    table.try_into().map_err(|error| TaskError::Parse { path: source.path.clone(), source: Box::new(error) })
}

impl TaskDefinition {
    /// The definition as a file that needs no other one.
    ///
    /// # Errors
    /// Never, for a definition that was read from a file.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

fn merge(mut base: Table, over: Table) -> Table {
    for (key, value) in over {
        let merged = match (base.remove(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => Value::Table(merge(old, new)),
            (_, value) => value,
        };
        base.insert(key, merged);
    }
    base
}
