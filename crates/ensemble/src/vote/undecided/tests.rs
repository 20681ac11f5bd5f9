//! The winner of lists is that of full distributions, whatever they are.

use std::sync::Arc;

use gac_inference::testkit::{Listing, ScriptedModel, Wrapped, tokenizer};
use gac_inference::{Ask, Extension, LanguageModel, SequenceId, Tokenizer, Wanted};

use super::*;
use crate::vote::member_view::top;
use crate::vote::method::Method;
use crate::vote::sampling::Sampling;
use crate::vote::weights::Weights;

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }

    /// A vocabulary with pieces in common with others, END ids and bytes twice.
    fn tokenizer(&mut self) -> Tokenizer {
        let letters = ["a", "b", "c", "d"];
        let mut pieces: Vec<String> = letters.iter().map(ToString::to_string).collect();
        for _ in 0..self.below(30) {
            let piece: String = (0..2 + self.below(2)).map(|_| letters[self.below(4)]).collect();
            if !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
        let ends = &["<e1>", "<e2>", "<e3>"][..=self.below(3)];
        pieces.extend(ends.iter().map(ToString::to_string));
        for last in (1..pieces.len()).rev() {
            pieces.swap(last, self.below(last + 1));
        }
        tokenizer(&pieces.iter().map(String::as_str).collect::<Vec<_>>(), ends)
    }

    /// Flat, with ties, or sure.
    fn probabilities(&mut self, rows: usize) -> Vec<(TokenId, f64)> {
        let kind = self.below(4);
        let raw: Vec<f64> = (0..rows)
            .map(|_| match kind {
                0 => 1.0 + self.unit() * 0.01,
                1 => [1.0, 2.0, 4.0][self.below(3)],
                2 => (8.0 * self.unit()).exp(),
                _ => (40.0 * self.unit()).exp(),
            })
            .collect();
        let sum: f64 = raw.iter().sum();
        (0..).map(TokenId).zip(raw.into_iter().map(|p| p / sum)).collect()
    }
}

struct Member {
    model: Wrapped<Listing>,
    sequence: SequenceId,
    view: Distribution,
}

impl Member {
    fn new(model: ScriptedModel, listed: usize) -> Self {
        let mut model = Listing::of(Box::new(model), listed);
        let sequence = model.open(&[]).unwrap();
        let batch = [Extension { sequence, tokens: &[TokenId(0)], wanted: Wanted::Last }];
        let view = model.extend(&batch).unwrap().remove(0).remove(0);
        Self { model, sequence, view }
    }
}

/// What is asked, by kind.
#[derive(Default, Debug)]
struct Asked {
    votes: usize,
    undecided: usize,
    tokens: usize,
    lists: usize,
}

impl Asked {
    fn answer(&mut self, members: &mut [Member], missing: Vec<MissingDetail>) {
        for MissingDetail { member, detail } in missing {
            let Member { model, sequence, view } = &mut members[member.0];
            let before = view.known_count();
            let asked = detail.detail();
            let answer = model.ask(&[Ask { sequence: *sequence, length: 1, detail: asked }]).unwrap();
            view.learn(asked, &answer[0]);
            assert!(view.known_count() > before, "{detail:?} was known");
            match detail {
                OwnedDetail::Tokens(_) => self.tokens += 1,
                OwnedDetail::Top(_) => self.lists += 1,
            }
        }
    }
}

