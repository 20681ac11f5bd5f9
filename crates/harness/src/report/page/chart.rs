//! A chart as inline SVG that takes the page's colours.

use serde::Serialize;

use super::super::templates::render;

/// Size of a chart in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 380.0;
/// Room for labels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;
/// Labels that have room beside each other.
const MOST_LABELS: usize = 7;
/// Colours in the style sheet.
const COLOURS: usize = 6;

/// Points over two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// One sentence more.
    pub caption: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name, with the unit.
    pub name: String,
    /// Values it must show in any case.
    pub includes: Vec<f64>,
    /// What stands at 1, 2, 3 and so on, where these are no numbers.
    pub labels: Vec<String>,
}

impl Axis {
    /// What stands at a tick.
    pub(crate) fn text(&self, scale: &Scale, tick: f64) -> String {
        if self.labels.is_empty() {
            return scale.text(tick);
        }
        let place = tick.round();
        let label = if (tick - place).abs() < 1e-6 {
            (place as usize).checked_sub(1).and_then(|index| self.labels.get(index))
        } else {
            None
        };
        label.cloned().unwrap_or_default()
    }
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its colour's number: series of the same thing have the same.
    pub colour: usize,
    /// Whether a line joins the points, and whether it is dashed.
    pub line: Line,
    /// The points, by x.
    pub points: Vec<Point>,
}

/// How points are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Not at all.
    None,
    /// By a line.
    Solid,
    /// By a dashed line.
    Dashed,
}

/// A point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// Where.
    pub y: f64,
    /// Half the height of its error bar.
    pub error: Option<f64>,
    /// What a pointer is told.
    pub label: String,
}

/// A range of values on an axis, with round ticks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<f64>,
}

impl Scale {
    /// A scale with about five steps of 1, 2 or 5 times a power of ten around all `values`.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let span = if high > low { high - low } else { low.abs().max(1.0) * 0.1 };
        let rough = span / 5.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let last = if last > first { last } else { first + 1.0 };
        let ticks = (0..=(last - first) as usize).map(|index| (first + index as f64) * step).collect();
        Self { low: first * step, high: last * step, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// A tick as text, with as many decimals as its steps have.
    pub(crate) fn text(&self, tick: f64) -> String {
        let step = (self.high - self.low) / (self.ticks.len().max(2) - 1) as f64;
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{tick:.decimals$}");
        if text.trim_start_matches('-').chars().all(|digit| matches!(digit, '0' | '.')) {
            text.replace('-', "")
        } else {
            text
        }
    }
}

impl Chart {
    /// The scales of both axes.
    pub(crate) fn scales(&self) -> (Scale, Scale) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bars = || points().flat_map(|point| [-1.0, 1.0].map(|sign| point.y + sign * point.error.unwrap_or(0.0)));
        if !self.x.labels.is_empty() {
            let count = self.x.labels.len();
            let step = count.div_ceil(MOST_LABELS);
            let ticks = (1..=count).rev().step_by(step).map(|place| place as f64).collect();
            let labelled = Scale { low: 0.5, high: count as f64 + 0.5, ticks };
            return (labelled, Scale::around(bars().chain(self.y.includes.iter().copied())));
        }
        let x = points().map(|point| point.x).chain(self.x.includes.iter().copied());
        (Scale::around(x), Scale::around(bars().chain(self.y.includes.iter().copied())))
    }

    /// A figure with an SVG whose colours are the page's.
    pub(super) fn figure(&self) -> String {
        let (x, y) = self.scales();
        let at_x = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
        let at_y = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let columns = x.ticks.iter().map(|&tick| (at_x(tick), bottom + 20.0, at_x(tick), self.x.text(&x, tick)));
        let lines = y.ticks.iter().map(|&tick| (LEFT - 8.0, at_y(tick) + 4.5, at_y(tick), y.text(tick)));
        let figure = Figure {
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right,
            top: TOP,
            bottom,
            title: &self.title,
            caption: &self.caption,
            x: FigureAxis::new(&self.x.name, columns),
            y: FigureAxis::new(&self.y.name, lines),
            series: self.series.iter().map(|series| FigureSeries::new(series, at_x, at_y)).collect(),
            legend: legend(&self.series, at_y, bottom),
        };
        render("figure.html", figure)
    }
}

/// A chart as its template takes it: every place in the units of the figure.
#[derive(Serialize)]
struct Figure<'a> {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    title: &'a str,
    caption: &'a str,
    x: FigureAxis<'a>,
    y: FigureAxis<'a>,
    series: Vec<FigureSeries<'a>>,
    legend: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct FigureAxis<'a> {
    name: &'a str,
    ticks: Vec<Tick>,
}

