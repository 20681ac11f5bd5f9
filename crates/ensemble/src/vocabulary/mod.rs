//! The members' vocabularies as one, and what each member is fed for its tokens.

pub(crate) mod report;
pub(crate) mod segmentation;
pub(crate) mod union;
