//! When equations and inequalities are the same.

use super::answer::{MathAnswer, Relation, RelationKind, difference};
use super::values::{is_same_value, names};
use crate::metrics::latex::constant_ratio;

/// Whether two chains of relations are the same, one relation after the other.
pub(super) fn are_same_relations(gold: &[Relation], given: &[Relation]) -> bool {
    gold.len() == given.len() && gold.iter().zip(given).all(|(gold, given)| are_same(gold, given))
}

/// Whether two relations are the same: as they are, turned around, or as equations with the same solutions.
fn are_same(gold: &Relation, given: &Relation) -> bool {
    let alike = |one: RelationKind, other: RelationKind| one == other || (one.is_equation() && other.is_equation());
    let ((MathAnswer::Value(a), MathAnswer::Value(b)), (MathAnswer::Value(c), MathAnswer::Value(d))) =
        ((&gold.left, &gold.right), (&given.left, &given.right))
    else {
        return alike(gold.kind, given.kind) && sides_are_same(gold, given);
    };
    let (gold_side, given_side) = (difference(a, b), difference(c, d));
    if alike(gold.kind, given.kind) && is_same_value(&gold_side, &given_side) {
        return true;
    }
    let can_turn = gold.kind != RelationKind::Unequal;
    if can_turn && alike(gold.kind.turned(), given.kind) && is_same_value(&gold_side, &difference(d, c)) {
        return true;
    }
    let are_equations = gold.kind.is_equation() && given.kind.is_equation();
    are_equations && names(&gold_side).len() > 1 && constant_ratio(&gold_side, &given_side).is_some()
}

/// Whether names stand for the same sets.
fn sides_are_same(gold: &Relation, given: &Relation) -> bool {
    gold.left == given.left && gold.right.is_written_as(&given.right)
}
