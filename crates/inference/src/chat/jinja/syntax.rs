//! How templates are written.

use minijinja::Error;
use minijinja::syntax::SyntaxConfig;

/// Who set up Jinja2, which decides about white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) enum Layout {
    /// transformers, for chats: blocks take their line break and what stands before them on a line.
    Chat,
    /// lm-evaluation-harness, for tasks: all white space stays, a final line break too.
    Task,
}

impl Layout {
    /// White space around blocks and at the end.
    pub(super) fn syntax(self) -> Result<SyntaxConfig, Error> {
        match self {
            Self::Chat => SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build(),
            Self::Task => SyntaxConfig::builder().keep_trailing_newline(true).build(),
        }
    }
}
