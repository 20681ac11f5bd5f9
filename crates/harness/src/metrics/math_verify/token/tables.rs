//! How tokens are written.

use super::kind::{Bracket, MathTokenKind, Several};
use crate::metrics::latex::Function;
use crate::metrics::math_verify::answer::{Domain, RelationKind};

/// Tokens that are always written alike.
pub(super) fn literals() -> impl Iterator<Item = (&'static str, MathTokenKind)> {
    use Bracket::{
        Brace, BraceCommand, Ceiling, Floor, Group, LowerCorner, Round, RoundCommand, ShownBrace, Square,
        SquareCommand, UpperCorner,
    };
    use MathTokenKind::{Close, Open, Relation};
    [
        (r"\over", MathTokenKind::Divide),
        (r"\times", MathTokenKind::Times),
        (r"\cdot", MathTokenKind::Times),
        (r"\div", MathTokenKind::Divide),
        (":", MathTokenKind::Divide),
        (r"\mod", MathTokenKind::Modulo),
        ("(", Open(Round)),
        (")", Close(Round)),
        (r"\(", Open(RoundCommand)),
        (r"\)", Close(RoundCommand)),
        (r"\lgroup", Open(Group)),
        (r"\rgroup", Close(Group)),
        ("{", Open(Brace)),
        ("}", Close(Brace)),
        (r"\{", Open(ShownBrace)),
        (r"\}", Close(ShownBrace)),
        (r"\lbrace", Open(BraceCommand)),
        (r"\rbrace", Close(BraceCommand)),
        ("[", Open(Square)),
        ("]", Close(Square)),
        (r"\lbrack", Open(SquareCommand)),
        (r"\rbrack", Close(SquareCommand)),
        (r"\lfloor", Open(Floor)),
        (r"\rfloor", Close(Floor)),
        (r"\llcorner", Open(LowerCorner)),
        (r"\lrcorner", Close(LowerCorner)),
        (r"\lceil", Open(Ceiling)),
        (r"\rceil", Close(Ceiling)),
        (r"\ulcorner", Open(UpperCorner)),
        (r"\urcorner", Close(UpperCorner)),
        (r"\lvert", Open(Bracket::Vert)),
        (r"\rvert", Close(Bracket::Vert)),
        ("|", MathTokenKind::Bar),
        (r"\vert", MathTokenKind::Vert),
        (r"\log", MathTokenKind::Logarithm),
        (r"\ln", MathTokenKind::NaturalLogarithm),
        (r"\floor", MathTokenKind::Function(Function::Floor)),
        (r"\ceil", MathTokenKind::Function(Function::Ceiling)),
        (r"\arcsinh", MathTokenKind::Function(Function::Arsinh)),
        (r"\arccosh", MathTokenKind::Function(Function::Arcosh)),
        (r"\arctanh", MathTokenKind::Function(Function::Artanh)),
        (r"\gamma", MathTokenKind::Gamma),
        (r"\Gamma", MathTokenKind::Gamma),
        (r"\gcd", MathTokenKind::Several(Several::GreatestDivisor)),
        (r"\lcm", MathTokenKind::Several(Several::LeastMultiple)),
        (r"\max", MathTokenKind::Several(Several::Greatest)),
        (r"\min", MathTokenKind::Several(Several::Least)),
        (r"\sqrt", MathTokenKind::Root),
        (r"\frac", MathTokenKind::Fraction),
        (r"\dfrac", MathTokenKind::Fraction),
        (r"\tfrac", MathTokenKind::Fraction),
        (r"\cfrac", MathTokenKind::Fraction),
        (r"\binom", MathTokenKind::Binomial),
        (r"\tbinom", MathTokenKind::Binomial),
        (r"\dbinom", MathTokenKind::Binomial),
        (r"\choose", MathTokenKind::Choose),
        (r"\boxed", MathTokenKind::Boxed),
        (r"\phantom", MathTokenKind::Phantom),
        (r"\operatorname", MathTokenKind::OperatorName),
        (r"\begin{matrix}", MathTokenKind::MatrixStart),
        (r"\begin{pmatrix}", MathTokenKind::MatrixStart),
        (r"\begin{bmatrix}", MathTokenKind::MatrixStart),
        (r"\end{matrix}", MathTokenKind::MatrixEnd),
        (r"\end{pmatrix}", MathTokenKind::MatrixEnd),
        (r"\end{bmatrix}", MathTokenKind::MatrixEnd),
        (r"\end{array}", MathTokenKind::MatrixEnd),
        (r"\begin{vmatrix}", MathTokenKind::DeterminantStart),
        (r"\end{vmatrix}", MathTokenKind::DeterminantEnd),
        ("&", MathTokenKind::NextColumn),
        (r"\\", MathTokenKind::NextRow),
        (r"\int", MathTokenKind::BigOperator),
        (r"\sum", MathTokenKind::BigOperator),
        (r"\prod", MathTokenKind::BigOperator),
        (r"\lim", MathTokenKind::BigOperator),
        ("_", MathTokenKind::Below),
        ("^", MathTokenKind::Above),
        (";", MathTokenKind::Semicolon),
        (",", MathTokenKind::Comma),
        ("e", MathTokenKind::Euler),
        (r"\exponentialE", MathTokenKind::Euler),
        ("E", MathTokenKind::CapitalE),
        (r"\in", MathTokenKind::In),
        ("==", Relation(RelationKind::Equal)),
        (r"\equiv", Relation(RelationKind::Equal)),
        (r"\lt", Relation(RelationKind::Less)),
        (r"\leq", Relation(RelationKind::AtMost)),
        (r"\le", Relation(RelationKind::AtMost)),
        (r"\leqslant", Relation(RelationKind::AtMost)),
        ("<=", Relation(RelationKind::AtMost)),
        (r"\gt", Relation(RelationKind::Greater)),
        (r"\geq", Relation(RelationKind::AtLeast)),
        (r"\ge", Relation(RelationKind::AtLeast)),
        (r"\geqslant", Relation(RelationKind::AtLeast)),
        (">=", Relation(RelationKind::AtLeast)),
        ("!=", Relation(RelationKind::Unequal)),
        ("!==", Relation(RelationKind::Unequal)),
        (r"\ne", Relation(RelationKind::Unequal)),
        (r"\neq", Relation(RelationKind::Unequal)),
        (r"\not\equiv", Relation(RelationKind::Unequal)),
        ("~=", MathTokenKind::Approximately),
        (r"\approx", MathTokenKind::Approximately),
        ("!", MathTokenKind::Exclamation),
        (r"\infty", MathTokenKind::Infinity),
        (r"\$\infty", MathTokenKind::Infinity),
        (r"\emptyset", MathTokenKind::Empty),
        (r"\{\}", MathTokenKind::Empty),
        (r"\lbrace\rbrace", MathTokenKind::Empty),
        (r"\cup", MathTokenKind::Union),
        (r"\cap", MathTokenKind::Intersection),
        (r"\setminus", MathTokenKind::SetMinus),
        (r"\pm", MathTokenKind::PlusMinus),
        (r"\mp", MathTokenKind::PlusMinus),
        ("^T", MathTokenKind::Transposed),
        ("^{T}", MathTokenKind::Transposed),
        (r"^{\top}", MathTokenKind::Transposed),
        ("'", MathTokenKind::Transposed),
    ]
    .into_iter()
}

