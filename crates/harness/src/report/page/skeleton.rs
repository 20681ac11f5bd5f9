//! What every page is made of.

use sha2::{Digest, Sha256};

use super::super::html::escape;

const TABLE_STYLE: &str = include_str!("../assets/table.css");
const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

/// A part of a page that its head links to.
pub(super) struct Section {
    /// Its place in the page's address.
    pub(super) id: &'static str,
    /// Its name.
    pub(super) title: &'static str,
    /// Markup; a section without any is left out.
    pub(super) body: String,
}

/// A page: `facts` as names with values, sections, and JSON for the script.
///
/// A content security policy forbids everything but the page's own style and its one script, which is named by its
/// hash: no request leaves the page, and no text from a model or a data set can run.
pub(super) fn page(name: &str, facts: &[(&str, String)], sections: &[Section], json: &str) -> String {
    let script_hash = base64(&Sha256::digest(SCRIPT));
    let name = escape(name);
    let there = || sections.iter().filter(|section| !section.body.is_empty());
    let link = |Section { id, title, .. }: &Section| format!("<a href=\"#{id}\">{title}</a>");
    let links = there().map(link).collect::<Vec<_>>().concat();
    let body =
        |Section { id, title, body }: &Section| format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{body}</section>\n");
    let bodies = there().map(body).collect::<Vec<_>>().concat();
    let fact = |(name, value): &(&str, String)| format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    let facts = facts.iter().map(fact).collect::<Vec<_>>().concat();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} - gac report</title>\n<style>\n{TABLE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{name}</h1><button type=\"button\" id=\"theme\">Theme: auto</button></header>\n\
         <dl class=\"facts\">{facts}</dl>\n<nav aria-label=\"Sections\">{links}</nav>\n{bodies}</main>\n\
         <script type=\"application/json\" id=\"data\">{json}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Base64 of a hash (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain([&0, &0]).take(3).fold(0_u32, |word, &byte| word << 8 | u32::from(byte));
        for digit in 0..4 {
            let is_there = digit <= chunk.len();
            let value = (word >> (18 - 6 * digit)) & 63;
            text.push(if is_there { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_script_never_parses_text_as_markup() {
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "</script"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
