//! One member reading one text.

use std::ops::Range;

use gac_inference::{Distribution, LanguageModel, ModelError, SequenceId, TokenId};

use super::spelled_text::{NextByte, SpelledText};
use crate::bytes::covering::Covering;

/// One member's tokens of a text, how far it is to read them, and what it said on the way.
///
/// `tokens` is all that it should have seen; what its sequence does not hold yet it is owed. So a member that was not
/// consulted for a while, a new one and one whose sequence was taken away are all brought up to date in the same way.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    tokens: Vec<TokenId>,
    /// How many of them are settled; the others are proposed, and may be taken back.
    settled: usize,
    sequence: Option<SequenceId>,
    /// Lengths of `tokens` after which a distribution is wanted, ascending, none twice.
    marks: Vec<usize>,
    /// The distributions of the first marks.
    given: Vec<Distribution>,
    /// Whether it has still to read, and how far.
    goal: Option<usize>,
    /// The sequence holds other tokens from here on.
    agreed: Option<usize>,
    /// The length of the pass that it is read in, where that is not as far as it is opened.
    pass: Option<usize>,
    /// Continuations of all its tokens that are going to be scored.
    expected: Vec<Vec<TokenId>>,
    /// From where to where it goes on by its own most probable tokens ([`LanguageModel::expect_greedy`]).
    greedy: Option<Range<usize>>,
    /// The text behind its prompt, where it is asked for bytes.
    spelled: Option<Box<SpelledText>>,
}

/// Tokens that a member reads in one forward.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) sequence: SequenceId,
    /// At least one.
    pub(crate) ids: Vec<TokenId>,
    /// Indices of the ids after which a distribution is wanted, ascending.
    pub(crate) wanted: Vec<usize>,
    /// Whether the lane is then at its goal.
    pub(crate) last: bool,
}

impl Lane {
    pub(crate) fn new(tokens: Vec<TokenId>) -> Self {
        Self { settled: tokens.len(), tokens, ..Self::default() }
    }

    /// Reads in a pass of `length` tokens ([`LanguageModel::announce`]).
    pub(crate) fn in_pass(self, length: usize) -> Self {
        Self { pass: Some(length), ..self }
    }

    /// Goes on by its own most probable tokens, up to so many.
    pub(crate) fn greedy(self, tokens: usize) -> Self {
        let from = self.tokens.len();
        Self { greedy: Some(from..from.saturating_add(tokens)), ..self }
    }

    /// Is told bytes behind its tokens, and asked for the next byte.
    pub(crate) fn by_bytes(self, covering: Covering) -> Self {
        let spelled = SpelledText::new(covering, self.tokens.len());
        Self { spelled: Some(Box::new(spelled)), ..self }
    }

    /// What it is told by bytes.
    pub(crate) fn covering(&self) -> Option<&Covering> {
        self.spelled.as_ref().map(|spelled| &spelled.covering)
    }

