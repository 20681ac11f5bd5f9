//! A leaderboard for programs.

use super::leaderboard::Leaderboard;

/// The [`Leaderboard`] record as indented JSON; scores are 0 to 1, times milliseconds per token.
///
/// # Panics
/// Never: the record holds nothing that JSON cannot.
pub fn json(leaderboard: &Leaderboard) -> String {
    serde_json::to_string_pretty(leaderboard).expect("a leaderboard is plain data") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::leaderboard::testing;
    use super::*;

    #[test]
    fn a_leaderboard_survives_the_round_trip() {
        let text = json(&testing::leaderboard());
        assert_eq!(serde_json::from_str::<Leaderboard>(&text).unwrap(), testing::leaderboard());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["comparisons"][0]["difference"], 0.0625);
        assert_eq!(value["rows"][0]["timing"]["latency_basis"], "request");
    }
}
