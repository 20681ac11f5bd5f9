//! A leaderboard as an HTML table, alone or inside a report.

use std::fmt::Write as _;

use super::estimate::Estimate;
use super::format::{NOTHING, comparison, latency, latency_note, percent, plus_minus, points, protocols, share};
use super::leaderboard::{Leaderboard, Row};
use super::paper::BesidePaper;

/// The style of tables, light and dark.
const STYLE: &str = include_str!("assets/table.css");

/// A whole page with the table, published numbers under it where they are wanted, and nothing else: no script, nothing
/// from the network.
pub fn html(leaderboard: &Leaderboard, paper: Option<&BesidePaper>) -> String {
    let paper = paper.map_or_else(String::new, |paper| format!("<h2>Published numbers</h2>\n{}", paper.html()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Leaderboard</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>Leaderboard</h1>\n{}{paper}</main>\n</body>\n</html>\n",
        table(leaderboard)
    )
}

/// The table with its notes.
pub(super) fn table(leaderboard: &Leaderboard) -> String {
    let mut text = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Leaderboard\">\n<table>\n<thead>\n<tr><th scope=\"col\">system</th>",
    );
    for column in &leaderboard.columns {
        let _ = write!(
            text,
            "<th scope=\"col\" title=\"{}\">{}<br><small>{}-shot, v{}</small></th>",
            escape(&column.protocol()),
            escape(&column.task).replace('_', "_<wbr>"),
            column.num_fewshot,
            escape(&column.version),
        );
    }
    text.push_str("<th scope=\"col\">average</th><th scope=\"col\">to best member</th><th scope=\"col\">ms/token</th><th scope=\"col\">ensembled</th></tr>\n</thead>\n<tbody>\n");
    for row in &leaderboard.rows {
        let _ = write!(text, "<tr><th scope=\"row\">{}</th>", escape(&row.system));
        for (index, &score) in row.scores.iter().enumerate() {
            text.push_str(&cell(leaderboard, score, |row| row.scores[index]));
        }
        text.push_str(&cell(leaderboard, row.average, |row: &Row| row.average));
        let difference = leaderboard.comparison(&row.system).map(|found| points(found.paired.difference));
        for value in [difference.as_deref().unwrap_or(NOTHING), &latency(row), &share(row)] {
            let _ = write!(text, "<td>{}</td>", escape(value));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n<ul class=\"notes\">\n");
    let mut notes = vec!["Scores in percent, with standard errors. The best of each column is bold.".to_owned()];
    notes.extend(leaderboard.comparisons.iter().map(|found| comparison(found, escape)));
    notes.extend(protocols(leaderboard, escape));
    notes.extend(latency_note(leaderboard).map(str::to_owned));
    for note in notes {
        let _ = writeln!(text, "<li>{note}</li>");
    }
    text + "</ul>\n"
}

fn cell(leaderboard: &Leaderboard, score: Option<Estimate>, column: impl Fn(&Row) -> Option<Estimate>) -> String {
    let Some(score) = score else { return format!("<td>{NOTHING}</td>") };
    let value = percent(score);
    let value = if leaderboard.is_best(score, column) { format!("<strong>{value}</strong>") } else { value };
    match score.stderr {
        Some(_) => format!("<td>{value}<small>{}</small></td>", plus_minus(score)),
        None => format!("<td>{value}</td>"),
    }
}

/// Text for an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            character if character.is_control() && character != '\n' && character != '\t' => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::leaderboard::testing;
    use super::*;

    #[test]
    fn a_row_has_its_scores_the_best_in_bold_and_the_difference() {
        let text = html(&testing::leaderboard(), None);
        assert!(text.contains(
            "<tr><th scope=\"row\">GaC every step</th><td><strong>62.50</strong><small> ± 1.21</small></td>\
             <td><strong>60.25</strong><small> ± 0.90</small></td><td><strong>61.38</strong><small> ± 0.75</small></td>\
             <td>+6.25</td><td>23.50</td><td>43.2%</td></tr>"
        ));
        assert!(!text.contains("<script") && !text.contains("http"));
    }

    #[test]
    fn names_are_inert() {
        let mut leaderboard = testing::leaderboard();
        leaderboard.rows[0].system = "<script>alert(1)</script>\" onload='x'".to_owned();
        leaderboard.columns[0].task = "\"><img src=x onerror=alert(1)>".to_owned();
        let text = html(&leaderboard, None);
        assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
    }
}
