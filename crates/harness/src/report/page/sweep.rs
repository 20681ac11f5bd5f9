//! A sweep on the page: its charts, and every point as a table.

use super::super::estimate::Estimate;
use super::super::format::NOTHING;
use super::super::html_table::{HtmlCell, HtmlHeading, HtmlRow, HtmlTable};
use super::super::sweep::{Curve, GenerationCost, Spot, Sweep, curves, spots};
use super::chart::{Axis, Chart, Line, Point, Series};
use super::gated::{COST_TITLE, SHARE_AXIS};

/// The charts of a sweep: score and share of ensembled steps against the threshold, score against latency, and cost
/// against share.
pub fn sweep_charts(sweep: &Sweep) -> Vec<Chart> {
    let curves = curves(sweep);
    let charts = [scores(sweep, &curves), shares(&curves), latency(&curves), cost(&curves)];
    charts.into_iter().filter(|chart| chart.series.iter().any(|series| !series.points.is_empty())).collect()
}

fn threshold_axis() -> Axis {
    Axis { name: "threshold".into(), includes: vec![0.0, 1.0], labels: vec![] }
}

/// One line per curve through what `point` makes of its spots.
fn lines(curves: &[Curve], point: impl Fn(&Curve, &Spot) -> Option<Point>) -> Vec<Series> {
    let all = curves.iter().enumerate().map(|(colour, curve)| Series {
        name: curve.name.clone(),
        colour,
        line: Line::Solid,
        points: curve.spots.iter().filter_map(|spot| point(curve, spot)).collect(),
    });
    all.collect()
}

fn in_percent(score: Estimate) -> (f64, Option<f64>) {
    (score.value * 100.0, score.stderr.map(|stderr| stderr * 100.0))
}

fn scores(sweep: &Sweep, curves: &[Curve]) -> Chart {
    let series = lines(curves, |curve, spot| {
        let (y, error) = in_percent(spot.score);
        let label = format!("{}: {y:.2} at threshold {}", curve.name, spot.threshold);
        Some(Point { x: spot.threshold, y, error, label })
    });
    let what = match sweep.tasks()[..] {
        [task] => format!("Score on {task} in percent"),
        _ if sweep.systems().len() > 1 => "Average over tasks in percent".to_owned(),
        _ => "Scores in percent".to_owned(),
    };
    Chart {
        title: "Sweep: accuracy against threshold".into(),
        caption: format!("{what}; bars are one standard error up and down. {}", systems_note(sweep)),
        x: threshold_axis(),
        y: Axis { name: "accuracy, %".into(), includes: vec![], labels: vec![] },
        series,
    }
}

/// `Members: a + b`, where the lines do not say.
fn systems_note(sweep: &Sweep) -> String {
    match sweep.systems()[..] {
        [system] => format!("System: {system}."),
        _ => String::new(),
    }
}

fn shares(curves: &[Curve]) -> Chart {
    let series = lines(curves, |curve, spot| {
        let share = spot.share? * 100.0;
        let label = format!("{}: {share:.1}% of steps at threshold {}", curve.name, spot.threshold);
        Some(Point { x: spot.threshold, y: share, error: None, label })
    });
    Chart {
        title: "Sweep: share of ensembled steps against threshold".into(),
        caption: "Steps at which the members voted, of all steps of generated responses.".into(),
        x: threshold_axis(),
        y: Axis { name: SHARE_AXIS.into(), includes: vec![0.0, 100.0], labels: vec![] },
        series,
    }
}

/// For every curve a dashed line through modelled costs and, where they were measured, a solid one through measured
/// ones.
fn costs(curves: &[Curve], point: impl Fn(&str, &Spot, GenerationCost) -> Option<Point>) -> Vec<Series> {
    let mut series = Vec::new();
    for (colour, curve) in curves.iter().enumerate() {
        let is_only = curves.len() == 1;
        let mut line = |kind: &str, line: Line, cost: &dyn Fn(&Spot) -> Option<GenerationCost>| {
            let name = if is_only { kind.to_owned() } else { format!("{}, {kind}", curve.name) };
            let points: Vec<Point> = curve.spots.iter().filter_map(|spot| point(&name, spot, cost(spot)?)).collect();
            if !points.is_empty() {
                series.push(Series { name, colour, line, points });
            }
        };
        line("measured", Line::Solid, &|spot| spot.measured);
        line("modelled", Line::Dashed, &|spot| spot.modelled);
    }
    series
}

const MODEL_NOTE: &str = "Modelled: steps that the gate decides alone times what one costs, and steps that are voted on \
                          times what one of those costs, timed on a task's first documents. Measured: every threshold \
                          by the clock, in runs with a batch size of 1. One document at a time, prompts included.";

