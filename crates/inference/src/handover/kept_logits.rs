//! The logits behind lists that were handed up, for as long as somebody may ask about them.

use std::collections::{HashMap, HashSet, VecDeque};

#[cfg(feature = "cuda")]
use candle_core::DType;
use candle_core::{Device, Result, Tensor};

#[cfg(feature = "cuda")]
use super::device_logits::told_count;
use super::device_logits::{DeviceLogits, KeptPlace};
use super::downloads::{Downloads, bytes};
use crate::ask::{Ask, Detail, LogProbs};
use crate::distribution::Distribution;
use crate::id::SequenceId;
use crate::language_model::Extension;
#[cfg(feature = "cuda")]
use crate::{
    cpu::has_own_kernels,
    cuda::{logit_places::LogitPlaces, top::TopTokens},
};

/// Bytes of logits that are kept on a device: 256 rows of the largest vocabularies.
const ROOM: usize = 256 << 20;

/// A list of more than this part of a vocabulary is a long one.
const LONG: usize = 32;

/// What is kept of each sequence's last extension, in bounded memory.
#[derive(Debug)]
pub(crate) struct KeptLogits {
    room: usize,
    /// The latest forward last.
    forwards: VecDeque<KeptForward>,
    /// How many of the last forwards are of the extension that is being computed.
    current: usize,
    /// Sequences that were asked for a long list: they are handed up whole from then on.
    whole: HashSet<SequenceId>,
    #[cfg(feature = "cuda")]
    places: LogitPlaces,
    pub(crate) downloads: Downloads,
}

/// Logits of one forward.
#[derive(Debug)]
struct KeptForward {
    logits: DeviceLogits,
    /// Which row is the distribution after so many tokens of a sequence.
    rows: HashMap<(SequenceId, usize), usize>,
}

impl Default for KeptLogits {
    fn default() -> Self {
        Self::new(ROOM)
    }
}

impl KeptLogits {
    fn new(room: usize) -> Self {
        Self {
            room,
            forwards: VecDeque::new(),
            current: 0,
            whole: HashSet::new(),
            #[cfg(feature = "cuda")]
            places: LogitPlaces::default(),
            downloads: Downloads::default(),
        }
    }

    /// Sequences are extended now: of what they were before, nothing is kept.
    pub(crate) fn extend(&mut self, batch: &[Extension<'_>]) {
        self.current = 0;
        if !self.forwards.is_empty() {
            let extended: HashSet<SequenceId> = batch.iter().map(|extension| extension.sequence).collect();
            self.forget(|sequence, _| extended.contains(&sequence));
        }
    }

    /// A fork is handed up as its original is.
    pub(crate) fn fork(&mut self, original: SequenceId, fork: SequenceId) {
        if self.whole.contains(&original) {
            self.whole.insert(fork);
        }
    }

    pub(crate) fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.forget(|of, after| of == sequence && after > length);
    }

    pub(crate) fn close(&mut self, sequence: SequenceId) {
        self.forget(|of, _| of == sequence);
        self.whole.remove(&sequence);
    }

    /// Hands up a sequence whole from now on where it was asked for a long list of its `vocabulary`: that is what its votes
    /// need, and a list of so much takes longer than all of it.
    pub(crate) fn was_asked(&mut self, ask: &Ask<'_>, vocabulary: usize) {
        if matches!(ask.detail, Detail::Top(count) if count > vocabulary / LONG) {
            self.hand_up_whole(ask.sequence);
        }
    }

    /// Hands up `sequence` whole from now on.
    pub(crate) fn hand_up_whole(&mut self, sequence: SequenceId) {
        self.whole.insert(sequence);
    }

    fn forget(&mut self, is_stale: impl Fn(SequenceId, usize) -> bool) {
        for forward in &mut self.forwards {
            forward.rows.retain(|&(sequence, length), _| !is_stale(sequence, length));
        }
        self.forwards.retain(|forward| !forward.rows.is_empty());
    }

    /// The distributions of logits that `compute` makes, `(R, V)`: in the memory that it is given, where that is kept for them.
    pub(crate) fn hand_up_computed(
        &mut self,
        (vocabulary, device): (usize, &Device),
        k: usize,
        after: &[(SequenceId, usize)],
        compute: impl FnOnce(Option<&Tensor>) -> Result<Tensor>,
    ) -> Result<Vec<Distribution>> {
        #[cfg(feature = "cuda")]
        if has_own_kernels(device, DType::F32) && TopTokens::takes(vocabulary) {
            let place = self.places.take((after.len(), vocabulary), told_count(k, vocabulary), device)?;
            let logits = compute(place.as_ref().map(|place| &place.logits))?;
            return self.hand_up_placed((&logits, place), k, after);
        }
        let _ = (vocabulary, device);
        self.hand_up(&compute(None)?, k, after)
    }

