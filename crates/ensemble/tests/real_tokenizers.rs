//! Unions and segmentations of real tokenizers: every union token, for every member, of every pair.
//!
//! `GAC_SHARED` names the folder with `tokenizers/`; without it and without `../shared` beside the repository, these
//! tests are ignored.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Instant;

use gac_ensemble::{Fused, MemberId, Segmentation, UnionToken, UnionVocabulary, Weights};
use gac_inference::{Distribution, ModelSource, Symbol, TextKind, Tokenizer};
use gac_needs::{folder, needs};

/// Names, and the rows of the models' output layers where a `config.json` says so.
const TOKENIZERS: [(&str, Option<usize>); 4] = [
    ("llama-3.2-3b-instruct", Some(128_256)),
    ("qwen2.5-7b-instruct", Some(152_064)),
    ("mistral-7b-instruct-v0.2", Some(32_000)),
    ("phi-3-mini-4k-instruct", None),
];

fn load() -> Vec<Arc<Tokenizer>> {
    let folder = folder!(shared).join("tokenizers");
    let load = |(name, rows)| Arc::new(Tokenizer::load(&ModelSource::Folder(folder.join(name)), rows).unwrap());
    TOKENIZERS.map(load).to_vec()
}

/// Checks every union token for every member; gives how many texts each member is fed in several pieces.
fn check(tokenizers: &[Arc<Tokenizer>]) -> (usize, Vec<usize>) {
    let vocabularies: Vec<_> = tokenizers.iter().map(|tokenizer| tokenizer.vocabulary()).collect();
    let union = Arc::new(UnionVocabulary::new(&vocabularies));
    let mut segmentation = Segmentation::new(Arc::clone(&union), tokenizers);
    let mut in_pieces = vec![0; tokenizers.len()];
    for (token, what) in union.iter() {
        for (member, vocabulary) in vocabularies.iter().enumerate() {
            let ids = segmentation.segment(token, MemberId(member)).unwrap();
            let own = union.projection(MemberId(member)).ids(token);
            match what {
                UnionToken::Text(bytes) => {
                    assert_eq!(vocabulary.decode(ids), **bytes, "{bytes:?} for member {member}");
                    assert!(ids.iter().all(|&id| matches!(vocabulary.symbol(id), Symbol::Text { .. })));
                    assert!(ids.iter().all(|&id| !vocabulary.is_end(id)));
                    assert_eq!(ids.len() == 1, !own.is_empty(), "{bytes:?} for member {member}: {ids:?}, {own:?}");
                    let kind = |id| match vocabulary.symbol(id) {
                        Symbol::Text { kind, .. } => *kind,
                        other => panic!("{other:?} in the segmentation of a text"),
                    };
                    if own.iter().any(|&id| kind(id) == TextKind::Piece) {
                        assert_eq!(kind(ids[0]), TextKind::Piece, "{bytes:?} for member {member}");
                    }
                    in_pieces[member] += usize::from(ids.len() > 1);
                }
                UnionToken::Control(name) => {
                    assert_eq!(ids, own, "{name} for member {member}");
                    assert!(ids.len() <= 1);
                }
                UnionToken::End => assert!(ids.is_empty()),
            }
        }
    }
    (union.len(), in_pieces)
}

#[needs(shared)]
#[test]
fn every_union_token_of_every_pair_is_spelled_exactly() {
    let tokenizers = load();
    for (a, (name_a, _)) in TOKENIZERS.iter().enumerate() {
        for (b, (name_b, _)) in TOKENIZERS.iter().enumerate().skip(a + 1) {
            let (size, in_pieces) = check(&[Arc::clone(&tokenizers[a]), Arc::clone(&tokenizers[b])]);
            println!("{name_a} + {name_b}: {size} union tokens; in pieces {in_pieces:?}");
        }
    }
}

#[needs(shared)]
#[test]
fn every_union_token_of_all_four_is_spelled_exactly() {
    let tokenizers = load();
    let (size, in_pieces) = check(&tokenizers);
    println!("all four: {size} union tokens; in pieces {in_pieces:?}");
}

#[needs(shared)]
#[test]
fn the_winner_is_the_largest_entry_of_the_whole_sum() {
    let tokenizers = load();
    let started = Instant::now();
    let union = UnionVocabulary::new(&[tokenizers[0].vocabulary(), tokenizers[1].vocabulary()]);
    println!("union of {} tokens in {:?}", union.len(), started.elapsed());
    let weights = Weights::given(&[0.6, 0.4]).unwrap();
    let mut seed = 1_u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 24) as f32
    };
    let mut q = Vec::new();
    for sharpness in [0.0, 5.0, 20.0, 40.0] {
        let mut view = |rows: usize| Distribution::dense((0..rows).map(|_| sharpness * noise().powi(12)).collect());
        let (a, b) = (view(128_256), view(152_064));
        let members = [&a, &b];
        let fused = Fused::new(&union, &weights, &members);
        let started = Instant::now();
        let unmapped = fused.fill(&mut q);
        let filled = started.elapsed();
        let started = Instant::now();
        let (winner, p) = fused.winner().unwrap();
        println!("sharpness {sharpness}: whole sum {filled:?}, winner {:?}", started.elapsed());
        let mut best = 0;
        for (token, &p) in q.iter().enumerate() {
            if p > q[best] {
                best = token;
            }
        }
        assert_eq!((winner.index(), p.to_bits()), (best, q[best].to_bits()));
        let sum: f64 = q.iter().sum();
        assert!((sum + unmapped - 1.0).abs() < 1e-5, "{sum} + {unmapped}");
    }
}
