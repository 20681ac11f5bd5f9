//! Tables of pages.

use serde::Serialize;

use super::estimate::Estimate;
use super::format::{NOTHING, percent, plus_minus};
use super::templates::render;

/// A table in a box of its own, which scrolls where the window is narrower.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct HtmlTable {
    /// What it is, for those who do not see it.
    pub(super) label: String,
    /// Where it is folded away: what stands there instead.
    pub(super) summary: Option<String>,
    /// The headings, that of the rows' names too.
    pub(super) columns: Vec<HtmlHeading>,
    pub(super) rows: Vec<HtmlRow>,
    /// Sentences below it.
    pub(super) notes: Vec<String>,
}

/// The head of a column. It may be broken behind underscores.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct HtmlHeading {
    pub(super) name: String,
    /// Smaller, below the name.
    pub(super) below: Option<String>,
    /// What a pointer is told.
    pub(super) title: Option<String>,
}

/// A row with its name.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HtmlRow {
    pub(super) name: String,
    pub(super) cells: Vec<HtmlCell>,
}

/// A cell.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct HtmlCell {
    pub(super) text: String,
    /// Smaller, below the text.
    pub(super) below: Option<String>,
    /// Whether it is the best of its column.
    pub(super) is_best: bool,
    /// How much of the accent's colour is behind it, in percent.
    pub(super) tint: Option<String>,
}

impl HtmlTable {
    pub(super) fn render(&self) -> String {
        render("table.html", self)
    }
}

impl<T: Into<String>> From<T> for HtmlHeading {
    fn from(name: T) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl<T: Into<String>> From<T> for HtmlCell {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl HtmlCell {
    /// A score with its standard error below it; a dash where there is none.
    pub(super) fn score(score: Option<Estimate>, is_best: bool) -> Self {
        let Some(score) = score else { return NOTHING.into() };
        let below = score.stderr.map(|_| plus_minus(score));
        Self { text: percent(score), below, is_best, tint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_table_is_inert() {
        let hostile = "<script>\"'&";
        let heading = HtmlHeading { name: hostile.into(), below: Some(hostile.into()), title: Some(hostile.into()) };
        let cell = HtmlCell { text: hostile.into(), below: Some(hostile.into()), is_best: true, tint: None };
        let table = HtmlTable {
            label: hostile.into(),
            summary: Some(hostile.into()),
            columns: vec![heading],
            rows: vec![HtmlRow { name: hostile.into(), cells: vec![cell] }],
            notes: vec![hostile.into()],
        };
        let text = table.render();
        assert!(!text.contains("<script") && !text.contains("\"'"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;&quot;").count(), 9, "{text}");
    }

    #[test]
    fn names_of_tasks_break_behind_underscores() {
        let table = HtmlTable { columns: vec!["nq_<open>".into()], ..HtmlTable::default() };
        assert!(table.render().contains("<th scope=\"col\">nq_<wbr>&lt;open&gt;</th>"), "{}", table.render());
    }
}
