//! From distributions of the next token to one of the next byte.
//!
//! A text of bytes may end inside of a token. So the next byte's probability is a sum over all ways to write the text in tokens
//! whose last one covers its end and goes on (Hayase et al., "Sampling from Your Language Model One Byte at a Time", arXiv
//! 2506.14123): for each place where a token may end, the probability of the tokens up to there, times that of all tokens
//! from there on that begin with the rest of the text. A tokenizer that merges pairs (BPE) writes each text in one way, so there is one
//! way up to each place, and a token counts only where the tokenizer would write it behind the one before.
//!
//! What a prompt's own tokens are is not asked: the first byte is the first byte of a token.

use std::collections::HashMap;
use std::sync::Arc;

use gac_inference::{Distribution, TokenId};

use super::byte_tokens::{ByteTokens, END, OUTCOMES};

/// Ways that have less than this of all ways' probability are given up: nobody computes what follows them.
const NEGLIGIBLE: f64 = 1e-6;
/// Tokens of at least this probability are looked at whether the tokenizer would write them there.
const LOOKED_AT: f64 = 1e-4;

/// How tokens cover a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverings {
    /// As its tokenizer writes texts.
    Written,
    /// In any way: where a token ends, whichever it is, the member is asked again, and its mass is spread by what it says
    /// (`CharED`, Gu et al., arXiv 2407.11009).
    Any,
}

/// The ways in which a member's tokens may cover the text that follows its prompt.
#[derive(Clone, Debug)]
pub(crate) struct Covering {
    tokens: Arc<ByteTokens>,
    coverings: Coverings,
    text: Vec<u8>,
    /// Bytes of the text that `ends` are of; the others are still to be looked at.
    seen: usize,
    /// Places where a token may end, ascending.
    ends: Vec<TokenEnd>,
    /// What was found out about pairs of tokens.
    pairs: HashMap<(Option<TokenId>, TokenId), bool>,
}

/// A place where a token of a covering ends.
#[derive(Clone, Debug)]
struct TokenEnd {
    /// Bytes of the text up to it.
    at: usize,
    /// The tokens up to it.
    tokens: Vec<TokenId>,
    /// Their probability, against that of the other places.
    weight: f64,
    /// What follows; none before the member was asked.
    next: Option<Following>,
}

/// What may follow a place where a token ends.
#[derive(Clone, Debug, Default)]
struct Following {
    /// Tokens that go on as the text does, with their probabilities.
    tokens: Vec<(TokenId, f64)>,
    /// The probability that the text ends there; 0 where it did not.
    end: f64,
}

impl Covering {
    pub(crate) fn new(tokens: Arc<ByteTokens>, coverings: Coverings) -> Self {
        let begin = TokenEnd { at: 0, tokens: Vec::new(), weight: 1.0, next: None };
        Self { tokens, coverings, text: Vec::new(), seen: 0, ends: vec![begin], pairs: HashMap::new() }
    }

