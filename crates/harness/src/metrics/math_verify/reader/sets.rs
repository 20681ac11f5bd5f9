//! Elements, sets, tuples and intervals.

use super::{FormulaReader, NumberDomain, Relations};
use crate::metrics::latex::Expression;
use crate::metrics::math_verify::answer::{
    Interval, MathAnswer, RelationKind, SetOperation, chained, end, negative, of_elements, set_of,
};
use crate::metrics::math_verify::token::{Bracket, MathTokenKind};

/// Elements between commas, in groups between semicolons.
pub(super) type Elements = Vec<Vec<MathAnswer>>;

/// What may open an interval, and what opens a tuple.
const OPENING: [Bracket; 5] =
    [Bracket::Round, Bracket::RoundCommand, Bracket::Group, Bracket::Square, Bracket::SquareCommand];
const TUPLE: [Bracket; 3] = [Bracket::Round, Bracket::RoundCommand, Bracket::Square];

impl FormulaReader {
    /// Names that stand for elements: `x = 1, 2`.
    pub(super) fn assigned_elements(&mut self) -> Option<MathAnswer> {
        let left = self.assigned_names()?;
        if !self.skip(&MathTokenKind::In) {
            self.expect(&MathTokenKind::Relation(RelationKind::Assigned))?;
        }
        let elements = self.elements(Relations::NotAllowed)?;
        Some(chained(left, RelationKind::Assigned, of_elements(elements)))
    }

    /// A set, or names that stand for one.
    pub(super) fn assigned_set(&mut self) -> Option<MathAnswer> {
        let assigned = self.attempt(|reader| {
            let left = reader.assigned_names()?;
            if !reader.skip(&MathTokenKind::In) {
                reader.expect(&MathTokenKind::Relation(RelationKind::Assigned))?;
            }
            let right = reader.deeper(Self::assigned_set)?;
            reader.at_end().then(|| chained(left, RelationKind::Assigned, right))
        });
        assigned.or_else(|| self.differences())
    }

    /// A name, or several in parentheses.
    fn assigned_names(&mut self) -> Option<MathAnswer> {
        if !self.skip(&MathTokenKind::Open(Bracket::Round)) {
            return Some(MathAnswer::Value(self.scripted_name()?));
        }
        let mut names = vec![MathAnswer::Value(self.scripted_name()?)];
        while self.skip(&MathTokenKind::Comma) {
            names.push(MathAnswer::Value(self.scripted_name()?));
        }
        self.expect(&MathTokenKind::Close(Bracket::Round))?;
        Some(if names.len() == 1 { names.remove(0) } else { MathAnswer::Tuple(names) })
    }

    pub(super) fn elements(&mut self, relations: Relations) -> Option<Elements> {
        let mut groups = Vec::new();
        loop {
            let mut group = self.element(relations)?;
            while self.skip(&MathTokenKind::Comma) {
                group.extend(self.element(relations)?);
            }
            groups.push(group);
            if !self.skip(&MathTokenKind::Semicolon) {
                return Some(groups);
            }
        }
    }

    /// An element; of `a \pm b` two.
    fn element(&mut self, relations: Relations) -> Option<Vec<MathAnswer>> {
        let ended = |reader: &Self| {
            matches!(
                reader.kind(),
                None | Some(MathTokenKind::Comma | MathTokenKind::Semicolon | MathTokenKind::Close(_))
            )
        };
        if let Some(both) = self.attempt(|reader| {
            let both = reader.plus_and_minus()?;
            ended(reader).then_some(both)
        }) {
            return Some(both);
        }
        if let Some(set) = self.attempt(|reader| {
            let set = reader.set_atom()?;
            ended(reader).then_some(set)
        }) {
            return Some(vec![set]);
        }
        let one = match relations {
            Relations::Allowed => self.relation()?,
            Relations::NotAllowed => match self.attempt(Self::matrix) {
                Some(matrix) => MathAnswer::Matrix(matrix),
                None => MathAnswer::Value(self.sum()?),
            },
        };
        ended(self).then(|| vec![one])
    }

    fn plus_and_minus(&mut self) -> Option<Vec<MathAnswer>> {
        if self.skip(&MathTokenKind::PlusMinus) {
            let value = self.sum()?;
            return Some(vec![MathAnswer::Value(negative(value.clone())), MathAnswer::Value(value)]);
        }
        let left = Box::new(self.sum()?);
        self.expect(&MathTokenKind::PlusMinus)?;
        let right = self.sum()?;
        let sum = |right: Expression| MathAnswer::Value(Expression::Sum(left.clone(), Box::new(right)));
        Some(vec![sum(right.clone()), sum(negative(right))])
    }

