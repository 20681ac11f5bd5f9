//! A leaderboard for README files and pull requests.

use super::estimate::Estimate;
use super::format::{
    NOTHING, comparison, drafts, failures, latency, latency_note, percent, perplexity_note, plus_minus, protocols,
    served_note, share,
};
use super::leaderboard::{Leaderboard, SystemRow};

/// A table in GitHub's markdown: scores in percent with standard errors, the best of each column in bold; below it the
/// differences to the best single model, and what the latency is.
pub fn markdown(leaderboard: &Leaderboard) -> String {
    let columns: Vec<String> = leaderboard.columns.iter().map(|column| escape(&column.task)).collect();
    let mut lines = vec![
        line(
            ["system".to_owned()]
                .into_iter()
                .chain(columns)
                .chain(["average", "ms/token", "ensembled"].map(Into::into)),
        ),
        line(["---"].into_iter().chain(vec!["---:"; leaderboard.columns.len() + 3])),
    ];
    for row in &leaderboard.rows {
        let scores = row.scores.iter().enumerate();
        let cells = scores.map(|(index, &score)| cell(leaderboard, score, |row| row.scores[index]));
        let average = cell(leaderboard, row.average, |row: &SystemRow| row.average);
        lines.push(line([escape(&row.system)].into_iter().chain(cells).chain([average, latency(row), share(row)])));
    }
    let groups = &leaderboard.groups;
    if !groups.names.is_empty() {
        lines.push(String::new());
        lines.push(line(["group".to_owned()].into_iter().chain(groups.names.iter().map(|name| escape(name)))));
        lines.push(line(["---"].into_iter().chain(vec!["---:"; groups.names.len()])));
        for (row, scores) in leaderboard.rows.iter().zip(&groups.rows) {
            let cell = |score: &Option<Estimate>| {
                score.map_or_else(|| NOTHING.to_owned(), |score| percent(score) + &plus_minus(score))
            };
            lines.push(line([escape(&row.system)].into_iter().chain(scores.iter().map(cell))));
        }
    }
    if !leaderboard.comparisons.is_empty() {
        lines.push(String::new());
        lines.extend(leaderboard.comparisons.iter().map(|found| format!("- {}", comparison(found, escape))));
    }
    lines.push(String::new());
    lines.push("Scores in percent.".to_owned());
    lines.extend(perplexity_note(leaderboard).map(str::to_owned));
    lines.extend(failures(leaderboard, escape).into_iter().map(|failure| format!("- {failure}")));
    lines.extend(protocols(leaderboard, escape).into_iter().map(|protocol| format!("- {protocol}")));
    if let Some(note) = latency_note(leaderboard) {
        lines.push(String::new());
        lines.push(note.to_owned());
    }
    for note in drafts(leaderboard, escape) {
        lines.extend([String::new(), note]);
    }
    if let Some(note) = served_note(leaderboard, escape) {
        lines.push(String::new());
        lines.push(note);
    }
    lines.join("\n") + "\n"
}

fn cell(leaderboard: &Leaderboard, score: Option<Estimate>, column: impl Fn(&SystemRow) -> Option<Estimate>) -> String {
    let Some(score) = score else { return NOTHING.to_owned() };
    let value = percent(score);
    let value = if leaderboard.is_best(score, column) { format!("**{value}**") } else { value };
    value + &plus_minus(score)
}

fn line(cells: impl IntoIterator<Item = impl Into<String>>) -> String {
    let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
    format!("| {} |", cells.join(" | "))
}

/// A name as inert text of one table cell.
pub(crate) fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '[' | ']' => escaped.extend(['\\', character]),
            character if character.is_control() => escaped.push(' '),
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
    fn the_best_of_each_column_is_bold_and_differences_stand_below() {
        assert_eq!(
            markdown(&testing::leaderboard()),
            "\
| system | mmlu_flan_n_shot_generative | arc_easy | average | ms/token | ensembled |
| --- | ---: | ---: | ---: | ---: | ---: |
| mini-llama | 50.00 ± 2.50 | **60.25** ± 1.00 | 55.12 ± 1.35 | 10.00 | - |
| mini-qwen | 40.00 ± 2.40 | 30.00 | 35.00 | 12.00 | - |
| GaC every step | **62.50** ± 1.21 | **60.25** ± 0.90 | **61.38** ± 0.75 | 23.50 | 43.2% |

- GaC every step against mini-llama, the best single model: +6.25 points (95% CI +1.00 to +11.50; paired over 600 documents)

Scores in percent.
- mmlu_flan_n_shot_generative: 2-shot, version 1, exact_match,none, 400 documents
- arc_easy: 0-shot, version 1, acc,none, 200 documents

ms/token: a request's wall time over its length in tokens, one request at a time.
"
        );
    }

    #[test]
    fn names_cannot_break_the_table() {
        assert_eq!(escape("a|b\n<script>*"), "a\\|b &lt;script&gt;\\*");
    }
}
