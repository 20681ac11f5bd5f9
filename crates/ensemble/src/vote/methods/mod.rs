//! The methods, a file each.

pub(crate) mod abe;
pub(crate) mod bytes;
pub(crate) mod core;
pub(crate) mod gac;
pub(crate) mod geometric;
pub(crate) mod proxy;
pub(crate) mod sample_a_member;
pub(crate) mod token_method;
pub(crate) mod unite;