fn latency(curves: &[Curve]) -> Chart {
    let series = costs(curves, |name, spot, cost| {
        let (y, error) = in_percent(spot.score);
        let label = format!("{name}: {y:.2} at {:.2} ms/token, threshold {}", cost.per_token, spot.threshold);
        Some(Point { x: cost.per_token, y, error, label })
    });
    Chart {
        title: "Sweep: accuracy against latency".into(),
        caption: format!("Up and to the left is better. {MODEL_NOTE}"),
        x: Axis { name: "ms/token".into(), includes: vec![0.0], labels: vec![] },
        y: Axis { name: "accuracy, %".into(), includes: vec![], labels: vec![] },
        series,
    }
}

fn cost(curves: &[Curve]) -> Chart {
    let series = costs(curves, |name, spot, cost| {
        let share = spot.share? * 100.0;
        let label =
            format!("{name}: {:.2} ms/step at {share:.1}% of steps, threshold {}", cost.per_step, spot.threshold);
        Some(Point { x: share, y: cost.per_step, error: None, label })
    });
    Chart {
        title: format!("Sweep: {}", COST_TITLE.to_lowercase()),
        caption: format!("Modelled: the gate's forward + share x the other members' forwards. {MODEL_NOTE}"),
        x: Axis { name: SHARE_AXIS.into(), includes: vec![0.0, 100.0], labels: vec![] },
        y: Axis { name: "ms/step".into(), includes: vec![0.0], labels: vec![] },
        series,
    }
}

/// Every point: systems and thresholds as rows, tasks as columns.
pub(super) fn sweep_table(sweep: &Sweep) -> String {
    let (systems, tasks) = (sweep.systems(), sweep.tasks());
    let by_task: Vec<Vec<(&str, f64, Estimate)>> = tasks.iter().map(|&task| column(sweep, &systems, &[task])).collect();
    let averages = column(sweep, &systems, &tasks);
    let mut columns = vec![HtmlHeading::from("system"), "threshold".into()];
    columns.extend(tasks.iter().map(|&task| {
        let protocol = sweep.entries.iter().find(|entry| entry.task == *task);
        let below = protocol.map(|entry| format!("{}-shot, v{}", entry.num_fewshot, entry.task_version));
        HtmlHeading { below, ..task.into() }
    }));
    if tasks.len() > 1 {
        columns.push("average".into());
    }
    columns.extend(["ensembled", "ms/token, modelled", "ms/token, measured"].map(HtmlHeading::from));

    let mut table_rows = Vec::new();
    for system in &systems {
        for (threshold, pooled) in rows(sweep, system, &tasks) {
            let mut cells = vec![HtmlCell::from(threshold.to_string())];
            cells.extend(by_task.iter().map(|column| cell(column, system, threshold)));
            if tasks.len() > 1 {
                cells.push(cell(&averages, system, threshold));
            }
            let number = |value: Option<String>| HtmlCell::from(value.unwrap_or_else(|| NOTHING.to_owned()));
            let spot = pooled.as_ref();
            let latency = |cost: Option<GenerationCost>| number(cost.map(|cost| format!("{:.2}", cost.per_token)));
            cells.push(number(spot.and_then(|spot| spot.share).map(|share| format!("{:.1}%", share * 100.0))));
            cells.push(latency(spot.and_then(|spot| spot.modelled)));
            cells.push(latency(spot.and_then(|spot| spot.measured)));
            table_rows.push(HtmlRow { name: (*system).to_owned(), cells });
        }
    }

    let mut notes = vec!["Scores in percent, with standard errors. The best of each column is bold.".to_owned()];
    notes.extend(sweep.entries.iter().filter_map(|entry| {
        let costs = entry.costs?;
        Some(format!(
            "{} on {}: {:.2} ms for a step that the gate decides alone, {:.2} ms for one that is voted on",
            entry.system, entry.task, costs.alone_ms, costs.vote_ms
        ))
    }));
    let (label, summary) = ("Points of the sweep".to_owned(), Some("Every point".to_owned()));
    HtmlTable { label, summary, columns, rows: table_rows, notes }.render()
}

/// A system's thresholds, with what is pooled over all tasks where it did all.
fn rows(sweep: &Sweep, system: &str, all: &[&str]) -> Vec<(f64, Option<Spot>)> {
    let mut pooled = spots(sweep, system, all);
    let mut thresholds: Vec<f64> =
        all.iter().flat_map(|task| spots(sweep, system, &[task])).map(|spot| spot.threshold).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let found = thresholds.into_iter().map(|threshold| {
        let place = pooled.iter().position(|spot| spot.threshold.total_cmp(&threshold).is_eq());
        (threshold, place.map(|place| pooled.remove(place)))
    });
    found.collect()
}

