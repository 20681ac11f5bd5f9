//! How much of a task is evaluated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which of a task's documents are evaluated: the first ones, so many or this share of them; of every subject, where the
/// task has subjects.
///
/// Written as a number, as lm-evaluation-harness's `--limit`: below 1 it is a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit(Amount);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    /// At least 1.
    Documents(usize),
    /// Above 0, below 1.
    Share(f64),
}

/// A number that is no limit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the limit is {given}; a limit is a whole number of documents from 1 up, or a share of them between 0 and 1")]
pub struct LimitError {
    /// What was given.
    pub given: String,
}

impl Limit {
    /// The first `count` documents.
    ///
    /// # Errors
    /// For 0.
    pub fn documents(count: usize) -> Result<Self, LimitError> {
        if count == 0 { Err(LimitError { given: "0".to_owned() }) } else { Ok(Self(Amount::Documents(count))) }
    }

    /// How many of `documents` that is. A share is rounded up, as lm-evaluation-harness 0.4.13 does
    /// (`evaluator_utils.get_sample_size`).
    pub fn of(self, documents: usize) -> usize {
        match self.0 {
            Amount::Documents(count) => count.min(documents),
            Amount::Share(share) => ((documents as f64 * share).ceil() as usize).min(documents),
        }
    }
}

impl TryFrom<f64> for Limit {
    type Error = LimitError;

    /// Below 1 a share, else a number of documents, which must be whole.
    fn try_from(number: f64) -> Result<Self, LimitError> {
        if number > 0.0 && number < 1.0 {
            return Ok(Self(Amount::Share(number)));
        }
        // Beyond, not every whole number is an f64; no data set is as large.
        if number >= 1.0 && number.fract() == 0.0 && number < (1_u64 << 53) as f64 {
            return Ok(Self(Amount::Documents(number as usize)));
        }
        Err(LimitError { given: number.to_string() })
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let given = || LimitError { given: format!("`{text}`") };
        text.trim().parse::<f64>().map_err(|_| given())?.try_into().map_err(|_| given())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Amount::Documents(count) => count.fmt(formatter),
            Amount::Share(share) => share.fmt(formatter),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Amount::Documents(count) => serializer.serialize_u64(count as u64),
            Amount::Share(share) => serializer.serialize_f64(share),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, documents: usize) -> usize {
        text.parse::<Limit>().unwrap().of(documents)
    }

    #[test]
    fn a_number_below_one_is_a_share_rounded_up() {
        // From lm_eval.evaluator_utils.get_sample_size 0.4.13, of a task of so many documents.
        for (limit, documents, expected) in
            [("0.1", 100, 10), ("0.1", 101, 11), ("0.1", 5, 1), ("0.999", 3, 3), ("0.07", 100, 8), ("1e-9", 50, 1)]
        {
            assert_eq!(of(limit, documents), expected, "{limit} of {documents}");
        }
    }

    #[test]
    fn a_number_from_one_up_counts_documents() {
        for (limit, expected) in [("1", 1), ("1.0", 1), ("10", 10), ("3e1", 30), ("1000", 50), (" 7 ", 7)] {
            assert_eq!(of(limit, 50), expected, "{limit}");
        }
    }

    #[test]
    fn other_numbers_are_no_limits() {
        for text in ["0", "-1", "-0.5", "0.0", "1.5", "nan", "inf", "1e300", "", "ten", "10%"] {
            let error = text.parse::<Limit>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("share"), "{error}");
        }
    }

    #[test]
    fn limits_are_written_as_numbers() {
        for json in ["100", "0.25"] {
            let limit: Limit = serde_json::from_str(json).unwrap();
            assert_eq!((serde_json::to_string(&limit).unwrap(), limit.to_string()), (json.to_owned(), json.to_owned()));
        }
        assert_eq!(serde_json::from_str::<Limit>("100.0").unwrap(), Limit::documents(100).unwrap());
        assert!(serde_json::from_str::<Limit>("0").is_err() && serde_json::from_str::<Limit>("\"x\"").is_err());
    }
}
