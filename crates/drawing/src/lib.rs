//! What the report and the server's page are drawn with: colours in light and dark, tables, and a response token by
//! token, coloured by who decided.
//!
//! A page puts [`BASE_STYLE`], [`TOKENS_STYLE`] and its own style into one `<style>`, [`SCRIPT`] and its own script into
//! one `<script>`. The script defines one name, `drawing`; everything it is given reaches the page as the text of a node.

/// Colours of both themes, type, and tables.
pub const BASE_STYLE: &str = include_str!("base.css");

/// Tokens, their legend, and what is told of one.
pub const TOKENS_STYLE: &str = include_str!("tokens.css");

/// `drawing.make`, `drawing.table`, `drawing.theme` and `drawing.tokens`.
pub const SCRIPT: &str = include_str!("drawing.js");

/// What a script that shows texts of models must not contain: ways to read text as markup or code, or to leave the page's
/// `<script>`.
pub const FORBIDDEN: [&str; 6] =
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "</script"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_never_parses_text_as_markup() {
        for word in FORBIDDEN {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
