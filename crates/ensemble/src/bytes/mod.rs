//! A member's next byte, from its distributions of the next token.

pub(crate) mod byte_tokens;
pub(crate) mod covering;
