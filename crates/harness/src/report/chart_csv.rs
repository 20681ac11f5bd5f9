//! A chart's points as numbers, for whoever draws it otherwise.

use super::page::Chart;

/// CSV with one line per point: `series`, the two axes by their names, `error` (half an error bar's height, empty where
/// there is none), and `label`.
///
/// # Panics
/// Never: writing to memory cannot fail, and every line has the same number of fields.
pub fn chart_csv(chart: &Chart) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: [&str; 5]| writer.write_record(fields).expect("memory takes every line");
    write(["series", &chart.x.name, &chart.y.name, "error", "label"]);
    for series in &chart.series {
        for point in &series.points {
            let error = point.error.map(|error| error.to_string()).unwrap_or_default();
            write([&series.name, &point.x.to_string(), &point.y.to_string(), &error, &point.label]);
        }
    }
    let bytes = writer.into_inner().expect("memory takes every line");
    String::from_utf8(bytes).expect("fields are text")
}

#[cfg(test)]
mod tests {
    use super::super::page::{Axis, Line, Point, Series};
    use super::*;

    #[test]
    fn every_point_is_a_line_under_the_axes_names() {
        let axis = |name: &str| Axis { name: name.into(), includes: vec![], labels: vec![] };
        let point = |x: f64, error| Point { x, y: 60.0, error, label: format!("at {x}") };
        let points = vec![point(0.5, Some(1.5)), point(1.0, None)];
        let series = vec![Series { name: "a, b".into(), colour: 0, line: Line::Solid, points }];
        let chart = Chart { title: String::new(), caption: String::new(), x: axis("t"), y: axis("score, %"), series };
        assert_eq!(
            chart_csv(&chart),
            "series,t,\"score, %\",error,label\n\"a, b\",0.5,60,1.5,at 0.5\n\"a, b\",1,60,,at 1\n"
        );
    }
}
