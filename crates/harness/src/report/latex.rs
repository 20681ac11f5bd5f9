//! A leaderboard for papers.

use super::estimate::Estimate;
use super::format::{
    NOTHING, drafts, failures, latency, latency_note, percent, perplexity_note, points, protocols, served_note, share,
    standard_error,
};
use super::leaderboard::{Leaderboard, SystemRow};

/// A LaTeX table with the rules of the `booktabs` package: the best of each column in bold, standard errors as
/// subscripts, the difference to the best member.
pub fn latex(leaderboard: &Leaderboard) -> String {
    let columns = leaderboard.columns.len();
    let mut lines = vec![
        "% \\usepackage{booktabs}".to_owned(),
        "\\begin{table}".to_owned(),
        "  \\centering".to_owned(),
        format!("  \\begin{{tabular}}{{l{}rrrr}}", "r".repeat(columns)),
        "    \\toprule".to_owned(),
    ];
    let names = leaderboard.columns.iter().map(|column| escape(&column.task));
    let fixed = ["average", "$\\Delta$", "ms/token", "ensembled"].map(str::to_owned);
    lines.push(line(["system".to_owned()].into_iter().chain(names).chain(fixed)));
    let shots = leaderboard.columns.iter().map(|column| format!("{}-shot", column.num_fewshot));
    let nothing = std::iter::repeat_n(String::new(), 4);
    lines.push(line([String::new()].into_iter().chain(shots).chain(nothing)));
    lines.push("    \\midrule".to_owned());
    let mut was_single = true;
    for (index, row) in leaderboard.rows.iter().enumerate() {
        if index > 0 && was_single && row.members > 1 {
            lines.push("    \\midrule".to_owned());
        }
        was_single = row.members == 1;
        let scores = row.scores.iter().enumerate();
        let cells = scores.map(|(index, &score)| cell(leaderboard, score, |row| row.scores[index]));
        let average = cell(leaderboard, row.average, |row: &SystemRow| row.average);
        let difference =
            leaderboard.comparison(&row.system).map(|found| format!("${}$", points(found.paired.difference)));
        let rest =
            [average, difference.unwrap_or_else(|| dash(NOTHING)), dash(&latency(row)), dash(&escape(&share(row)))];
        lines.push(line([escape(&row.system)].into_iter().chain(cells).chain(rest)));
    }
    lines.push("    \\bottomrule".to_owned());
    lines.push("  \\end{tabular}".to_owned());
    let mut notes = vec!["Scores in percent with standard errors; $\\Delta$: points above the best member.".to_owned()];
    notes.extend(perplexity_note(leaderboard).map(str::to_owned));
    notes.extend(protocols(leaderboard, escape).into_iter().map(|protocol| format!("{protocol}.")));
    notes.extend(failures(leaderboard, escape));
    notes.extend(latency_note(leaderboard).map(str::to_owned));
    notes.extend(drafts(leaderboard, escape));
    notes.extend(served_note(leaderboard, escape));
    lines.push(format!("  \\caption{{{}}}", notes.join(" ")));
    lines.push("\\end{table}".to_owned());
    lines.join("\n") + "\n"
}

fn cell(leaderboard: &Leaderboard, score: Option<Estimate>, column: impl Fn(&SystemRow) -> Option<Estimate>) -> String {
    let Some(score) = score else { return dash(NOTHING) };
    let value = percent(score);
    let value = if leaderboard.is_best(score, column) { format!("\\textbf{{{value}}}") } else { value };
    match standard_error(score) {
        Some(error) => format!("{value}$_{{\\pm {error}}}$"),
        None => value,
    }
}

fn dash(text: &str) -> String {
    if text == NOTHING { "--".to_owned() } else { text.to_owned() }
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    format!("    {} \\\\", cells.into_iter().collect::<Vec<_>>().join(" & "))
}

/// A name as text that starts no command.
pub(super) fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
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
    fn the_table_is_booktabs_with_the_best_in_bold() {
        assert_eq!(
            latex(&testing::leaderboard()),
            r"% \usepackage{booktabs}
\begin{table}
  \centering
  \begin{tabular}{lrrrrrr}
    \toprule
    system & mmlu\_flan\_n\_shot\_generative & arc\_easy & average & $\Delta$ & ms/token & ensembled \\
     & 2-shot & 0-shot &  &  &  &  \\
    \midrule
    mini-llama & 50.00$_{\pm 2.50}$ & \textbf{60.25}$_{\pm 1.00}$ & 55.12$_{\pm 1.35}$ & -- & 10.00 & -- \\
    mini-qwen & 40.00$_{\pm 2.40}$ & 30.00 & 35.00 & -- & 12.00 & -- \\
    \midrule
    GaC every step & \textbf{62.50}$_{\pm 1.21}$ & \textbf{60.25}$_{\pm 0.90}$ & \textbf{61.38}$_{\pm 0.75}$ & $+6.25$ & 23.50 & 43.2\% \\
    \bottomrule
  \end{tabular}
  \caption{Scores in percent with standard errors; $\Delta$: points above the best member. mmlu\_flan\_n\_shot\_generative: 2-shot, version 1, exact\_match,none, 400 documents. arc\_easy: 0-shot, version 1, acc,none, 200 documents. ms/token: a request's wall time over its length in tokens, one request at a time.}
\end{table}
"
        );
    }

    #[test]
    fn names_start_no_commands() {
        assert_eq!(escape(r"a_b \input{x} 5%"), r"a\_b \textbackslash{}input\{x\} 5\%");
    }
}