/// Tokens of which nothing is read here.
pub(super) const UNREAD: &str = r"
    \to \rightarrow \Rightarrow \longrightarrow \Longrightarrow \leftrightarrow \Leftrightarrow \xrightarrow
    \xRightarrow \partial \langle \rangle \| \det \supseteq \subseteq \notin \mathbb{P} <-> <=> . ⊆ ∉";

/// Words that are one token.
pub(super) const WORDS: &str = r"
    arsinh arcsinh arcosh arccosh artanh arctanh gcd lcm floor ceil eye zeros ones cols rows diag norm rank
    trace tr rref hstack vstack orth ortho orthogonal orthogonalize nullspace eig eigen diagonalize eigenvals
    eigenvalues eigenvects eigenvectors svd SVD matrix pmatrix bmatrix vmatrix \mathellipsis \vspace \hfil
    \variable \char";

/// More commands for names.
pub(super) const NAMES: &str = r"
    Bbbk wp nabla bigstar angle nexists diagdown measuredangle eth diagup sphericalangle
    clubsuit varnothing Diamond complement diamondsuit imath Finv triangledown heartsuit jmath Game triangle
    spadesuit ell hbar vartriangle hslash blacklozenge lozenge blacksquare mho blacktriangle sharp prime Im flat
    square backprime Re natural surd circledS top";

