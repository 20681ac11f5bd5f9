//! A leaderboard as an HTML table, alone or inside a report.

use gac_drawing::BASE_STYLE;
use serde::Serialize;

use super::format::{
    NOTHING, comparison, drafts, failures, latency, latency_note, perplexity_note, points, protocols, served_note,
    share,
};
use super::html_table::{HtmlCell, HtmlHeading, HtmlRow, HtmlTable};
use super::leaderboard::{Leaderboard, SystemRow};
use super::paper::BesidePaper;
use super::templates::render;

#[derive(Serialize)]
struct LeaderboardPage {
    style: &'static str,
    table: String,
    paper: Option<String>,
}

/// A whole page with the table, published numbers under it where they are wanted, and nothing else: no script, nothing
/// from the network.
pub fn html(leaderboard: &Leaderboard, paper: Option<&BesidePaper>) -> String {
    let (table, paper) = (table(leaderboard), paper.map(BesidePaper::html));
    render("leaderboard.html", LeaderboardPage { style: BASE_STYLE, table, paper })
}

/// The table with its notes.
pub(super) fn table(leaderboard: &Leaderboard) -> String {
    let mut columns: Vec<HtmlHeading> = vec!["system".into()];
    columns.extend(leaderboard.columns.iter().map(|column| HtmlHeading {
        name: column.task.clone(),
        below: Some(format!("{}-shot, v{}", column.num_fewshot, column.version)),
        title: Some(column.protocol()),
    }));
    columns.extend(["average", "to best member", "ms/token", "ensembled"].map(HtmlHeading::from));
    let rows = leaderboard.rows.iter().map(|row| HtmlRow { name: row.system.clone(), cells: cells(leaderboard, row) });
    let mut notes = vec!["Scores in percent, with standard errors. The best of each column is bold.".to_owned()];
    notes.extend(leaderboard.comparisons.iter().map(|found| comparison(found, str::to_owned)));
    notes.extend(failures(leaderboard, str::to_owned));
    notes.extend(protocols(leaderboard, str::to_owned));
    notes.extend(perplexity_note(leaderboard).map(str::to_owned));
    notes.extend(latency_note(leaderboard).map(str::to_owned));
    notes.extend(drafts(leaderboard, str::to_owned));
    notes.extend(served_note(leaderboard, str::to_owned));
    HtmlTable { label: "Leaderboard".to_owned(), summary: None, columns, rows: rows.collect(), notes }.render()
}

fn cells(leaderboard: &Leaderboard, row: &SystemRow) -> Vec<HtmlCell> {
    let score = |score, column: &dyn Fn(&SystemRow) -> Option<_>| {
        HtmlCell::score(score, score.is_some_and(|score| leaderboard.is_best(score, column)))
    };
    let scores = row.scores.iter().enumerate();
    let mut cells: Vec<HtmlCell> =
        scores.map(|(index, &value)| score(value, &|row: &SystemRow| row.scores[index])).collect();
    cells.push(score(row.average, &|row: &SystemRow| row.average));
    let difference = leaderboard.comparison(&row.system).map(|found| points(found.paired.difference));
    cells.extend([difference.unwrap_or_else(|| NOTHING.to_owned()), latency(row), share(row)].map(HtmlCell::from));
    cells
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
