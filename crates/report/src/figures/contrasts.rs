//! Contrasts: a forest of mean differences, each with both of its intervals, its verdict and the margin's band. A page has the
//! words beside the intervals; a column has them above and below.

use plotters::style::{Color as _, RGBColor};

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError};
use super::dots::label_column_px;
use super::style::{self, Width};
use crate::view::StudyView;
use augtrial_compare::{Comparison, ContrastResult, Judged, Scale, Scope};

/// Height of one contrast, logical px.
const fn row_px(width: Width) -> u32 {
    match width {
        Width::Page => 64,
        Width::Column => 94,
    }
}

/// Room above and below the rows, logical px.
const TOP_PX: f64 = 54.0;
const AXIS_PX: f64 = 58.0;

/// Room for the numbers and the verdict beside the intervals, logical px.
const WORDS_PX: f64 = 240.0;

const MARGIN_PX: f64 = 16.0;

/// Where in a row of a column the intervals are, logical px from its top.
const STRIP_PX: (f64, f64) = (26.0, 50.0);

/// The color of a contrast: its treatment's.
pub(super) fn color(view: &StudyView, contrast: &ContrastResult) -> RGBColor {
    let arm = view.arms.iter().position(|arm| arm.name == contrast.contrast.treatment);
    arm.map_or(style::MUTED, |index| style::arm_style(index).color)
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    let rows = u32::try_from(view.comparison.contrasts.len()).unwrap_or(u32::MAX);
    (width.px(), rows.saturating_mul(row_px(width)).saturating_add((TOP_PX + AXIS_PX) as u32 + 8))
}

/// Axis over the intervals, the margin and zero, on the scale that differences are shown on.
pub(super) fn difference_axis(comparison: &Comparison, ticks: usize) -> Axis {
    let judged = comparison.contrasts.iter().filter_map(ContrastResult::judged);
    let bounds = judged.flat_map(|judged| {
        let wide = judged.headline().1.difference.interval;
        let narrow = judged.here.as_ref().map_or(wide, |here| here.difference.interval);
        [narrow.0, narrow.1, wide.0, wide.1]
    });
    let delta = comparison.delta;
    let (factor, (low, high)) = (comparison.measure().scale.factor(), comparison.measure().range);
    let widest = factor * (high - low);
    Axis::over(bounds.chain([-delta, 0.0, delta]).map(|bound| factor * bound), ticks, (-widest, widest))
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let comparison = &view.comparison;
    let (place, scale) = (canvas.place(), comparison.measure().scale);
    let ticks = if place == Width::Page { 6 } else { 5 };
    let (x, y) = (difference_axis(comparison, ticks), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let controls: Vec<String> =
        comparison.contrasts.iter().map(|c| format!("\u{2212} {}", c.contrast.control)).collect();
    let names = comparison.contrasts.iter().map(|c| c.contrast.treatment.as_str());
    let names = names.chain(controls.iter().map(String::as_str));
    let (left, right) = match place {
        Width::Page => (MARGIN_PX + label_column_px(names, canvas.width) + 14.0, canvas.width - WORDS_PX - MARGIN_PX),
        Width::Column => (MARGIN_PX, canvas.width - MARGIN_PX),
    };
    let frame = Frame { left, right, top: TOP_PX, bottom: canvas.height - AXIS_PX, x: &x, y: &y };
    if place == Width::Page {
        draw_margin(comparison, (frame.top, frame.bottom), &frame, canvas)?;
        let head = if scale == Scale::Percent { "Points" } else { "Difference" };
        canvas.title(&format!("{head} [interval], verdict"), (canvas.width - MARGIN_PX, 20.0), Anchor::Right)?;
    }
    draw_axis(comparison, &frame, canvas)?;
    frame.name_x(canvas, &format!("Difference in {}{}", view.metric, in_brackets(scale.difference_unit())))?;
    let height = (frame.bottom - frame.top) / controls.len().max(1) as f64;
    for (index, (contrast, control)) in comparison.contrasts.iter().zip(&controls).enumerate() {
        let top = frame.top + height * index as f64;
        if place == Width::Column {
            // Beside the words the band would only be in their way.
            draw_margin(comparison, (top + STRIP_PX.0, top + STRIP_PX.1), &frame, canvas)?;
        }
        let row = Row {
            contrast,
            control,
            words: Words::of(contrast, scale),
            scale,
            color: color(view, contrast),
            frame: &frame,
        };
        match place {
            Width::Page => row.draw_wide(top + height / 2.0, canvas)?,
            Width::Column => row.draw_narrow(top, index > 0, canvas)?,
        }
    }
    Ok(())
}

/// The band of the margin, the grid, and the line of no difference, from one height to another.
fn draw_margin(
    comparison: &Comparison,
    (top, bottom): (f64, f64),
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let delta = comparison.measure().scale.factor() * comparison.delta;
    canvas.rectangle((frame.x_px(-delta), top), (frame.x_px(delta), bottom), &style::MUTED.mix(0.14))?;
    for &tick in &frame.x.ticks {
        canvas.line(&[(frame.x_px(tick), top), (frame.x_px(tick), bottom)], &style::GRID, 1.0)?;
    }
    canvas.line(&[(frame.x_px(0.0), top), (frame.x_px(0.0), bottom)], &style::INK, 1.25)
}

/// The margin's label above its band, and the axis.
fn draw_axis(comparison: &Comparison, frame: &Frame<'_>, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    frame.draw_x(canvas, false)?;
    let scale = comparison.measure().scale;
    let delta = scale.factor() * comparison.delta;
    let band = [frame.x_px(-delta), frame.x_px(delta)];
    let margin = format!("±{} margin", scale.spread(comparison.delta));
    let half = style::text_width_px(&margin, style::LABEL_PX) / 2.0;
    let x = f64::midpoint(band[0], band[1]).clamp(half + 4.0, (frame.right + MARGIN_PX - half).max(half + 4.0));
    canvas.text(&margin, (x, frame.top - 12.0), Anchor::Middle, style::MUTED)
}

/// A unit behind an axis's name; nothing without one.
pub(super) fn in_brackets(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" ({unit})") }
}

