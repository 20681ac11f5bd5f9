//! The methods, a file each.

pub(crate) mod bytes_product;
pub(crate) mod core;
pub(crate) mod gac;
pub(crate) mod geometric;
pub(crate) mod on_average;
pub(crate) mod proxy;
pub(crate) mod token_method;
pub(crate) mod unite;
