//! The page at `/`: a prompt, the systems side by side, and who decided each token.
//!
//! One file without a framework: it asks this server's own API as any client does, and nothing else.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gac_drawing::{BASE_STYLE, SCRIPT as DRAWING, TOKENS_STYLE};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page, made once.
#[derive(Clone, Debug)]
pub(crate) struct ServedPage {
    html: String,
    policy: HeaderValue,
}

impl ServedPage {
    /// Puts the page together. Its content security policy allows its one script, which is named by its hash, its own
    /// style, and requests to this server: no text of a model can run, and nothing comes from elsewhere.
    pub(crate) fn new() -> Self {
        let script = [DRAWING, SCRIPT].concat();
        let style = [BASE_STYLE, TOKENS_STYLE, STYLE].concat();
        let policy = format!(
            "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            STANDARD.encode(Sha256::digest(&script))
        );
        let html = PAGE.replacen("{{style}}", &style, 1).replacen("{{script}}", &script, 1);
        Self { html, policy: HeaderValue::try_from(policy).expect("a policy of ours is visible ASCII") }
    }

    /// The page as an answer.
    pub(crate) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.html.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

#[cfg(test)]
mod tests {
    use gac_drawing::FORBIDDEN;

    use super::*;

    #[test]
    fn the_script_never_parses_text_as_markup() {
        for word in FORBIDDEN {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }

    #[test]
    fn the_page_is_one_file_that_asks_this_server_alone() {
        let page = ServedPage::new();
        assert!(!page.html.contains("{{") && !page.html.contains("://"), "{}", page.html);
        assert!(page.policy.to_str().is_ok_and(|policy| policy.contains("connect-src 'self'")));
    }
}
