//! Published numbers, and ours beside them.

use std::fmt::Write as _;

use serde::Serialize;

use super::format::NOTHING;
use super::html_table::{HtmlCell, HtmlHeading, HtmlRow, HtmlTable};
use super::latex::escape as escape_latex;
use super::leaderboard::{Leaderboard, SystemRow};
use super::markdown::escape as escape_markdown;
use super::terminal::{Grid, printable, wrap};
use crate::results::LatencyBasis;

/// The table of the GaC paper.
const GAC: &str = include_str!("../../../../results/paper/gac.csv");
/// Columns that are no benchmark.
const AVERAGE: &str = "average";
const LATENCY: &str = "ms/token";

/// A published table: systems as rows, benchmarks as columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaperTable {
    /// Benchmarks, and `average` and `ms/token` where it has them.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<PaperRow>,
}

/// A published row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaperRow {
    /// The system.
    pub system: String,
    /// One number per column, scores in percent; none where nothing was published.
    pub values: Vec<Option<f64>>,
    /// Where it was published.
    pub source: String,
}

/// Published rows with ours of the same systems.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BesidePaper {
    /// The columns.
    pub columns: Vec<String>,
    /// The published rows.
    pub rows: Vec<BesideRow>,
    /// What our rows have no published row for.
    pub unpublished: Vec<String>,
}

/// A published row with ours, if there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BesideRow {
    /// The system.
    pub system: String,
    /// Where it was published.
    pub source: String,
    /// One per column.
    pub cells: Vec<BesideCell>,
}

/// A published number and ours: scores in percent, or milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BesideCell {
    /// As published.
    pub published: Option<f64>,
    /// As measured here.
    pub ours: Option<f64>,
    /// Ours minus the published one.
    pub difference: Option<f64>,
}

impl PaperTable {
    /// The ten rows of the GaC paper (`results/paper/gac.csv`).
    ///
    /// # Panics
    /// Never: the table is part of the binary, and a test reads it.
    pub fn gac() -> Self {
        Self::parse(GAC).expect("the table of the GaC paper parses")
    }

    /// Parses a table: the first column is `system`, the last `source`, the others hold numbers or nothing.
    ///
    /// # Errors
    /// When it has another form; the error names the line.
    pub fn parse(text: &str) -> Result<Self, PaperError> {
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let headings: Vec<String> =
            reader.headers().map_err(|error| PaperError::at(1, &error))?.iter().map(str::to_owned).collect();
        let [first, columns @ .., last] = &headings[..] else { return Err(PaperError::Headings) };
        if first != "system" || last != "source" {
            return Err(PaperError::Headings);
        }
        let mut rows = Vec::new();
        for (index, record) in reader.records().enumerate() {
            let line = index + 2;
            let record = record.map_err(|error| PaperError::at(line, &error))?;
            let fields: Vec<&str> = record.iter().collect();
            let [system, values @ .., source] = &fields[..] else { return Err(PaperError::Headings) };
            let values = values.iter().map(|text| match *text {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|_| PaperError::Number { line, text: text.to_owned() }),
            });
            rows.push(PaperRow {
                system: (*system).to_owned(),
                values: values.collect::<Result<_, _>>()?,
                source: (*source).to_owned(),
            });
        }
        Ok(Self { columns: columns.to_vec(), rows })
    }

    /// Puts our rows beside the published ones. Systems go by their names, but for case, spaces and signs; a benchmark
    /// is the task whose name begins like it.
    pub fn beside(&self, leaderboard: &Leaderboard) -> BesidePaper {
        let row = |published: &PaperRow| {
            let ours = leaderboard.rows.iter().find(|row| same(&row.system, &published.system));
            let cell = |(column, published): (&String, &Option<f64>)| {
                let ours = ours.and_then(|row| self.value(leaderboard, row, column));
                let difference = ours.zip(*published).map(|(ours, published)| ours - published);
                BesideCell { published: *published, ours, difference }
            };
            BesideRow {
                system: published.system.clone(),
                source: published.source.clone(),
                cells: self.columns.iter().zip(&published.values).map(cell).collect(),
            }
        };
        let is_published = |row: &&SystemRow| self.rows.iter().any(|published| same(&row.system, &published.system));
        BesidePaper {
            columns: self.columns.clone(),
            rows: self.rows.iter().map(row).collect(),
            unpublished: leaderboard
                .rows
                .iter()
                .filter(|row| !is_published(row))
                .map(|row| row.system.clone())
                .collect(),
        }
    }

    /// Our number for a published column.
    fn value(&self, leaderboard: &Leaderboard, row: &SystemRow, column: &str) -> Option<f64> {
        match column {
            // Only an average over the same benchmarks is the same average.
            AVERAGE => row.average.filter(|_| self.has_benchmarks_of(leaderboard)).map(|average| average.value * 100.0),
            // Theirs is a latency; a throughput does not compare.
            LATENCY => row.timing.ms_per_token.filter(|_| row.timing.latency_basis == Some(LatencyBasis::Request)),
            benchmark => row.scores[column_of(leaderboard, benchmark)?].map(|score| score.value * 100.0),
        }
    }

    /// Whether every column of ours is a benchmark of the table, and the other way round.
    fn has_benchmarks_of(&self, leaderboard: &Leaderboard) -> bool {
        let mut benchmarks = self.columns.iter().filter(|column| *column != AVERAGE && *column != LATENCY);
        let count = benchmarks.clone().count();
        count > 0
            && count == leaderboard.columns.len()
            && benchmarks.all(|benchmark| column_of(leaderboard, benchmark).is_some())
    }
}