    /// The distributions of a forward's logits `(R, V)`, each after so many tokens of a sequence: lists of `k` tokens, whose
    /// logits are kept; whole ones where there is no room for that, or a row has no probabilities.
    pub(crate) fn hand_up(
        &mut self,
        logits: &Tensor,
        k: usize,
        after: &[(SequenceId, usize)],
    ) -> Result<Vec<Distribution>> {
        self.hand_up_placed((logits, None), k, after)
    }

    /// The same for logits in memory that is kept for them.
    fn hand_up_placed(
        &mut self,
        (logits, place): (&Tensor, Option<KeptPlace>),
        k: usize,
        after: &[(SequenceId, usize)],
    ) -> Result<Vec<Distribution>> {
        if after.iter().all(|(sequence, _)| self.whole.contains(sequence)) || !self.has_room(bytes(logits)) {
            return self.downloads.distributions(logits);
        }
        let vocabulary = logits.dim(1)?;
        let logits = DeviceLogits::new(logits, place, k, &mut self.downloads)?;
        let (whole, listed): (Vec<usize>, Vec<usize>) =
            (0..after.len()).partition(|row| self.whole.contains(&after[*row].0) || !logits.is_proper(*row));
        let lists: Vec<_> = listed.iter().map(|&row| (row, Detail::Top(k))).collect();
        let lists = logits.tell(&lists, &mut self.downloads)?;
        let lists = lists.iter().map(|list| Distribution::listed_within(vocabulary, list, DeviceLogits::ROUNDING));
        let mut all: Vec<(usize, Distribution)> = listed.iter().copied().zip(lists).collect();
        all.extend(whole.iter().copied().zip(logits.distributions(&whole, &mut self.downloads)?));
        all.sort_unstable_by_key(|(row, _)| *row);
        if !listed.is_empty() {
            let rows = listed.into_iter().map(|row| (after[row], row)).collect();
            self.forwards.push_back(KeptForward { logits, rows });
            self.current += 1;
        }
        Ok(all.into_iter().map(|(_, distribution)| distribution).collect())
    }

    /// Makes room for so many bytes: what is oldest goes, but nothing of the extension that is being computed.
    fn has_room(&mut self, bytes: usize) -> bool {
        let mut all = self.forwards.iter().map(|forward| forward.logits.bytes()).sum::<usize>() + bytes;
        while all > self.room
            && self.forwards.len() > self.current
            && let Some(oldest) = self.forwards.pop_front()
        {
            all -= oldest.logits.bytes();
        }
        all <= self.room
    }

