//! How tokens are written.

use super::kind::{Bracket, Kind, Several};
use crate::metrics::latex::Function;
use crate::metrics::math_verify::answer::{Domain, RelationKind};

/// Tokens that are always written alike.
pub(super) fn literals() -> impl Iterator<Item = (&'static str, Kind)> {
    use Bracket::{
        Brace, BraceCommand, Ceiling, Floor, Group, LowerCorner, Round, RoundCommand, ShownBrace, Square,
        SquareCommand, UpperCorner,
    };
    use Kind::{Close, Open, Relation};
    [
        (r"\over", Kind::Divide),
        (r"\times", Kind::Times),
        (r"\cdot", Kind::Times),
        (r"\div", Kind::Divide),
        (":", Kind::Divide),
        (r"\mod", Kind::Modulo),
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
        ("|", Kind::Bar),
        (r"\vert", Kind::Vert),
        (r"\log", Kind::Logarithm),
        (r"\ln", Kind::NaturalLogarithm),
        (r"\floor", Kind::Function(Function::Floor)),
        (r"\ceil", Kind::Function(Function::Ceiling)),
        (r"\arcsinh", Kind::Function(Function::Arsinh)),
        (r"\arccosh", Kind::Function(Function::Arcosh)),
        (r"\arctanh", Kind::Function(Function::Artanh)),
        (r"\gamma", Kind::Gamma),
        (r"\Gamma", Kind::Gamma),
        (r"\gcd", Kind::Several(Several::GreatestDivisor)),
        (r"\lcm", Kind::Several(Several::LeastMultiple)),
        (r"\max", Kind::Several(Several::Greatest)),
        (r"\min", Kind::Several(Several::Least)),
        (r"\sqrt", Kind::Root),
        (r"\frac", Kind::Fraction),
        (r"\dfrac", Kind::Fraction),
        (r"\tfrac", Kind::Fraction),
        (r"\cfrac", Kind::Fraction),
        (r"\binom", Kind::Binomial),
        (r"\tbinom", Kind::Binomial),
        (r"\dbinom", Kind::Binomial),
        (r"\choose", Kind::Choose),
        (r"\boxed", Kind::Boxed),
        (r"\phantom", Kind::Phantom),
        (r"\operatorname", Kind::OperatorName),
        (r"\begin{matrix}", Kind::MatrixStart),
        (r"\begin{pmatrix}", Kind::MatrixStart),
        (r"\begin{bmatrix}", Kind::MatrixStart),
        (r"\end{matrix}", Kind::MatrixEnd),
        (r"\end{pmatrix}", Kind::MatrixEnd),
        (r"\end{bmatrix}", Kind::MatrixEnd),
        (r"\end{array}", Kind::MatrixEnd),
        (r"\begin{vmatrix}", Kind::DeterminantStart),
        (r"\end{vmatrix}", Kind::DeterminantEnd),
        ("&", Kind::NextColumn),
        (r"\\", Kind::NextRow),
        (r"\int", Kind::BigOperator),
        (r"\sum", Kind::BigOperator),
        (r"\prod", Kind::BigOperator),
        (r"\lim", Kind::BigOperator),
        ("_", Kind::Below),
        ("^", Kind::Above),
        (";", Kind::Semicolon),
        (",", Kind::Comma),
        ("e", Kind::Euler),
        (r"\exponentialE", Kind::Euler),
        ("E", Kind::CapitalE),
        (r"\in", Kind::In),
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
        ("~=", Kind::Approximately),
        (r"\approx", Kind::Approximately),
        ("!", Kind::Exclamation),
        (r"\infty", Kind::Infinity),
        (r"\$\infty", Kind::Infinity),
        (r"\emptyset", Kind::Empty),
        (r"\{\}", Kind::Empty),
        (r"\lbrace\rbrace", Kind::Empty),
        (r"\cup", Kind::Union),
        (r"\cap", Kind::Intersection),
        (r"\setminus", Kind::SetMinus),
        (r"\pm", Kind::PlusMinus),
        (r"\mp", Kind::PlusMinus),
        ("^T", Kind::Transposed),
        ("^{T}", Kind::Transposed),
        (r"^{\top}", Kind::Transposed),
        ("'", Kind::Transposed),
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
pub(super) const SIGNS: [(&str, Kind); 16] = [
    ("+∔⊕⊞", Kind::Plus),
    ("-−∸", Kind::Minus),
    ("*×⋅⋄⊡∗⋆∘∙⊗⊠⋈⋉⋊", Kind::Times),
    ("/÷∕", Kind::Divide),
    ("=≡≣≟≎≏≐≑≒≓≔≕≖≗", Kind::Relation(RelationKind::Assigned)),
    ("≈≊≋≃≅", Kind::Approximately),
    ("<≪≺⋖", Kind::Relation(RelationKind::Less)),
    ("≤≦≲≾", Kind::Relation(RelationKind::AtMost)),
    (">≫≻⋗", Kind::Relation(RelationKind::Greater)),
    ("≥≧≳≿", Kind::Relation(RelationKind::AtLeast)),
    ("≠≁≄≇≉≢", Kind::Relation(RelationKind::Unequal)),
    ("±∓", Kind::PlusMinus),
    ("∪", Kind::Union),
    ("∩", Kind::Intersection),
    ("∖", Kind::SetMinus),
    ("∅", Kind::Empty),
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