/// Whether two names are the same but for case, spaces and signs.
fn same(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    plain(a) == plain(b)
}

/// The place of a benchmark among our columns.
fn column_of(leaderboard: &Leaderboard, benchmark: &str) -> Option<usize> {
    let task = benchmark_task(benchmark);
    leaderboard.columns.iter().position(|column| column.task.starts_with(&task))
}

/// How the tasks of a benchmark begin.
fn benchmark_task(benchmark: &str) -> String {
    match benchmark {
        "NQ" => "nq_open".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

impl BesidePaper {
    /// Rows of cells: published, and under it ours and the difference, where there are ours.
    fn grid(&self) -> Vec<Vec<String>> {
        let number = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.2}"));
        let signed = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:+.2}"));
        let mut rows = vec![[&["system".to_owned()][..], &self.columns].concat()];
        for row in &self.rows {
            let line = |name: String, cell: &dyn Fn(&BesideCell) -> String| {
                [name].into_iter().chain(row.cells.iter().map(cell)).collect::<Vec<_>>()
            };
            rows.push(line(row.system.clone(), &|cell| number(cell.published)));
            if row.cells.iter().any(|cell| cell.ours.is_some()) {
                rows.push(line(format!("{}, ours", row.system), &|cell| number(cell.ours)));
                rows.push(line(format!("{}, difference", row.system), &|cell| signed(cell.difference)));
            }
        }
        rows
    }

    /// Where the numbers come from, and what has no published row.
    fn notes(&self) -> Vec<String> {
        let mut sources: Vec<&str> = self.rows.iter().map(|row| row.source.as_str()).collect();
        sources.dedup();
        let mut notes = vec![format!("Published: {}.", sources.join("; "))];
        if !self.rows.iter().any(|row| row.cells.iter().any(|cell| cell.ours.is_some())) {
            notes.push("No system here has a published row's name.".to_owned());
        }
        notes
    }

    /// For terminals.
    pub fn terminal(&self, width: usize) -> String {
        let rows = self.grid().into_iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
        let mut lines = Grid { rows }.draw();
        lines.extend(self.notes().iter().flat_map(|note| wrap(&printable(note), width)));
        lines.join("\n") + "\n"
    }

    /// GitHub's markdown.
    pub fn markdown(&self) -> String {
        let mut lines = Vec::new();
        for (index, row) in self.grid().iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| escape_markdown(cell)).collect();
            lines.push(format!("| {} |", cells.join(" | ")));
            if index == 0 {
                lines.push(format!("| --- |{}", " ---: |".repeat(row.len() - 1)));
            }
        }
        lines.push(String::new());
        lines.extend(self.notes().iter().map(|note| escape_markdown(note)));
        lines.join("\n") + "\n"
    }

    /// A LaTeX table with `booktabs` rules.
    pub fn latex(&self) -> String {
        let columns = "r".repeat(self.columns.len());
        let mut text = format!("\\begin{{table}}\n  \\centering\n  \\begin{{tabular}}{{l{columns}}}\n    \\toprule\n");
        for (index, row) in self.grid().iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| escape_latex(cell)).collect();
            let _ = writeln!(text, "    {} \\\\", cells.join(" & "));
            if index == 0 {
                text.push_str("    \\midrule\n");
            }
        }
        let notes: Vec<String> = self.notes().iter().map(|note| escape_latex(note)).collect();
        text + &format!("    \\bottomrule\n  \\end{{tabular}}\n  \\caption{{{}}}\n\\end{{table}}\n", notes.join(" "))
    }

    /// An HTML table.
    pub fn html(&self) -> String {
        let mut grid = self.grid().into_iter();
        let columns = grid.next().unwrap_or_default().into_iter().map(HtmlHeading::from).collect();
        let rows = grid.filter_map(|row| {
            let mut texts = row.into_iter();
            let name = texts.next()?;
            Some(HtmlRow { name, cells: texts.map(HtmlCell::from).collect() })
        });
        let (rows, notes) = (rows.collect(), self.notes());
        HtmlTable { label: "Published numbers".to_owned(), summary: None, columns, rows, notes }.render()
    }

    /// Tidy CSV: `system`, `column`, `published`, `ours`, `difference`, `source`.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail.
    pub fn csv(&self) -> String {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        let mut write = |fields: [String; 6]| writer.write_record(fields).expect("memory takes every line");
        write(["system", "column", "published", "ours", "difference", "source"].map(str::to_owned));
        for row in &self.rows {
            for (column, cell) in self.columns.iter().zip(&row.cells) {
                let numbers = [cell.published, cell.ours, cell.difference].map(number);
                let [published, ours, difference] = numbers;
                write([row.system.clone(), column.clone(), published, ours, difference, row.source.clone()]);
            }
        }
        let bytes = writer.into_inner().expect("memory takes every line");
        String::from_utf8(bytes).expect("every field is a String")
    }
}

