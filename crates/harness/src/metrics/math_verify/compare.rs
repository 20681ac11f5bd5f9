//! When two answers are the same.
//!
//! The comparison is not symmetric: where an answer may be given as an equation or without, the solution says which.

use super::answer::{MathAnswer, Relation, RelationKind, number_kind};
use super::relations::are_same_relations;
use super::sets::are_same_collections;
use super::spans::Spans;
use super::values::{is_same_entry, is_same_percentage, is_same_value};
use crate::metrics::latex::{Expression, has_value};

/// Whether a given answer is the solution's.
pub(super) fn is_same(gold: MathAnswer, given: MathAnswer) -> bool {
    let (gold, given) = in_the_form_of(gold, given);
    let is_set = given.is_collection() && !matches!(given, MathAnswer::Tuple(_));
    let gold = match &gold {
        // Relations are the same as the numbers that fulfil them.
        MathAnswer::Chain(relations) if is_set => match (Spans::of_relations(relations), Spans::of(&given)) {
            (Some(gold), Some(given)) => return gold.is_same(&given),
            (Some(spans), None) => spans.points().map_or(gold, set_of_points),
            (None, _) => gold,
        },
        _ => gold,
    };
    if is_written_alike(&gold, &given) {
        return true;
    }
    match (&gold, &given) {
        (MathAnswer::Chain(gold), MathAnswer::Chain(given)) => are_same_relations(gold, given),
        (gold, given) if gold.is_collection() || given.is_collection() => are_same_collections(gold, given, is_same),
        (MathAnswer::Matrix(gold), MathAnswer::Matrix(given)) => {
            let mut entries = gold.iter().flatten().zip(given.iter().flatten());
            gold.len() == given.len()
                && gold.first().map(Vec::len) == given.first().map(Vec::len)
                && entries.all(|(gold, given)| is_same_entry(gold, given))
        }
        (MathAnswer::Value(gold), MathAnswer::Value(given))
        | (MathAnswer::Percent(gold), MathAnswer::Percent(given)) => is_same_value(gold, given),
        (MathAnswer::Percent(percent), MathAnswer::Value(value))
        | (MathAnswer::Value(value), MathAnswer::Percent(percent)) => is_same_percentage(percent, value),
        _ => false,
    }
}

fn set_of_points(points: Vec<f64>) -> MathAnswer {
    MathAnswer::Set(points.into_iter().map(|point| MathAnswer::Value(Expression::Number(None, point))).collect())
}

/// Both answers as equations or both without: of a chain that begins with a name its first and last side are left.
fn in_the_form_of(gold: MathAnswer, given: MathAnswer) -> (MathAnswer, MathAnswer) {
    let (gold_assigns, given_assigns) = (assigns(&gold), assigns(&given));
    let (gold_equates, given_equates) = (equates(&gold), equates(&given));
    let gold = if gold_assigns { first_and_last(gold) } else { gold };
    let given = if given_assigns { first_and_last(given) } else { given };
    if given_equates && !gold_equates {
        (gold, last_side(given))
    } else if gold_assigns && !given_equates {
        (last_side(gold), given)
    } else {
        (gold, given)
    }
}

fn equates(answer: &MathAnswer) -> bool {
    matches!(answer, MathAnswer::Chain(relations) if relations.iter().all(|relation| relation.kind.is_equation()))
}

/// Whether an answer says what a name stands for.
fn assigns(answer: &MathAnswer) -> bool {
    let first = match answer {
        MathAnswer::Chain(relations) => relations.first(),
        _ => None,
    };
    equates(answer) && first.is_some_and(|first| first.left.has_names_only())
}

fn first_and_last(answer: MathAnswer) -> MathAnswer {
    match answer {
        MathAnswer::Chain(relations) => {
            let ends = relations.first().zip(relations.last());
            let ends = ends.map(|(first, last)| (first.left.clone(), last.right.clone()));
            let relation = ends.map(|(left, right)| Relation { kind: RelationKind::Assigned, left, right });
            MathAnswer::Chain(relation.into_iter().collect())
        }
        answer => answer,
    }
}

/// What is behind the last sign of a chain.
fn last_side(answer: MathAnswer) -> MathAnswer {
    match answer {
        MathAnswer::Chain(mut relations) => relations.pop().map_or(MathAnswer::Empty, |relation| relation.right),
        answer => answer,
    }
}

/// Whether two answers are the same as they are written, and have a value.
fn is_written_alike(gold: &MathAnswer, given: &MathAnswer) -> bool {
    let is_defined = |value: &Expression| number_kind(value).is_some() || has_value(value) || has_infinity(value);
    gold == given && !matches!(gold, MathAnswer::Value(value) | MathAnswer::Percent(value) if !is_defined(value))
}

fn has_infinity(value: &Expression) -> bool {
    value.any(&|part| *part == Expression::Infinity)
}
