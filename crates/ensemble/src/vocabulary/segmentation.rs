//! What each member is fed for a union token.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use gac_inference::{Symbol, TokenId, Tokenizer};

use crate::member::MemberId;
use crate::vocabulary::union::{Projection, UnionId, UnionToken, UnionVocabulary};

/// Segmentations of union tokens, worked out on demand and remembered.
///
/// For a text, in this order: the member's own id with exactly these bytes (a normal piece before an added token before
/// a byte token, then the lowest id); what its tokenizer makes of the bytes where they are UTF-8, if that stands for
/// exactly them; the longest own token from the left, again and again, down to byte tokens. So a segmentation always
/// decodes to exactly the token's bytes. A control symbol is the member's own id, or nothing; END is nothing.
#[derive(Debug)]
pub struct Segmentation {
    union: Arc<UnionVocabulary>,
    members: Vec<MemberSegmentation>,
}

#[derive(Debug)]
struct MemberSegmentation {
    speller: Speller,
    /// What is fed for tokens it does not have.
    spelled: HashMap<UnionId, Box<[TokenId]>>,
}

/// One vocabulary's way to spell union tokens. Nothing is remembered.
#[derive(Debug)]
pub(crate) struct Speller {
    tokenizer: Arc<Tokenizer>,
    /// `(U,)`: the own id for each union token, or [`NO_ID`].
    own: Vec<TokenId>,
    /// Length of its longest text in bytes.
    longest: usize,
}

const NO_ID: TokenId = TokenId(u32::MAX);

/// A member's tokens cannot be put together to `bytes`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "member {} cannot spell {:?} with its own tokens: its vocabulary would need a token for every byte",
    .member.0, .bytes.escape_ascii().to_string()
)]
pub struct Unspellable {
    /// The member.
    pub member: MemberId,
    /// The union token's bytes.
    pub bytes: Vec<u8>,
}

impl Segmentation {
    /// Prepares for the members that `union` was made of: `tokenizers[m]` is the one whose vocabulary is member `m`'s.
    pub fn new(union: Arc<UnionVocabulary>, tokenizers: &[Arc<Tokenizer>]) -> Self {
        let members = tokenizers
            .iter()
            .enumerate()
            .map(|(member, tokenizer)| MemberSegmentation {
                speller: Speller::new(&union, union.projection(MemberId(member)), Arc::clone(tokenizer)),
                spelled: HashMap::new(),
            })
            .collect();
        Self { union, members }
    }

    /// The ids that `member` is fed for `token`: empty for END and for control symbols it does not have.
    ///
    /// # Errors
    /// When the member has no tokens to spell the bytes with.
    pub fn segment(&mut self, token: UnionId, member: MemberId) -> Result<&[TokenId], Unspellable> {
        let MemberSegmentation { speller, spelled } = &mut self.members[member.0];
        if let Some(known) = speller.known(&self.union, token) {
            return Ok(known);
        }
        Ok(match spelled.entry(token) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let bytes = self.union.bytes(token);
                let ids = speller.spell(&self.union, bytes);
                vacant.insert(ids.ok_or_else(|| Unspellable { member, bytes: bytes.to_vec() })?.into())
            }
        })
    }
}

impl Speller {
    /// For the vocabulary of `tokenizer`, whose ids and union tokens correspond as `projection` says.
    pub(crate) fn new(union: &UnionVocabulary, projection: &Projection, tokenizer: Arc<Tokenizer>) -> Self {
        let vocabulary = tokenizer.vocabulary();
        let rank = |id: TokenId| match vocabulary.symbol(id) {
            Symbol::Text { kind, .. } => Some(*kind),
            Symbol::Control { .. } | Symbol::Unused => None,
        };
        let own = union
            .iter()
            .map(|(token, _)| match projection.ids(token) {
                [] => NO_ID,
                [id] => *id,
                ids => ids.iter().copied().min_by_key(|&id| (rank(id), id)).unwrap_or(NO_ID),
            })
            .collect();
        let longest = vocabulary.iter().map(|(id, _)| vocabulary.bytes(id).len()).max().unwrap_or(0);
        Self { tokenizer, own, longest }
    }

