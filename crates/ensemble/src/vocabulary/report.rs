//! What members' vocabularies have in common, and what that costs.

use std::sync::Arc;

use gac_inference::{Symbol, TextKind, Tokenizer};
use serde::Serialize;

use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionToken, UnionVocabulary};

/// A report on some vocabularies and their union.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VocabularyReport {
    /// One per vocabulary.
    pub members: Vec<MemberVocabulary>,
    /// Union tokens.
    pub union_tokens: usize,
    /// Union tokens that are text.
    pub union_texts: usize,
    /// Union texts that every member has.
    pub common_texts: usize,
    /// One per pair of members.
    pub overlaps: Vec<Overlap>,
}

/// One member's vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberVocabulary {
    /// What it is called.
    pub name: String,
    /// Rows of the output layer.
    pub rows: usize,
    /// Pieces of the tokenizer's own model.
    pub pieces: usize,
    /// Added tokens that are text.
    pub added: usize,
    /// Byte tokens of a SentencePiece vocabulary.
    pub bytes: usize,
    /// Control symbols.
    pub control: usize,
    /// Rows that nothing uses.
    pub unused: usize,
    /// Distinct texts.
    pub distinct_texts: usize,
    /// The ids that end a text or a turn.
    pub ends: Vec<EndId>,
    /// Union texts that it is fed in several of its own tokens.
    pub in_pieces: usize,
    /// Union texts that it has no tokens for at all.
    pub unspellable: usize,
}

/// An id that ends a text or a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndId {
    /// The id.
    pub id: u32,
    /// What it is called.
    pub name: String,
}

/// Texts that two members share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The first member's place.
    pub a: usize,
    /// The second member's place.
    pub b: usize,
    /// Texts that both have as one token.
    pub texts: usize,
}

impl VocabularyReport {
    /// Joins the vocabularies of `tokenizers`, each with a name, and segments every union token for every member.
    pub fn new(tokenizers: &[(String, Arc<Tokenizer>)]) -> Self {
        let vocabularies: Vec<_> = tokenizers.iter().map(|(_, tokenizer)| tokenizer.vocabulary()).collect();
        let union = Arc::new(UnionVocabulary::new(&vocabularies));
        let alone: Vec<_> = tokenizers.iter().map(|(_, tokenizer)| Arc::clone(tokenizer)).collect();
        let mut segmentation = Segmentation::new(Arc::clone(&union), &alone);
        let texts: Vec<_> =
            union.iter().filter(|(_, token)| matches!(token, UnionToken::Text(_))).map(|(id, _)| id).collect();
        let has = |member: usize, token| !union.projection(MemberId(member)).ids(token).is_empty();
        let members = tokenizers.iter().enumerate().map(|(index, (name, tokenizer))| {
            let mut member = count(name, tokenizer);
            member.distinct_texts = texts.iter().filter(|&&token| has(index, token)).count();
            for &token in &texts {
                match segmentation.segment(token, MemberId(index)) {
                    Ok(ids) => member.in_pieces += usize::from(ids.len() > 1),
                    Err(_) => member.unspellable += 1,
                }
            }
            member
        });
        let members: Vec<_> = members.collect();
        let all = 0..members.len();
        let pairs = all.clone().flat_map(|a| (a + 1..members.len()).map(move |b| (a, b)));
        let overlaps = pairs.map(|(a, b)| Overlap {
            a,
            b,
            texts: texts.iter().filter(|&&token| has(a, token) && has(b, token)).count(),
        });
        Self {
            overlaps: overlaps.collect(),
            union_tokens: union.len(),
            union_texts: texts.len(),
            common_texts: texts.iter().filter(|&&token| all.clone().all(|member| has(member, token))).count(),
            members,
        }
    }
}

fn count(name: &str, tokenizer: &Tokenizer) -> MemberVocabulary {
    let vocabulary = tokenizer.vocabulary();
    let of = |wanted: &dyn Fn(&Symbol) -> bool| vocabulary.iter().filter(|(_, symbol)| wanted(symbol)).count();
    let kind = |wanted: TextKind| of(&|symbol| matches!(symbol, Symbol::Text { kind, .. } if *kind == wanted));
    let ends = vocabulary.ends().iter().map(|&id| EndId {
        id: id.0,
        name: match vocabulary.symbol(id) {
            Symbol::Control { name } => name.to_string(),
            Symbol::Text { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            Symbol::Unused => String::new(),
        },
    });
    MemberVocabulary {
        name: name.to_owned(),
        rows: vocabulary.len(),
        pieces: kind(TextKind::Piece),
        added: kind(TextKind::Added),
        bytes: kind(TextKind::ByteFallback),
        control: of(&|symbol| matches!(symbol, Symbol::Control { .. })),
        unused: of(&|symbol| matches!(symbol, Symbol::Unused)),
        distinct_texts: 0,
        ends: ends.collect(),
        in_pieces: 0,
        unspellable: 0,
    }
}

#[cfg(test)]
mod tests {
    use gac_inference::testkit::tokenizer;

    use super::*;

    #[test]
    fn two_vocabularies_counted_by_hand() {
        let a = tokenizer(&["a", "b", "ab", "<sep>", "<eos>"], &["<eos>"]);
        let b = tokenizer(&["a", "b", "c", "</s>"], &["</s>"]);
        let report = VocabularyReport::new(&[("x".into(), Arc::new(a)), ("y".into(), Arc::new(b))]);
        // a, b, ab, c are texts; <sep> and END are not.
        assert_eq!((report.union_tokens, report.union_texts, report.common_texts), (6, 4, 2));
        assert_eq!(report.overlaps, [Overlap { a: 0, b: 1, texts: 2 }]);
        let [x, y] = &report.members[..] else { panic!("{report:?}") };
        assert_eq!((x.rows, x.pieces, x.control, x.unused, x.distinct_texts), (5, 3, 2, 0, 3));
        assert_eq!(x.ends, [EndId { id: 4, name: "<eos>".into() }]);
        assert_eq!((x.in_pieces, x.unspellable), (0, 1), "c has no tokens in x");
        assert_eq!((y.in_pieces, y.unspellable), (1, 0), "ab is a, b in y");
    }
}
