//! Matrices and determinants.

use super::{FormulaReader, FunctionStart};
use crate::metrics::latex::Expression;
use crate::metrics::math_verify::answer::negative;
use crate::metrics::math_verify::token::MathTokenKind;

/// Larger determinants are not read: they have a term for each order of their rows.
const LARGEST: usize = 5;

impl FormulaReader {
    /// A matrix, with a factor before it or not.
    pub(super) fn matrix(&mut self) -> Option<Vec<Vec<Expression>>> {
        let is_negative = self.skip(&MathTokenKind::Minus);
        let mut factor: Option<Expression> = None;
        while !self.is(&MathTokenKind::MatrixStart) {
            let next = self.factor(FunctionStart::NotAllowed)?;
            factor = Some(match factor {
                Some(factor) => Expression::Product(Box::new(factor), Box::new(next)),
                None => next,
            });
            self.skip(&MathTokenKind::Times);
        }
        self.at += 1;
        let rows = self.rows(&MathTokenKind::MatrixEnd)?;
        let scaled = |entry: Expression| match &factor {
            Some(factor) => Expression::Product(Box::new(factor.clone()), Box::new(entry)),
            None => entry,
        };
        let signed = |entry: Expression| if is_negative { negative(entry) } else { entry };
        Some(rows.into_iter().map(|row| row.into_iter().map(|entry| signed(scaled(entry))).collect()).collect())
    }

    /// Rows up to the end of a matrix, of the same length.
    fn rows(&mut self, end: &MathTokenKind) -> Option<Vec<Vec<Expression>>> {
        let mut rows: Vec<Vec<Expression>> = Vec::new();
        while !self.skip(end) {
            let mut row = vec![self.deeper(Self::sum)?];
            while self.skip(&MathTokenKind::NextColumn) {
                row.push(self.deeper(Self::sum)?);
            }
            rows.push(row);
            if !self.skip(&MathTokenKind::NextRow) {
                self.expect(end)?;
                break;
            }
        }
        let width = rows.first()?.len();
        rows.iter().all(|row| row.len() == width).then_some(rows)
    }

    pub(super) fn determinant(&mut self) -> Option<Expression> {
        self.expect(&MathTokenKind::DeterminantStart)?;
        let rows = self.rows(&MathTokenKind::DeterminantEnd)?;
        let is_square = rows.len() == rows.first()?.len() && rows.len() <= LARGEST;
        if is_square { along_first_row(&rows) } else { None }
    }
}

/// A determinant by its first row.
fn along_first_row(rows: &[Vec<Expression>]) -> Option<Expression> {
    let (first, others) = rows.split_first()?;
    if others.is_empty() {
        return first.first().cloned();
    }
    let terms = first.iter().enumerate().map(|(column, entry)| {
        let without = |row: &Vec<Expression>| {
            let kept = row.iter().enumerate().filter(|(place, _)| *place != column);
            kept.map(|(_, entry)| entry.clone()).collect::<Vec<_>>()
        };
        let minor = along_first_row(&others.iter().map(without).collect::<Vec<_>>())?;
        let term = Expression::Product(Box::new(entry.clone()), Box::new(minor));
        Some(if column % 2 == 0 { term } else { negative(term) })
    });
    let terms: Vec<Expression> = terms.collect::<Option<_>>()?;
    terms.into_iter().reduce(|sum, term| Expression::Sum(Box::new(sum), Box::new(term)))
}
