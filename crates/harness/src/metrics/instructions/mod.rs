//! Instructions that a response is to follow, and can be seen to follow or not: those of `IFEval`.
//!
//! Sources: Zhou et al., "Instruction-Following Evaluation for Large Language Models" (2023); lm-evaluation-harness 0.4.13,
//! `tasks/ifeval`.

mod accuracy;
mod check;
mod instruction;
mod language;
mod sentences;
mod words;

pub use accuracy::{InstructionLevel, Strictness, followed};
pub(crate) use instruction::Instruction;
