//! LaTeX in tokens, as `latex2sympy2_extended` cuts it: of all that may begin at a place, the longest.

use super::answer::{Domain, RelationKind};
use crate::metrics::latex::Function;

/// A token, and how it is written without the white space in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
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
pub(super) enum Several {
    GreatestDivisor,
    LeastMultiple,
    Greatest,
    Least,
}

/// A kind of brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bracket {
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

/// Tokens that are always written alike.
fn literals() -> impl Iterator<Item = (&'static str, Kind)> {
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

/// Signs of one character, by what they are.
const SIGNS: [(&str, Kind); 16] = [
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

/// What is passed over.
const SKIPPED: [&str; 21] = [
    " ",
    "\t",
    "\r",
    "\n",
    r"\,",
    r"\thinspace",
    r"\:",
    r"\medspace",
    r"\;",
    r"\thickspace",
    r"\quad",
    r"\qquad",
    r"\!",
    r"\negthinspace",
    r"\negmedspace",
    r"\negthickspace",
    r"\$",
    r"\vrule",
    r"\vcenter",
    r"\vbox",
    r"\vskip",
];

/// Tokens of which nothing is read here.
const UNREAD: [&str; 23] = [
    r"\to",
    r"\rightarrow",
    r"\Rightarrow",
    r"\longrightarrow",
    r"\Longrightarrow",
    r"\leftrightarrow",
    r"\Leftrightarrow",
    r"\xrightarrow",
    r"\xRightarrow",
    r"\partial",
    r"\langle",
    r"\rangle",
    r"\|",
    r"\det",
    r"\supseteq",
    r"\subseteq",
    r"\notin",
    r"\mathbb{P}",
    "<->",
    "<=>",
    ".",
    "⊆",
    "∉",
];

/// Words that are one token.
const WORDS: [&str; 46] = [
    "arsinh",
    "arcsinh",
    "arcosh",
    "arccosh",
    "artanh",
    "arctanh",
    "gcd",
    "lcm",
    "floor",
    "ceil",
    "eye",
    "zeros",
    "ones",
    "cols",
    "rows",
    "diag",
    "norm",
    "rank",
    "trace",
    "tr",
    "rref",
    "hstack",
    "vstack",
    "orth",
    "ortho",
    "orthogonal",
    "orthogonalize",
    "nullspace",
    "eig",
    "eigen",
    "diagonalize",
    "eigenvals",
    "eigenvalues",
    "eigenvects",
    "eigenvectors",
    "svd",
    "SVD",
    "matrix",
    "pmatrix",
    "bmatrix",
    "vmatrix",
    r"\mathellipsis",
    r"\vspace",
    r"\hfil",
    r"\variable",
    r"\char",
];

/// Commands for names: Greek letters first, with the letters themselves.
const GREEK: [(&str, char); 38] = [
    ("alpha", 'α'),
    ("beta", 'β'),
    ("gamma", 'γ'),
    ("Gamma", 'Γ'),
    ("delta", 'δ'),
    ("Delta", 'Δ'),
    ("epsilon", 'ε'),
    ("varepsilon", 'ϵ'),
    ("zeta", 'ζ'),
    ("eta", 'η'),
    ("theta", 'θ'),
    ("Theta", 'Θ'),
    ("vartheta", 'ϑ'),
    ("iota", 'ι'),
    ("kappa", 'κ'),
    ("lambda", 'λ'),
    ("Lambda", 'Λ'),
    ("mu", 'μ'),
    ("nu", 'ν'),
    ("xi", 'ξ'),
    ("Xi", 'Ξ'),
    ("omicron", 'ο'),
    ("pi", 'π'),
    ("Pi", 'Π'),
    ("varpi", 'ϖ'),
    ("rho", 'ρ'),
    ("varrho", 'ϱ'),
    ("sigma", 'σ'),
    ("Sigma", 'Σ'),
    ("varsigma", 'ς'),
    ("tau", 'τ'),
    ("upsilon", 'υ'),
    ("Upsilon", 'Υ'),
    ("phi", 'φ'),
    ("Phi", 'Φ'),
    ("varphi", 'ϕ'),
    ("chi", 'χ'),
    ("psi", 'ψ'),
];

/// More commands for names.
const NAMES: [&str; 47] = [
    "Psi",
    "omega",
    "Omega",
    "Bbbk",
    "wp",
    "nabla",
    "bigstar",
    "angle",
    "nexists",
    "diagdown",
    "measuredangle",
    "eth",
    "diagup",
    "sphericalangle",
    "clubsuit",
    "varnothing",
    "Diamond",
    "complement",
    "diamondsuit",
    "imath",
    "Finv",
    "triangledown",
    "heartsuit",
    "jmath",
    "Game",
    "triangle",
    "spadesuit",
    "ell",
    "hbar",
    "vartriangle",
    "hslash",
    "blacklozenge",
    "lozenge",
    "blacksquare",
    "mho",
    "blacktriangle",
    "sharp",
    "prime",
    "Im",
    "flat",
    "square",
    "backprime",
    "Re",
    "natural",
    "surd",
    "circledS",
    "top",
];

/// Commands that say how a name in braces is set.
const ACCENTS: [&str; 41] = [
    "acute",
    "bar",
    "overline",
    "breve",
    "check",
    "widecheck",
    "dot",
    "ddot",
    "grave",
    "hat",
    "tilde",
    "widetilde",
    "vec",
    "overrightarrow",
    "bm",
    "boldsymbol",
    "text",
    "textit",
    "textbf",
    "textnormal",
    "mathbb",
    "mathbin",
    "mathbf",
    "mathcal",
    "mathclap",
    "mathclose",
    "mathfrak",
    "mathinner",
    "mathit",
    "mathnormal",
    "mathop",
    "mathopen",
    "mathord",
    "mathpunct",
    "mathrel",
    "mathring",
    "mathrlap",
    "mathrm",
    "mathscr",
    "mathsf",
    "mbox",
];

/// Sets that have a sign.
const DOMAINS: [(char, char, Domain); 5] = [
    ('N', 'ℕ', Domain::Naturals),
    ('Z', 'ℤ', Domain::Integers),
    ('Q', 'ℚ', Domain::Rationals),
    ('R', 'ℝ', Domain::Reals),
    ('C', 'ℂ', Domain::Complexes),
];

/// Commands for a degree, behind `^` or in braces there.
const DEGREES: [&str; 4] = [r"\circ", r"\degree", r"\circle", "°"];

/// The name of a Greek letter.
pub(super) fn letter_name(letter: &str) -> Option<&'static str> {
    let found = GREEK.iter().find(|(_, known)| letter.chars().eq([*known]));
    match (found, letter) {
        (Some((name, _)), _) => Some(name),
        (None, "Ψ") => Some("Psi"),
        (None, "ω") => Some("omega"),
        (None, "Ω") => Some("Omega"),
        _ => None,
    }
}

/// All tokens of a text; none where a place begins no token.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let skipped = SKIPPED.iter().filter(|skipped| rest.starts_with(**skipped)).map(|skipped| skipped.len()).max();
        let token = longest(rest);
        match (token, skipped) {
            (Some((kind, length)), skipped) if length > skipped.unwrap_or(0) => {
                let text = rest[..length].chars().filter(|c| !c.is_ascii_whitespace()).collect();
                tokens.push(Token { kind, text });
                rest = &rest[length..];
            }
            (_, Some(length)) => rest = &rest[length..],
            (_, None) => return None,
        }
    }
    Some(tokens)
}

