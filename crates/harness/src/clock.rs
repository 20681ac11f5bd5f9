//! Points in time, in UTC, as results name them.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, to the second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    unix: u64,
}

impl Timestamp {
    /// The present.
    pub fn now() -> Self {
        // A clock before 1970 is a clock that was never set; 1970 is as good an answer.
        Self { unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()) }
    }

    /// The time `unix` seconds after 1970-01-01T00:00:00Z.
    pub fn from_unix(unix: u64) -> Self {
        Self { unix }
    }

    /// The time that [`rfc3339`](Self::rfc3339) writes as `text`; none where it is written otherwise.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let numbers = |text: &str, between: char| -> Option<[u64; 3]> {
            let numbers: Vec<u64> = text.split(between).map(|part| part.parse().ok()).collect::<Option<_>>()?;
            numbers.try_into().ok()
        };
        let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
        if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || day > 31 || hour > 23 || minute > 59 {
            return None;
        }
        // The other way round in `fields`: years begin in March there.
        let year = year - u64::from(month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
        let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self { unix: days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second.min(60) };
        // A day or an hour that there is not would be written as another.
        (found.rfc3339() == text).then_some(found)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> u64 {
        self.unix
    }

    /// `2024-06-18T09:05:03Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        let [year, month, day, hour, minute, second] = self.fields();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `20240618-090503`, for names of folders.
    pub fn compact(self) -> String {
        let [year, month, day, hour, minute, second] = self.fields();
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    /// Year, month, day, hour, minute, second of the proleptic Gregorian calendar.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`. An era is 400 years,
    /// 146,097 days; years begin in March, so that the leap day is a year's last.
    fn fields(self) -> [u64; 6] {
        let days = self.unix / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let second_of_day = self.unix % 86_400;
        [year, month, day, second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60]
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
        for text in
            ["", "today", "2024-02-30T00:00:00Z", "2024-06-18T24:00:00Z", "2024-06-18 09:05:03", "1969-12-31T23:59:59Z"]
        {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
        assert_eq!(Timestamp::from_rfc3339("99999999999999999999-01-01T00:00:00Z"), None);
        assert_eq!(Timestamp::from_rfc3339("2024-01-99999999999999999999T00:00:00Z"), None);
    }
}