/// Random members that list `listed(rows)` tokens each, and the same with full distributions; `vote` until nothing
/// is missing, then `same`.
fn vote(
    rounds: usize,
    listed: impl Fn(&mut Random, usize) -> usize,
    missing: impl Fn(Votes<'_>, &mut Segmentation) -> Vec<MissingDetail>,
    same: impl Fn(Votes<'_>, Votes<'_>, &mut Segmentation),
) -> Asked {
    let mut random = Random(5);
    let mut asked = Asked::default();
    for _ in 0..rounds {
        let tokenizers: Vec<Arc<Tokenizer>> = (0..=random.below(3)).map(|_| Arc::new(random.tokenizer())).collect();
        let vocabularies: Vec<_> = tokenizers.iter().map(|tokenizer| tokenizer.vocabulary()).collect();
        let union = Arc::new(UnionVocabulary::new(&vocabularies));
        let mut segmentation = Segmentation::new(Arc::clone(&union), &tokenizers);
        let mut full = Vec::new();
        let mut lists: Vec<Member> = tokenizers
            .iter()
            .map(|tokenizer| {
                let rows = tokenizer.vocabulary().len();
                let p = random.probabilities(rows);
                let script = |p: Vec<(TokenId, f64)>| ScriptedModel::new(rows, move |_| p.clone());
                full.push(Member::new(script(p.clone()), rows));
                Member::new(script(p), listed(&mut random, rows))
            })
            .collect();
        let raw: Vec<f64> = tokenizers.iter().map(|_| [0.0, 0.2, 1.0, random.unit()][random.below(4)]).collect();
        let weights = Weights::given(&raw).unwrap_or_else(|_| Weights::uniform(raw.len()));
        asked.votes += 1;
        for round in 0.. {
            let views: Vec<&Distribution> = lists.iter().map(|member| &member.view).collect();
            let votes = Votes { union: &union, weights: &weights, members: &views };
            let missing = missing(votes, &mut segmentation);
            if missing.is_empty() {
                let all: Vec<&Distribution> = full.iter().map(|member| &member.view).collect();
                same(votes, Votes { members: &all, ..votes }, &mut segmentation);
                break;
            }
            asked.undecided += usize::from(round == 0);
            asked.answer(&mut lists, missing);
        }
    }
    asked
}

fn any(random: &mut Random, rows: usize) -> usize {
    1 + random.below(rows)
}

#[test]
fn the_winner_of_lists_is_that_of_full_distributions() {
    let missing = |votes: Votes<'_>, s: &mut Segmentation| Method::Gac.missing(votes, Decoding::Greedy, None, s);
    let same = |lists: Votes<'_>, full: Votes<'_>, s: &mut Segmentation| {
        let [lists, full] = [lists, full].map(|votes| Method::Gac.combine(votes, None, s));
        let ((winner, least), (expected, q)) = (lists.winner().unwrap(), full.winner().unwrap());
        assert_eq!(winner, expected);
        let beyond = lists.beyond(winner);
        assert!(least <= q && q <= least + beyond + 1e-12, "{q} is not from {least} to {beyond} more");
    };
    let asked = vote(20_000, any, missing, same);
    println!("lists of any length: {asked:?}");
    assert!(asked.undecided > 1000 && asked.undecided < 15_000, "{asked:?}");
    for k in 1..6 {
        println!("lists of {k}: {:?}", vote(2000, |_, rows| rows.min(k), missing, same));
    }
    let complete = vote(500, |_, rows| rows, missing, same);
    assert_eq!((complete.tokens, complete.lists), (0, 0));
}

#[test]
fn a_tokens_own_probability_is_exact_where_it_is_wanted() {
    let missing = |votes: Votes<'_>, s: &mut Segmentation| {
        let last = UnionId(votes.union.len() as u32 - 1);
        Method::Gac.missing(votes, Decoding::Greedy, Some(last), s)
    };
    vote(2000, any, missing, |lists, full, s| {
        let last = UnionId(lists.union.len() as u32 - 1);
        let [a, b] = [lists, full].map(|votes| Method::Gac.log_prob(votes, last, s));
        assert_eq!(a.to_bits(), b.to_bits());
    });
}

#[test]
fn other_methods_on_lists_give_the_same_bits_as_on_full_distributions() {
    let sampled = Decoding::Sampled(Sampling::new(1.0, 1).unwrap());
    for (method, decoding) in [
        (Method::Unite { top_k: 3 }, Decoding::Greedy),
        (Method::Unite { top_k: 30 }, sampled),
        (Method::Geometric { floor: 1e-3 }, Decoding::Greedy),
        (Method::Geometric { floor: 0.3 }, sampled),
        (Method::Gac, sampled),
        (Method::Core, Decoding::Greedy),
    ] {
        let missing = |votes: Votes<'_>, s: &mut Segmentation| method.missing(votes, decoding, None, s);
        let asked = vote(2000, any, missing, |lists, full, s| {
            let [a, b] = [lists, full].map(|votes| method.combine(votes, None, s));
            assert_eq!(a.winner(), b.winner(), "{method:?}");
            assert_eq!(a.entries(), b.entries(), "{method:?}");
        });
        println!("{method:?}, {decoding:?}: {asked:?}");
    }
}

#[test]
fn a_draft_is_verified_by_lists_as_by_full_distributions() {
    let draft = |votes: &Votes<'_>| UnionId((votes.union.len() / 2) as u32);
    let missing = |votes: Votes<'_>, s: &mut Segmentation| {
        Method::Gac.missing_to_verify(votes, Decoding::Greedy, draft(&votes), s)
    };
    vote(2000, any, missing, |lists, full, s| {
        let [a, b] = [lists, full].map(|votes| Method::Gac.combine(votes, None, s));
        assert_eq!(a.prob(draft(&lists)).to_bits(), b.prob(draft(&full)).to_bits());
        assert_eq!(a.winner().unwrap().0, b.winner().unwrap().0);
        assert_eq!(lists.sharpen(s), full.sharpen(s));
        for member in (0..lists.members.len()).filter(|&m| lists.weights.get()[m] > 0.0) {
            let [a, b] = [lists, full].map(|votes| top(votes.union, MemberId(member), votes.members[member]));
            assert_eq!(a, b);
        }
    });
}

#[test]
fn a_leads_token_and_certainty_on_lists_are_those_of_full_distributions() {
    for certainty in [Certainty::TopProbability, Certainty::Margin, Certainty::Entropy] {
        let missing = |votes: Votes<'_>, _: &mut Segmentation| {
            let detail = missing_of_lead(votes.union, MemberId(0), votes.members[0], certainty, Decoding::Greedy);
            detail.map(|detail| MissingDetail { member: MemberId(0), detail }).into_iter().collect()
        };
        let asked = vote(2000, any, missing, |lists, full, _| {
            let [a, b] = [lists, full].map(|votes| (votes.union, MemberId(0), votes.members[0]));
            assert_eq!(top(a.0, a.1, a.2), top(b.0, b.1, b.2));
            let difference = certainty.of(a.0, a.1, a.2) - certainty.of(b.0, b.1, b.2);
            assert!(difference.abs() < 1e-9, "{certainty:?}: {difference}");
        });
        println!("{certainty:?}: {asked:?}");
    }
}