#[derive(Serialize)]
struct Tick {
    at: String,
    label_x: String,
    label_y: String,
    text: String,
}

#[derive(Serialize)]
struct FigureSeries<'a> {
    colour: usize,
    /// The line's class, where there is one, and its points.
    line: Option<&'static str>,
    path: String,
    /// The marks' class.
    mark: &'static str,
    marks: Vec<Mark<'a>>,
}

#[derive(Serialize)]
struct Mark<'a> {
    x: String,
    y: String,
    /// Ends of the error bar.
    error: Option<[String; 2]>,
    label: &'a str,
}

/// A name to the right of a series' last point.
#[derive(Serialize)]
struct Label<'a> {
    colour: usize,
    y: String,
    name: &'a str,
    /// The name, cut where it is long.
    shown: String,
}

/// A place, to a tenth of a unit.
fn place(value: f64) -> String {
    format!("{value:.1}")
}

impl<'a> FigureAxis<'a> {
    /// Ticks with where each label begins, where the tick is, and its text.
    fn new(name: &'a str, ticks: impl Iterator<Item = (f64, f64, f64, String)>) -> Self {
        let tick = |(x, y, at, text)| Tick { at: place(at), label_x: place(x), label_y: place(y), text };
        Self { name, ticks: ticks.map(tick).collect() }
    }
}

impl<'a> FigureSeries<'a> {
    fn new(series: &'a Series, at_x: impl Fn(f64) -> f64, at_y: impl Fn(f64) -> f64) -> Self {
        let (line, mark) = match series.line {
            Line::None => (None, "mark"),
            Line::Solid => (Some("path"), "mark"),
            Line::Dashed => (Some("path dashed"), "mark hollow"),
        };
        let at = |point: &Point| [place(at_x(point.x)), place(at_y(point.y))];
        let path: Vec<String> = series.points.iter().map(|point| at(point).join(",")).collect();
        let marks = series.points.iter().map(|point| {
            let [x, y] = at(point);
            let error = point.error.filter(|error| *error > 0.0);
            let error = error.map(|error| [point.y - error, point.y + error].map(|end| place(at_y(end))));
            Mark { x, y, error, label: &point.label }
        });
        Self { colour: series.colour % COLOURS, line, path: path.join(" "), mark, marks: marks.collect() }
    }
}

/// Names to the right of the last points, moved apart where they would lie on each other.
fn legend(series: &[Series], at_y: impl Fn(f64) -> f64, bottom: f64) -> Vec<Label<'_>> {
    const APART: f64 = 17.0;
    let ends = series.iter().filter_map(|series| Some((series, at_y(series.points.last()?.y))));
    let mut labels: Vec<(&Series, f64)> = ends.collect();
    labels.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut above = TOP - APART + 8.0;
    for (_, y) in &mut labels {
        *y = (*y).max(above + APART);
        above = *y;
    }
    let mut below = bottom + APART;
    for (_, y) in labels.iter_mut().rev() {
        *y = (*y).min(below - APART);
        below = *y;
    }
    let cut = |name: &str| {
        if name.chars().count() > 18 { name.chars().take(17).chain(['…']).collect() } else { name.to_owned() }
    };
    let labels = labels.into_iter().map(|(series, y)| Label {
        colour: series.colour % COLOURS,
        y: place(y + 4.5),
        name: &series.name,
        shown: cut(&series.name),
    });
    labels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_everything() {
        let scale = Scale::around([0.13, 0.87]);
        assert_eq!((scale.low, scale.high), (0.0, 1.0));
        assert_eq!(
            scale.ticks.iter().map(|&tick| scale.text(tick)).collect::<Vec<_>>(),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        let one = Scale::around([5.0]);
        assert!(one.low <= 5.0 && one.high > 5.0 && one.ticks.len() > 1);
        assert_eq!(Scale::around([f64::NAN]), Scale::around([0.0, 1.0]));
    }

    #[test]
    fn a_chart_holds_its_points_and_hostile_names_are_inert() {
        let point = Point { x: 1.0, y: 2.0, error: Some(0.5), label: "<script>".into() };
        let series = Series { name: "\"><script>".into(), colour: 0, line: Line::Solid, points: vec![point] };
        let axis = Axis { name: "<b>".into(), includes: vec![], labels: vec![] };
        let chart = Chart { title: "&".into(), caption: String::new(), x: axis.clone(), y: axis, series: vec![series] };
        let figure = chart.figure();
        assert!(!figure.contains("<script") && !figure.contains("<b>"), "{figure}");
        assert_eq!(figure.matches("<circle").count(), 1);
    }
}