    /// Answers what is asked about lists whose logits are kept; nothing where they are not.
    pub(crate) fn answer(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Option<LogProbs>>> {
        let mut answers = vec![None; asks.len()];
        for KeptForward { logits, rows } in &self.forwards {
            let kept = asks
                .iter()
                .enumerate()
                .filter_map(|(place, ask)| Some((place, (*rows.get(&(ask.sequence, ask.length))?, ask.detail))));
            let (places, wanted): (Vec<usize>, Vec<_>) = kept.unzip();
            for (place, told) in places.into_iter().zip(logits.tell(&wanted, &mut self.downloads)?) {
                answers[place] = Some(told);
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TokenId;
    use crate::language_model::Wanted;

    const VOCABULARY: usize = 500;
    const A: SequenceId = SequenceId(1);
    const B: SequenceId = SequenceId(2);

    /// Logits by which token `tops[r]` is the most probable one of row r.
    fn logits(tops: &[u32]) -> Tensor {
        let row = |top: u32| (0..VOCABULARY as u32).map(|id| if id == top { 3.0 } else { 0.0 }).collect::<Vec<f32>>();
        Tensor::new(tops.iter().map(|&top| row(top)).collect::<Vec<_>>(), &Device::Cpu).unwrap()
    }

    /// Room for so many rows.
    fn kept(rows: usize) -> KeptLogits {
        KeptLogits::new(rows * 4 * 512)
    }

    fn extend(kept: &mut KeptLogits, after: &[(SequenceId, usize)], tops: &[u32]) -> Vec<bool> {
        let batch = after.iter().map(|(sequence, _)| *sequence);
        let batch: Vec<_> =
            batch.map(|sequence| Extension { sequence, tokens: &[TokenId(0)], wanted: Wanted::Last }).collect();
        kept.extend(&batch);
        let given = kept.hand_up(&logits(tops), 2, after).unwrap();
        assert_eq!(given.iter().map(|given| given.top().0.0).collect::<Vec<_>>(), tops);
        given.iter().map(Distribution::is_complete).collect()
    }

    /// The most probable token after so many tokens of a sequence, where its logits are kept.
    fn top(kept: &mut KeptLogits, sequence: SequenceId, length: usize) -> Option<u32> {
        let answer = kept.answer(&[Ask { sequence, length, detail: Detail::Top(1) }]).unwrap().remove(0)?;
        Some(answer[0].0.0)
    }

    #[test]
    fn logits_are_kept_until_their_sequence_goes_on_or_is_cut_or_closed() {
        let mut kept = kept(100);
        assert_eq!(extend(&mut kept, &[(A, 4), (B, 7)], &[40, 70]), [false, false]);
        assert_eq!((top(&mut kept, A, 4), top(&mut kept, B, 7), top(&mut kept, B, 4)), (Some(40), Some(70), None));
        extend(&mut kept, &[(A, 5)], &[50]);
        assert_eq!((top(&mut kept, A, 4), top(&mut kept, A, 5), top(&mut kept, B, 7)), (None, Some(50), Some(70)));
        kept.truncate(B, 7);
        kept.truncate(A, 4);
        assert_eq!((top(&mut kept, A, 5), top(&mut kept, B, 7)), (None, Some(70)));
        kept.close(B);
        assert_eq!(top(&mut kept, B, 7), None);
        assert!(kept.forwards.is_empty(), "nothing is held that nobody can ask about");
    }

    #[test]
    fn asks_about_several_forwards_are_answered_in_their_order() {
        let mut kept = kept(100);
        extend(&mut kept, &[(A, 4)], &[40]);
        extend(&mut kept, &[(B, 7)], &[70]);
        let (ids, top) = ([TokenId(40), TokenId(70)], Detail::Top(1));
        let ask = |sequence, length, detail| Ask { sequence, length, detail };
        let asks = [ask(B, 7, top), ask(A, 4, Detail::Tokens(&ids)), ask(A, 3, top), ask(A, 4, top)];
        let answers = kept.answer(&asks).unwrap();
        let tokens = |place: usize| answers[place].as_ref().map(|answer| answer.iter().map(|(id, _)| id.0).collect());
        let expected: [Option<Vec<u32>>; 4] = [Some(vec![70]), Some(vec![40, 70]), None, Some(vec![40])];
        assert_eq!([0, 1, 2, 3].map(tokens), expected);
    }

    #[test]
    fn where_memory_ends_the_oldest_goes_and_what_does_not_fit_is_handed_up_whole() {
        let mut kept = kept(3);
        extend(&mut kept, &[(A, 1)], &[10]);
        extend(&mut kept, &[(B, 1), (SequenceId(3), 1)], &[11, 12]);
        assert_eq!((top(&mut kept, A, 1), top(&mut kept, B, 1)), (Some(10), Some(11)));
        extend(&mut kept, &[(SequenceId(4), 1)], &[13]);
        assert_eq!((top(&mut kept, A, 1), top(&mut kept, B, 1)), (None, Some(11)), "the oldest went");
        let four = [5, 6, 7, 8].map(|sequence| (SequenceId(sequence), 1));
        assert_eq!(extend(&mut kept, &four, &[1, 2, 3, 4]), [true; 4]);

        // Two forwards of one extension: the first stays, for nothing of it has been asked yet.
        extend(&mut kept, &[(A, 1), (B, 1)], &[10, 11]);
        let second = kept.hand_up(&logits(&[12, 13]), 2, &[(A, 2), (A, 3)]).unwrap();
        assert!(second.iter().all(Distribution::is_complete));
        assert_eq!(top(&mut kept, A, 1), Some(10));
    }

    #[test]
    fn a_row_that_has_no_probabilities_is_handed_up_whole() {
        let mut rows = logits(&[10, 20]).to_vec2::<f32>().unwrap();
        rows[0][499] = f32::NAN;
        let given = kept(9).hand_up(&Tensor::new(rows, &Device::Cpu).unwrap(), 2, &[(A, 1), (B, 1)]).unwrap();
        assert!(given[0].is_complete() && given[0].top().1.is_nan());
        assert!(!given[1].is_complete() && given[1].top().0 == TokenId(20));
    }

    #[test]
    fn who_was_asked_for_a_long_list_is_handed_up_whole_and_nothing_else_comes_down() {
        let mut kept = kept(9);
        let ask = |count| Ask { sequence: A, length: 1, detail: Detail::Top(count) };
        kept.was_asked(&ask(VOCABULARY / LONG), VOCABULARY);
        assert_eq!(extend(&mut kept, &[(A, 1)], &[1]), [false]);
        kept.was_asked(&ask(VOCABULARY / LONG + 1), VOCABULARY);
        kept.fork(A, B);
        assert_eq!(extend(&mut kept, &[(A, 2), (SequenceId(3), 2), (B, 2)], &[1, 2, 3]), [true, false, true]);
        let before = kept.downloads.bytes;
        assert_eq!(extend(&mut kept, &[(A, 3), (B, 3)], &[1, 2]), [true, true]);
        assert_eq!(kept.downloads.bytes - before, 2 * 4 * VOCABULARY as u64);
        kept.close(A);
        assert_eq!(extend(&mut kept, &[(A, 1)], &[9]), [false], "another sequence of that name");
    }
}
