//! Continuations that are going to be scored, and what is told of them.

use std::sync::Arc;

use super::protocol::ToldLogProbs;
use crate::id::TokenId;

/// Continuations of a sequence, each from some length of it on.
#[derive(Clone, Debug, Default)]
pub(super) struct Branches(Vec<Branch>);

#[derive(Clone, Debug)]
struct Branch {
    /// Tokens of the sequence before it.
    start: usize,
    /// At least one.
    tokens: Arc<[TokenId]>,
    /// The distributions after the first 0, 1, ... of `tokens`, none after all of them; each names the token that follows.
    told: Vec<Option<Arc<ToldLogProbs>>>,
}

impl Branches {
    /// One more after `start` tokens.
    pub(super) fn expect(&mut self, start: usize, tokens: &[TokenId]) {
        let is_known = |branch: &Branch| branch.start == start && *branch.tokens == *tokens;
        if !tokens.is_empty() && !self.0.iter().any(is_known) {
            self.0.push(Branch { start, tokens: tokens.into(), told: vec![None; tokens.len()] });
        }
    }

    /// Forgets those of other tokens than the first `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        self.0.retain(|branch| branch.start <= length);
    }

    /// Whether some begins after so many tokens.
    pub(super) fn begin_at(&self, length: usize) -> bool {
        self.0.iter().any(|branch| branch.start == length)
    }

    /// The distribution after all of `tokens`, as far as it was told: with what follows in each continuation.
    pub(super) fn told(&self, tokens: &[TokenId]) -> Option<Arc<ToldLogProbs>> {
        let mut all = self.0.iter().filter_map(|branch| branch.told[branch.followed(tokens)?].as_ref());
        let first = all.next()?;
        let mut merged: Option<ToldLogProbs> = None;
        for other in all {
            merged.get_or_insert_with(|| (**first).clone()).add(other);
        }
        Some(merged.map_or_else(|| Arc::clone(first), Arc::new))
    }

    /// The continuations that begin with `tokens` and of which nothing was told after the first `length` of them, each
    /// with all that is before it and the token that follows those.
    pub(super) fn untold(&self, tokens: &[TokenId], length: usize) -> Vec<(Vec<TokenId>, TokenId)> {
        let whole = |branch: &Branch| {
            branch.followed(tokens)?;
            let at = branch.followed(&tokens[..length])?;
            let whole = tokens[..branch.start].iter().chain(&*branch.tokens).copied().collect();
            branch.told[at].is_none().then_some((whole, branch.tokens[at]))
        };
        self.0.iter().filter_map(whole).collect()
    }

    /// Takes the distributions after the first `from`, `from + 1`, ... of `tokens`.
    pub(super) fn learn(&mut self, tokens: &[TokenId], from: usize, lists: Vec<ToldLogProbs>) {
        for (length, list) in (from..).zip(lists) {
            let list = Arc::new(list);
            for branch in &mut self.0 {
                if let Some(at) = branch.followed(&tokens[..length])
                    && tokens.get(length) == Some(&branch.tokens[at])
                {
                    branch.told[at].get_or_insert_with(|| Arc::clone(&list));
                }
            }
        }
    }
}

impl Branch {
    /// How many of its tokens all of `tokens` end with: none where they are not its beginning, or the whole of it.
    fn followed(&self, tokens: &[TokenId]) -> Option<usize> {
        let behind = tokens.get(self.start..)?;
        (behind.len() < self.tokens.len() && self.tokens.starts_with(behind)).then_some(behind.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<TokenId> {
        ids.iter().copied().map(TokenId).collect()
    }

    fn list(next: u32) -> ToldLogProbs {
        ToldLogProbs { top: vec![(TokenId(1), -0.5)], others: vec![(TokenId(next), -4.0)] }
    }

    fn known(told: Option<Arc<ToldLogProbs>>) -> Vec<u32> {
        told.map(|told| told.others.iter().map(|(id, _)| id.0).collect()).unwrap_or_default()
    }

    #[test]
    fn what_follows_in_each_continuation_is_known_together() {
        let mut branches = Branches::default();
        for continuation in [[7, 8, 20], [7, 8, 21], [9, 8, 22]] {
            branches.expect(2, &ids(&continuation));
            branches.expect(2, &ids(&continuation));
        }
        assert_eq!(branches.untold(&ids(&[0, 0]), 2).len(), 3);
        for (continuation, lists) in [([0, 0, 7, 8, 20], [7, 8, 20]), ([0, 0, 9, 8, 22], [9, 8, 22])] {
            branches.learn(&ids(&continuation), 2, lists.map(list).to_vec());
        }
        assert_eq!(known(branches.told(&ids(&[0, 0]))), [7, 9]);
        assert_eq!(known(branches.told(&ids(&[0, 0, 7]))), [8]);
        // The second shares all but its end with the first.
        assert_eq!(branches.untold(&ids(&[0, 0, 7, 8]), 4), [(ids(&[0, 0, 7, 8, 21]), TokenId(21))]);
        assert_eq!(known(branches.told(&ids(&[0, 0, 7, 8]))), [20]);
        branches.learn(&ids(&[0, 0, 7, 8, 21]), 4, vec![list(21)]);
        assert_eq!(known(branches.told(&ids(&[0, 0, 7, 8]))), [20, 21]);
        assert_eq!(known(branches.told(&ids(&[0, 0, 7, 8, 20]))), [0; 0], "nothing is told behind the end");
    }

    #[test]
    fn what_was_behind_other_tokens_is_forgotten() {
        let mut branches = Branches::default();
        branches.expect(2, &ids(&[7, 8]));
        branches.truncate(2);
        assert!(branches.begin_at(2));
        branches.truncate(1);
        assert!(!branches.begin_at(2) && branches.untold(&ids(&[0, 0]), 2).is_empty());
    }
}
