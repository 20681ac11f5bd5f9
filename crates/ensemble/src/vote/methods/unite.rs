//! `unite`: the weighted average over the most probable tokens of each member.

use super::token_method::{MethodDescription, MethodError, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// See [`Method::Unite`](crate::Method::Unite).
pub(crate) struct Unite {
    pub(crate) top_k: usize,
}

impl TokenMethod for Unite {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription {
            name: "unite",
            about: "Weighted average over the union of each model's most probable tokens",
            settings: &["top-k"],
        }
    }

    fn validate(&self) -> Result<(), MethodError> {
        if self.top_k == 0 { Err(MethodError::TopK) } else { Ok(()) }
    }

    fn combine<'a>(&self, votes: Votes<'a>, also: Option<UnionId>, segmentation: &mut Segmentation) -> Combined<'a> {
        let candidates = votes.candidates(self.top_k, also);
        let mut entries: Vec<(UnionId, f64)> = candidates.iter().map(|&token| (token, 0.0)).collect();
        for (member, weight, distribution) in votes.parts().filter(|(_, weight, _)| *weight > 0.0) {
            let own: Vec<f64> = candidates
                .iter()
                .map(|&token| votes.or_first_piece(member, distribution, token, segmentation))
                .collect();
            let sum: f64 = own.iter().sum();
            for (entry, p) in entries.iter_mut().zip(own) {
                entry.1 += weight * p / sum;
            }
        }
        // Logits that are not numbers leave nothing to choose from.
        if entries.iter().any(|(_, q)| q.is_nan()) {
            entries.clear();
        }
        Combined::Listed { entries, others: 0.0 }
    }

    fn missing(
        &self,
        votes: Votes<'_>,
        _: Decoding,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<MissingDetail> {
        votes.missing_of_candidates(self.top_k, also, segmentation)
    }
}
