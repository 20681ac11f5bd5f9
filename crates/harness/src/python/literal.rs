//! Python's literals of texts, as `ast.literal_eval` reads them.

use serde_json::Value;

use super::evaluate::literal_eval;

/// A text, or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    List(Vec<String>),
}

impl Literal {
    /// Reads a text in quotation marks, or a list or tuple of such texts; none for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match literal_eval(text)? {
            Value::String(text) => Some(Self::Text(text)),
            list @ Value::Array(_) => serde_json::from_value(list).ok().map(Self::List),
            _ => None,
        }
    }

    /// The parts between commas, but for those in brackets and quotation marks. A quotation mark counts where a value
    /// may begin; an apostrophe in a word is none.
    pub(crate) fn split(text: &str) -> Vec<&str> {
        let (mut parts, mut start, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0_usize, None, false);
        let mut before = ',';
        for (at, c) in text.char_indices() {
            match quote {
                Some(open) => {
                    if c == open && !escaped {
                        quote = None;
                    }
                    escaped = c == '\\' && !escaped;
                }
                None => match c {
                    '"' | '\'' if matches!(before, ',' | '=' | '[' | '(' | ' ') => quote = Some(c),
                    '[' | '(' | '{' => depth += 1,
                    ']' | ')' | '}' => depth = depth.saturating_sub(1),
                    ',' if depth == 0 => {
                        parts.push(&text[start..at]);
                        start = at + 1;
                    }
                    _ => {}
                },
            }
            before = c;
        }
        parts.push(&text[start..]);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_lists_are_read_as_python_reads_them() {
        let text = |literal: &str| match Literal::parse(literal) {
            Some(Literal::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""a\n\x41\u00e9\q\"'""#), "a\nA\u{e9}\\q\"'");
        assert_eq!(text("''"), "");
        let list = |literal: &str| Literal::parse(literal) == Some(Literal::List(vec!["a".into(), "b, c".into()]));
        assert!(list(r#"["a", 'b, c']"#) && list(r"('a','b, c',)"));
        for none in ["a", "[a]", "'a", "'a'b'", "[1]", "", "'", r"'\x4'"] {
            assert_eq!(Literal::parse(none), None, "{none}");
        }
    }

    #[test]
    fn commas_in_brackets_and_quotation_marks_divide_nothing() {
        assert_eq!(
            Literal::split(r#"a=["x,y"],b=',',c={"d": [1, 2]},e"#),
            [r#"a=["x,y"]"#, "b=','", r#"c={"d": [1, 2]}"#, "e"]
        );
        assert_eq!(Literal::split("until=it's,b=1"), ["until=it's", "b=1"]);
        assert_eq!(Literal::split(""), [""]);
    }
}
