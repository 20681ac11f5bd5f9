//! The time that templates may write into a chat.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Now; 0 on a clock that is set before 1970.
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// The beginning of today in UTC.
    pub fn today() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self(Self::now().0 / DAY * DAY)
    }
}
