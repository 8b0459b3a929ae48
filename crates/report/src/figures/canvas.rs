//! A drawing surface in logical pixels: lines with dashes, shapes, and text, as an SVG element.
//!
//! Figures lay themselves out; plotters draws the primitives. That keeps labels from overlapping (text is measured before it
//! is placed). The other files of a figure are made from the element: one drawing for every place.

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::{self, Width};

/// SVG units per logical pixel: plotters rounds to whole units.
const SCALE: u32 = 4;

/// By how much viewers set text too high, as a share of its size; measured on the bundled font's capitals and digits.
const TEXT_DROP: f64 = 0.07;

/// Most logical pixels of a figure.
const MAX_PIXELS: u64 = 8_000_000;

/// Longest side of a figure, logical px.
const MAX_SIDE_PX: u32 = 8000;

/// A figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum FigureError {
    #[error("the backend failed: {0}")]
    Backend(String),
    #[error("the PNG encoder failed")]
    Encode(#[from] image::ImageError),
    #[error("the drawing cannot be read back: {0}")]
    Read(String),
    #[error("the figure has no pixels")]
    Empty,
    #[error("{width} x {height} px are more than a figure may have")]
    TooLarge { width: u32, height: u32 },
}

/// A point in logical px.
pub(super) type Point = (f64, f64);

/// Where text sits relative to its point; always centered vertically.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// How a text is set.
struct Lettering {
    size_px: f64,
    weight: FontStyle,
    /// Whether it is read from bottom to top.
    upwards: bool,
}

const LABEL: Lettering = Lettering { size_px: style::LABEL_PX, weight: FontStyle::Normal, upwards: false };

/// A surface of a size in logical px.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    pub width: f64,
    pub height: f64,
}

impl Canvas<'_> {
    /// For which place the figure is laid out.
    pub fn place(&self) -> Width {
        if self.width > f64::from(Width::Column.px()) { Width::Page } else { Width::Column }
    }

    fn put<'e, E>(&self, element: &'e E) -> Result<(), FigureError>
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: for<'b> plotters::element::Drawable<SVGBackend<'b>>,
    {
        self.area.draw(element).map_err(|error| FigureError::Backend(error.to_string()))
    }

    pub fn line(&self, points: &[Point], color: &impl Color, width: f64) -> Result<(), FigureError> {
        let points: Vec<_> = points.iter().map(|&point| px(point)).collect();
        let stroke = color.stroke_width((width * f64::from(SCALE)).round().max(1.0) as u32);
        self.put(&PathElement::new(points, stroke))
    }

    /// A line of the pattern `dash`: lengths of line and gap in turn; empty is solid.
    pub fn dashed(&self, points: &[Point], dash: &[f64], color: &impl Color, width: f64) -> Result<(), FigureError> {
        dash_polyline(points, dash).iter().try_for_each(|stroke| self.line(stroke, color, width))
    }

    pub fn polygon(&self, points: &[Point], fill: &impl Color) -> Result<(), FigureError> {
        let points: Vec<_> = points.iter().map(|&point| px(point)).collect();
        self.put(&Polygon::new(points, fill.filled()))
    }

    pub fn rectangle(&self, from: Point, to: Point, fill: &impl Color) -> Result<(), FigureError> {
        self.put(&Rectangle::new([px(from), px(to)], fill.filled()))
    }

    pub fn dot(&self, center: Point, radius: f64, fill: &impl Color) -> Result<(), FigureError> {
        self.put(&Circle::new(px(center), (radius * f64::from(SCALE)).round() as i32, fill.filled()))
    }

    pub fn text(&self, text: &str, at: Point, anchor: Anchor, color: RGBColor) -> Result<(), FigureError> {
        self.lettered(text, at, anchor, color, &LABEL)
    }

    pub fn title(&self, text: &str, at: Point, anchor: Anchor) -> Result<(), FigureError> {
        let lettering = Lettering { size_px: style::TITLE_PX, weight: FontStyle::Bold, ..LABEL };
        self.lettered(text, at, anchor, style::INK, &lettering)
    }

    /// Centered, in a size of its own.
    pub fn sized_text(&self, text: &str, at: Point, size_px: f64, color: RGBColor) -> Result<(), FigureError> {
        self.lettered(text, at, Anchor::Middle, color, &Lettering { size_px, ..LABEL })
    }

    /// Read from bottom to top; `Anchor::Left` begins at the point.
    pub fn vertical_text(&self, text: &str, at: Point, anchor: Anchor, color: RGBColor) -> Result<(), FigureError> {
        self.lettered(text, at, anchor, color, &Lettering { upwards: true, ..LABEL })
    }

    fn lettered(
        &self,
        text: &str,
        at: Point,
        anchor: Anchor,
        color: RGBColor,
        Lettering { size_px, weight, upwards }: &Lettering,
    ) -> Result<(), FigureError> {
        let drop = TEXT_DROP * size_px;
        // The drop follows the text's own down: to the right for text read from bottom to top.
        let at = if *upwards { (at.0 + drop, at.1) } else { (at.0, at.1 + drop) };
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let transform = if *upwards { FontTransform::Rotate270 } else { FontTransform::None };
        let font =
            FontDesc::new(FontFamily::Name(style::FONT), size_px * f64::from(SCALE), *weight).transform(transform);
        let style = TextStyle::from(font).color(&color).pos(Pos::new(horizontal, VPos::Center));
        // Neither a control nor a change of direction reaches the drawing, nor what XML does not allow; the backend escapes
        // markup.
        let shown: String = augtrial_base::text::visible(text).chars().filter(|&c| is_xml(c)).collect();
        self.put(&Text::new(shown, px(at), style))
    }
}

