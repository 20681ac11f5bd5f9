//! Stop strings in what has been emitted.

/// Where the first stop string begins in `bytes`, of which `before` had none. Empty stop strings are ignored.
pub(crate) fn stop_at(bytes: &[u8], before: usize, stop: &[String]) -> Option<usize> {
    stop.iter()
        .map(String::as_bytes)
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| {
            let from = (before + 1).saturating_sub(stop.len());
            bytes[from..].windows(stop.len()).position(|window| window == stop).map(|at| from + at)
        })
        .min()
}

/// How many bytes at the end of `bytes` are the beginning of `stop`, and not all of it.
pub(crate) fn begun(bytes: &[u8], stop: &[u8]) -> usize {
    (1..stop.len().min(bytes.len() + 1)).rev().find(|&length| bytes.ends_with(&stop[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(stop: &[&str]) -> Vec<String> {
        stop.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_stop_string_may_begin_in_an_earlier_token() {
        assert_eq!(stop_at(b"ab\n\nQ", 3, &stops(&["\n\nQ"])), Some(2));
        assert_eq!(stop_at(b"ab\n\nQ", 4, &stops(&["\n\nQ"])), Some(2));
        assert_eq!(stop_at(b"ab\n\n", 3, &stops(&["\n\nQ"])), None);
    }

    #[test]
    fn the_earliest_position_wins_over_the_order_of_stop_strings() {
        assert_eq!(stop_at(b"a.\n", 0, &stops(&["\n", ".\n"])), Some(1));
        assert_eq!(stop_at(b"", 0, &stops(&["x"])), None);
        assert_eq!(stop_at(b"abc", 0, &stops(&[""])), None);
    }

    #[test]
    fn a_stop_string_longer_than_everything_is_not_found() {
        assert_eq!(stop_at(b"ab", 0, &stops(&["abcdef"])), None);
    }

    #[test]
    fn the_beginning_of_a_stop_string_is_found_at_the_end() {
        assert_eq!(begun(b"ab\n\n", b"\n\nQ"), 2);
        assert_eq!(begun(b"ab\n", b"\n\nQ"), 1);
        assert_eq!(begun(b"\n", b"\n\nQ"), 1);
        assert_eq!(begun(b"ab", b"\n\nQ"), 0);
        assert_eq!(begun(b"", b"\n"), 0);
        assert_eq!(begun(b"aab", b"ab"), 0, "all of it is no beginning");
    }
}
