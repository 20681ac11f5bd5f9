//! The methods, a file each.

pub(crate) mod core;
pub(crate) mod gac;
pub(crate) mod geometric;
pub(crate) mod token_method;
pub(crate) mod unite;