fn px((x, y): Point) -> (i32, i32) {
    ((x * f64::from(SCALE)).round() as i32, (y * f64::from(SCALE)).round() as i32)
}

/// Whether XML 1.0 allows it (production 2).
fn is_xml(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Refuses figures that would take minutes and gigabytes.
fn check((width, height): (u32, u32)) -> Result<(), FigureError> {
    let fits = width <= MAX_SIDE_PX && height <= MAX_SIDE_PX && u64::from(width) * u64::from(height) <= MAX_PIXELS;
    if fits { Ok(()) } else { Err(FigureError::TooLarge { width, height }) }
}

/// Renders a figure of `size` logical px as SVG text.
pub(super) fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), FigureError>,
) -> Result<String, FigureError> {
    check(size)?;
    style::register_fonts();
    let mut text = String::new();
    let (width, height) = (size.0 * SCALE, size.1 * SCALE);
    let failed = |error: DrawingAreaErrorKind<std::io::Error>| FigureError::Backend(error.to_string());
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        area.fill(&style::WHITE).map_err(failed)?;
        let canvas = Canvas { area, width: f64::from(size.0), height: f64::from(size.1) };
        draw(&canvas)?;
        canvas.area.present().map_err(failed)?;
    }
    // Shown at its logical size; the view box keeps the finer units.
    let drawn = format!("width=\"{width}\" height=\"{height}\"");
    Ok(text.replacen(&drawn, &format!("width=\"{}\" height=\"{}\"", size.0, size.1), 1))
}

/// Cuts a polyline into strokes of the pattern; the pattern runs on through its corners.
fn dash_polyline(points: &[Point], dash: &[f64]) -> Vec<Vec<Point>> {
    if dash.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let mut strokes = Vec::new();
    let mut current = vec![points[0]];
    let (mut phase, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length < left {
                left -= length;
                current.push(to);
                break;
            }
            let share = left / length.max(f64::MIN_POSITIVE);
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            current.push(from);
            if phase % 2 == 0 {
                strokes.push(std::mem::take(&mut current));
            }
            current = vec![from];
            phase = (phase + 1) % dash.len();
            left = dash[phase];
        }
    }
    if phase % 2 == 0 && current.len() > 1 {
        strokes.push(current);
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_have_the_lengths_asked_for_and_run_through_corners() {
        let strokes = dash_polyline(&[(0.0, 0.0), (6.0, 0.0), (6.0, 10.0)], &[4.0, 3.0]);
        let expected = [vec![(0.0, 0.0), (4.0, 0.0)], vec![(6.0, 1.0), (6.0, 5.0)], vec![(6.0, 8.0), (6.0, 10.0)]];
        assert_eq!(strokes, expected);
        assert_eq!(dash_polyline(&[(0.0, 0.0), (1.0, 0.0)], &[]), [vec![(0.0, 0.0), (1.0, 0.0)]]);
    }

    #[test]
    fn a_figure_beyond_all_measure_is_refused_before_anything_is_drawn() {
        for size in [(46_920, 27_700), (800, 9000), (u32::MAX, u32::MAX)] {
            assert!(matches!(svg(size, |_| Ok(())), Err(FigureError::TooLarge { .. })), "{size:?}");
        }
    }

    #[test]
    fn texts_of_any_length_are_fitted_and_wrapped_in_a_moment() {
        let start = std::time::Instant::now();
        for text in ["x".repeat(100_000), "word ".repeat(20_000), "a-".repeat(50_000)] {
            let short = style::fit(&text, style::LABEL_PX, 90.0);
            assert!(short.ends_with('…') && style::text_width_px(&short, style::LABEL_PX) <= 90.0, "{short}");
            let lines = style::wrap(&text, style::LABEL_PX, 160.0);
            assert!(lines.iter().all(|line| style::text_width_px(line, style::LABEL_PX) <= 160.0));
        }
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    }

    #[test]
    fn long_names_are_cut_to_their_room() {
        let short = style::fit("an arm with quite a long name", style::LABEL_PX, 90.0);
        assert!(short.ends_with('…') && style::text_width_px(&short, style::LABEL_PX) <= 90.0, "{short}");
        assert_eq!(style::fit("arm", style::LABEL_PX, 90.0), "arm");
    }

    #[test]
    fn a_drawing_is_well_formed_whatever_is_written_in_it() {
        let hostile: String = (0..0x3000).chain(0xfff0..0x1_0010).filter_map(char::from_u32).collect();
        for name in ["</svg><script>", "\u{1b}[31m \u{ffff}\u{fffe}", "a & b \"c\" 'd'", &hostile] {
            let drawn = svg((90, 40), |canvas| canvas.text(name, (5.0, 20.0), Anchor::Left, style::INK)).unwrap();
            let read = resvg::usvg::roxmltree::Document::parse(&drawn);
            assert!(read.is_ok(), "{name}: {}", read.unwrap_err());
        }
    }
}