    fn set_atom(&mut self) -> Option<MathAnswer> {
        if let Some(interval) = self.attempt(Self::interval) {
            return Some(interval);
        }
        match self.kind()?.clone() {
            MathTokenKind::Domain(domain) => {
                self.at += 1;
                Some(MathAnswer::Domain(domain))
            }
            MathTokenKind::Empty => {
                self.at += 1;
                Some(MathAnswer::Empty)
            }
            MathTokenKind::Open(Bracket::Brace) if self.kind_at(1) == Some(&MathTokenKind::Close(Bracket::Brace)) => {
                self.at += 2;
                Some(MathAnswer::Empty)
            }
            MathTokenKind::Open(bracket @ (Bracket::Brace | Bracket::ShownBrace)) => {
                let elements = self.enclosed_elements(bracket)?;
                Some(set_of(elements.into_iter().flatten().collect()))
            }
            MathTokenKind::Open(bracket) if TUPLE.contains(&bracket) => {
                let mut elements: Vec<MathAnswer> = self.enclosed_elements(bracket)?.into_iter().flatten().collect();
                // There is no tuple of one.
                Some(if elements.len() == 1 { elements.remove(0) } else { MathAnswer::Tuple(elements) })
            }
            MathTokenKind::Boxed => {
                self.at += 1;
                Some(of_elements(self.enclosed_elements(Bracket::Brace)?))
            }
            _ => None,
        }
    }

    fn enclosed_elements(&mut self, bracket: Bracket) -> Option<Elements> {
        self.expect(&MathTokenKind::Open(bracket))?;
        let elements = self.deeper(|reader| reader.elements(Relations::Allowed))?;
        self.expect(&MathTokenKind::Close(bracket))?;
        Some(elements)
    }

    fn interval(&mut self) -> Option<MathAnswer> {
        let Some(MathTokenKind::Open(open)) = self.kind().cloned() else { return None };
        if !OPENING.contains(&open) {
            return None;
        }
        self.at += 1;
        let from = self.deeper(Self::sum)?;
        self.expect(&MathTokenKind::Comma)?;
        let to = self.deeper(Self::sum)?;
        let Some(MathTokenKind::Close(close)) = self.kind().cloned() else { return None };
        if !OPENING.contains(&close) {
            return None;
        }
        self.at += 1;
        let is_round = |bracket| matches!(bracket, Bracket::Round | Bracket::RoundCommand | Bracket::Group);
        self.between(from, to, is_round(open), is_round(close))
    }

    /// An interval, or what its ends make of it: a pair where they are in no order, nothing, or one number.
    fn between(&self, from: Expression, to: Expression, without_from: bool, without_to: bool) -> Option<MathAnswer> {
        if let (Some(low), Some(high)) = (end(&from), end(&to)) {
            let is_pair = (without_from && without_to && high <= low) || (!without_from && !without_to && high < low);
            if is_pair {
                return Some(MathAnswer::Tuple(vec![MathAnswer::Value(from), MathAnswer::Value(to)]));
            }
            if high < low || (high <= low && (without_from || without_to)) {
                return Some(MathAnswer::Empty);
            }
            if high <= low {
                return Some(if low.is_finite() {
                    MathAnswer::Set(vec![MathAnswer::Value(from)])
                } else {
                    MathAnswer::Empty
                });
            }
        } else if self.names == NumberDomain::Complex && (from.has_names() || to.has_names()) {
            // There is no interval of numbers that are not real.
            return None;
        }
        // No interval has an infinite number in it.
        let is_infinite = |value: &Expression| end(value).is_some_and(f64::is_infinite);
        let (without_from, without_to) = (without_from || is_infinite(&from), without_to || is_infinite(&to));
        Some(MathAnswer::Interval(Interval { from, to, without_from, without_to }))
    }

    fn differences(&mut self) -> Option<MathAnswer> {
        let mut set = self.unions()?;
        while self.skip(&MathTokenKind::SetMinus) {
            set = MathAnswer::Combined(SetOperation::Difference, Box::new(set), Box::new(self.unions()?));
        }
        Some(set)
    }

    fn unions(&mut self) -> Option<MathAnswer> {
        let mut set = self.intersections()?;
        while self.skip(&MathTokenKind::Union) {
            let other = self.intersections()?;
            set = MathAnswer::Combined(SetOperation::Union, Box::new(untupled(set)), Box::new(untupled(other)));
        }
        Some(set)
    }

    fn intersections(&mut self) -> Option<MathAnswer> {
        let mut set = self.set_in_parentheses()?;
        while self.skip(&MathTokenKind::Intersection) {
            let other = self.set_in_parentheses()?;
            set = MathAnswer::Combined(SetOperation::Intersection, Box::new(untupled(set)), Box::new(untupled(other)));
        }
        Some(set)
    }

    fn set_in_parentheses(&mut self) -> Option<MathAnswer> {
        let inner = self.attempt(|reader| {
            reader.expect(&MathTokenKind::Open(Bracket::Round))?;
            let inner = reader.deeper(Self::differences)?;
            reader.expect(&MathTokenKind::Close(Bracket::Round))?;
            Some(inner)
        });
        inner.or_else(|| self.set_atom())
    }
}

fn untupled(set: MathAnswer) -> MathAnswer {
    match set {
        MathAnswer::Tuple(parts) => MathAnswer::Set(parts),
        set => set,
    }
}
