//! Contrasts: a forest of mean differences with the margin's band, and slopes that join the two runs of every pair.

use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::dots::label_column_px;
use super::style;
use crate::compare::{Comparison, ContrastResult};
use crate::report::numbers::points;
use crate::report::view::StudyView;

/// Panels of the slope figure in one row.
const PANELS_PER_ROW: usize = 3;

/// Height of one row of panels, logical px.
const PANEL_ROW_PX: u32 = 340;

const RIGHT: Anchor = Anchor(HPos::Right, VPos::Center);

fn label(contrast: &ContrastResult) -> String {
    format!("{} \u{2212} {}", contrast.contrast.treatment, contrast.contrast.control)
}

fn colour(view: &StudyView, contrast: &ContrastResult) -> plotters::style::RGBColor {
    let arm = view.arms.iter().position(|arm| arm.name == contrast.contrast.treatment);
    arm.map_or(style::MUTED, |index| style::arm_style(index).colour)
}

/// Axis over the intervals, the margin and zero, in percentage points.
pub(super) fn difference_axis(comparison: &Comparison) -> Axis {
    let effects = comparison.contrasts.iter().filter_map(|contrast| contrast.effect.as_ref());
    let bounds = effects.flat_map(|effect| [effect.difference.interval.0, effect.difference.interval.1]);
    let delta = comparison.delta;
    Axis::over(bounds.chain([-delta, 0.0, delta]).map(|bound| 100.0 * bound), 6, (-100.0, 100.0))
}

pub(super) fn draw_forest<DB: DrawingBackend>(view: &StudyView, canvas: &Canvas<'_, DB>) -> Result<(), FigureError> {
    let comparison = &view.comparison;
    let (x, y) = (difference_axis(comparison), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let labels: Vec<String> = comparison.contrasts.iter().map(label).collect();
    let left = 16.0 + label_column_px(labels.iter().map(String::as_str)) + 14.0;
    let frame = Frame { left, right: canvas.width - 186.0, top: 54.0, bottom: canvas.height - 58.0, x: &x, y: &y };
    let delta = 100.0 * comparison.delta;
    let band = [frame.x_px(-delta), frame.x_px(delta)];
    canvas.rectangle((band[0], frame.top), (band[1], frame.bottom), &style::MUTED.mix(0.14))?;
    frame.draw_x(canvas, true)?;
    canvas.line(&[(frame.x_px(0.0), frame.top), (frame.x_px(0.0), frame.bottom)], &style::INK, 1.25)?;
    let margin = format!("±{delta:.2} margin");
    let half = style::text_width_px(&margin, style::LABEL_PX) / 2.0;
    let margin_x = f64::midpoint(band[0], band[1]).clamp(half + 4.0, canvas.width - 190.0 - half);
    canvas.text(&margin, (margin_x, 42.0), Anchor::MIDDLE, &style::MUTED)?;
    canvas.title("Points [interval]", (canvas.width - 16.0, 20.0), RIGHT)?;
    frame.name_x(canvas, &format!("Difference in {} (percentage points)", view.metric))?;
    let row_height = (frame.bottom - frame.top) / labels.len().max(1) as f64;
    for (index, (contrast, label)) in comparison.contrasts.iter().zip(&labels).enumerate() {
        let middle = frame.top + row_height * (index as f64 + 0.5);
        let label = style::fit(label, style::LABEL_PX, frame.left - 30.0);
        canvas.text(&label, (frame.left - 14.0, middle), RIGHT, &style::INK)?;
        let Some(effect) = &contrast.effect else {
            canvas.text("not judged", (canvas.width - 16.0, middle), RIGHT, &style::MUTED)?;
            continue;
        };
        let (point, (low, high)) = (effect.difference.point, effect.difference.interval);
        let colour = colour(view, contrast);
        canvas.line(&[(frame.x_px(100.0 * low), middle), (frame.x_px(100.0 * high), middle)], &colour, 2.5)?;
        let x = frame.x_px(100.0 * point);
        canvas.rectangle((x - 5.0, middle - 5.0), (x + 5.0, middle + 5.0), &colour)?;
        let text = format!("{} [{}, {}]", points(point), points(low), points(high));
        canvas.text(&text, (canvas.width - 16.0, middle), RIGHT, &style::INK)?;
    }
    Ok(())
}

/// Size of the slope figure.
pub(super) fn slopes_size(view: &StudyView) -> (u32, u32) {
    let rows = judged(&view.comparison).len().div_ceil(PANELS_PER_ROW) as u32;
    (style::WIDTH_PX, 14 + PANEL_ROW_PX * rows)
}

fn judged(comparison: &Comparison) -> Vec<&ContrastResult> {
    comparison.contrasts.iter().filter(|contrast| contrast.effect.is_some()).collect()
}

pub(super) fn draw_slopes<DB: DrawingBackend>(view: &StudyView, canvas: &Canvas<'_, DB>) -> Result<(), FigureError> {
    let contrasts = judged(&view.comparison);
    let pairs = contrasts.iter().flat_map(|contrast| &contrast.pairs);
    let values = pairs.flat_map(|pair| [100.0 * pair.treatment, 100.0 * pair.control]);
    let y = Axis::over(values, 6, (0.0, 100.0));
    let x = Axis { low: -0.12, high: 1.12, ..Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)) };
    let widest = y.ticks.iter().map(|t| style::text_width_px(&y.label(*t), style::LABEL_PX)).fold(0.0, f64::max);
    let left = 34.0 + widest + 10.0;
    let (gap, columns) = (22.0, PANELS_PER_ROW as f64);
    let width = (canvas.width - left - 16.0 - gap * (columns - 1.0)) / columns;
    for (index, contrast) in contrasts.iter().enumerate() {
        let (row, column) = (index / PANELS_PER_ROW, index % PANELS_PER_ROW);
        let (top, from) = (14.0 + f64::from(PANEL_ROW_PX) * row as f64, left + column as f64 * (width + gap));
        let bottom = top + f64::from(PANEL_ROW_PX) - 64.0;
        let frame = Frame { left: from, right: from + width, top, bottom, x: &x, y: &y };
        frame.draw_y(canvas, column == 0)?;
        if column == 0 {
            canvas.vertical_text(&format!("{} (%)", view.metric), (16.0, f64::midpoint(top, bottom)), &style::INK)?;
        }
        draw_slope_panel(view, contrast, &frame, canvas)?;
    }
    Ok(())
}

