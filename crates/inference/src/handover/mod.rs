//! From logits to distributions: whole ones, or lists of what is most probable while the logits stay on their device.

pub(crate) mod device_logits;
pub(crate) mod downloads;
pub(crate) mod kept_logits;
