//! A chart as inline SVG that takes the page's colours.

use std::fmt::Write as _;

use super::super::html::escape;

/// Size of a chart in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 380.0;
/// Room for labels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;
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
        let x = points().map(|point| point.x).chain(self.x.includes.iter().copied());
        let bars = points().flat_map(|point| [-1.0, 1.0].map(|sign| point.y + sign * point.error.unwrap_or(0.0)));
        (Scale::around(x), Scale::around(bars.chain(self.y.includes.iter().copied())))
    }

    /// A figure with an SVG whose colours are the page's.
    pub(super) fn figure(&self) -> String {
        let (x, y) = self.scales();
        let at_x = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
        let at_y = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<figure>\n<div class=\"plot\" tabindex=\"0\"><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        let (left, right, bottom) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
        for &tick in &y.ticks {
            let at = at_y(tick);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" \
                 y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                at + 4.5,
                y.text(tick)
            );
        }
        for &tick in &x.ticks {
            let at = at_x(tick);
            let _ = writeln!(
                svg,
                "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom}\" y2=\"{:.1}\"/><text x=\"{at:.1}\" \
                 y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 5.0,
                bottom + 20.0,
                x.text(tick)
            );
        }
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{left}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(left, right),
            HEIGHT - 10.0,
            escape(&self.x.name),
            f64::midpoint(TOP, bottom),
            escape(&self.y.name)
        );
        let mut labels: Vec<(usize, f64, &str)> = Vec::new();
        for series in &self.series {
            let _ = writeln!(svg, "<g class=\"s{}\">", series.colour % COLOURS);
            let path: Vec<String> =
                series.points.iter().map(|point| format!("{:.1},{:.1}", at_x(point.x), at_y(point.y))).collect();
            let class = match series.line {
                Line::None => None,
                Line::Solid => Some("path"),
                Line::Dashed => Some("path dashed"),
            };
            if let Some(class) = class {
                let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", path.join(" "));
            }
            for point in &series.points {
                svg.push_str(&mark(point, series.line, at_x(point.x), at_y));
            }
            svg.push_str("</g>\n");
            if let Some(last) = series.points.last() {
                labels.push((series.colour, at_y(last.y), &series.name));
            }
        }
        svg.push_str(&legend(&mut labels, right + 10.0, bottom));
        svg + &format!(
            "</svg></div>\n<figcaption><strong>{}.</strong> {}</figcaption>\n</figure>\n",
            escape(&self.title),
            escape(&self.caption)
        )
    }
}

fn mark(point: &Point, line: Line, x: f64, at_y: impl Fn(f64) -> f64) -> String {
    let y = at_y(point.y);
    let mut text = String::new();
    if let Some(error) = point.error.filter(|error| *error > 0.0) {
        let (low, high) = (at_y(point.y - error), at_y(point.y + error));
        let _ = write!(text, "<line class=\"error\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\"/>");
    }
    let class = if line == Line::Dashed { "mark hollow" } else { "mark" };
    text + &format!(
        "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{}</title></circle>\n",
        escape(&point.label)
    )
}

/// Names to the right of the last points, moved apart where they would lie on each other.
fn legend(labels: &mut [(usize, f64, &str)], x: f64, bottom: f64) -> String {
    const APART: f64 = 17.0;
    labels.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut above = TOP - APART + 8.0;
    for (_, y, _) in labels.iter_mut() {
        *y = (*y).max(above + APART);
        above = *y;
    }
    let mut below = bottom + APART;
    for (_, y, _) in labels.iter_mut().rev() {
        *y = (*y).min(below - APART);
        below = *y;
    }
    let cut = |name: &str| {
        if name.chars().count() > 18 { name.chars().take(17).chain(['…']).collect() } else { name.to_owned() }
    };
    let texts = labels.iter().map(|(colour, y, name)| {
        format!(
            "<g class=\"s{}\"><text class=\"label\" x=\"{x:.1}\" y=\"{:.1}\"><title>{}</title>{}</text></g>\n",
            colour % COLOURS,
            y + 4.5,
            escape(name),
            escape(&cut(name))
        )
    });
    texts.collect()
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
        let axis = Axis { name: "<b>".into(), includes: vec![] };
        let chart = Chart { title: "&".into(), caption: String::new(), x: axis.clone(), y: axis, series: vec![series] };
        let figure = chart.figure();
        assert!(!figure.contains("<script") && !figure.contains("<b>"), "{figure}");
        assert_eq!(figure.matches("<circle").count(), 1);
    }
}
