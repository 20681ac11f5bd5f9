//! A part of a run's documents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::task::LoadedTask;

/// One of `count` parts of a run: of every task the documents whose place, counted from 0, leaves `index` when divided by
/// `count`. Written as `INDEX/COUNT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Part `index` of `count`.
    ///
    /// # Errors
    /// When `index` is not below `count`.
    pub fn new(index: usize, count: usize) -> Result<Self, ShardError> {
        if index < count { Ok(Self { index, count }) } else { Err(ShardError::Outside { index, count }) }
    }

    /// Which part, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// How many parts there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// Leaves a task its documents of this part.
    ///
    /// # Errors
    /// When there are none.
    pub fn divide(self, task: &mut LoadedTask) -> Result<(), ShardError> {
        let all = task.documents.len();
        let mut place = 0..;
        task.documents.retain(|_| place.next().is_some_and(|place: usize| place % self.count == self.index));
        if task.documents.is_empty() {
            return Err(ShardError::Empty { shard: self, task: task.name.clone(), documents: all });
        }
        Ok(())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = numbers.ok_or_else(|| ShardError::Form { text: text.to_owned() })?;
        Self::new(index, count)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is no part of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not two numbers.
    #[error("`{text}` is no shard: it is `I/N`, with I from 0 to N-1, such as `0/4`")]
    Form {
        /// What was given.
        text: String,
    },
    /// A part that there is not.
    #[error("there is no shard {index} of {count}: shards count from 0")]
    Outside {
        /// Which part.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Nothing to do.
    #[error("shard {shard} has no documents of task `{task}`, which has {documents}")]
    Empty {
        /// The part.
        shard: Shard,
        /// The task.
        task: String,
        /// The documents of all parts.
        documents: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_zero_and_are_written_as_they_are_read() {
        let shard: Shard = "3/4".parse().unwrap();
        assert_eq!((shard.index(), shard.count(), shard.to_string()), (3, 4, "3/4".to_owned()));
        assert_eq!(serde_json::from_str::<Shard>(&serde_json::to_string(&shard).unwrap()).unwrap(), shard);
        for (text, part) in [("4/4", "no shard 4 of 4"), ("0/0", "no shard 0 of 0"), ("1", "`I/N`"), ("-1/4", "`I/N`")]
        {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
