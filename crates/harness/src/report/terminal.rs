//! A leaderboard for terminals, as wide as the terminal is.

use super::estimate::Estimate;
use super::format::{
    NOTHING, comparison, drafts, failures, latency, latency_note, percent, perplexity_note, plus_minus, protocols,
    served_note, share,
};
use super::leaderboard::{Leaderboard, SystemRow};

/// Spaces between columns.
const GAP: usize = 2;
/// Width that headings are broken to, where they can be.
const HEADING: usize = 10;

/// A plain-text table of at most `width` characters a line, as far as names allow. The best of each column carries a
/// `*`.
///
/// What does not fit gives way in this order: systems as rows with standard errors; without them; tasks as rows, with
/// and without; one block per system.
pub fn terminal(leaderboard: &Leaderboard, width: usize) -> String {
    let drawn = fitting(|errors| Grid::new(leaderboard, errors), width);
    let mut lines = drawn.unwrap_or_else(|| blocks(leaderboard));
    if !leaderboard.groups.names.is_empty() {
        let grid = |errors| Grid::of_groups(leaderboard, errors);
        lines.push(String::new());
        lines.extend(fitting(grid, width).unwrap_or_else(|| grid(false).turned().draw()));
    }

    let mut notes: Vec<String> = leaderboard.comparisons.iter().map(|found| comparison(found, printable)).collect();
    if leaderboard.rows.len() > 1 {
        notes.push("* best of its column. Scores in percent.".to_owned());
    } else {
        notes.push("Scores in percent.".to_owned());
    }
    notes.extend(perplexity_note(leaderboard).map(str::to_owned));
    if leaderboard.columns.iter().any(|column| !column.mixed.is_empty()) {
        let mixed = protocols(leaderboard, printable).into_iter();
        notes.push(format!("Protocols are mixed. {}.", mixed.collect::<Vec<_>>().join(". ")));
    }
    notes.extend(failures(leaderboard, printable));
    notes.extend(latency_note(leaderboard).map(str::to_owned));
    notes.extend(drafts(leaderboard, printable));
    notes.extend(served_note(leaderboard, printable));
    lines.push(String::new());
    lines.extend(notes.iter().flat_map(|note| wrap(note, width)));
    lines.join("\n") + "\n"
}

/// A table of at most `width` characters a line, with standard errors (the argument) or without, and turned where it
/// has to be.
fn fitting(grid: impl Fn(bool) -> Grid, width: usize) -> Option<Vec<String>> {
    [(true, false), (false, false), (true, true), (false, true)].into_iter().find_map(|(errors, turned)| {
        let grid = grid(errors);
        let lines = if turned { grid.turned() } else { grid }.draw();
        lines.iter().all(|line| line.chars().count() <= width).then_some(lines)
    })
}

/// Text in rows and columns; the first of each are names.
pub(super) struct Grid {
    /// Each row starts with its name; the first row holds the columns' names.
    pub(super) rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(leaderboard: &Leaderboard, errors: bool) -> Self {
        let tasks = leaderboard.columns.iter().map(|column| printable(&column.task));
        let mut heading = vec![String::new()];
        heading.extend(tasks);
        heading.extend(["average", "ms/token", "ensembled"].map(str::to_owned));
        let mut rows = vec![heading];
        for row in &leaderboard.rows {
            let mut cells = vec![printable(&row.system)];
            cells.extend(fields(leaderboard, row, errors));
            rows.push(cells);
        }
        Self { rows }
    }

    /// The groups that tasks are made of.
    fn of_groups(leaderboard: &Leaderboard, errors: bool) -> Self {
        let groups = &leaderboard.groups;
        let mut rows = vec![std::iter::once(String::new()).chain(groups.names.iter().map(|n| printable(n))).collect()];
        for (row, scores) in leaderboard.rows.iter().zip(&groups.rows) {
            let cell = |score: &Option<Estimate>| match score {
                Some(score) if errors => percent(*score) + &plus_minus(*score),
                Some(score) => percent(*score),
                None => NOTHING.to_owned(),
            };
            rows.push(std::iter::once(printable(&row.system)).chain(scores.iter().map(cell)).collect());
        }
        Self { rows }
    }

