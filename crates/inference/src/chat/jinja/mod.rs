//! Jinja2 as chat templates and tasks know it, on top of minijinja: what Python adds, and what transformers does.

mod arguments;
mod characters;
mod containers;
mod edits;
mod environment;
mod filters;
mod format;
mod globals;
mod json;
mod macros;
mod printing;
mod range;
mod source;
mod strftime;
mod syntax;
mod tests;
mod text;
mod text_filters;
mod text_search;
mod value_filters;

pub(super) use environment::environment;
pub(super) use globals::is_raised;
pub(super) use source::{string_constants, translated};
pub(super) use strftime::strftime;
pub(super) use syntax::Layout;
