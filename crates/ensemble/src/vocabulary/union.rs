//! The union vocabulary: one key per distinct text (or control symbol) over all members' vocabularies.

use std::collections::HashMap;
use std::sync::Arc;

use gac_inference::{Named, Symbol, TokenId, Vocabulary};
use serde::{Deserialize, Serialize};

use crate::member::MemberId;

/// A row of the union vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnionId(pub u32);

impl UnionId {
    /// The id as an index into tables with one row per union token.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a union token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnionToken {
    /// Exactly these bytes, never empty.
    Text(Arc<[u8]>),
    /// A control symbol with this name. It emits no text.
    Control(Arc<str>),
    /// The end of a text or a turn, whatever a member calls it.
    End,
}

/// Whether control symbols other than END are in a union vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlSymbols {
    /// They are: one may win a vote. It emits no text, and members go on behind it.
    #[default]
    Keep,
    /// They are not: their mass is dropped, as that of unused rows, and none is ever emitted. A model that marks its
    /// reasoning by control symbols cannot do so any more.
    Drop,
}

impl Named for ControlSymbols {
    const WHAT: &'static str = "way with special tokens";

    fn all() -> Vec<Self> {
        vec![Self::Keep, Self::Drop]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Keep => "One may win a vote",
            Self::Drop => "None but the end of a text or turn wins a vote",
        }
    }
}

/// No union token, in a projection: the id is an unused row.
const NONE: u32 = u32::MAX;

/// The set of distinct byte strings, control symbols and END over all members' vocabularies (GaC, section 3.1).
///
/// Union ids are given in order of first appearance: members in order, token ids ascending. A control symbol and a
/// text that is spelled alike are different union tokens.
#[derive(Debug)]
pub struct UnionVocabulary {
    tokens: Vec<UnionToken>,
    texts: HashMap<Arc<[u8]>, UnionId>,
    end: Option<UnionId>,
    projections: Vec<Projection>,
    crowded: Vec<UnionId>,
}

impl UnionVocabulary {
    /// Joins `vocabularies`, one per member.
    ///
    /// Every id that ends a text or a turn becomes END, whatever else it stands for. Unused rows get no union token.
    pub fn new(vocabularies: &[&Vocabulary]) -> Self {
        Self::with_control_symbols(vocabularies, ControlSymbols::Keep)
    }

    /// As [`new`](Self::new), with control symbols other than END or without them.
    pub fn with_control_symbols(vocabularies: &[&Vocabulary], kept: ControlSymbols) -> Self {
        let most = vocabularies.iter().map(|vocabulary| vocabulary.len()).max().unwrap_or(0);
        let mut tokens: Vec<UnionToken> = Vec::with_capacity(most);
        let mut texts: HashMap<Arc<[u8]>, UnionId> = HashMap::with_capacity(most);
        let mut controls: HashMap<Arc<str>, UnionId> = HashMap::new();
        let mut end = None;
        let mut keys: Vec<Vec<u32>> = Vec::with_capacity(vocabularies.len());
        for vocabulary in vocabularies {
            let mut of_member = Vec::with_capacity(vocabulary.len());
            for (id, symbol) in vocabulary.iter() {
                let next = UnionId(tokens.len() as u32);
                let key = match symbol {
                    _ if vocabulary.is_end(id) => *end.get_or_insert(next),
                    Symbol::Text { bytes, .. } if !bytes.is_empty() => {
                        if let Some(&known) = texts.get(&**bytes) {
                            known
                        } else {
                            let bytes: Arc<[u8]> = Arc::from(&**bytes);
                            tokens.push(UnionToken::Text(Arc::clone(&bytes)));
                            texts.insert(bytes, next);
                            next
                        }
                    }
                    Symbol::Control { name } if kept == ControlSymbols::Keep => {
                        if let Some(&known) = controls.get(&**name) {
                            known
                        } else {
                            let name: Arc<str> = Arc::from(&**name);
                            tokens.push(UnionToken::Control(Arc::clone(&name)));
                            controls.insert(name, next);
                            next
                        }
                    }
                    Symbol::Control { .. } | Symbol::Text { .. } | Symbol::Unused => {
                        of_member.push(NONE);
                        continue;
                    }
                };
                if key == next && tokens.len() == next.index() {
                    tokens.push(UnionToken::End);
                }
                of_member.push(key.0);
            }
            keys.push(of_member);
        }
        let projections: Vec<_> = keys.into_iter().map(|keys| Projection::new(keys, tokens.len())).collect();
        let several = |token: &UnionId| projections.iter().any(|projection| projection.ids(*token).len() > 1);
        let crowded = (0..tokens.len() as u32).map(UnionId).filter(several).collect();
        Self { tokens, texts, end, projections, crowded }
    }