fn draw_slope_panel<DB: DrawingBackend>(
    view: &StudyView,
    contrast: &ContrastResult,
    frame: &Frame<'_>,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let colour = colour(view, contrast);
    let n = contrast.pairs.len() as f64;
    let slope = |control: f64, treatment: f64| -> [Point; 2] {
        [frame.at(0.0, 100.0 * control), frame.at(1.0, 100.0 * treatment)]
    };
    for pair in &contrast.pairs {
        let ends = slope(pair.control, pair.treatment);
        canvas.line(&ends, &colour.mix(0.45), 1.0)?;
        ends.iter().try_for_each(|end| canvas.dot(*end, 3.0, &colour.mix(0.6)))?;
    }
    let mean = slope(
        contrast.pairs.iter().map(|pair| pair.control).sum::<f64>() / n,
        contrast.pairs.iter().map(|pair| pair.treatment).sum::<f64>() / n,
    );
    canvas.line(&mean, &colour, 3.0)?;
    mean.iter().try_for_each(|end| canvas.dot(*end, 5.0, &colour))?;
    // Two lines, so that either name may be as wide as the panel.
    let room = frame.right - frame.left;
    let name = |text: &str| style::fit(text, style::LABEL_PX, room);
    let (control, treatment) = (name(&contrast.contrast.control), name(&contrast.contrast.treatment));
    canvas.text(&control, (frame.left, frame.bottom + 16.0), Anchor::LEFT, &style::INK)?;
    canvas.text(&treatment, (frame.right, frame.bottom + 36.0), RIGHT, &style::INK)
}
