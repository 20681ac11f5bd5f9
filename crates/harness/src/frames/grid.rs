//! Tidy figures as a grid: names down, systems across.

use polars::prelude::{DataFrame, LazyFrame, col, lit};

use super::FrameError;

/// A name of a [`grid`] with each system's value and standard error; none where a system has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimates {
    pub(crate) name: String,
    /// Of the first system that has it.
    pub(crate) documents: usize,
    /// Value and standard error.
    pub(crate) of_systems: Vec<Option<(f64, Option<f64>)>>,
}

/// Turns [`aggregates`](super::aggregates) into one line per name, in order of first appearance, with a column per
/// system's place; the first of figures of one name counts.
pub(crate) fn grid(aggregates: LazyFrame, systems: usize) -> Result<Vec<Estimates>, FrameError> {
    let of_system = |column: &'static str, row: usize| {
        col(column).filter(col("row").eq(lit(row as i64))).first().alias(format!("{column} {row}"))
    };
    let columns = (0..systems).flat_map(|row| [of_system("value", row), of_system("stderr", row)]);
    let columns: Vec<_> = [col("documents").first()].into_iter().chain(columns).collect();
    let grid = aggregates.group_by_stable([col("name")]).agg(columns).collect()?;
    (0..grid.height()).map(|line| estimates(&grid, line, systems)).collect()
}

fn estimates(grid: &DataFrame, line: usize, systems: usize) -> Result<Estimates, FrameError> {
    let number = |column: &str, row: usize| -> Result<Option<f64>, FrameError> {
        Ok(grid.column(&format!("{column} {row}"))?.f64()?.get(line))
    };
    let of_system = |row| -> Result<_, FrameError> {
        let (value, stderr) = (number("value", row)?, number("stderr", row)?);
        Ok(value.map(|value| (value, stderr)))
    };
    Ok(Estimates {
        name: grid.column("name")?.str()?.get(line).unwrap_or_default().to_owned(),
        documents: grid.column("documents")?.i64()?.get(line).unwrap_or_default() as usize,
        of_systems: (0..systems).map(of_system).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use polars::df;
    use polars::prelude::IntoLazy;

    use super::*;

    #[test]
    fn a_system_without_a_figure_has_a_gap_and_names_keep_their_order() {
        let aggregates = df![
            "row" => [0_i64, 1, 1],
            "name" => ["stem", "other", "stem"],
            "documents" => [2_i64, 3, 2],
            "value" => [0.5, 0.25, 1.0],
            "stderr" => [None, Some(0.1), None],
        ];
        let grid = grid(aggregates.unwrap().lazy(), 3).unwrap();
        let line = |name: &str, documents, of_systems| Estimates { name: name.to_owned(), documents, of_systems };
        let stem = line("stem", 2, vec![Some((0.5, None)), Some((1.0, None)), None]);
        let other = line("other", 3, vec![None, Some((0.25, Some(0.1))), None]);
        assert_eq!(grid, [stem, other]);
    }
}
