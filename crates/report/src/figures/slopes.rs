//! Pairs: one panel per contrast, in which a line joins the two runs of every seed, the mean in bold.

use plotters::style::Color as _;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::contrasts::{color, in_brackets};
use super::style::{self, Width};
use crate::view::StudyView;
use augtrial_compare::{Comparison, ContrastResult};

/// Panels in one row.
const fn panels_per_row(width: Width) -> usize {
    match width {
        Width::Page => 3,
        Width::Column => 2,
    }
}

/// Height of one row of panels, logical px.
const fn row_px(width: Width) -> f64 {
    match width {
        Width::Page => 300.0,
        Width::Column => 240.0,
    }
}

/// Height of the names below a panel, logical px.
const NAMES_PX: f64 = 64.0;

const TOP_PX: f64 = 14.0;
const GAP_PX: f64 = 22.0;

/// Most contrasts that are drawn: more would make a figure that no page holds.
const MAX_PANELS: usize = 24;

/// Room at the left for the axis, logical px.
const AXIS_PX: f64 = 76.0;

/// Size of the figure: a single panel is no wider than one of several.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    let panels = judged(&view.comparison).len();
    let columns = panels_per_row(width);
    let panel = (f64::from(width.px()) - AXIS_PX - MARGIN_PX - GAP_PX * (columns as f64 - 1.0)) / columns as f64;
    let (rows, used) = (panels.div_ceil(columns), panels.min(columns) as f64);
    let used_px = AXIS_PX + used * panel + GAP_PX * (used - 1.0).max(0.0) + MARGIN_PX;
    // A figure that is as narrow as a column would be taken for one.
    let least = if width == Width::Page { f64::from(Width::Column.px()) + 1.0 } else { 0.0 };
    (used_px.max(least) as u32, (TOP_PX + row_px(width) * rows as f64) as u32)
}

const MARGIN_PX: f64 = 16.0;

fn judged(comparison: &Comparison) -> Vec<&ContrastResult> {
    comparison.contrasts.iter().filter(|contrast| contrast.judged().is_some()).take(MAX_PANELS).collect()
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let contrasts = judged(&view.comparison);
    let pairs = contrasts.iter().flat_map(|contrast| &contrast.pairs);
    let metric = view.comparison.measure();
    let factor = metric.scale.factor();
    let values = pairs.flat_map(|pair| [factor * pair.treatment, factor * pair.control]);
    let y = Axis::over(values, 6, (factor * metric.range.0, factor * metric.range.1));
    let x = Axis { low: -0.12, high: 1.12, ..Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)) };
    let (per_row, height) = (panels_per_row(canvas.place()), row_px(canvas.place()));
    let columns = contrasts.len().min(per_row) as f64;
    let width = (canvas.width - AXIS_PX - MARGIN_PX - GAP_PX * (columns - 1.0)) / columns;
    for (index, contrast) in contrasts.iter().enumerate() {
        let (row, column) = (index / per_row, index % per_row);
        let (top, from) = (TOP_PX + height * row as f64, AXIS_PX + column as f64 * (width + GAP_PX));
        let bottom = top + height - NAMES_PX;
        let frame = Frame { left: from, right: from + width, top, bottom, x: &x, y: &y };
        frame.draw_y(canvas, column == 0)?;
        if column == 0 {
            let name = style::fit(
                &format!("{}{}", view.metric, in_brackets(metric.scale.unit())),
                style::LABEL_PX,
                bottom - top + 20.0,
            );
            canvas.vertical_text(&name, (16.0, f64::midpoint(top, bottom)), Anchor::Middle, style::INK)?;
        }
        draw_panel(view, contrast, &frame, canvas)?;
    }
    Ok(())
}

fn draw_panel(
    view: &StudyView,
    contrast: &ContrastResult,
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let color = color(view, contrast);
    let n = contrast.pairs.len() as f64;
    let factor = view.comparison.measure().scale.factor();
    let slope = |control: f64, treatment: f64| -> [Point; 2] {
        [frame.at(0.0, factor * control), frame.at(1.0, factor * treatment)]
    };
    for pair in &contrast.pairs {
        let ends = slope(pair.control, pair.treatment);
        canvas.line(&ends, &color.mix(0.45), 1.0)?;
        ends.iter().try_for_each(|end| canvas.dot(*end, 3.0, &color.mix(0.6)))?;
    }
    let mean = slope(
        contrast.pairs.iter().map(|pair| pair.control).sum::<f64>() / n,
        contrast.pairs.iter().map(|pair| pair.treatment).sum::<f64>() / n,
    );
    canvas.line(&mean, &color, 3.0)?;
    mean.iter().try_for_each(|end| canvas.dot(*end, 5.0, &color))?;
    // Two lines, so that either name may be as wide as the panel.
    let room = frame.right - frame.left;
    let name = |text: &str| style::fit(text, style::LABEL_PX, room);
    let (control, treatment) = (name(&contrast.contrast.control), name(&contrast.contrast.treatment));
    canvas.text(&control, (frame.left, frame.bottom + 16.0), Anchor::Left, style::INK)?;
    canvas.text(&treatment, (frame.right, frame.bottom + 36.0), Anchor::Right, style::INK)
}
