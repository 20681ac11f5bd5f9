//! Mathematics in LaTeX by its value.
//!
//! What is read, and as what, follows the grammar of `SymPy` 1.14's `parse_latex` (its ANTLR version), slips included: a text
//! is read as far as it is mathematics, `x(2)` is a function of 2, `\pi`, `e` and `i` are names like others.

mod approximate;
mod complex;
mod cursor;
mod evaluate;
mod expression;
mod fraction;
mod parse;
mod token;

pub(super) use evaluate::{constant_ratio, exact, has_same_value, has_value, real_value, real_value_at};
pub(super) use expression::{Constant, Expression, Function};
pub(super) use fraction::Fraction;
pub(super) use parse::parse;