    /// Number of union tokens, U.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no member has any usable token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.projections.len()
    }

    /// What `token` is.
    pub fn token(&self, token: UnionId) -> &UnionToken {
        &self.tokens[token.index()]
    }

    /// Every union token with its id, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (UnionId, &UnionToken)> {
        self.tokens.iter().enumerate().map(|(id, token)| (UnionId(id as u32), token))
    }

    /// The bytes that `token` emits: its text, or nothing for END and control symbols.
    pub fn bytes(&self, token: UnionId) -> &[u8] {
        match self.token(token) {
            UnionToken::Text(bytes) => bytes,
            UnionToken::Control(_) | UnionToken::End => &[],
        }
    }

    /// END, if some member has an id for it.
    pub fn end(&self) -> Option<UnionId> {
        self.end
    }

    /// The union tokens for which some member has several ids, ascending: END, and bytes that are pieces too.
    pub fn crowded(&self) -> &[UnionId] {
        &self.crowded
    }

    /// The union token that stands for exactly `bytes`.
    pub fn find(&self, bytes: &[u8]) -> Option<UnionId> {
        self.texts.get(bytes).copied()
    }

    /// How the ids of a vocabulary that is none of the members' correspond to the union tokens.
    pub(crate) fn project(&self, vocabulary: &Vocabulary) -> Projection {
        let controls: HashMap<&str, UnionId> = self
            .iter()
            .filter_map(|(id, token)| match token {
                UnionToken::Control(name) => Some((&**name, id)),
                UnionToken::Text(_) | UnionToken::End => None,
            })
            .collect();
        let key = |(id, symbol): (TokenId, &Symbol)| match symbol {
            _ if vocabulary.is_end(id) => self.end,
            Symbol::Text { bytes, .. } => self.find(bytes),
            Symbol::Control { name } => controls.get(&**name).copied(),
            Symbol::Unused => None,
        };
        let keys = vocabulary.iter().map(|token| key(token).map_or(NONE, |key| key.0)).collect();
        Projection::new(keys, self.len())
    }

    /// How `member`'s ids and the union tokens correspond.
    pub fn projection(&self, member: MemberId) -> &Projection {
        &self.projections[member.0]
    }
}

/// One member's token ids -> union tokens, and back. Index arrays, never a matrix.
#[derive(Debug)]
pub struct Projection {
    /// `(V,)`: the union token of each id, or [`NONE`].
    keys: Vec<u32>,
    /// `(U + 1,)`: where each union token's ids start in `ids`.
    starts: Vec<u32>,
    /// All ids that have a union token, by union token, then ascending.
    ids: Vec<TokenId>,
    /// The ids without a union token, ascending.
    unused: Vec<TokenId>,
    /// The most ids that any union token has.
    most: usize,
}

impl Projection {
    fn new(keys: Vec<u32>, union: usize) -> Self {
        let mut starts = vec![0_u32; union + 1];
        for &key in keys.iter().filter(|&&key| key != NONE) {
            starts[key as usize + 1] += 1;
        }
        let most = starts.iter().copied().max().unwrap_or(0) as usize;
        for row in 0..union {
            starts[row + 1] += starts[row];
        }
        let mut ids = vec![TokenId(0); starts[union] as usize];
        let mut unused = Vec::new();
        let mut next = starts.clone();
        for (id, &key) in (0..).map(TokenId).zip(&keys) {
            if key == NONE {
                unused.push(id);
            } else {
                ids[next[key as usize] as usize] = id;
                next[key as usize] += 1;
            }
        }
        Self { keys, starts, ids, unused, most }
    }

    /// The union token of `token`; none for unused rows and ids beyond the vocabulary.
    pub fn key(&self, token: TokenId) -> Option<UnionId> {
        self.keys.get(token.index()).filter(|&&key| key != NONE).map(|&key| UnionId(key))
    }

    /// The ids that stand for `token`, ascending; none where the member does not have it.
    pub fn ids(&self, token: UnionId) -> &[TokenId] {
        &self.ids[self.starts[token.index()] as usize..self.starts[token.index() + 1] as usize]
    }

    /// The ids that have no union token, ascending. Their probability is dropped and counted.
    pub fn unused(&self) -> &[TokenId] {
        &self.unused
    }

