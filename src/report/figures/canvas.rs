//! A drawing surface in logical pixels over any plotters backend: lines with dashes, text, and the files they become.
//!
//! Figures lay themselves out; plotters draws the primitives. That keeps labels from overlapping (text is measured before it
//! is placed) and one geometry for PNG and SVG.

use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::{ExtendedColorType, ImageEncoder as _, RgbImage};
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style;

/// PNG pixels per logical pixel.
const PNG_SCALE: u32 = 2;

/// PNG figures are drawn this much larger and reduced, which smooths their edges.
const SUPERSAMPLING: u32 = 2;

/// SVG units per logical pixel: plotters rounds to whole units.
const SVG_SCALE: u32 = 4;

/// A figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum FigureError {
    #[error("the backend failed: {0}")]
    Backend(String),
    #[error("the PNG encoder failed")]
    Encode(#[from] image::ImageError),
    #[error("the figure has no pixels")]
    Empty,
}

/// A point in logical px.
pub(super) type Point = (f64, f64);

/// Where text sits relative to its point.
#[derive(Clone, Copy)]
pub(super) struct Anchor(pub HPos, pub VPos);

impl Anchor {
    pub const LEFT: Self = Self(HPos::Left, VPos::Center);
    pub const RIGHT: Self = Self(HPos::Right, VPos::Center);
    pub const MIDDLE: Self = Self(HPos::Center, VPos::Center);
}

/// A surface of a size in logical px.
pub(super) struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
    pub width: f64,
    pub height: f64,
}

impl<DB: DrawingBackend> Canvas<'_, DB> {
    fn px(&self, (x, y): Point) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn stroke(&self, colour: &impl Color, width: f64) -> ShapeStyle {
        colour.stroke_width((width * self.scale).round().max(1.0) as u32)
    }

    fn put<'e, E>(&self, element: &'e E) -> Result<(), FigureError>
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: plotters::element::Drawable<DB>,
    {
        self.area.draw(element).map_err(|error| FigureError::Backend(error.to_string()))
    }

    pub fn line(&self, points: &[Point], colour: &impl Color, width: f64) -> Result<(), FigureError> {
        let points: Vec<_> = points.iter().map(|&point| self.px(point)).collect();
        self.put(&PathElement::new(points, self.stroke(colour, width)))
    }

    /// A line of the pattern `dash`: lengths of line and gap in turn; empty is solid.
    pub fn dashed(&self, points: &[Point], dash: &[f64], colour: &impl Color, width: f64) -> Result<(), FigureError> {
        dash_polyline(points, dash).iter().try_for_each(|stroke| self.line(stroke, colour, width))
    }

    pub fn polygon(&self, points: &[Point], fill: &impl Color) -> Result<(), FigureError> {
        let points: Vec<_> = points.iter().map(|&point| self.px(point)).collect();
        self.put(&Polygon::new(points, fill.filled()))
    }

    pub fn rectangle(&self, from: Point, to: Point, fill: &impl Color) -> Result<(), FigureError> {
        self.put(&Rectangle::new([self.px(from), self.px(to)], fill.filled()))
    }

    pub fn dot(&self, centre: Point, radius: f64, fill: &impl Color) -> Result<(), FigureError> {
        self.put(&Circle::new(self.px(centre), (radius * self.scale).round() as i32, fill.filled()))
    }

    pub fn text(&self, text: &str, at: Point, anchor: Anchor, colour: &RGBColor) -> Result<(), FigureError> {
        self.styled_text(text, at, anchor, colour, style::LABEL_PX, FontStyle::Normal, FontTransform::None)
    }

    pub fn title(&self, text: &str, at: Point, anchor: Anchor) -> Result<(), FigureError> {
        self.styled_text(text, at, anchor, &style::INK, style::TITLE_PX, FontStyle::Bold, FontTransform::None)
    }

    /// Centred, a size smaller.
    pub fn small_text(&self, text: &str, at: Point, colour: &RGBColor) -> Result<(), FigureError> {
        let size_px = style::LABEL_PX - 2.0;
        self.styled_text(text, at, Anchor::MIDDLE, colour, size_px, FontStyle::Normal, FontTransform::None)
    }

    /// Read from bottom to top.
    pub fn vertical_text(&self, text: &str, at: Point, colour: &RGBColor) -> Result<(), FigureError> {
        let anchor = Anchor::MIDDLE;
        self.styled_text(text, at, anchor, colour, style::LABEL_PX, FontStyle::Normal, FontTransform::Rotate270)
    }

    #[expect(clippy::too_many_arguments, reason = "private; its three callers name every part")]
    fn styled_text(
        &self,
        text: &str,
        at: Point,
        Anchor(horizontal, vertical): Anchor,
        colour: &RGBColor,
        size_px: f64,
        weight: FontStyle,
        transform: FontTransform,
    ) -> Result<(), FigureError> {
        let font = FontDesc::new(FontFamily::Name(style::FONT), size_px * self.scale, weight).transform(transform);
        let style = TextStyle::from(font).color(colour).pos(Pos::new(horizontal, vertical));
        self.put(&Text::new(text, self.px(at), style))
    }
}

/// Renders a figure of `size` logical px as a PNG file.
pub(super) fn png(
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_, BitMapBackend<'_>>) -> Result<(), FigureError>,
) -> Result<Vec<u8>, FigureError> {
    let scale = PNG_SCALE * SUPERSAMPLING;
    let (width, height) = (size.0 * scale, size.1 * scale);
    let mut pixels = vec![255_u8; (width * height * 3) as usize];
    on(BitMapBackend::with_buffer(&mut pixels, (width, height)), size, scale, draw)?;
    let large = RgbImage::from_raw(width, height, pixels).ok_or(FigureError::Empty)?;
    let (width, height) = (size.0 * PNG_SCALE, size.1 * PNG_SCALE);
    let small = image::imageops::resize(&large, width, height, FilterType::Triangle);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(small.as_raw(), width, height, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

/// Renders a figure of `size` logical px as SVG text.
pub(super) fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_, SVGBackend<'_>>) -> Result<(), FigureError>,
) -> Result<String, FigureError> {
    let mut text = String::new();
    let (width, height) = (size.0 * SVG_SCALE, size.1 * SVG_SCALE);
    on(SVGBackend::with_string(&mut text, (width, height)), size, SVG_SCALE, draw)?;
    // Shown at its logical size; the view box keeps the finer units.
    let drawn = format!("width=\"{width}\" height=\"{height}\"");
    Ok(text.replacen(&drawn, &format!("width=\"{}\" height=\"{}\"", size.0, size.1), 1))
}

fn on<DB: DrawingBackend>(
    backend: DB,
    size: (u32, u32),
    scale: u32,
    draw: impl FnOnce(&Canvas<'_, DB>) -> Result<(), FigureError>,
) -> Result<(), FigureError> {
    style::register_fonts();
    let backend_failed = |error: DrawingAreaErrorKind<DB::ErrorType>| FigureError::Backend(error.to_string());
    let area = backend.into_drawing_area();
    area.fill(&style::WHITE).map_err(backend_failed)?;
    let canvas = Canvas { area: &area, scale: f64::from(scale), width: f64::from(size.0), height: f64::from(size.1) };
    draw(&canvas)?;
    area.present().map_err(backend_failed)
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
    fn long_names_are_cut_to_their_room() {
        let short = style::fit("an arm with quite a long name", style::LABEL_PX, 90.0);
        assert!(short.ends_with('…') && style::text_width_px(&short, style::LABEL_PX) <= 90.0, "{short}");
        assert_eq!(style::fit("arm", style::LABEL_PX, 90.0), "arm");
    }
}
