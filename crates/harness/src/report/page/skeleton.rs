//! What every page is made of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gac_drawing::{BASE_STYLE, SCRIPT as DRAWING, TOKENS_STYLE};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::templates::render;

const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

/// A part of a page that its head links to.
#[derive(Serialize)]
pub(super) struct PageSection {
    /// Its place in the page's address.
    pub(super) id: &'static str,
    /// Its name.
    pub(super) title: &'static str,
    /// Markup; a section without any is left out.
    pub(super) body: String,
}

#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    script_hash: String,
    style: String,
    facts: &'a [(&'a str, String)],
    sections: Vec<&'a PageSection>,
    json: &'a str,
    script: &'a str,
}

/// A page: `facts` as names with values, sections, and JSON for the script.
///
/// A content security policy forbids everything but the page's own style and its one script, which is named by its
/// hash: no request leaves the page, and no text from a model or a data set can run.
pub(super) fn page(name: &str, facts: &[(&str, String)], sections: &[PageSection], json: &str) -> String {
    let script = [DRAWING, SCRIPT].concat();
    let page = Page {
        name,
        script_hash: STANDARD.encode(Sha256::digest(&script)),
        style: [BASE_STYLE, TOKENS_STYLE, STYLE].concat(),
        facts,
        sections: sections.iter().filter(|section| !section.body.is_empty()).collect(),
        json,
        script: &script,
    };
    render("page.html", page)
}

#[cfg(test)]
mod tests {
    use gac_drawing::FORBIDDEN;

    use super::*;

    #[test]
    fn the_script_never_parses_text_as_markup() {
        for word in FORBIDDEN.into_iter().chain(["fetch("]) {
            assert!(!SCRIPT.contains(word) && !DRAWING.contains(word), "{word}");
        }
    }
}
