//! The page itself.

use sha2::{Digest, Sha256};

use super::super::html::{escape, table};
use super::super::leaderboard::Leaderboard;
use super::charts::of_leaderboard;
use super::data::PageData;
use super::subjects::subjects;
use crate::results::{FolderError, StoredRun};
use crate::stats::Bootstrap;

const TABLE_STYLE: &str = include_str!("../assets/table.css");
const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

/// A run as one self-contained page: leaderboard, charts, subjects, and every sample to look at.
///
/// A content security policy forbids everything but the page's own style and its one script, which is named by its
/// hash: no request leaves the page, and no text from a model or a data set can run.
///
/// # Errors
/// When a sample cannot be written as JSON.
pub fn report(run: &StoredRun) -> Result<String, FolderError> {
    let results: Vec<_> = run.systems.iter().map(crate::results::StoredSystem::results).collect();
    let mut leaderboard = Leaderboard::new(&results);
    // What cannot be compared has no difference to show.
    let _ = leaderboard.compare(&results, Bootstrap::default());
    let data = PageData::new(run);
    let json = data.json().map_err(|source| FolderError::Write { path: run.folder.clone(), source: source.into() })?;
    let script_hash = base64(&Sha256::digest(SCRIPT));
    let charts: String = of_leaderboard(run, &leaderboard).iter().map(super::chart::Chart::figure).collect();
    let subjects = subjects(run);
    let section = |id: &str, title: &str, body: &str| {
        if body.is_empty() {
            String::new()
        } else {
            format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{body}</section>\n")
        }
    };
    let link = |id: &str, title: &str, body: &str| {
        if body.is_empty() { String::new() } else { format!("<a href=\"#{id}\">{title}</a>") }
    };
    let name = escape(&run.manifest.plan.name);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} - gac report</title>\n<style>\n{TABLE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{name}</h1><button type=\"button\" id=\"theme\">Theme: auto</button></header>\n{facts}\
         <nav aria-label=\"Sections\"><a href=\"#leaderboard\">Leaderboard</a>{charts_link}{subjects_link}\
         <a href=\"#explorer\">Samples</a></nav>\n\
         <section id=\"leaderboard\">\n<h2>Leaderboard</h2>\n{table}</section>\n{charts}{subjects}{explorer}</main>\n\
         <script type=\"application/json\" id=\"data\">{json}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        facts = facts(run),
        charts_link = link("charts", "Charts", &charts),
        subjects_link = link("subjects", "Subjects", &subjects),
        table = table(&leaderboard),
        charts = section("charts", "Charts", &charts),
        subjects = section("subjects", "Subjects", &subjects),
        explorer = explorer(data.samples()),
    ))
}

/// When, with what and on what.
fn facts(run: &StoredRun) -> String {
    let manifest = &run.manifest;
    let mut facts = vec![("run", run.folder.display().to_string()), ("started", manifest.started.clone())];
    if let Some(session) = manifest.sessions.last() {
        let commit = session
            .build
            .as_deref()
            .map_or_else(String::new, |commit| format!(" ({})", &commit[..commit.len().min(12)]));
        facts.push(("gac", format!("{}{commit}", session.gac)));
        let machine = &session.machine;
        let processor = machine.processor.as_deref().unwrap_or(&machine.arch);
        let device = session.device.as_deref().unwrap_or("cpu");
        facts.push(("device", format!("{device}; {processor}, {} threads, {}", machine.threads, machine.os)));
    }
    for model in &manifest.models {
        let dtype =
            model.dtype.map_or_else(|| "as stored".to_owned(), |dtype| format!("{dtype:?}").to_ascii_lowercase());
        let commit = model.commit.as_deref().map_or_else(String::new, |commit| format!("@{commit}"));
        facts.push(("model", format!("{} = {}{commit}, {dtype}", model.name, model.source)));
    }
    let facts = facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value)));
    format!("<dl class=\"facts\">{}</dl>\n", facts.collect::<String>())
}

fn explorer(samples: usize) -> String {
    let select = |id: &str, label: &str, first: &str, more: &str| {
        format!("<label>{label}<select id=\"{id}\"><option value=\"\">{first}</option>{more}</select></label>\n")
    };
    let split =
        "<option value=\"differ\">where systems differ</option><option value=\"agree\">where all agree</option>";
    format!(
        "<section id=\"explorer\">\n<h2>Samples</h2>\n<noscript><p>The list of {samples} samples needs JavaScript; \
         everything above does not.</p></noscript>\n<form id=\"filters\" class=\"filters\" role=\"search\">\n{}{}{}{}\
         <label class=\"wide\">text<input id=\"search\" type=\"search\" autocomplete=\"off\" placeholder=\"in prompt, \
         response or gold\"></label>\n</form>\n\
         <div class=\"pager\"><button type=\"button\" id=\"previous\">Previous</button><button type=\"button\" \
         id=\"next\">Next</button><span id=\"count\" role=\"status\"></span></div>\n<ul class=\"samples\" \
         id=\"samples\"></ul>\n</section>\n",
        select("system", "system", "all systems", ""),
        select("task", "task", "all tasks", ""),
        select("outcome", "outcome", "all outcomes", ""),
        select("split", "documents", "all documents", split),
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
