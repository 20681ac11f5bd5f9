//! What boxes hold.

/// Which boxes of a text count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boxes {
    All,
    /// The last one, and those before it that belong to the same answer.
    Last,
}

const COMMANDS: [&str; 2] = ["\\boxed", "\\fbox"];
/// Boxes with less than so many characters between them belong together.
const NEAR: usize = 10;
/// So do boxes of different contents with a comma, a semicolon, or an `and` or `or` between them, and less than this.
const SEPARATED: usize = 70;

/// What the boxes of a text hold, with commas between; the text itself where it has no boxes.
///
/// Boxes are looked for from the end. A box that is never closed holds all that follows, where it is the last one.
pub(super) fn content(text: &str, boxes: Boxes) -> String {
    let mut contents: Vec<&str> = Vec::new();
    // Where the box behind begins; nothing is looked for behind that.
    let mut behind: Option<usize> = None;
    loop {
        let limit = behind.unwrap_or(text.len());
        let found = COMMANDS.iter().filter_map(|command| Some((text[..limit].rfind(command)?, command.len())));
        let Some((start, length)) = found.max() else { break };
        let held = &text[start + length..limit];
        let inner = crate::python::strip_start(held);
        if inner.is_empty() {
            break;
        }
        let inside = inner.strip_prefix('{').and_then(|inside| Some(&inside[..closing(inside)?]));
        let Some(inside) = inside else {
            if contents.is_empty() {
                contents.push(inner);
            }
            break;
        };
        let end = limit - inner.len() + 1 + inside.len() + 1;
        let inside = crate::python::strip(inside);
        let between = behind.map(|behind| &text[end..behind]);
        if boxes == Boxes::Last && between.is_some_and(|between| !belong_together(inside, contents.last(), between)) {
            break;
        }
        if contents.last() != Some(&inside) {
            contents.push(inside);
        }
        behind = Some(start);
    }
    if contents.is_empty() {
        return text.to_owned();
    }
    contents.reverse();
    contents.join(",")
}

/// Where the brace closes that was open before a text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

fn belong_together(content: &str, behind: Option<&&str>, between: &str) -> bool {
    let length = between.chars().count();
    let is_separator = |word: &str| word == "and" || word == "or";
    let is_separated =
        || between.contains([',', ';']) || between.split(|c: char| !c.is_alphanumeric() && c != '_').any(is_separator);
    length < NEAR || (behind.is_some_and(|behind| *behind != content) && length < SEPARATED && is_separated())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_belong_together_are_read_together() {
        let far = "x".repeat(80);
        for (text, last, all) in [
            (r"\boxed{1}", "1", "1"),
            (r"\boxed{1} and \boxed{2}", "1,2", "1,2"),
            (&format!(r"\boxed{{1}} {far} \boxed{{2}}"), "2", "1,2"),
            (r"\boxed{1} and a good while later \boxed{2}", "1,2", "1,2"),
            (r"\boxed{1} is what we have, or \boxed{1}", "1", "1"),
            (r"\boxed {\frac{1}{2}} \fbox{3}", r"\frac{1}{2},3", r"\frac{1}{2},3"),
            (r"\boxed{a \boxed{b}}", "b", "b"),
            (r"\boxed{1", "{1", "{1"),
            (r"\boxed 5", "5", "5"),
            ("none", "none", "none"),
        ] {
            assert_eq!(content(text, Boxes::Last), last, "{text}");
            assert_eq!(content(text, Boxes::All), all, "{text}");
        }
    }
}
