//! Sets of real numbers as spans of them.

use super::answer::{Domain, Interval, MathAnswer, Relation, RelationKind, SetOperation, difference, end};
use super::values::names;
use crate::metrics::latex::{Expression, real_value, real_value_at};

/// Spans in order, with something between each and the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spans(Vec<Stretch>);

/// All numbers from one to another, without the one or with it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from: Edge,
    to: Edge,
}

/// A place between numbers: before a number, or behind it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Edge {
    at: f64,
    is_behind: bool,
}

/// What two numbers may differ and be the same, in parts of them.
const NEAR: f64 = 1e-12;
/// More spans are not put together.
const MOST: usize = 200;

impl Spans {
    /// The spans of a set of real numbers; none where it is none.
    pub(super) fn of(set: &MathAnswer) -> Option<Self> {
        match set {
            MathAnswer::Interval(interval) => Self::of_interval(interval),
            MathAnswer::Set(elements) => {
                let points = elements.iter().map(|element| match element {
                    MathAnswer::Value(value) => Some(point(real_value(value)?)),
                    _ => None,
                });
                Some(Self::joined(points.collect::<Option<_>>()?))
            }
            MathAnswer::Empty => Some(Self(Vec::new())),
            MathAnswer::Domain(Domain::Reals) => Some(Self::all()),
            MathAnswer::Combined(operation, one, other) => {
                let (one, other) = (Self::of(one)?, Self::of(other)?);
                if one.0.len() + other.0.len() > MOST {
                    return None;
                }
                Some(match operation {
                    SetOperation::Union => Self::joined(one.0.into_iter().chain(other.0).collect()),
                    SetOperation::Intersection => one.common(&other),
                    SetOperation::Difference => one.common(&other.others()),
                })
            }
            _ => None,
        }
    }

    /// The numbers that fulfil relations in one name, where their sides are polynomials of degree two at most.
    pub(super) fn of_relations(relations: &[Relation]) -> Option<Self> {
        let mut all = Self::all();
        let mut name: Option<&str> = None;
        for relation in relations {
            let (MathAnswer::Value(left), MathAnswer::Value(right)) = (&relation.left, &relation.right) else {
                return None;
            };
            let found = names(left).into_iter().chain(names(right));
            for found in found {
                if *name.get_or_insert(found) != found {
                    return None;
                }
            }
            all = all.common(&Self::of_relation(relation.kind, left, right)?);
        }
        name.map(|_| all)
    }

    fn of_interval(interval: &Interval) -> Option<Self> {
        let from = Edge { at: end(&interval.from)?, is_behind: interval.without_from };
        let to = Edge { at: end(&interval.to)?, is_behind: !interval.without_to };
        Some(Self::joined(vec![Stretch { from, to }]))
    }

    fn of_relation(kind: RelationKind, left: &Expression, right: &Expression) -> Option<Self> {
        // An infinite side holds for all numbers, or for none.
        if let (Some(left), Some(right)) = (end(left), end(right)) {
            return Some(if kind.holds(left - right) { Self::all() } else { Self(Vec::new()) });
        }
        if let Some(bound) = end(right).filter(|bound| bound.is_infinite()) {
            return Some(if kind.holds(-bound) { Self::all() } else { Self(Vec::new()) });
        }
        if let Some(bound) = end(left).filter(|bound| bound.is_infinite()) {
            return Some(if kind.holds(bound) { Self::all() } else { Self(Vec::new()) });
        }
        let difference = difference(left, right);
        let value = |at: f64| real_value_at(&difference, at);
        let (below, middle, above) = (value(-1.0)?, value(0.0)?, value(1.0)?);
        let (a, b, c) = (f64::midpoint(above, below) - middle, (above - below) / 2.0, middle);
        let polynomial = |at: f64| (a * at + b) * at + c;
        let fits = [-7.3, 2.9, 11.7]
            .into_iter()
            .all(|at| value(at).is_some_and(|value| (value - polynomial(at)).abs() < 1e-9 * (1.0 + value.abs())));
        if !fits {
            return None;
        }
        let roots = roots(a, b, c);
        let mut edges = vec![f64::NEG_INFINITY];
        edges.extend(&roots);
        edges.push(f64::INFINITY);
        let mut spans: Vec<Stretch> = Vec::new();
        for pair in edges.windows(2) {
            let [from, to] = *pair else { continue };
            if kind.holds(polynomial(inside(from, to))) {
                let span = Stretch { from: Edge { at: from, is_behind: true }, to: Edge { at: to, is_behind: false } };
                spans.push(span);
            }
        }
        if kind.holds(0.0) {
            spans.extend(roots.into_iter().map(point));
        }
        Some(Self::joined(spans))
    }

    fn all() -> Self {
        let (from, to) =
            (Edge { at: f64::NEG_INFINITY, is_behind: true }, Edge { at: f64::INFINITY, is_behind: false });
        Self(vec![Stretch { from, to }])
    }