    /// What is fed for `token`; none where it cannot be spelled.
    pub(crate) fn ids(&self, union: &UnionVocabulary, token: UnionId) -> Option<Cow<'_, [TokenId]>> {
        let known = self.known(union, token).map(Cow::Borrowed);
        known.or_else(|| self.spell(union, union.bytes(token)).map(Cow::Owned))
    }

    /// What is fed for a token that is its own, or no text.
    fn known(&self, union: &UnionVocabulary, token: UnionId) -> Option<&[TokenId]> {
        let id = &self.own[token.index()];
        match union.token(token) {
            UnionToken::Text(_) if *id == NO_ID => None,
            UnionToken::End => Some(&[]),
            UnionToken::Control(_) if *id == NO_ID => Some(&[]),
            UnionToken::Text(_) | UnionToken::Control(_) => Some(std::slice::from_ref(id)),
        }
    }

    /// What is fed for a text that is no token of its own.
    fn spell(&self, union: &UnionVocabulary, bytes: &[u8]) -> Option<Vec<TokenId>> {
        encoded(&self.tokenizer, bytes).or_else(|| longest_match(union, &self.own, self.longest, bytes))
    }
}

/// What the tokenizer makes of `bytes` in the middle of a text, if that stands for exactly them.
fn encoded(tokenizer: &Tokenizer, bytes: &[u8]) -> Option<Vec<TokenId>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let vocabulary = tokenizer.vocabulary();
    // A tokenizer that cannot encode the text at all is no failure: the longest match may still spell it.
    let ids = tokenizer.encoder().encode_inner(text).ok()?;
    let all_text = ids.iter().all(|&id| !vocabulary.bytes(id).is_empty() && !vocabulary.is_end(id));
    (all_text && vocabulary.decode(&ids) == bytes).then_some(ids)
}

/// The longest own text from the left, again and again. Where that leads nowhere (a vocabulary without all bytes),
/// the next shorter one is tried instead.
fn longest_match(union: &UnionVocabulary, own: &[TokenId], longest: usize, bytes: &[u8]) -> Option<Vec<TokenId>> {
    let mut dead = vec![false; bytes.len()];
    let mut at = 0;
    let mut limit = longest;
    // (start, length, id) of the tokens taken so far.
    let mut taken: Vec<(usize, usize, TokenId)> = Vec::new();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let found = (1..=limit.min(rest.len()))
            .rev()
            .filter(|length| !dead.get(at + length).is_some_and(|&d| d))
            .find_map(|length| {
                let id = own[union.find(&rest[..length])?.index()];
                (id != NO_ID).then_some((length, id))
            });
        if let Some((length, id)) = found {
            taken.push((at, length, id));
            at += length;
            limit = longest;
        } else {
            dead[at] = true;
            let (start, length, _) = taken.pop()?;
            at = start;
            limit = length - 1;
        }
    }
    Some(taken.into_iter().map(|(_, _, id)| id).collect())
}

#[cfg(test)]
mod tests {
    use gac_inference::testkit::{LongestMatch, tokenizer};
    use gac_inference::{TextEncoder, TextKind, TokenizerError, Vocabulary};

    use super::*;

    fn text(bytes: &[u8], kind: TextKind) -> Symbol {
        Symbol::Text { bytes: bytes.into(), kind }
    }

    fn bytes_of_all(kind: TextKind) -> impl Iterator<Item = Symbol> {
        (0..=255_u8).map(move |byte| text(&[byte], kind))
    }

    fn segmentation(tokenizers: Vec<Tokenizer>) -> (Arc<UnionVocabulary>, Segmentation) {
        let tokenizers: Vec<_> = tokenizers.into_iter().map(Arc::new).collect();
        let vocabularies: Vec<_> = tokenizers.iter().map(|t| t.vocabulary()).collect();
        let union = Arc::new(UnionVocabulary::new(&vocabularies));
        (Arc::clone(&union), Segmentation::new(union, &tokenizers))
    }

    /// An encoder that always answers the same.
    struct Always(Vec<TokenId>);

    impl TextEncoder for Always {
        fn encode(&self, _: &str) -> Result<Vec<TokenId>, TokenizerError> {
            Ok(self.0.clone())
        }
        fn encode_without_special(&self, _: &str) -> Result<Vec<TokenId>, TokenizerError> {
            Ok(self.0.clone())
        }
        fn encode_inner(&self, _: &str) -> Result<Vec<TokenId>, TokenizerError> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn a_piece_comes_before_an_added_token_before_a_byte_then_the_lowest_id() {
        let vocabulary = Vocabulary::new(
            vec![
                text(b"a", TextKind::ByteFallback),
                text(b"a", TextKind::Added),
                text(b"a", TextKind::Piece),
                text(b"a", TextKind::Piece),
                text(b"b", TextKind::ByteFallback),
                text(b"b", TextKind::Added),
            ],
            [],
        );
        let (union, mut segmentation) = segmentation(vec![Tokenizer::new(vocabulary, Always(vec![]))]);
        let mut of = |bytes: &[u8]| segmentation.segment(union.find(bytes).unwrap(), MemberId(0)).unwrap().to_vec();
        assert_eq!(of(b"a"), [TokenId(2)]);
        assert_eq!(of(b"b"), [TokenId(5)]);
    }

