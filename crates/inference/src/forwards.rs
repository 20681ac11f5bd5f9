//! How extensions are cut into forwards.

use crate::device::DeviceSpec;
use crate::device_list::DeviceList;
use crate::id::{SequenceId, TokenId};
use crate::language_model::{Extension, Wanted};

/// Most tokens in one forward: bounds the memory of activations.
const FORWARD_TOKENS: usize = 2048;
/// The same on CPUs, whose caches hold as much; a product of so many rows is as fast as one of more.
const CPU_FORWARD_TOKENS: usize = 512;
/// Most rows of logits in one forward.
const FORWARD_LOGITS: usize = 512;

/// Part of an extension that goes through one forward.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ForwardPiece {
    pub(crate) extension: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) wanted: Vec<usize>,
}

/// Tokens of one extension that are turned by the same factors.
pub(crate) struct Turned {
    pub(crate) sequence: SequenceId,
    pub(crate) tokens: Vec<TokenId>,
    pub(crate) wanted: Vec<usize>,
}

impl Turned {
    pub(crate) fn extension(&self) -> Extension<'_> {
        Extension { sequence: self.sequence, tokens: &self.tokens, wanted: Wanted::At(&self.wanted) }
    }
}

/// Most tokens in one forward through all of `devices`.
pub(crate) fn forward_tokens(devices: &DeviceList) -> usize {
    let on_cpu = devices.as_slice().iter().all(|&device| device == DeviceSpec::Cpu);
    if on_cpu { CPU_FORWARD_TOKENS } else { FORWARD_TOKENS }
}

/// Cuts the extensions at `wave`, without their spared tokens, into forwards of at most `most` tokens, in order.
pub(crate) fn plan_forwards(
    batch: &[Extension<'_>],
    wave: &[usize],
    spared: &[usize],
    most: usize,
) -> Vec<Vec<ForwardPiece>> {
    let mut forwards = vec![Vec::new()];
    let (mut tokens, mut rows) = (0, 0);
    for &index in wave {
        let extension = &batch[index];
        let wanted = extension.wanted.indices(extension.tokens.len());
        let mut wanted = wanted.as_slice();
        let mut from = spared[index];
        while from < extension.tokens.len() {
            if tokens == most || rows == FORWARD_LOGITS {
                forwards.push(Vec::new());
                (tokens, rows) = (0, 0);
            }
            let mut to = extension.tokens.len().min(from + most - tokens);
            if let Some(&beyond) = wanted.get(FORWARD_LOGITS - rows) {
                to = to.min(beyond);
            }
            let (now, later) = wanted.split_at(wanted.partition_point(|&at| at < to));
            if let Some(forward) = forwards.last_mut() {
                forward.push(ForwardPiece { extension: index, from, to, wanted: now.to_vec() });
            }
            tokens += to - from;
            rows += now.len();
            wanted = later;
            from = to;
        }
    }
    forwards.retain(|forward| !forward.is_empty());
    forwards
}

impl Extension<'_> {
    /// Number of tokens before the first one that a distribution is wanted of.
    pub(crate) fn unwanted(&self) -> usize {
        match self.wanted {
            Wanted::Nothing => self.tokens.len(),
            Wanted::Last => self.tokens.len() - 1,
            Wanted::All => 0,
            Wanted::At(indices) => indices.first().copied().unwrap_or(self.tokens.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension<'a>(tokens: &'a [TokenId], wanted: Wanted<'a>) -> Extension<'a> {
        Extension { sequence: SequenceId(0), tokens, wanted }
    }

    #[test]
    fn every_token_and_every_wanted_row_is_in_exactly_one_forward() {
        let long = vec![TokenId(0); 3 * CPU_FORWARD_TOKENS + 5];
        let short = vec![TokenId(0); 7];
        let at = [4, 6];
        let batch = [
            extension(&short, Wanted::At(&at)),
            extension(&long, Wanted::All),
            extension(&short, Wanted::Nothing),
            extension(&short, Wanted::Last),
        ];
        let spared = [4, 0, 3, 0];
        let forwards = plan_forwards(&batch, &[0, 1, 2, 3], &spared, CPU_FORWARD_TOKENS);
        let mut tokens = spared.to_vec();
        let mut wanted: Vec<Vec<usize>> = vec![Vec::new(); 4];
        for forward in &forwards {
            assert!(forward.iter().map(|p| p.to - p.from).sum::<usize>() <= CPU_FORWARD_TOKENS);
            assert!(forward.iter().map(|p| p.wanted.len()).sum::<usize>() <= FORWARD_LOGITS);
            for piece in forward {
                assert_eq!(piece.from, tokens[piece.extension]);
                assert!(piece.to > piece.from && piece.wanted.iter().all(|&at| piece.from <= at && at < piece.to));
                tokens[piece.extension] = piece.to;
                wanted[piece.extension].extend(&piece.wanted);
            }
        }
        assert_eq!(tokens, [7, long.len(), 7, 7]);
        let expected: Vec<Vec<usize>> =
            batch.iter().map(|extension| extension.wanted.indices(extension.tokens.len())).collect();
        assert_eq!(wanted, expected);
    }
}
