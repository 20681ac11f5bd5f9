//! LaTeX in tokens.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LatexToken {
    /// A character that stands for itself: `+ - * / ( ) { } [ ] | ^ _ : ! , . < >` and `=`.
    Sign(char),
    /// A digit.
    Digit(char),
    /// A letter.
    Letter(char),
    /// A command, by its name without the backslash; `{` and `}` are braces that are shown.
    Command(String),
    /// `d` and a name: a differential.
    Differential(String),
    /// Primes.
    Primes(usize),
    /// What no token begins with.
    Unknown,
}

/// Commands that are spaces or say how something is laid out.
const SKIPPED: [&str; 17] = [
    "thinspace",
    "medspace",
    "thickspace",
    "quad",
    "qquad",
    "negthinspace",
    "negmedspace",
    "negthickspace",
    "left",
    "right",
    "vrule",
    "vcenter",
    "vbox",
    "vskip",
    "vspace",
    "hfil",
    "limits",
];

/// Single characters behind a backslash that are passed over.
const SKIPPED_SIGNS: &str = ",:;!*-./\"(=";

/// Commands for signs.
const SIGNS: [(&str, char); 3] = [("times", '*'), ("cdot", '*'), ("div", '/')];

/// Commands for relations.
const RELATIONS: [&str; 9] = ["neq", "leq", "le", "leqq", "leqslant", "geq", "ge", "geqq", "geqslant"];

/// All tokens up to the first unknown one.
pub(super) fn tokens(text: &str) -> Vec<LatexToken> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ' ' | '\t' | '\r' | '\n' => (None, 1),
            '\\' => command(&rest[1..]).map_or((Some(LatexToken::Unknown), 1), |(token, length)| (token, length + 1)),
            'd' => match differential(&rest[1..]) {
                Some((name, length)) => (Some(LatexToken::Differential(name)), length + 1),
                None => (Some(LatexToken::Letter('d')), 1),
            },
            letter if letter.is_ascii_alphabetic() => (Some(LatexToken::Letter(letter)), 1),
            digit if digit.is_ascii_digit() => (Some(LatexToken::Digit(digit)), 1),
            '\'' => {
                let primes = rest.bytes().take_while(|byte| *byte == b'\'').count();
                (Some(LatexToken::Primes(primes)), primes)
            }
            '>' => (Some(LatexToken::Sign('<')), 1),
            // `&` belongs to the sign of equality before or behind it.
            '&' if rest[1..].trim_start_matches([' ', '\t', '\r', '\n']).starts_with('=') => (None, 1),
            '=' => {
                let behind = rest[1..].trim_start_matches([' ', '\t', '\r', '\n']);
                let length = if behind.starts_with('&') { rest.len() - behind.len() + 1 } else { 1 };
                (Some(LatexToken::Sign('=')), length)
            }
            ':' => (Some(LatexToken::Sign('/')), 1),
            sign if "+-*/(){}[]|^_!,.<".contains(sign) => (Some(LatexToken::Sign(sign)), 1),
            _ => (Some(LatexToken::Unknown), 1),
        };
        if token == Some(LatexToken::Unknown) {
            tokens.push(LatexToken::Unknown);
            break;
        }
        tokens.extend(token);
        rest = &rest[length..];
    }
    tokens
}

/// What a backslash and `rest` begin with, and how many bytes of `rest` that is; no token for what is passed over. None
/// where there is no such command.
fn command(rest: &str) -> Option<(Option<LatexToken>, usize)> {
    let first = rest.chars().next()?;
    if SKIPPED_SIGNS.contains(first) {
        return Some((None, 1));
    }
    if first == '{' || first == '}' {
        return Some((Some(LatexToken::Command(first.to_string())), 1));
    }
    let name = name(rest);
    if name.is_empty() {
        return None;
    }
    // These bars are others than the sign.
    if (name == "left" || name == "right") && rest[name.len()..].starts_with('|') {
        return Some((Some(LatexToken::Command(format!("{name}|"))), name.len() + 1));
    }
    let token = match name {
        _ if SKIPPED.contains(&name) => None,
        _ if RELATIONS.contains(&name) => Some(LatexToken::Sign('<')),
        _ => match SIGNS.iter().find(|(command, _)| *command == name) {
            Some((_, sign)) => Some(LatexToken::Sign(*sign)),
            None => Some(LatexToken::Command(name.to_owned())),
        },
    };
    Some((token, name.len()))
}

/// The name behind a `d`, without a backslash, and how many bytes of `rest` are of it.
fn differential(rest: &str) -> Option<(String, usize)> {
    let behind = rest.trim_start_matches([' ', '\t', '\r', '\n']);
    let space = rest.len() - behind.len();
    if let Some(command) = behind.strip_prefix('\\') {
        let name = name(command);
        return (!name.is_empty()).then(|| (name.to_owned(), space + 1 + name.len()));
    }
    let letter = behind.chars().next().filter(char::is_ascii_alphabetic)?;
    Some((letter.to_string(), space + 1))
}

/// The ASCII letters that a text begins with.
fn name(text: &str) -> &str {
    &text[..text.bytes().take_while(u8::is_ascii_alphabetic).count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_spaces_and_differentials_are_told_apart() {
        let sign = LatexToken::Sign;
        let command = |name: &str| LatexToken::Command(name.to_owned());
        assert_eq!(
            tokens(r"\left(\frac{1}{2}\right)\cdot\pi\,"),
            [
                sign('('),
                command("frac"),
                sign('{'),
                LatexToken::Digit('1'),
                sign('}'),
                sign('{'),
                LatexToken::Digit('2'),
                sign('}'),
                sign(')'),
                sign('*'),
                command("pi"),
            ]
        );
        assert_eq!(
            tokens(r"d x+d\theta"),
            [LatexToken::Differential("x".into()), sign('+'), LatexToken::Differential("theta".into())]
        );
        assert_eq!(
            tokens(r"\left|f''\right|"),
            [command("left|"), LatexToken::Letter('f'), LatexToken::Primes(2), command("right|")]
        );
        assert_eq!(tokens(r"5\%3"), [LatexToken::Digit('5'), LatexToken::Unknown]);
        assert_eq!(tokens(r"a\geq b"), [LatexToken::Letter('a'), sign('<'), LatexToken::Letter('b')]);
    }
}
