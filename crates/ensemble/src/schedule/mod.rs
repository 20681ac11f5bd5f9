//! Requests in flight: they arrive and leave at any time, and share each step's forwards.

pub(crate) mod asking;
pub(crate) mod batch;
pub(crate) mod entry;
pub(crate) mod forward;
pub(crate) mod in_flight;
pub(crate) mod limits;
pub(crate) mod load;
pub(crate) mod order;
pub(crate) mod scheduler;