/// Commands that say how a name in braces is set.
pub(super) const ACCENTS: &str = r"
    acute bar overline breve check widecheck dot ddot grave hat tilde widetilde vec overrightarrow bm boldsymbol
    text textit textbf textnormal mathbb mathbin mathbf mathcal mathclap mathclose mathfrak mathinner mathit
    mathnormal mathop mathopen mathord mathpunct mathrel mathring mathrlap mathrm mathscr mathsf mbox";

/// Names of Greek letters, each with the letter.
pub(super) const GREEK: &str = "
    alpha α beta β gamma γ Gamma Γ delta δ Delta Δ epsilon ε varepsilon ϵ zeta ζ eta η theta θ Theta Θ
    vartheta ϑ iota ι kappa κ lambda λ Lambda Λ mu μ nu ν xi ξ Xi Ξ omicron ο pi π Pi Π varpi ϖ rho ρ varrho ϱ
    sigma σ Sigma Σ varsigma ς tau τ upsilon υ Upsilon Υ phi φ Phi Φ varphi ϕ chi χ psi ψ Psi Ψ omega ω Omega Ω";

/// Commands that are passed over, as white space is.
pub(super) const SKIPPED: &str = r"
    \, \thinspace \: \medspace \; \thickspace \quad \qquad \! \negthinspace \negmedspace \negthickspace \$ \vrule
    \vcenter \vbox \vskip";

/// Signs of one character, by what they are.
pub(super) const SIGNS: [(&str, MathTokenKind); 16] = [
    ("+∔⊕⊞", MathTokenKind::Plus),
    ("-−∸", MathTokenKind::Minus),
    ("*×⋅⋄⊡∗⋆∘∙⊗⊠⋈⋉⋊", MathTokenKind::Times),
    ("/÷∕", MathTokenKind::Divide),
    ("=≡≣≟≎≏≐≑≒≓≔≕≖≗", MathTokenKind::Relation(RelationKind::Assigned)),
    ("≈≊≋≃≅", MathTokenKind::Approximately),
    ("<≪≺⋖", MathTokenKind::Relation(RelationKind::Less)),
    ("≤≦≲≾", MathTokenKind::Relation(RelationKind::AtMost)),
    (">≫≻⋗", MathTokenKind::Relation(RelationKind::Greater)),
    ("≥≧≳≿", MathTokenKind::Relation(RelationKind::AtLeast)),
    ("≠≁≄≇≉≢", MathTokenKind::Relation(RelationKind::Unequal)),
    ("±∓", MathTokenKind::PlusMinus),
    ("∪", MathTokenKind::Union),
    ("∩", MathTokenKind::Intersection),
    ("∖", MathTokenKind::SetMinus),
    ("∅", MathTokenKind::Empty),
];

/// Sets that have a sign.
pub(super) const DOMAINS: [(char, char, Domain); 5] = [
    ('N', 'ℕ', Domain::Naturals),
    ('Z', 'ℤ', Domain::Integers),
    ('Q', 'ℚ', Domain::Rationals),
    ('R', 'ℝ', Domain::Reals),
    ('C', 'ℂ', Domain::Complexes),
];

/// Commands for a degree, behind `^` or in braces there.
pub(super) const DEGREES: [&str; 4] = [r"\circ", r"\degree", r"\circle", "°"];
