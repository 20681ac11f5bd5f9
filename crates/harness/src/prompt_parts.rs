//! Where a prompt's parts are.

use std::ops::Range;

/// Where the parts of a prompt's text are: a chat says them as messages of their own. By default all of it is the
/// question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptParts {
    /// Bytes of the description at the beginning.
    pub description: usize,
    /// The shots, in order.
    pub shots: Vec<ShotParts>,
    /// Where the question begins; it goes to the end.
    pub question: usize,
    /// Whether what is scored is a text by itself, and no answer to anything: then it is no part of a chat either.
    pub is_alone: bool,
    /// What the answer begins with, where the prompt says it.
    pub answer_prefix: Option<AnswerPrefix>,
    /// Bytes of the delimiter that every continuation begins with.
    pub target_delimiter: usize,
    /// What stands after every shot, and between a system instruction and the description.
    pub fewshot_delimiter: String,
}

/// Where a prompt ends with what the answer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerPrefix {
    /// Where the question ends; a delimiter may follow.
    pub question_end: usize,
    /// Where the beginning of the answer starts; it goes to the end.
    pub start: usize,
}

/// Where a shot's question and answer are in the prompt, without the delimiters around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotParts {
    /// The question.
    pub question: Range<usize>,
    /// The answer; a shot without one is a question alone.
    pub answer: Option<Range<usize>>,
}
