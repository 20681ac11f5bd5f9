//! From the members' distributions to a decision.

pub(crate) mod combine;
pub(crate) mod combined;
pub(crate) mod gating;
pub(crate) mod log_probs;
pub(crate) mod member_view;
pub(crate) mod method;
pub(crate) mod methods;
pub(crate) mod sampling;
pub(crate) mod token_boundary;
pub(crate) mod undecided;
pub(crate) mod votes;
pub(crate) mod weights;
