//! When sets, tuples and intervals are the same.

use super::answer::{Interval, MathAnswer};
use super::spans::Spans;
use super::values::is_same_value;

/// When two elements are the same.
type Same = fn(MathAnswer, MathAnswer) -> bool;

/// More elements are not compared in every order.
const MOST: usize = 200;

/// Whether two answers are the same, of which one at least is a set or a tuple. What is none is the set of it.
pub(super) fn are_same_collections(gold: &MathAnswer, given: &MathAnswer, is_same: Same) -> bool {
    if let (MathAnswer::Interval(gold), MathAnswer::Interval(given)) = (gold, given) {
        return gold.without_from == given.without_from
            && gold.without_to == given.without_to
            && is_same_end(gold, given, |interval| &interval.from)
            && is_same_end(gold, given, |interval| &interval.to);
    }
    let (gold, given) = (as_collection(gold), as_collection(given));
    if gold.is_written_as(&given) {
        return true;
    }
    let have_tuple = matches!(gold, MathAnswer::Tuple(_)) || matches!(given, MathAnswer::Tuple(_));
    if !have_tuple && Spans::of(&gold).zip(Spans::of(&given)).is_some_and(|(gold, given)| gold.is_same(&given)) {
        return true;
    }
    match (&gold, &given) {
        (MathAnswer::Set(gold), MathAnswer::Set(given) | MathAnswer::Tuple(given)) => {
            are_same_in_some_order(gold, given, is_same)
        }
        (MathAnswer::Tuple(gold), MathAnswer::Set(given) | MathAnswer::Tuple(given)) => {
            are_same_in_order(gold, given, is_same)
        }
        // A pair is read as an interval.
        (MathAnswer::Interval(pair), MathAnswer::Set(given) | MathAnswer::Tuple(given)) => {
            pair_of(pair).is_some_and(|pair| are_same_in_order(&pair, given, is_same))
        }
        (MathAnswer::Set(gold), MathAnswer::Interval(pair)) => {
            pair_of(pair).is_some_and(|pair| are_same_in_some_order(gold, &pair, is_same))
        }
        (MathAnswer::Tuple(gold), MathAnswer::Interval(pair)) => {
            pair_of(pair).is_some_and(|pair| are_same_in_order(gold, &pair, is_same))
        }
        _ => false,
    }
}

fn is_same_end(
    gold: &Interval,
    given: &Interval,
    which: impl Fn(&Interval) -> &crate::metrics::latex::Expression,
) -> bool {
    let (gold, given) = (which(gold), which(given));
    gold == given || is_same_value(gold, given)
}

fn as_collection(answer: &MathAnswer) -> MathAnswer {
    if answer.is_collection() { answer.clone() } else { MathAnswer::Set(vec![answer.clone()]) }
}

/// The ends of an interval without them.
fn pair_of(interval: &Interval) -> Option<[MathAnswer; 2]> {
    let is_open = interval.without_from && interval.without_to;
    is_open.then(|| [MathAnswer::Value(interval.from.clone()), MathAnswer::Value(interval.to.clone())])
}

fn are_same_in_order(gold: &[MathAnswer], given: &[MathAnswer], is_same: Same) -> bool {
    gold.len() == given.len() && gold.iter().zip(given).all(|(gold, given)| is_same(gold.clone(), given.clone()))
}

/// Whether each element has one that is the same.
fn are_same_in_some_order(gold: &[MathAnswer], given: &[MathAnswer], is_same: Same) -> bool {
    if gold.len() != given.len() || gold.len() > MOST {
        return false;
    }
    let mut left: Vec<&MathAnswer> = given.iter().collect();
    gold.iter().all(|element| {
        let found = left.iter().position(|given| is_same(element.clone(), (*given).clone()));
        // Elements are put in order by what names stand for, and then compared with them.
        found.map(|at| left.swap_remove(at)).is_some()
    })
}