/// The longest token that a text begins with, and its bytes; of several the first.
fn longest(rest: &str) -> Option<(Kind, usize)> {
    let first = rest.chars().next()?;
    let literal =
        literals().filter(|(literal, _)| rest.starts_with(*literal)).map(|(literal, kind)| (kind, literal.len()));
    let sign = SIGNS.iter().find(|(signs, _)| signs.contains(first)).map(|(_, kind)| (kind.clone(), first.len_utf8()));
    let unread = UNREAD.iter().filter(|word| rest.starts_with(**word)).map(|word| (Kind::Unread, word.len()));
    let word = WORDS.iter().filter(|word| rest.starts_with(**word)).map(|word| (Kind::Word, word.len()));
    let letter = first.is_ascii_alphabetic().then_some((Kind::Letter, 1));
    let found =
        literal.chain(sign).chain(unread).chain(word).chain(degree(rest)).chain(number(rest)).chain(domain(rest));
    let found = found.chain(command(rest)).chain(greek(first)).chain(differential(rest)).chain(letter);
    // Of equal ones the first.
    found.fold(None, |best: Option<(Kind, usize)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    })
}

fn degree(rest: &str) -> Option<(Kind, usize)> {
    let rest = rest.strip_prefix('^')?;
    let lengths = DEGREES.iter().filter_map(|degree| {
        if rest.starts_with(degree) {
            return Some(1 + degree.len());
        }
        rest.strip_prefix('{')?.strip_prefix(degree)?.starts_with('}').then_some(3 + degree.len())
    });
    lengths.max().map(|length| (Kind::Degree, length))
}

/// A number, with a power of ten or a percent sign.
fn number(rest: &str) -> Option<(Kind, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    let part = rest[whole..].strip_prefix('.').map_or(0, digits);
    let (kind, length) = match (whole, part) {
        (0, 0) => return None,
        (whole, 0) => (Kind::Whole, whole),
        (whole, part) => (Kind::Decimal, whole + 1 + part),
    };
    let behind = &rest[length..];
    if let Some(power) = behind.strip_prefix('E') {
        let sign = power.chars().next().filter(|c| "+-−∸∔⊕⊞".contains(*c)).map_or(0, char::len_utf8);
        let digits = digits(&power[sign..]);
        if digits > 0 {
            return Some((Kind::Scientific, length + 1 + sign + digits));
        }
    }
    let space = usize::from(behind.starts_with([' ', '\t', '\r', '\n']));
    let sign = [r"\%", "%"].iter().find(|sign| behind[space..].starts_with(**sign)).map(|sign| sign.len());
    Some(sign.map_or((kind, length), |sign| (Kind::Percent, length + space + sign)))
}

