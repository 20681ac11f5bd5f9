//! What tokens there are.

use crate::metrics::latex::Function;
use crate::metrics::math_verify::answer::{Domain, RelationKind};

/// A token, and how it is written without the white space in it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct MathToken {
    pub(in super::super) kind: MathTokenKind,
    pub(in super::super) text: String,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum MathTokenKind {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Open(Bracket),
    Close(Bracket),
    /// `|`, `\vert`, which open and close.
    Bar,
    Vert,
    Function(Function),
    Logarithm,
    NaturalLogarithm,
    /// `\gamma` and `\Gamma` with nothing behind them.
    Gamma,
    /// A function of several numbers.
    Several(Several),
    Root,
    Fraction,
    Binomial,
    Choose,
    Boxed,
    Phantom,
    OperatorName,
    /// A word that is one token and has a meaning only as the name of an operator, or none.
    Word,
    MatrixStart,
    MatrixEnd,
    DeterminantStart,
    DeterminantEnd,
    NextColumn,
    NextRow,
    Below,
    Above,
    Semicolon,
    Comma,
    /// `d` and a name.
    Differential,
    Euler,
    CapitalE,
    Letter,
    Whole,
    Decimal,
    /// A number with a power of ten.
    Scientific,
    Percent,
    In,
    Relation(RelationKind),
    Approximately,
    Exclamation,
    /// A command for a name, or a letter of another alphabet: the token's text is the name.
    Name,
    /// A name in braces behind a command that says how it is set.
    Accented(String),
    Infinity,
    Domain(Domain),
    Empty,
    Union,
    Intersection,
    SetMinus,
    PlusMinus,
    Transposed,
    Degree,
    /// A sum, product, limit or integral.
    BigOperator,
    /// What stands in no answer that is read here.
    Unread,
}

/// A function of several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Several {
    GreatestDivisor,
    LeastMultiple,
    Greatest,
    Least,
}

/// A kind of brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Bracket {
    Round,
    RoundCommand,
    Group,
    Brace,
    ShownBrace,
    BraceCommand,
    Square,
    SquareCommand,
    Floor,
    LowerCorner,
    Ceiling,
    UpperCorner,
    Vert,
}