/// What is written of a contrast.
struct Words {
    /// Difference and interval; empty without a verdict.
    numbers: String,
    verdict: String,
    /// The verdict on this test set, where it is another.
    here: Option<String>,
}

impl Words {
    fn of(contrast: &ContrastResult, scale: Scale) -> Self {
        let Some(judged) = contrast.judged() else {
            return Self { numbers: String::new(), verdict: contrast.word().to_owned(), here: None };
        };
        let (scope, wide) = judged.headline();
        let (low, high) = wide.difference.interval;
        let [point, low, high] = [wide.difference.point, low, high].map(|value| scale.difference(value));
        let scope = if scope == Scope::NewImages { "new images" } else { "this test set" };
        Self {
            numbers: format!("{point} [{low}, {high}]"),
            verdict: format!("{scope}: {}", wide.verdict.word()),
            here: judged.otherwise_here().map(|here| format!("this test set: {}", here.verdict.word())),
        }
    }
}

/// One contrast of the forest.
struct Row<'a> {
    contrast: &'a ContrastResult,
    control: &'a str,
    words: Words,
    scale: Scale,
    color: RGBColor,
    frame: &'a Frame<'a>,
}

impl Row<'_> {
    /// Names at the left, words at the right.
    fn draw_wide(&self, middle: f64, canvas: &Canvas<'_>) -> Result<(), FigureError> {
        let fit = |name: &str| style::fit(name, style::LABEL_PX, self.frame.left - 30.0);
        let at = |dy: f64| (self.frame.left - 14.0, middle + dy);
        canvas.text(&fit(&self.contrast.contrast.treatment), at(-10.0), Anchor::Right, style::INK)?;
        canvas.text(&fit(self.control), at(10.0), Anchor::Right, style::MUTED)?;
        let right = |text: &str, dy: f64, color| {
            let text = style::fit(text, style::LABEL_PX, WORDS_PX - 4.0);
            canvas.text(&text, (canvas.width - MARGIN_PX, middle + dy), Anchor::Right, color)
        };
        let Some(judged) = self.contrast.judged() else { return right(&self.words.verdict, 0.0, style::MUTED) };
        self.draw_intervals(judged, middle, canvas)?;
        right(&self.words.numbers, -18.0, style::INK)?;
        right(&self.words.verdict, 0.0, style::INK)?;
        self.words.here.as_ref().map_or(Ok(()), |here| right(here, 18.0, style::MUTED))
    }

    /// Names and numbers above the intervals, verdicts below.
    fn draw_narrow(&self, top: f64, ruled: bool, canvas: &Canvas<'_>) -> Result<(), FigureError> {
        let Frame { left, right, .. } = *self.frame;
        if ruled {
            canvas.line(&[(left, top), (right, top)], &style::MUTED, 0.75)?;
        }
        let numbers = style::text_width_px(&self.words.numbers, style::LABEL_PX);
        let name = format!("{} {}", self.contrast.contrast.treatment, self.control);
        let name = style::fit(&name, style::LABEL_PX, right - left - numbers - 12.0);
        canvas.text(&name, (left, top + 14.0), Anchor::Left, style::INK)?;
        canvas.text(&self.words.numbers, (right, top + 14.0), Anchor::Right, style::INK)?;
        if let Some(judged) = self.contrast.judged() {
            self.draw_intervals(judged, top + f64::midpoint(STRIP_PX.0, STRIP_PX.1), canvas)?;
        }
        let below = |text: &str, y: f64, color| {
            let text = style::fit(text, style::LABEL_PX, right - left);
            canvas.text(&text, (left, top + y), Anchor::Left, color)
        };
        below(&self.words.verdict, 60.0, style::INK)?;
        self.words.here.as_ref().map_or(Ok(()), |here| below(here, 79.0, style::MUTED))
    }

    /// The point, the interval on this test set in a thick line, and that for new images in a thin one with ends.
    fn draw_intervals(&self, judged: &Judged, y: f64, canvas: &Canvas<'_>) -> Result<(), FigureError> {
        let at = |difference: f64| self.frame.x_px(self.scale.factor() * difference);
        if let Ok(beyond) = &judged.beyond {
            let (low, high) = beyond.difference.interval;
            canvas.line(&[(at(low), y), (at(high), y)], &self.color, 1.25)?;
            for end in [low, high] {
                canvas.line(&[(at(end), y - 6.0), (at(end), y + 6.0)], &self.color, 1.25)?;
            }
        }
        if let Ok(here) = &judged.here {
            let (low, high) = here.difference.interval;
            canvas.line(&[(at(low), y), (at(high), y)], &self.color, 4.0)?;
        }
        let x = at(judged.headline().1.difference.point);
        canvas.rectangle((x - 5.0, y - 5.0), (x + 5.0, y + 5.0), &self.color)
    }
}