    /// Adds bytes that it should see, where it is told by bytes; whether it is.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) -> bool {
        let Some(spelled) = &mut self.spelled else { return false };
        spelled.covering.push(bytes);
        self.want(Vec::new());
        true
    }

    /// Looks at what was said of tokens, where it is asked for the next byte: whether it has to be asked about others before
    /// that is known.
    pub(crate) fn look(&mut self) -> bool {
        let Some(spelled) = self.spelled.as_mut().filter(|spelled| spelled.is_asked) else { return false };
        if let Some(said) = self.given.first() {
            spelled.covering.answer(said);
            self.want_last();
        }
        self.is_reading()
    }

    /// Whether what it was given is said of tokens, to be [looked at](Self::look).
    pub(crate) fn is_asked_for_bytes(&self) -> bool {
        self.spelled.as_ref().is_some_and(|spelled| spelled.is_asked)
    }

    /// One more continuation of all its tokens is going to be scored.
    pub(crate) fn expect(&mut self, continuation: Vec<TokenId>) {
        self.expected.push(continuation);
    }

    /// Tells the model what is expected.
    pub(crate) fn tell_expected(&self, model: &mut dyn LanguageModel) {
        if let Some(sequence) = self.sequence
            && !self.expected.is_empty()
        {
            model.expect(sequence, self.tokens.len(), &self.expected);
        }
    }

    /// The length of the pass that it is read in.
    pub(crate) fn pass(&self) -> usize {
        self.pass.unwrap_or(self.tokens.len())
    }

    /// All that it should have seen.
    pub(crate) fn tokens(&self) -> &[TokenId] {
        &self.tokens[..self.settled]
    }

    /// Number of its tokens, with those that are proposed.
    pub(crate) fn length(&self) -> usize {
        let spelled = self.spelled.as_ref().map_or(0, |spelled| spelled.most());
        self.tokens.len().max(spelled)
    }

    /// Whether a context of so many tokens does not hold what it is to read. That follows from the text alone, whether or not
    /// it was asked about all of it.
    pub(crate) fn overflows(&self, context: usize) -> bool {
        match &self.spelled {
            None => self.tokens.len() > context,
            Some(spelled) => spelled.overflows(context),
        }
    }

    /// Adds tokens that it should see. Where they are what was proposed, they are settled now; where they are not,
    /// nothing that was proposed holds.
    pub(crate) fn push(&mut self, tokens: &[TokenId]) {
        if !self.tokens[self.settled..].starts_with(tokens) {
            self.forget_proposed();
            self.tokens.extend_from_slice(tokens);
        }
        self.settled += tokens.len();
    }

    /// Adds tokens that it may come to see.
    pub(crate) fn propose(&mut self, tokens: &[TokenId]) {
        self.tokens.extend_from_slice(tokens);
    }

    /// Takes back what was proposed and is not settled.
    pub(crate) fn forget_proposed(&mut self) {
        if self.settled < self.tokens.len() {
            self.tokens.truncate(self.settled);
            self.marks.retain(|mark| *mark <= self.settled);
            self.given.truncate(self.marks.len());
            self.agreed = Some(self.agreed.map_or(self.settled, |agreed| agreed.min(self.settled)));
        }
    }

    /// Its sequence, while there is one.
    pub(crate) fn sequence(&self) -> Option<SequenceId> {
        self.sequence
    }

    /// Gives its sequence away.
    pub(crate) fn release(&mut self) -> Option<SequenceId> {
        self.agreed = None;
        self.sequence.take()
    }

    /// Continues `sequence`, which holds the beginning of its tokens.
    pub(crate) fn adopt(&mut self, model: &mut dyn LanguageModel, sequence: SequenceId) {
        self.sequence = Some(sequence);
        if let Some(pass) = self.pass {
            model.announce(sequence, pass);
        }
        if let Some(Range { start, end }) = self.greedy {
            model.expect_greedy(sequence, start, end);
        }
    }

    /// Wants the distributions after `marks` tokens each (ascending, none twice), in place of earlier ones.
    pub(crate) fn want(&mut self, marks: Vec<usize>) {
        self.goal = marks.last().copied();
        self.marks = marks;
        self.given.clear();
    }

    /// Wants the distribution of what comes next, in place of earlier ones.
    pub(crate) fn want_last(&mut self) {
        let next = self.spelled.as_mut().map(|spelled| spelled.next_byte(&mut self.tokens));
        if let Some(NextByte::Asks { agreed }) = next {
            self.agreed = Some(self.agreed.map_or(agreed, |before| before.min(agreed)));
            self.settled = self.tokens.len();
        }
        self.want(vec![self.tokens.len()]);
        if let Some(NextByte::Known(next)) = next {
            self.goal = None;
            self.given.push(next);
        }
    }

    /// Wants the distribution after all its tokens, beside earlier ones.
    pub(crate) fn want_next(&mut self) {
        self.marks.push(self.tokens.len());
        self.goal = Some(self.tokens.len());
    }

    /// Reads all its tokens, whatever was said of them.
    pub(crate) fn read_on(&mut self) {
        self.goal = Some(self.tokens.len());
    }

    /// Whether it has still to read.
    pub(crate) fn is_reading(&self) -> bool {
        self.goal.is_some()
    }

    /// How many distributions are wanted and not given yet.
    pub(crate) fn outstanding(&self) -> usize {
        self.marks.len() - self.given.len()
    }

    /// Which of the distributions that were given comes after exactly what is settled.
    pub(crate) fn current(&self) -> Option<usize> {
        self.marks.iter().take(self.given.len()).rposition(|mark| *mark == self.settled)
    }

    /// What was said so far, by mark.
    pub(crate) fn given(&self) -> &[Distribution] {
        &self.given
    }

    pub(crate) fn given_mut(&mut self, index: usize) -> &mut Distribution {
        &mut self.given[index]
    }

    /// The length after which distribution `index` was given.
    pub(crate) fn mark(&self, index: usize) -> usize {
        self.marks[index]
    }

    /// Takes what was said so far.
    pub(crate) fn take_given(&mut self) -> Vec<Distribution> {
        self.marks.drain(..self.given.len());
        std::mem::take(&mut self.given)
    }

    /// Whether its sequence holds all its tokens.
    pub(crate) fn is_read(&self, model: &dyn LanguageModel) -> bool {
        self.sequence.is_some_and(|sequence| {
            let held = model.length(sequence);
            self.agreed.map_or(held, |agreed| held.min(agreed)) >= self.tokens.len()
        })
    }

    /// Makes sure of a sequence. Where the model remembers a prefix of what it is to read, it is there at once.
    pub(crate) fn open(&mut self, model: &mut dyn LanguageModel) -> Result<(), ModelError> {
        if let (None, Some(goal)) = (self.sequence, self.goal) {
            // Nothing may be filled in that a distribution is wanted of.
            let until = self.marks.get(self.given.len()).copied().unwrap_or(goal);
            let sequence = model.open(&self.tokens[..until])?;
            self.adopt(model, sequence);
        }
        Ok(())
    }

    /// How many tokens it is owed on the way to its goal, at least one.
    pub(crate) fn owed(&self, model: &dyn LanguageModel) -> usize {
        let held = self.sequence.map_or(0, |sequence| model.length(sequence));
        self.goal.map_or(0, |goal| goal.saturating_sub(held.min(self.agreed.unwrap_or(held))).max(1))
    }

    /// The next at most `most` tokens (at least one) of those that it is owed; none where it has none to read, or is
    /// there already.
    ///
    /// A member that has no token for a control symbol is owed nothing after it: it forgets its last token, to be told
    /// again.
    pub(crate) fn next(&mut self, model: &mut dyn LanguageModel, most: usize) -> Result<Option<Read>, ModelError> {
        self.open(model)?;
        let (Some(goal), Some(sequence)) = (self.goal, self.sequence) else { return Ok(None) };
        let next = self.marks.get(self.given.len()).copied();
        let mut held = model.length(sequence);
        let keep = next.map_or(held, |mark| mark - 1).min(self.agreed.take().unwrap_or(held));
        if keep < held {
            model.truncate(sequence, keep)?;
            held = keep;
        }
        if held >= goal {
            self.goal = None;
            return Ok(None);
        }
        self.tell_expected(model);
        let to = goal.min(held.saturating_add(most));
        let wanted = self.marks[self.given.len()..].iter().take_while(|&&mark| mark <= to).map(|mark| mark - held - 1);
        Ok(Some(Read { sequence, wanted: wanted.collect(), ids: self.tokens[held..to].to_vec(), last: to == goal }))
    }

    /// Takes the answer to a read: one distribution per wanted index.
    pub(crate) fn was_read(&mut self, read: &Read, distributions: Vec<Distribution>) {
        self.given.extend(distributions);
        if read.last {
            self.goal = None;
        }
    }

    /// Drops its sequence. What it was to read it still is to read.
    pub(crate) fn close(&mut self, model: &mut dyn LanguageModel) {
        if let Some(sequence) = self.release() {
            model.close(sequence);
        }
    }

    /// Another one in the same place, with a sequence that shares what was computed.
    pub(crate) fn fork(&self, model: &mut dyn LanguageModel) -> Result<Self, ModelError> {
        let sequence = self.sequence.map(|sequence| model.fork(sequence)).transpose()?;
        Ok(Self {
            tokens: self.tokens.clone(),
            settled: self.settled,
            sequence,
            agreed: self.agreed,
            pass: self.pass,
            spelled: self.spelled.clone(),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use gac_inference::testkit::ScriptedModel;
    use gac_inference::{Extension, Wanted};

    use super::*;

    fn model() -> ScriptedModel {
        // After n tokens, token n is certain.
        ScriptedModel::new(32, |tokens| vec![(TokenId(tokens.len() as u32), 1.0)])
    }

    fn lane(tokens: u32) -> Lane {
        Lane::new((0..tokens).map(TokenId).collect())
    }

    fn read(lane: &mut Lane, model: &mut ScriptedModel, most: usize) -> Option<Vec<u32>> {
        let read = lane.next(model, most).unwrap()?;
        let batch = [Extension { sequence: read.sequence, tokens: &read.ids, wanted: Wanted::At(&read.wanted) }];
        let given = model.extend(&batch).unwrap().remove(0);
        lane.was_read(&read, given);
        Some(read.ids.iter().map(|id| id.0).collect())
    }

    fn tops(lane: &Lane) -> Vec<u32> {
        lane.given().iter().map(|view| view.top().0.0).collect()
    }

    #[test]
    fn a_text_is_read_in_pieces_and_every_mark_is_answered_once() {
        let (mut lane, mut model) = (lane(7), model());
        lane.want(vec![2, 3, 7]);
        assert_eq!(lane.owed(&model), 7);
        assert_eq!(read(&mut lane, &mut model, 1), Some(vec![0]));
        assert_eq!(read(&mut lane, &mut model, 3), Some(vec![1, 2, 3]));
        assert!(lane.is_reading() && tops(&lane) == [2, 3]);
        assert_eq!(read(&mut lane, &mut model, 99), Some(vec![4, 5, 6]));
        assert!(!lane.is_reading() && lane.is_read(&model) && tops(&lane) == [2, 3, 7]);
        assert_eq!(read(&mut lane, &mut model, 99), None);
    }

    #[test]
    fn who_is_owed_nothing_is_told_its_last_token_again() {
        let (mut lane, mut model) = (lane(2), model());
        lane.want_last();
        read(&mut lane, &mut model, 9);
        lane.want_last();
        assert_eq!(lane.owed(&model), 1);
        assert_eq!(read(&mut lane, &mut model, 9), Some(vec![1]));
        assert_eq!(tops(&lane), [2]);
    }

    #[test]
    fn what_was_proposed_and_holds_is_not_read_again() {
        let (mut lane, mut model) = (lane(3), model());
        lane.propose(&[3, 4, 5].map(TokenId));
        lane.want(vec![3, 5, 6]);
        read(&mut lane, &mut model, 9);
        lane.push(&[TokenId(3)]);
        lane.push(&[TokenId(4)]);
        assert_eq!((lane.tokens().len(), lane.length()), (5, 6));
        // The third is another one.
        lane.push(&[9, 9].map(TokenId));
        lane.want_last();
        assert_eq!(read(&mut lane, &mut model, 9), Some(vec![9, 9]));
        lane.propose(&[TokenId(7)]);
        lane.want_last();
        read(&mut lane, &mut model, 9);
        lane.forget_proposed();
        lane.push(&[TokenId(8)]);
        lane.want_last();
        assert_eq!(read(&mut lane, &mut model, 9), Some(vec![8]));
        assert_eq!(model.length(lane.sequence().unwrap()), 8);
    }

    #[test]
    fn a_lane_without_its_sequence_begins_again() {
        let (mut lane, mut model) = (lane(4), model());
        lane.want(vec![1, 4]);
        read(&mut lane, &mut model, 2);
        lane.close(&mut model);
        assert_eq!(read(&mut lane, &mut model, 9), Some(vec![0, 1, 2, 3]));
        assert_eq!(tops(&lane), [1, 4]);
        let mut other = lane.fork(&mut model).unwrap();
        other.push(&[TokenId(9)]);
        other.want_last();
        assert_eq!(read(&mut other, &mut model, 9), Some(vec![9]));
    }
}