    /// Spans in order, those that meet put together.
    fn joined(mut spans: Vec<Stretch>) -> Self {
        spans.retain(|span| span.from < span.to);
        spans.sort_by(|one, other| one.from.partial_cmp(&other.from).unwrap_or(std::cmp::Ordering::Equal));
        let mut kept: Vec<Stretch> = Vec::new();
        for span in spans {
            match kept.last_mut() {
                Some(last) if span.from <= last.to || span.from.is_same(last.to) => {
                    if span.to > last.to {
                        last.to = span.to;
                    }
                }
                _ => kept.push(span),
            }
        }
        Self(kept)
    }

    fn common(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |other| (one, other)));
        let later = |one: Edge, other: Edge| if one < other { other } else { one };
        let earlier = |one: Edge, other: Edge| if other < one { other } else { one };
        let spans =
            pairs.map(|(one, other)| Stretch { from: later(one.from, other.from), to: earlier(one.to, other.to) });
        Self::joined(spans.collect())
    }

    /// All other real numbers.
    fn others(&self) -> Self {
        let mut from = Edge { at: f64::NEG_INFINITY, is_behind: true };
        let mut spans = Vec::new();
        for span in &self.0 {
            spans.push(Stretch { from, to: span.from });
            from = span.to;
        }
        spans.push(Stretch { from, to: Edge { at: f64::INFINITY, is_behind: false } });
        Self::joined(spans)
    }

    /// Its numbers, where they are a few that are apart.
    pub(super) fn points(&self) -> Option<Vec<f64>> {
        self.0.iter().map(|span| (span.from.at.total_cmp(&span.to.at).is_eq()).then_some(span.from.at)).collect()
    }

    /// Whether both are the same numbers.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(one, other)| one.from.is_same(other.from) && one.to.is_same(other.to))
    }
}

impl Edge {
    fn is_same(self, other: Self) -> bool {
        let is_near = self.at.total_cmp(&other.at).is_eq()
            || (self.at.is_finite() && (self.at - other.at).abs() <= NEAR * self.at.abs().max(1.0));
        is_near && self.is_behind == other.is_behind
    }
}

impl RelationKind {
    /// Whether it holds between a number and 0.
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Assigned | Self::Equal => value == 0.0,
            Self::Unequal => value != 0.0,
            Self::Less => value < 0.0,
            Self::AtMost => value <= 0.0,
            Self::Greater => value > 0.0,
            Self::AtLeast => value >= 0.0,
        }
    }
}

/// One number.
fn point(at: f64) -> Stretch {
    Stretch { from: Edge { at, is_behind: false }, to: Edge { at, is_behind: true } }
}

/// A number between two.
fn inside(from: f64, to: f64) -> f64 {
    match (from.is_finite(), to.is_finite()) {
        (true, true) => f64::midpoint(from, to),
        (true, false) => from + 1.0 + from.abs(),
        (false, true) => to - 1.0 - to.abs(),
        (false, false) => 0.0,
    }
}

/// Where a polynomial is 0, in order.
fn roots(a: f64, b: f64, c: f64) -> Vec<f64> {
    if a.abs() < 1e-12 {
        return if b.abs() < 1e-12 { Vec::new() } else { vec![-c / b] };
    }
    let square = b * b - 4.0 * a * c;
    if square.abs() <= NEAR * (b * b) {
        return vec![-b / (2.0 * a)];
    }
    if square < 0.0 {
        return Vec::new();
    }
    // Without a difference of numbers that are near each other.
    let sum = -(b + square.sqrt().copysign(b)) / 2.0;
    let mut roots = vec![sum / a, c / sum];
    roots.sort_by(f64::total_cmp);
    roots
}

#[cfg(test)]
mod tests {
    use super::super::reader::{NumberDomain, read};
    use super::*;

    fn spans(text: &str) -> Spans {
        match read(text, NumberDomain::Real).unwrap() {
            MathAnswer::Chain(relations) => Spans::of_relations(&relations).unwrap(),
            set => Spans::of(&set).unwrap(),
        }
    }

    #[test]
    fn sets_are_the_same_however_they_are_put_together() {
        for (one, other) in [
            (r"(0,1)\cup(1,2)", r"(0,2)\setminus\{1\}"),
            (r"\mathbb{R}", r"(-\infty,\infty)"),
            (r"[0,2]\cap[1,3]", "[1,2]"),
            (r"(0,1]\cup[1,2)", "(0,2)"),
            ("x<3", r"(-\infty,3)"),
            ("1<x\\le 2", "(1,2]"),
            ("x^2<4", "(-2,2)"),
            (r"x\ne 0", r"(-\infty,0)\cup(0,\infty)"),
            (r"x^2-3x+2\ge 0", r"(-\infty,1]\cup[2,\infty)"),
        ] {
            assert!(spans(one).is_same(&spans(other)), "{one} is {other}");
        }
        for (one, other) in [("(0,1)", "(0,1]"), (r"(0,\infty)", "(0,6)"), ("(0,6)", r"(0,\infty)")] {
            assert!(!spans(one).is_same(&spans(other)), "{one} is not {other}");
        }
    }
}
