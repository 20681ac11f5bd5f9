//! Charts as files: SVG and PNG, dark on white, for papers and slides.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, ChartBuilder, Circle, Color, DashedLineSeries, DrawingArea, DrawingBackend, ErrorBar, FontStyle,
    IntoDrawingArea, LineSeries, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::style::{BLACK, register_font};

use super::page::{Chart, Line, Series};

/// Pixels, and SVG's units.
const SIZE: (u32, u32) = (960, 560);
/// The first six colours of Okabe and Ito's palette for all kinds of colour vision.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(138, 109, 0),
    RGBColor(90, 103, 216),
];
const FONT: &str = "sans-serif";

/// A chart cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("failed to draw `{title}`: {reason}")]
pub struct PlotError {
    title: String,
    reason: String,
}

/// A chart as SVG.
///
/// # Errors
/// When the drawing fails.
pub fn svg(chart: &Chart) -> Result<String, PlotError> {
    let mut text = String::new();
    draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), chart)
        .map_err(|error| failed(chart, &error))?;
    Ok(text)
}

/// A chart as PNG.
///
/// # Errors
/// When the drawing or the encoding fails.
pub fn png(chart: &Chart) -> Result<Vec<u8>, PlotError> {
    let (width, height) = SIZE;
    let mut pixels = vec![0; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
    draw(&area, chart).map_err(|error| failed(chart, &error))?;
    drop(area);
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, width, height);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|error| failed(chart, &error))?;
    Ok(file)
}

fn failed(chart: &Chart, error: &dyn std::fmt::Display) -> PlotError {
    PlotError { title: chart.title.clone(), reason: error.to_string() }
}

type Drawn<B> = Result<(), plotters::drawing::DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, chart: &Chart) -> Drawn<B> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        // The one file that comes with the binary; it cannot fail to parse but on a build that is broken.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
    let (x, y) = chart.scales();
    area.fill(&WHITE)?;
    let mut context = ChartBuilder::on(area)
        .margin(16)
        .caption(&chart.title, (FONT, 22))
        .x_label_area_size(52)
        .y_label_area_size(72)
        .build_cartesian_2d(x.low..x.high, y.low..y.high)?;
    context
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .x_desc(&chart.x.name)
        .y_desc(&chart.y.name)
        .x_labels(x.ticks.len())
        .y_labels(y.ticks.len())
        .x_label_formatter(&|value| chart.x.text(&x, *value))
        .y_label_formatter(&|value| y.text(*value))
        .draw()?;
    for series in &chart.series {
        let colour = COLOURS[series.colour % COLOURS.len()];
        let line = series.points.iter().map(|point| (point.x, point.y));
        match series.line {
            Line::None => {}
            Line::Solid => {
                context.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
            }
            Line::Dashed => {
                context.draw_series(DashedLineSeries::new(line, 6, 4, colour.stroke_width(2)))?;
            }
        }
        context.draw_series(bars(series, colour))?;
        // Dashed lines have hollow points.
        let style = if series.line == Line::Dashed { colour.stroke_width(2) } else { colour.filled() };
        let marks = series.points.iter().map(|point| Circle::new((point.x, point.y), 5, style));
        context.draw_series(marks)?.label(&series.name).legend(move |(x, y)| Circle::new((x + 8, y), 5, style));
    }
    context
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font((FONT, 15))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()
}

fn bars(series: &Series, colour: RGBColor) -> Vec<ErrorBar<f64, f64, plotters::element::ErrorBarOrientV<f64, f64>>> {
    let bar = |point: &super::page::Point| {
        let error = point.error.filter(|error| *error > 0.0)?;
        Some(ErrorBar::new_vertical(point.x, point.y - error, point.y, point.y + error, colour.stroke_width(2), 8))
    };
    series.points.iter().filter_map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::super::page::{Axis, Point};
    use super::*;

    fn chart() -> Chart {
        let point = |x: f64| Point { x, y: 60.0 + x, error: Some(1.0), label: String::new() };
        let series = |name: &str, colour, line| {
            let points = vec![point(0.2), point(0.8)];
            Series { name: name.into(), colour, line, points }
        };
        let axis = |name: &str| Axis { name: name.into(), includes: vec![], labels: vec![] };
        Chart {
            title: "Accuracy <script>".into(),
            caption: String::new(),
            x: axis("threshold"),
            y: axis("average, %"),
            series: vec![series("a & b", 0, Line::Solid), series("c", 1, Line::Dashed)],
        }
    }

    #[test]
    fn an_svg_has_the_names_as_text_and_the_points_as_circles() {
        let text = svg(&chart()).unwrap();
        assert!(text.contains("threshold") && text.contains("a &amp; b"), "{text}");
        assert!(!text.contains("<script"));
        // Two series of two points, each again in its error bar, and two in the legend.
        assert_eq!(text.matches("<circle").count(), 10);
    }

    #[test]
    fn a_png_is_one_and_is_not_blank() {
        let bytes = png(&chart()).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let blue = COLOURS[0];
        assert!(pixels.chunks_exact(3).any(|pixel| pixel == [blue.0, blue.1, blue.2]));
    }
}
