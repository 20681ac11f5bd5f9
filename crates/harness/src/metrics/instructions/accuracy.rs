//! How many instructions a response follows.

use serde::{Deserialize, Serialize};

use super::instruction::Instruction;
use crate::python::strip;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstructionLevel {
    /// Responses that follow all their instructions.
    Prompt,
    /// Instructions that are followed.
    Instruction,
}

/// Which texts of a response are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// The response.
    Strict,
    /// It without its first line, its last line, or asterisks, too: what one of these follows is followed.
    Loose,
}

impl InstructionLevel {
    /// lm-evaluation-harness's name.
    pub(crate) fn name(self, strictness: Strictness) -> &'static str {
        match (self, strictness) {
            (Self::Prompt, Strictness::Strict) => "prompt_level_strict_acc",
            (Self::Prompt, Strictness::Loose) => "prompt_level_loose_acc",
            (Self::Instruction, Strictness::Strict) => "inst_level_strict_acc",
            (Self::Instruction, Strictness::Loose) => "inst_level_loose_acc",
        }
    }

    /// A response's value, of which instructions it follows: whether all, or the share of them.
    pub(crate) fn value(self, followed: &[bool]) -> f64 {
        let count = followed.iter().filter(|followed| **followed).count();
        match self {
            Self::Prompt => f64::from(count == followed.len()),
            Self::Instruction => count as f64 / followed.len().max(1) as f64,
        }
    }
}

/// Which of the instructions (as JSON) a response follows. One that cannot be read is not followed.
pub fn followed(response: &str, instructions: &[&str], strictness: Strictness) -> Vec<bool> {
    let texts = texts(response, strictness);
    let follows = |instruction: &Instruction| {
        texts.iter().any(|text| !strip(text).is_empty() && instruction.is_followed_by(text))
    };
    instructions.iter().map(|instruction| serde_json::from_str(instruction).is_ok_and(|it| follows(&it))).collect()
}

fn texts(response: &str, strictness: Strictness) -> Vec<String> {
    if strictness == Strictness::Strict {
        return vec![response.to_owned()];
    }
    let lines: Vec<&str> = response.split('\n').collect();
    let joined = |from: usize, to: usize| strip(&lines.get(from..to).unwrap_or_default().join("\n")).to_owned();
    let last = lines.len() - 1;
    let whole = [response.to_owned(), joined(1, lines.len()), joined(0, last), joined(1, last)];
    let plain = whole.each_ref().map(|text| text.replace('*', ""));
    whole.into_iter().chain(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTED: &str = r#"{"id": "startend:quotation"}"#;
    const NO_COMMA: &str = r#"{"id": "punctuation:no_comma"}"#;

    #[test]
    fn loosely_a_line_before_or_behind_and_asterisks_do_not_count() {
        let of = |response, strictness| followed(response, &[QUOTED, NO_COMMA], strictness);
        let response = "Sure, here:\n\"**It is so**\"\nAnything else?";
        assert_eq!(of(response, Strictness::Strict), [false, false]);
        assert_eq!(of(response, Strictness::Loose), [true, true]);
        assert_eq!(of("\"a, b\"", Strictness::Loose), [true, false]);
        assert_eq!(of(" ", Strictness::Strict), [false, false], "nothing follows nothing");
        let values = [InstructionLevel::Prompt, InstructionLevel::Instruction].map(|level| level.value(&[true, false]));
        assert!(values[0].abs() < 1e-12 && (values[1] - 0.5).abs() < 1e-12);
    }
}
