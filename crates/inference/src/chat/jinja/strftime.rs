//! `strftime_now`: dates in templates.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::chat::time::UnixTime;

/// `time` in UTC as C's `strftime` writes it in the C locale, which is what Python's `datetime.strftime` calls. What
/// is not known stays as it is written.
pub(in crate::chat) fn strftime(time: UnixTime, format: &str) -> String {
    let seconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    let mut out = String::new();
    write(&time, format, &mut out);
    out
}

fn write(time: &Zoned, format: &str, out: &mut String) {
    let mut rest = format;
    while let Some((before, from_sign)) = rest.split_once('%') {
        out.push_str(before);
        // Flags and a width stand between the sign and the letter.
        let flags = from_sign.len() - from_sign.trim_start_matches(['-', '_', '0', '^', '#']).len();
        let digits =
            from_sign[flags..].len() - from_sign[flags..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Some(letter) = from_sign[flags + digits..].chars().next() else {
            out.push('%');
            rest = from_sign;
            break;
        };
        let end = flags + digits + letter.len_utf8();
        let (directive, after) = from_sign.split_at(end);
        match letter {
            'c' => write(time, "%a %b %e %H:%M:%S %Y", out),
            'x' | 'D' => write(time, "%m/%d/%y", out),
            'X' | 'T' => write(time, "%H:%M:%S", out),
            'r' => write(time, "%I:%M:%S %p", out),
            'R' => write(time, "%H:%M", out),
            'F' => write(time, "%Y-%m-%d", out),
            'f' => out.push_str("000000"),
            // Python's `datetime.now()` has no time zone.
            'z' | 'Z' => {}
            'v' => write(time, "%e-%b-%Y", out),
            _ => match strtime::format(format!("%{directive}").as_bytes(), time) {
                Ok(text) if KNOWN.contains(letter) => out.push_str(&text),
                _ => {
                    out.push('%');
                    out.push_str(directive);
                }
            },
        }
        rest = after;
    }
    out.push_str(rest);
}

/// The letters that mean the same to C and to jiff.
const KNOWN: &str = "aAbBCdeGgHhIjkklmMnpPsStuUVwWyY%";

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn dates_are_written_as_c_does() {
        // 2024-02-29 12:34:56 UTC, a Thursday.
        let of = |format: &str| strftime(UnixTime(1_709_210_096), format);
        assert_eq!(of("%d %b %Y"), "29 Feb 2024");
        assert_eq!(of("%A, %B %-d, %y; %F %T; 100%% %Q"), "Thursday, February 29, 24; 2024-02-29 12:34:56; 100% %Q");
        assert_eq!(
            of("%j %I %p %D %x %X %e %U %W %V %u %w %h"),
            "060 12 PM 02/29/24 02/29/24 12:34:56 29 08 09 09 4 4 Feb"
        );
        assert_eq!(
            of("%c|%R|%r|%f|%z%Z|%-m/%-d|%_m|%^a"),
            "Thu Feb 29 12:34:56 2024|12:34|12:34:56 PM|000000||2/29| 2|THU"
        );
        assert_eq!(of("%"), "%");
        assert_eq!(strftime(UnixTime(0), "%a %d %m %Y %H:%M:%S"), "Thu 01 01 1970 00:00:00");
    }
}
