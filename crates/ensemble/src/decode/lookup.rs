//! What may follow, by what has followed the same tokens before (prompt lookup; Saxena 2023).

use crate::vocabulary::union::UnionId;

/// Most tokens of an ending that are compared: longer ones repeat no more surely.
pub(crate) const LONGEST: usize = 8;

/// Where the longest ending of `said` that occurs earlier goes on, and how long it is, 1 to [`LONGEST`]; of several, the
/// last one.
pub(crate) fn repeat(said: &[UnionId]) -> Option<(usize, usize)> {
    let last = said.len().checked_sub(1)?;
    let mut best = None;
    let mut longest = 0;
    for at in (0..last).rev().filter(|&at| said[at] == said[last]) {
        let alike = said[..=at].iter().rev().zip(said.iter().rev()).take(LONGEST).take_while(|(a, b)| a == b).count();
        if alike > longest {
            longest = alike;
            best = Some((at + 1, alike));
            if alike == LONGEST {
                break;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(said: &[u32]) -> Option<(usize, usize)> {
        repeat(&said.iter().copied().map(UnionId).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_ending_that_was_said_before_is_found_and_the_last_one_of_these() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[1]), None);
        assert_eq!(found(&[1, 2, 3]), None);
        assert_eq!(found(&[1, 2, 1]), Some((1, 1)));
        assert_eq!(found(&[1, 2, 9, 5, 2, 7, 1, 2]), Some((2, 2)));
        assert_eq!(found(&[1, 2, 8, 1, 2, 9, 1, 2]), Some((5, 2)));
        assert_eq!(found(&[4, 4, 4]), Some((2, 2)), "it may overlap itself");
        assert_eq!(found(&[7; 30]), Some((29, LONGEST)));
    }
}