    /// Columns as rows.
    fn turned(self) -> Self {
        let columns = self.rows.first().map_or(0, Vec::len);
        let rows = (0..columns).map(|column| self.rows.iter().map(|row| row[column].clone()).collect()).collect();
        Self { rows }
    }

    /// Names to the left, everything else to the right, headings over as many lines as they need.
    pub(super) fn draw(&self) -> Vec<String> {
        let (heading, body) = self.rows.split_first().expect("a grid has a heading");
        let headings: Vec<Vec<String>> = heading
            .iter()
            .enumerate()
            .map(|(column, name)| {
                let widest = body.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
                break_name(name, widest.max(HEADING))
            })
            .collect();
        let widths: Vec<usize> = headings
            .iter()
            .enumerate()
            .map(|(column, lines)| {
                let cells = body.iter().map(|row| &row[column]).chain(lines);
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let height = headings.iter().map(Vec::len).max().unwrap_or(0);
        let row = |cells: Vec<&str>| {
            let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
        };
        let mut drawn: Vec<String> = (0..height)
            .map(|index| {
                // Headings stand on the rule below them.
                let cell = |lines: &'_ Vec<String>| (index + lines.len()).checked_sub(height);
                row(headings.iter().map(|lines| cell(lines).map_or("", |place| lines[place].as_str())).collect())
            })
            .collect();
        drawn.push("─".repeat(widths.iter().sum::<usize>() + GAP * (widths.len() - 1)));
        drawn.extend(body.iter().map(|cells| row(cells.iter().map(String::as_str).collect())));
        drawn
    }
}

/// Scores, average, latency and share of one system.
fn fields(leaderboard: &Leaderboard, row: &SystemRow, errors: bool) -> Vec<String> {
    let cell = |score: Option<Estimate>, column: &dyn Fn(&SystemRow) -> Option<Estimate>| {
        let Some(score) = score else { return NOTHING.to_owned() };
        let mark = if leaderboard.is_best(score, column) { "*" } else { "" };
        let error = if errors { plus_minus(score) } else { String::new() };
        format!("{mark}{}{error}", percent(score))
    };
    let scores = row.scores.iter().enumerate();
    let mut fields: Vec<String> = scores.map(|(index, &score)| cell(score, &|row| row.scores[index])).collect();
    fields.extend([cell(row.average, &|row| row.average), latency(row), share(row)]);
    fields
}

/// One block per system, one line per column.
fn blocks(leaderboard: &Leaderboard) -> Vec<String> {
    let names: Vec<String> = leaderboard.columns.iter().map(|column| printable(&column.task)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["average", "ms/token", "ensembled"]).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in &leaderboard.rows {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(printable(&row.system));
        let fields = fields(leaderboard, row, false);
        for (name, field) in names.iter().zip(fields).filter(|(_, field)| field != NOTHING) {
            lines.push(format!("  {name:<width$}  {field:>6}"));
        }
    }
    lines
}

/// A name over several lines of at most `width` where it has spaces, or after `_`, `-` and `/`.
fn break_name(name: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in name.split_inclusive([' ', '_', '-', '/']) {
        let last = lines.last_mut().expect("there is a line");
        let fits = last.chars().count() + piece.trim_end().chars().count() <= width;
        if fits || last.is_empty() {
            last.push_str(piece);
        } else {
            lines.push(piece.to_owned());
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Words over several lines of at most `width`, where words allow; later lines are indented.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A name that moves no cursor.
pub(crate) fn printable(name: &str) -> String {
    name.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::leaderboard::testing;
    use super::*;

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_eq!(
            terminal(&testing::leaderboard(), 140),
            &r"
                 mmlu_flan_n_
                        shot_
                   generative       arc_easy        average  ms/token  ensembled
────────────────────────────────────────────────────────────────────────────────
mini-llama       50.00 ± 2.50  *60.25 ± 1.00   55.12 ± 1.35     10.00          -
mini-qwen        40.00 ± 2.40          30.00          35.00     12.00          -
GaC every step  *62.50 ± 1.21  *60.25 ± 0.90  *61.38 ± 0.75     23.50      43.2%

GaC every step against mini-llama, the best single model: +6.25 points (95% CI +1.00 to +11.50; paired over 600 documents)
* best of its column. Scores in percent.
ms/token: a request's wall time over its length in tokens, one request at a time.
"[1..]
        );
    }

    #[test]
    fn standard_errors_go_first() {
        assert_eq!(
            terminal(&testing::leaderboard(), 70),
            &r"
                mmlu_flan_
                   n_shot_
                generative  arc_easy  average  ms/token  ensembled
──────────────────────────────────────────────────────────────────
mini-llama           50.00    *60.25    55.12     10.00          -
mini-qwen            40.00     30.00    35.00     12.00          -
GaC every step      *62.50    *60.25   *61.38     23.50      43.2%

GaC every step against mini-llama, the best single model: +6.25 points
  (95% CI +1.00 to +11.50; paired over 600 documents)
* best of its column. Scores in percent.
ms/token: a request's wall time over its length in tokens, one request
  at a time.
"[1..]
        );
    }

    #[test]
    fn then_tasks_become_rows() {
        let mut leaderboard = testing::leaderboard();
        leaderboard.rows.truncate(1);
        leaderboard.comparisons.clear();
        assert_eq!(
            terminal(&leaderboard, 45),
            &r"
                               mini-llama
─────────────────────────────────────────
mmlu_flan_n_shot_generative  50.00 ± 2.50
arc_easy                     60.25 ± 1.00
average                      55.12 ± 1.35
ms/token                            10.00
ensembled                               -

Scores in percent.
ms/token: a request's wall time over its
  length in tokens, one request at a time.
"[1..]
        );
    }

    #[test]
    fn a_narrow_terminal_gets_one_block_per_system() {
        assert_eq!(
            terminal(&testing::leaderboard(), 40),
            &r"
mini-llama
  mmlu_flan_n_shot_generative   50.00
  arc_easy                     *60.25
  average                       55.12
  ms/token                      10.00

mini-qwen
  mmlu_flan_n_shot_generative   40.00
  arc_easy                      30.00
  average                       35.00
  ms/token                      12.00

GaC every step
  mmlu_flan_n_shot_generative  *62.50
  arc_easy                     *60.25
  average                      *61.38
  ms/token                      23.50
  ensembled                     43.2%

GaC every step against mini-llama, the
  best single model: +6.25 points (95%
  CI +1.00 to +11.50; paired over 600
  documents)
* best of its column. Scores in percent.
ms/token: a request's wall time over its
  length in tokens, one request at a
  time.
"[1..]
        );
    }

    #[test]
    fn groups_of_tasks_have_a_table_of_their_own() {
        let mut leaderboard = testing::leaderboard();
        leaderboard.rows.truncate(2);
        leaderboard.comparisons.clear();
        let score = |value| Some(Estimate::share(value, Some(0.01)));
        leaderboard.groups.names = vec!["mmlu_other".to_owned(), "mmlu_stem".to_owned()];
        leaderboard.groups.rows = vec![vec![score(0.5), score(0.25)], vec![None, score(0.75)]];
        let drawn = terminal(&leaderboard, 140);
        let groups = r"
              mmlu_other     mmlu_stem
──────────────────────────────────────
mini-llama  50.00 ± 1.00  25.00 ± 1.00
mini-qwen              -  75.00 ± 1.00

* best of";
        assert!(drawn.contains(groups), "{drawn}");
    }

    #[test]
    fn control_characters_in_names_move_no_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\r"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