    /// Rows of the member's vocabulary, V.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// The most ids that any one union token has.
    pub fn most_ids(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use gac_inference::TextKind;
    use gac_inference::testkit::tokenizer;

    use super::*;

    fn text(bytes: &[u8], kind: TextKind) -> Symbol {
        Symbol::Text { bytes: bytes.into(), kind }
    }

    #[test]
    fn union_ids_follow_first_appearance_and_ends_are_one_key() {
        let a = tokenizer(&["x", "<eos>", "y", "<eot>"], &["<eos>", "<eot>"]);
        let b = tokenizer(&["</s>", "y", "z"], &["</s>"]);
        let union = UnionVocabulary::new(&[a.vocabulary(), b.vocabulary()]);
        let tokens: Vec<_> = union.iter().map(|(_, token)| token.clone()).collect();
        let x: Vec<Arc<[u8]>> = [b"x", b"y", b"z"].iter().map(|bytes| Arc::from(&bytes[..])).collect();
        assert_eq!(
            tokens,
            [
                UnionToken::Text(x[0].clone()),
                UnionToken::End,
                UnionToken::Text(x[1].clone()),
                UnionToken::Text(x[2].clone())
            ]
        );
        assert_eq!(union.end(), Some(UnionId(1)));
        assert_eq!(union.projection(MemberId(0)).ids(UnionId(1)), [TokenId(1), TokenId(3)]);
        assert_eq!(union.projection(MemberId(1)).ids(UnionId(1)), [TokenId(0)]);
        assert_eq!(union.projection(MemberId(1)).key(TokenId(1)), Some(UnionId(2)));
        assert_eq!(union.projection(MemberId(1)).ids(UnionId(0)), []);
    }

    #[test]
    fn another_vocabulary_is_projected_on_the_tokens_that_are_there() {
        let a = tokenizer(&["x", "<eos>", "y"], &["<eos>"]);
        let other = tokenizer(&["y", "new", "</s>", "x"], &["</s>"]);
        let union = UnionVocabulary::new(&[a.vocabulary()]);
        let projection = union.project(other.vocabulary());
        let keys: Vec<_> = (0..4).map(|id| projection.key(TokenId(id)).map(|key| key.0)).collect();
        assert_eq!(keys, [Some(2), None, Some(1), Some(0)]);
        assert_eq!((projection.unused(), union.len()), (&[TokenId(1)][..], 3));
    }

    #[test]
    fn a_control_symbol_and_a_text_spelled_alike_are_two_tokens() {
        let a = Vocabulary::new(vec![Symbol::Control { name: "<s>".into() }], []);
        let b = Vocabulary::new(vec![text(b"<s>", TextKind::Added), Symbol::Control { name: "<s>".into() }], []);
        let union = UnionVocabulary::new(&[&a, &b]);
        assert_eq!(union.len(), 2);
        assert_eq!(union.projection(MemberId(1)).key(TokenId(0)), Some(UnionId(1)));
        assert_eq!(union.projection(MemberId(1)).key(TokenId(1)), Some(UnionId(0)));
        assert_eq!(union.find(b"<s>"), Some(UnionId(1)));
    }

    #[test]
    fn without_special_tokens_control_symbols_have_no_key_and_end_has() {
        let a = Vocabulary::new(
            ["<pad>", "<eos>"].map(|name| Symbol::Control { name: name.into() }).to_vec(),
            [TokenId(1)],
        );
        let b = Vocabulary::new(vec![text(b"<pad>", TextKind::Added), Symbol::Control { name: "<pad>".into() }], []);
        let union = UnionVocabulary::with_control_symbols(&[&a, &b], ControlSymbols::Drop);
        assert_eq!((union.len(), union.end(), union.find(b"<pad>")), (2, Some(UnionId(0)), Some(UnionId(1))));
        assert_eq!(union.projection(MemberId(0)).unused(), [TokenId(0)]);
        assert_eq!(union.projection(MemberId(1)).unused(), [TokenId(1)]);
    }

    #[test]
    fn an_end_id_that_is_text_is_end_and_not_text() {
        let a = Vocabulary::new(vec![text(b"</s>", TextKind::Added), text(b"a", TextKind::Piece)], [TokenId(0)]);
        let union = UnionVocabulary::new(&[&a]);
        assert_eq!(union.find(b"</s>"), None);
        assert_eq!(union.end(), Some(UnionId(0)));
        assert_eq!(union.len(), 2);
    }

    #[test]
    fn unused_rows_have_no_key_and_byte_tokens_join_the_piece_with_their_byte() {
        let a =
            Vocabulary::new(vec![text(b"a", TextKind::ByteFallback), Symbol::Unused, text(b"a", TextKind::Piece)], []);
        let union = UnionVocabulary::new(&[&a]);
        let projection = union.projection(MemberId(0));
        assert_eq!(union.len(), 1);
        assert_eq!(projection.ids(UnionId(0)), [TokenId(0), TokenId(2)]);
        assert_eq!(projection.unused(), [TokenId(1)]);
        assert_eq!(projection.key(TokenId(1)), None);
        assert_eq!(projection.key(TokenId(99)), None);
        assert_eq!(projection.most_ids(), 2);
    }
}