/// A table of published numbers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaperError {
    /// The first line names other columns.
    #[error("the first column is to be `system` and the last `source`")]
    Headings,
    /// A line is no CSV.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from one.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A field is no number.
    #[error("line {line}: `{text}` is no number")]
    Number {
        /// Counted from one.
        line: usize,
        /// The field.
        text: String,
    },
}

impl PaperError {
    fn at(line: usize, error: &::csv::Error) -> Self {
        Self::Line { line, reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaderboard::testing;
    use super::*;

    #[test]
    fn the_papers_table_has_ten_rows_whose_averages_are_those_of_their_scores() {
        let table = PaperTable::gac();
        assert_eq!(table.columns, ["MMLU", "GSM8K", "BBH", "TriviaQA", "NQ", "average", "ms/token"]);
        assert_eq!(table.rows.len(), 10);
        for row in &table.rows {
            let values: Vec<f64> = row.values.iter().flatten().copied().collect();
            let mean = values[..5].iter().sum::<f64>() / 5.0;
            // Two decimals in the paper, of scores that were rounded before or after.
            assert!((mean - values[5]).abs() < 0.02, "{}: {mean}", row.system);
        }
    }

    #[test]
    fn ours_stand_beside_the_published_row_of_the_same_name() {
        let mut leaderboard = testing::leaderboard();
        leaderboard.rows[2].system = "gac (Yi+Mixtral)".to_owned();
        let beside = PaperTable::gac().beside(&leaderboard);
        assert_eq!(beside.unpublished, ["mini-llama", "mini-qwen"]);
        let row = &beside.rows[5];
        assert_eq!((row.system.as_str(), row.cells[0].ours), ("GaC(Yi + Mixtral)", Some(62.5)));
        assert!((row.cells[0].difference.unwrap() + 12.33).abs() < 1e-9);
        assert_eq!((row.cells[1].published, row.cells[1].ours), (Some(71.21), None));
        let markdown = beside.markdown();
        assert!(markdown.contains("| GaC(Yi + Mixtral), difference | -12.33 | - |"), "{markdown}");
        assert!(beside.csv().contains("GaC(Yi + Mixtral),MMLU,74.83,62.5,"));
    }

    #[test]
    fn a_table_of_another_form_is_refused_with_its_line() {
        assert_eq!(PaperTable::parse("model,MMLU,source\n").unwrap_err(), PaperError::Headings);
        let error = PaperTable::parse("system,MMLU,source\na,high,b\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: `high` is no number");
    }
}