    #[test]
    fn the_tokenizers_own_way_comes_before_the_longest_match() {
        let other = tokenizer(&["abcd"], &[]);
        let vocabulary = Vocabulary::new(
            [b"abc".as_slice(), b"ab", b"cd", b"d"].iter().map(|bytes| text(bytes, TextKind::Piece)).collect(),
            [],
        );
        let own_way = Tokenizer::new(vocabulary.clone(), Always(vec![TokenId(1), TokenId(2)]));
        let wrong_way = Tokenizer::new(vocabulary, Always(vec![TokenId(1), TokenId(3)]));
        let (union, mut segmentation) = segmentation(vec![other, own_way, wrong_way]);
        let token = union.find(b"abcd").unwrap();
        assert_eq!(segmentation.segment(token, MemberId(1)).unwrap(), [TokenId(1), TokenId(2)]);
        assert_eq!(segmentation.segment(token, MemberId(2)).unwrap(), [TokenId(0), TokenId(3)]);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_spelled_by_longest_match_down_to_bytes() {
        let emoji = "😀".as_bytes();
        let half = Vocabulary::new(vec![text(&emoji[..3], TextKind::Piece), text(emoji, TextKind::Piece)], []);
        let whole: Vec<Symbol> =
            bytes_of_all(TextKind::ByteFallback).chain([text(&emoji[1..3], TextKind::Piece)]).collect();
        let whole = Vocabulary::new(whole, []);
        let (union, mut segmentation) = segmentation(vec![
            Tokenizer::new(half.clone(), LongestMatch { vocabulary: half }),
            Tokenizer::new(whole.clone(), Always(vec![])),
        ]);
        let token = union.find(&emoji[..3]).unwrap();
        assert_eq!(segmentation.segment(token, MemberId(1)).unwrap(), [TokenId(u32::from(emoji[0])), TokenId(256)]);
        let token = union.find(emoji).unwrap();
        let ids = [TokenId(u32::from(emoji[0])), TokenId(256), TokenId(u32::from(emoji[3]))];
        assert_eq!(segmentation.segment(token, MemberId(1)).unwrap(), ids);
    }

    #[test]
    fn a_dead_end_of_the_longest_match_is_left_again() {
        let vocabulary =
            Vocabulary::new([b"ab".as_slice(), b"a", b"bc"].iter().map(|b| text(b, TextKind::Piece)).collect(), []);
        let (union, mut segmentation) =
            segmentation(vec![tokenizer(&["abc"], &[]), Tokenizer::new(vocabulary, Always(vec![]))]);
        let token = union.find(b"abc").unwrap();
        assert_eq!(segmentation.segment(token, MemberId(1)).unwrap(), [TokenId(1), TokenId(2)]);
    }

    #[test]
    fn a_member_without_the_bytes_is_a_named_error() {
        let (union, mut segmentation) = segmentation(vec![tokenizer(&["a", "zz"], &[]), tokenizer(&["a"], &[])]);
        let error = segmentation.segment(union.find(b"zz").unwrap(), MemberId(1)).unwrap_err();
        assert_eq!(error, Unspellable { member: MemberId(1), bytes: b"zz".to_vec() });
    }

    #[test]
    fn control_symbols_are_fed_to_those_who_have_them_and_end_to_nobody() {
        let (union, mut segmentation) = segmentation(vec![
            tokenizer(&["a", "<sep>", "<eos>"], &["<eos>"]),
            tokenizer(&["<eos>", "a", "<sep>"], &["<eos>"]),
            tokenizer(&["a"], &[]),
        ]);
        let sep = union.projection(MemberId(0)).key(TokenId(1)).unwrap();
        let end = union.end().unwrap();
        assert_eq!(segmentation.segment(sep, MemberId(1)).unwrap(), [TokenId(2)]);
        assert_eq!(segmentation.segment(sep, MemberId(2)).unwrap(), []);
        assert_eq!(segmentation.segment(end, MemberId(0)).unwrap(), []);
    }
}