/// The scores of one column, by system and threshold.
fn column<'a>(sweep: &Sweep, systems: &[&'a str], tasks: &[&str]) -> Vec<(&'a str, f64, Estimate)> {
    let of = |&system: &&'a str| {
        spots(sweep, system, tasks).into_iter().map(move |spot| (system, spot.threshold, spot.score))
    };
    systems.iter().flat_map(of).collect()
}

fn cell(column: &[(&str, f64, Estimate)], system: &str, threshold: f64) -> HtmlCell {
    let here = column.iter().find(|(name, at, _)| *name == system && at.total_cmp(&threshold).is_eq());
    let score = here.map(|(_, _, score)| *score);
    let shown = |score: &Estimate| (score.value * 10_000.0).round();
    let is_best =
        |score: Estimate| column.len() > 1 && column.iter().all(|(_, _, other)| shown(other) <= shown(&score));
    HtmlCell::score(score, score.is_some_and(is_best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sweep::testing::sweep;

    #[test]
    fn a_sweep_has_four_charts_with_a_point_per_threshold_and_line() {
        let charts = sweep_charts(&sweep(&["a + b, gac, 1:1", "a + b, gac, 2:1"], &["gsm8k", "nq"], &[0.0, 0.5, 1.0]));
        let titles: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "Sweep: accuracy against threshold",
                "Sweep: share of ensembled steps against threshold",
                "Sweep: accuracy against latency",
                "Sweep: cost against share of ensembled steps"
            ]
        );
        for chart in &charts {
            assert_eq!(chart.series.len(), 2, "{}", chart.title);
            assert!(chart.series.iter().all(|series| series.points.len() == 3), "{}", chart.title);
        }
        assert_eq!(charts[0].series[0].name, "1:1");
        assert!(charts[0].series[0].points.iter().all(|point| point.error.is_some()));
        // The gate's 10 ms, and 20 ms more where all steps are voted on.
        let costs: Vec<(f64, f64)> = charts[3].series[1].points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(costs, [(0.0, 10.0), (50.0, 20.0), (100.0, 30.0)]);
        assert_eq!(charts[3].series[1].name, "2:1, modelled");
    }

    #[test]
    fn measured_latencies_are_a_line_of_their_own_in_the_same_colour() {
        let mut sweep = sweep(&["a + b"], &["gsm8k"], &[0.0, 1.0]);
        for point in &mut sweep.entries[0].points {
            point.measured_ms_per_token = Some(9.0);
        }
        let charts = sweep_charts(&sweep);
        let lines: Vec<(&str, Line, usize)> =
            charts[2].series.iter().map(|series| (series.name.as_str(), series.line, series.colour)).collect();
        assert_eq!(lines, [("measured", Line::Solid, 0), ("modelled", Line::Dashed, 0)]);
    }

    #[test]
    fn tasks_that_generate_nothing_have_the_chart_of_scores_alone() {
        let mut sweep = sweep(&["a + b"], &["arc_easy"], &[0.0, 1.0]);
        sweep.entries[0].costs = None;
        for point in &mut sweep.entries[0].points {
            (point.tokens, point.ensembled, point.member_tokens, point.modelled_ms_per_token) = (0, 0, 0.0, None);
        }
        assert_eq!(sweep_charts(&sweep).len(), 1);
        assert!(sweep_table(&sweep).contains("<td>-</td><td>-</td><td>-</td></tr>"));
    }

    #[test]
    fn the_table_has_a_row_per_point_the_best_in_bold_and_hostile_names_are_inert() {
        let text = sweep_table(&sweep(&["<script>alert(1)</script>", "b"], &["gsm8k", "<img>"], &[0.0, 1.0]));
        assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
        assert!(text.contains(
            "<tr><th scope=\"row\">b</th><td>1</td><td><strong>80.00</strong><small> ± 3.00</small></td><td><strong>80.00\
             </strong><small> ± 3.00</small></td><td><strong>80.00</strong><small> ± 2.12</small></td><td>100.0%</td>\
             <td>24.00</td><td>-</td></tr>"
        ), "{text}");
        assert_eq!(text.matches("<tr><th scope=\"row\">").count(), 4);
    }

    #[test]
    fn a_system_that_was_cut_short_has_its_rows_without_an_average() {
        let mut sweep = sweep(&["a", "b"], &["gsm8k", "nq"], &[0.5]);
        sweep.entries.pop();
        let text = sweep_table(&sweep);
        assert!(text.contains("<th scope=\"row\">b</th><td>0.5</td><td><strong>70.00</strong><small> ± 3.00</small></td><td>-</td><td>-</td>"), "{text}");
    }
}