fn domain(rest: &str) -> Option<(Kind, usize)> {
    DOMAINS.iter().find_map(|(letter, sign, domain)| {
        let command = format!(r"\mathbb{{{letter}}}");
        let length = if rest.starts_with(*sign) { sign.len_utf8() } else { command.len() };
        (rest.starts_with(*sign) || rest.starts_with(&command)).then_some((Kind::Domain(*domain), length))
    })
}

fn greek(first: char) -> Option<(Kind, usize)> {
    let is_letter = GREEK.iter().any(|(_, letter)| *letter == first) || "ΨωΩℵℶℷℸ".contains(first);
    is_letter.then(|| (Kind::Name, first.len_utf8()))
}

/// A command that has a name for a value, is a function, or says how a name in braces is set.
fn command(rest: &str) -> Option<(Kind, usize)> {
    let name = rest.strip_prefix('\\')?;
    let longest = |names: &mut dyn Iterator<Item = &'static str>| {
        names.filter(|known| name.starts_with(*known)).max_by_key(|known| known.len())
    };
    let mut found: Vec<(Kind, usize)> = Vec::new();
    if let Some(known) = longest(&mut GREEK.iter().map(|(name, _)| *name).chain(NAMES)) {
        // A space belongs to it.
        found.push((Kind::Name, 1 + known.len() + usize::from(name[known.len()..].starts_with(' '))));
    }
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let function = (1..=letters).rev().find_map(|length| Some((Function::of_command(&name[..length])?, length)));
    found.extend(function.map(|(function, length)| (Kind::Function(function), 1 + length)));
    found.extend(array(rest).map(|length| (Kind::MatrixStart, length)));
    let accent = longest(&mut ACCENTS.into_iter());
    found.extend(accent.and_then(|accent| accented(name, accent)));
    // Letters are behind the functions that have their names.
    found.into_iter().rev().max_by_key(|(_, length)| *length)
}

fn accented(name: &str, accent: &str) -> Option<(Kind, usize)> {
    let behind = &name[accent.len()..];
    let space = usize::from(behind.starts_with([' ', '\t', '\r', '\n']));
    let inner = behind[space..].strip_prefix('{')?;
    let end = inner.find('}')?;
    let text = inner[..end].replace(' ', "");
    let name = match accent {
        "bar" | "overline" => format!("bar{{{text}}}"),
        "vec" | "overrightarrow" => format!("vec{{{text}}}"),
        "tilde" | "widetilde" => format!("tilde{{{text}}}"),
        // Text is a name as it is.
        accent if accent.starts_with("text") || accent == "mbox" => text.replace(['(', ')'], ""),
        accent if accent.starts_with("math") => format!("math{{{text}}}"),
        accent => format!("{accent}{{{text}}}"),
    };
    Some((Kind::Accented(name), 1 + accent.len() + space + 1 + end + 1))
}

/// `\begin{array}` with its columns.
fn array(rest: &str) -> Option<usize> {
    const START: &str = r"\begin{array}{";
    let columns = rest.strip_prefix(START)?;
    let count = columns.bytes().take_while(|byte| b"clr".contains(byte)).count();
    columns[count..].starts_with('}').then_some(START.len() + count + 1)
}

fn differential(rest: &str) -> Option<(Kind, usize)> {
    let behind = rest.strip_prefix('d')?;
    let name = behind.trim_start_matches([' ', '\t', '\r', '\n']);
    let space = behind.len() - name.len();
    let letters = |text: &str| text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let length = match name.strip_prefix('\\') {
        Some(command) => Some(letters(command)).filter(|letters| *letters > 0)? + 1,
        None => letters(name).min(1),
    };
    (length > 0).then_some((Kind::Differential, 1 + space + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Option<Vec<Kind>> {
        Some(tokens(text)?.into_iter().map(|token| token.kind).collect())
    }

    #[test]
    fn the_longest_token_is_taken() {
        use Kind::{Above, Degree, Letter, Name, Times, Transposed, Whole};
        assert_eq!(kinds(r"2\pi ^\circ"), Some(vec![Whole, Name, Degree]));
        assert_eq!(kinds(r"\cdots"), Some(vec![Times, Letter]));
        assert_eq!(kinds("x^T^t"), Some(vec![Letter, Transposed, Above, Letter]));
        assert_eq!(kinds("3.5E-2"), Some(vec![Kind::Scientific]));
        assert_eq!(kinds(r"12 \%"), Some(vec![Kind::Percent]));
        assert_eq!(kinds(r"\text{(A) b}"), Some(vec![Kind::Accented("Ab".into())]));
        assert_eq!(kinds("d x"), Some(vec![Kind::Differential]));
        assert_eq!(kinds("north"), Some(vec![Letter, Kind::Word]));
        assert_eq!(kinds(r"\mathbb{R}"), Some(vec![Kind::Domain(Domain::Reals)]));
        assert_eq!((kinds("#"), kinds(r"\foo")), (None, None));
    }
}
