//! Every seed's value as a dot, one row per arm, with the mean and its t interval below the dots.

use plotters::style::Color as _;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError};
use super::contrasts::in_brackets;
use super::style::{self, Width};
use crate::view::StudyView;
use augtrial_compare::{ArmSummary, Metric};

/// Radius of a dot, logical px.
const DOT_PX: f64 = 4.5;

/// Widest label of a row, as a share of the figure.
const MAX_LABEL: f64 = 0.34;

/// Rows that dots must be moved by so that none covers another: 0, 1, 2, ... for values that collide, by position.
pub(super) fn dodge(positions: &[f64], diameter: f64) -> Vec<usize> {
    let mut levels = vec![0; positions.len()];
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    for (rank, &dot) in order.iter().enumerate() {
        let near = order[..rank].iter().filter(|&&other| positions[dot] - positions[other] < diameter);
        let taken: Vec<usize> = near.map(|&other| levels[other]).collect();
        // Among one more level than there are neighbors, one is free.
        levels[dot] = (0..=taken.len()).find(|level| !taken.contains(level)).unwrap_or(0);
    }
    levels
}

/// Width of the labels' column of a figure.
pub(super) fn label_column_px<'a>(labels: impl Iterator<Item = &'a str>, width_px: f64) -> f64 {
    labels.map(|label| style::text_width_px(label, style::LABEL_PX)).fold(40.0, f64::max).min(MAX_LABEL * width_px)
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    (width.px(), 110 + 52 * view.arms.len() as u32)
}

/// Axis over seeds and intervals, on the scale that values are shown on. Intervals far wider than the data are cut at the frame.
pub(super) fn axis(arms: &[ArmSummary], metric: &Metric) -> Axis {
    let factor = metric.scale.factor();
    let values = arms.iter().flat_map(|arm| arm.values.iter().map(move |v| factor * v.value));
    let bounds: Vec<f64> = values.clone().collect();
    let low = bounds.iter().copied().fold(f64::INFINITY, f64::min);
    let high = bounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let reach = (high - low).max(0.01 * factor);
    let intervals =
        arms.iter().filter_map(|arm| arm.mean.as_ref().ok()).flat_map(|mean| [mean.interval.0, mean.interval.1]);
    let intervals = intervals.map(move |bound| (factor * bound).clamp(low - reach, high + reach));
    Axis::over(values.chain(intervals.collect::<Vec<_>>()), 6, (factor * metric.range.0, factor * metric.range.1))
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let arms = &view.comparison.arms;
    let metric = view.comparison.measure();
    let (x, y) = (axis(arms, metric), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let left = 16.0 + label_column_px(arms.iter().map(|arm| arm.name.as_str()), canvas.width) + 14.0;
    let frame = Frame { left, right: canvas.width - 84.0, top: 38.0, bottom: canvas.height - 58.0, x: &x, y: &y };
    frame.draw_x(canvas, true)?;
    frame.name_x(canvas, &format!("{} on the test part{}", view.metric, in_brackets(metric.scale.unit())))?;
    canvas.title("Mean", (canvas.width - 16.0, 20.0), Anchor::Right)?;
    let row_height = (frame.bottom - frame.top) / arms.len().max(1) as f64;
    for (index, arm) in arms.iter().enumerate() {
        draw_row(arm, metric, index, frame.top + row_height * (index as f64 + 0.5), &frame, canvas)?;
    }
    Ok(())
}

fn draw_row(
    arm: &ArmSummary,
    metric: &Metric,
    index: usize,
    middle: f64,
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let color = style::arm_style(index).color;
    let label = style::fit(&arm.name, style::LABEL_PX, frame.left - 30.0);
    canvas.text(&label, (frame.left - 14.0, middle), Anchor::Right, style::INK)?;
    let Ok(summary) = &arm.summary else {
        return canvas.text("no run", (frame.left + 10.0, middle), Anchor::Left, style::MUTED);
    };
    let factor = metric.scale.factor();
    let positions: Vec<f64> = arm.values.iter().map(|v| frame.x_px(factor * v.value)).collect();
    let levels = dodge(&positions, 2.0 * DOT_PX + 1.0);
    let highest = levels.iter().max().copied().unwrap_or(0).max(1) as f64;
    // As many levels as there are share the room above the middle.
    let step = (2.0 * DOT_PX + 0.5).min(18.0 / highest);
    for (x, level) in positions.iter().zip(levels) {
        canvas.dot((*x, middle - 3.0 - step * level as f64), DOT_PX, &color.mix(0.6))?;
    }
    let (y, mean) = (middle + 13.0, frame.x_px(factor * summary.mean));
    if let Ok(estimate) = &arm.mean {
        let clamp = |bound: f64| frame.x_px((factor * bound).clamp(frame.x.low, frame.x.high));
        canvas.line(&[(clamp(estimate.interval.0), y), (clamp(estimate.interval.1), y)], &color, 2.0)?;
    }
    canvas.polygon(&[(mean - 6.0, y), (mean, y - 6.0), (mean + 6.0, y), (mean, y + 6.0)], &color)?;
    canvas.text(&metric.scale.value(summary.mean), (canvas.width - 16.0, middle), Anchor::Right, style::INK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_that_would_cover_each_other_are_stacked() {
        assert_eq!(dodge(&[10.0, 50.0, 12.0, 15.0, 30.0], 9.0), [0, 0, 1, 2, 0]);
        assert_eq!(dodge(&[], 9.0), Vec::<usize>::new());
    }
}