    /// The text goes on.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        self.look_on();
    }

    /// The tokens that the member has to be asked about before the [next byte](Self::next_byte) is known; none when it is.
    pub(crate) fn asks(&mut self) -> Option<Vec<TokenId>> {
        self.look_on();
        self.ends.iter().find(|end| end.next.is_none()).map(|open| open.tokens.clone())
    }

    /// Takes what the member says behind the tokens that it was asked about.
    pub(crate) fn answer(&mut self, said: &Distribution) {
        let Some(at) = self.ends.iter().position(|end| end.next.is_none()) else { return };
        let last = self.ends[at].tokens.last().copied();
        let mut next = Following::default();
        for (id, p) in said.known().filter(|(_, p)| *p > 0.0) {
            if self.tokens.is_end(id) {
                next.end += p;
            } else if !self.tokens.bytes(id).is_empty() && (p < LOOKED_AT || self.may_follow(last, id)) {
                next.tokens.push((id, p));
            }
        }
        let sum: f64 = next.tokens.iter().map(|(_, p)| p).sum::<f64>() + next.end;
        if sum > 0.0 {
            next.tokens.iter_mut().for_each(|(_, p)| *p /= sum);
            next.end /= sum;
        }
        self.ends[at].next = Some(next);
    }

    /// The member's distribution of the next byte and the end, when there is [nothing to ask](Self::asks): over its own
    /// ids of single bytes.
    pub(crate) fn next_byte(&self) -> Distribution {
        let mut masses = [0.0; OUTCOMES];
        for end in &self.ends {
            let Some(next) = &end.next else { continue };
            masses[END] += end.weight * next.end;
            for (id, p) in &next.tokens {
                masses[usize::from(self.tokens.bytes(*id)[self.seen - end.at])] += end.weight * p;
            }
        }
        self.tokens.distribution(&masses)
    }

    /// Tokens that are sure to have been written.
    pub(crate) fn sure(&self) -> usize {
        self.ends.first().map_or(0, |end| end.tokens.len())
    }

    /// The most tokens that it may have been written in, and be asked about.
    pub(crate) fn most(&self) -> usize {
        self.ends.iter().map(|end| end.tokens.len()).max().unwrap_or(0) + self.text.len() - self.seen
    }

    /// Whether the tokenizer writes the whole text in more than so many tokens.
    pub(crate) fn is_longer_than(&self, tokens: usize) -> bool {
        // A token has a byte at least.
        self.text.len() > tokens && self.written() > tokens
    }

    /// Number of tokens that the tokenizer writes the whole text in.
    pub(crate) fn written(&self) -> usize {
        self.tokens.write(&self.text).map_or(self.text.len(), |ids| ids.len())
    }

    /// Goes on along the text as far as what was asked leads.
    fn look_on(&mut self) {
        while self.seen < self.text.len() && self.ends.iter().all(|end| end.next.is_some()) {
            self.look_at_next_byte();
        }
    }

    /// Goes on to the next byte of the text.
    fn look_at_next_byte(&mut self) {
        let (at, byte) = (self.seen, self.text[self.seen]);
        self.seen += 1;
        let mut complete: Vec<(usize, TokenId, f64)> = Vec::new();
        let mut total = 0.0;
        for (place, end) in self.ends.iter_mut().enumerate() {
            let Some(next) = &mut end.next else { continue };
            let within = at - end.at;
            next.end = 0.0;
            next.tokens.retain(|(id, p)| {
                let bytes = self.tokens.bytes(*id);
                let goes_on = bytes[within] == byte;
                total += if goes_on { end.weight * p } else { 0.0 };
                if goes_on && bytes.len() == within + 1 {
                    complete.push((place, *id, end.weight * p));
                }
                goes_on && bytes.len() > within + 1
            });
        }
        let written = complete.iter().copied().filter(|(place, id, _)| {
            let last = self.ends[*place].tokens.last().copied();
            self.coverings == Coverings::Any || self.tokens.may_follow(last, *id)
        });
        let written: Vec<(usize, TokenId, f64)> = written.collect();
        // One way is enough: a tokenizer writes a text in one, and only inside of a character there may seem to be more.
        let likely = written.iter().copied().max_by(|a, b| a.2.total_cmp(&b.2));
        let child = likely.map(|(place, id, weight)| {
            let all: f64 = written.iter().map(|(_, _, weight)| weight).sum();
            let tokens = [&self.ends[place].tokens[..], &[id]].concat();
            let weight = if self.coverings == Coverings::Any { all } else { weight };
            TokenEnd { at: self.seen, tokens, weight, next: None }
        });
        self.ends.extend(child);
        let weight = |end: &TokenEnd| {
            let share = end.next.as_ref().map_or(1.0, |next| next.tokens.iter().map(|(_, p)| p).sum());
            end.weight * share
        };
        self.ends.retain(|end| weight(end) > NEGLIGIBLE * total);
        let total: f64 = self.ends.iter().map(weight).sum();
        if total > 0.0 {
            self.ends.iter_mut().for_each(|end| end.weight /= total);
        } else {
            self.begin_again();
        }
    }

    /// The text went where no covering was kept that leads there: what its tokenizer writes is taken for the way.
    fn begin_again(&mut self) {
        let tokens = self.tokens.write(&self.text[..self.seen]).unwrap_or_default();
        self.ends = vec![TokenEnd { at: self.seen, tokens, weight: 1.0, next: None }];
    }

    fn may_follow(&mut self, last: Option<TokenId>, next: TokenId) -> bool {
        if self.coverings == Coverings::Any {
            return true;
        }
        *self.pairs.entry((last, next)).or_insert_with(|| self.tokens.may_follow(last, next))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gac_inference::{ModelSource, Tokenizer};

    use super::*;

    fn mini() -> Arc<ByteTokens> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama");
        Arc::new(ByteTokens::new(Arc::new(Tokenizer::load(&ModelSource::Folder(folder), None).unwrap())).unwrap())
    }

    /// A distribution over `rows` tokens that depends on all of `tokens`, of some kinds: sharp and flat.
    fn said(rows: usize, tokens: &[TokenId]) -> Distribution {
        let mut state =
            tokens.iter().fold(17_u64, |state, id| (state ^ u64::from(id.0)).wrapping_mul(0x5851_f42d_4c95_7f2d));
        let sharpness = [2.0, 6.0][tokens.len() % 2];
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f32 / (1_u64 << 31) as f32
        };
        Distribution::dense((0..rows).map(|_| sharpness * next()).collect())
    }

    fn asked(covering: &mut Covering, rows: usize) -> Vec<Vec<TokenId>> {
        let mut all = Vec::new();
        while let Some(tokens) = covering.asks() {
            covering.answer(&said(rows, &tokens));
            all.push(tokens);
        }
        all
    }

    /// The probability that a text begins with `text`, over all ways to write it: each token may follow the one before.
    fn mass(tokens: &ByteTokens, rows: usize, written: &mut Vec<TokenId>, text: &[u8]) -> f64 {
        if text.is_empty() {
            return 1.0;
        }
        let last = written.last().copied();
        let follows = |id: TokenId| tokens.may_follow(last, id);
        let next = said(rows, written);
        let allowed: Vec<(TokenId, f64)> = next
            .known()
            .filter(|(id, p)| tokens.is_end(*id) || !tokens.bytes(*id).is_empty() && (*p < LOOKED_AT || follows(*id)))
            .collect();
        let all: f64 = allowed.iter().map(|(_, p)| p).sum();
        let mut sum = 0.0;
        for (id, p) in allowed {
            let bytes = tokens.bytes(id);
            if bytes.starts_with(text) && !tokens.is_end(id) && bytes.len() > text.len() {
                sum += p / all;
            } else if !bytes.is_empty() && text.starts_with(bytes) && follows(id) {
                written.push(id);
                sum += p / all * mass(tokens, rows, written, &text[bytes.len()..]);
                written.pop();
            }
        }
        sum
    }

    #[test]
    fn a_byte_is_as_probable_as_all_ways_to_write_a_text_that_goes_on_with_it() {
        let tokens = mini();
        let rows = tokens.rows();
        for text in ["the ship", "12345 + 6", "caf\u{e9}s", "Q: a\n\nA:"] {
            let text = text.as_bytes();
            let mut covering = Covering::new(Arc::clone(&tokens), Coverings::Written);
            for at in 0..text.len() {
                asked(&mut covering, rows);
                let next = covering.next_byte();
                let before = mass(&tokens, rows, &mut Vec::new(), &text[..at]);
                for byte in [text[at], b'e', b' ', b'Z'] {
                    let with = [&text[..at], &[byte]].concat();
                    let expected = mass(&tokens, rows, &mut Vec::new(), &with) / before;
                    let masses = std::array::from_fn(|outcome| f64::from(u8::from(outcome == usize::from(byte))));
                    let Some((id, _)) = tokens.distribution(&masses).known().next() else { continue };
                    let found = next.prob(id);
                    // Tokens that are too improbable to be looked at count where the tokenizer would not write them.
                    assert!(
                        (found - expected).abs() < 10.0 * LOOKED_AT,
                        "{at} {}: {found}, not {expected}",
                        byte.escape_ascii()
                    );
                }
                covering.push(&text[at..=at]);
            }
        }
    }

    #[test]
    fn tokens_end_where_the_tokenizer_writes_the_text_so_far_and_those_are_its_tokens() {
        let tokens = mini();
        for text in ["The quick brown foxes", "12 + 345 = 357", "a caf\u{e9} \u{2014} \u{1f980}!", "x\n\n  y"] {
            let mut covering = Covering::new(Arc::clone(&tokens), Coverings::Written);
            covering.push(text.as_bytes());
            let asked = asked(&mut covering, tokens.rows());
            let bytes = |ids: &[TokenId]| ids.iter().flat_map(|&id| tokens.bytes(id)).copied().collect::<Vec<u8>>();
            let mut whole = 0;
            for ids in asked {
                let text = bytes(&ids);
                if std::str::from_utf8(&text).is_ok() {
                    assert_eq!(Some(&ids), tokens.write(&text).as_ref(), "{}", text.escape_ascii());
                    whole += 1;
                }
            }
            assert!(whole > 3, "{text}: {whole}");
            assert!(covering.sure() <= covering.written() && covering.written() <= covering.most());
        }
    }

    #[test]
    fn a_text_that_no_covering_leads_to_is_taken_as_its_tokenizer_writes_it() {
        let tokens = mini();
        let mut covering = Covering::new(Arc::clone(&tokens), Coverings::Written);
        let one = |id: TokenId| Distribution::among(tokens.rows(), &[(id, 0.0)]);
        let first = tokens.write(b"ship").unwrap()[0];
        assert_eq!(covering.asks(), Some(Vec::new()));
        covering.answer(&one(first));
        covering.push(b"zz");
        assert_eq!(covering.asks(), tokens.write(b"z"));
        covering.answer(&one(first));
        assert_eq!(covering.asks(), tokens.write(b"zz"));
    }
}
