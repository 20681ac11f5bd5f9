//! Dates in templates: `strftime_now` without a time library.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Now; 0 on a clock that is set before 1970.
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// The time in UTC after a C format. What is not known stays as it is written.
    pub(super) fn format(self, format: &str) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
        let days = self.0 / 86_400;
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        let (month_name, day_name) = (MONTHS[month as usize - 1], DAYS[(days % 7) as usize]);
        let mut out = String::new();
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            // `%-d` leaves out the leading zero.
            let plain = rest.next_if_eq(&'-').is_some();
            let two = |number: u64| if plain { number.to_string() } else { format!("{number:02}") };
            match rest.next() {
                Some('Y') => out.push_str(&year.to_string()),
                Some('y') => out.push_str(&two(year % 100)),
                Some('m') => out.push_str(&two(month)),
                Some('d') => out.push_str(&two(day)),
                Some('H') => out.push_str(&two(hour)),
                Some('M') => out.push_str(&two(minute)),
                Some('S') => out.push_str(&two(second)),
                Some('B') => out.push_str(month_name),
                Some('b' | 'h') => out.push_str(&month_name[..3]),
                Some('A') => out.push_str(day_name),
                Some('a') => out.push_str(&day_name[..3]),
                Some('F') => out.push_str(&self.format("%Y-%m-%d")),
                Some('T') => out.push_str(&self.format("%H:%M:%S")),
                Some('%') => out.push('%'),
                other => {
                    out.push_str(if plain { "%-" } else { "%" });
                    out.extend(other);
                }
            }
        }
        out
    }
}

/// Year, month and day of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_c_does() {
        // 2024-02-29 12:34:56 UTC, a Thursday.
        let time = UnixTime(1_709_210_096);
        assert_eq!(time.format("%d %b %Y"), "29 Feb 2024");
        assert_eq!(
            time.format("%A, %B %-d, %y; %F %T; 100%% %Q"),
            "Thursday, February 29, 24; 2024-02-29 12:34:56; 100% %Q"
        );
        assert_eq!(UnixTime(0).format("%a %d %m %Y %H:%M:%S"), "Thu 01 01 1970 00:00:00");
        assert_eq!(UnixTime(951_868_799).format("%F"), "2000-02-29");
        assert_eq!(UnixTime(951_868_800).format("%-m/%-d"), "3/1");
    }
}
