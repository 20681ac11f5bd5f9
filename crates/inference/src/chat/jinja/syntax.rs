//! How templates are written.

use minijinja::Error;
use minijinja::syntax::SyntaxConfig;

/// White space around blocks as transformers has it.
pub(super) fn syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}
