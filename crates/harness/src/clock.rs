//! Points in time, in UTC, as results name them.

use jiff::fmt::strtime;

/// A point in time, to the second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The present.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now())
    }

    /// The time `unix` seconds after 1970-01-01T00:00:00Z; the first or last that there is for one out of reach
    /// (the years -9999 to 9999).
    pub fn from_unix(unix: i64) -> Self {
        let limit = if unix < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_second(unix).unwrap_or(limit))
    }

    /// The time that is written as `text` (RFC 3339); none where it is no time.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0.as_second()
    }

    /// `2024-06-18T09:05:03Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        self.written("%Y-%m-%dT%H:%M:%SZ")
    }

    /// `20240618-090503`, for names of folders.
    pub fn compact(self) -> String {
        self.written("%Y%m%d-%H%M%S")
    }

    fn written(self, format: &str) -> String {
        strtime::format(format, self.0).expect("every time has a date and a time of day")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_civil_dates_leap_days_included() {
        // Expected values: GNU date, `date -u -d @N +%FT%TZ`.
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_718_701_503, "2024-06-18T09:05:03Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_unix(unix).rfc3339(), text);
            assert_eq!(Timestamp::from_rfc3339(text).map(Timestamp::unix), Some(unix));
        }
        assert_eq!(Timestamp::from_unix(1_718_701_503).compact(), "20240618-090503");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "today", "2024-02-30T00:00:00Z", "2024-06-18T24:00:00Z", "2024-06-18 09:05:03"] {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
        assert_eq!(Timestamp::from_rfc3339("99999999999999999999-01-01T00:00:00Z"), None);
        assert_eq!(Timestamp::from_rfc3339("2024-01-99999999999999999999T00:00:00Z"), None);
    }
}
