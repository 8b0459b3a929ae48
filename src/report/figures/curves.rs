//! Accuracy and loss over training, all arms in one figure: validation part left, training part right, one scale.

use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::style::{self, ArmStyle};
use crate::events::Split;
use crate::report::curves::{Curve, MeanPoint, Measure, XAxis};
use crate::report::view::StudyView;

/// What is left of a colour in an interval's band, and in the line of one seed.
const BAND_ALPHA: f64 = 0.16;
const SEED_ALPHA: f64 = 0.35;

/// One arm's curve in one panel, on the scale of the axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub arm: usize,
    /// (x, mean, interval)
    pub mean: Vec<MeanPoint>,
    pub seeds: Vec<Vec<Point>>,
}

/// What a panel shows: accuracy in percent, loss in nats.
pub(super) fn series(view: &StudyView, split: Split, measure: Measure, axis: XAxis) -> Vec<Series> {
    let scale = if measure == Measure::Top1 { 100.0 } else { 1.0 };
    let of_arm = |(arm, curve): (usize, &Curve)| Series {
        arm,
        mean: curve
            .mean_on(axis)
            .into_iter()
            .map(|(x, mean, interval)| (x, mean * scale, interval.map(|(low, high)| (low * scale, high * scale))))
            .collect(),
        seeds: curve
            .seeds_on(axis)
            .into_iter()
            .map(|line| line.into_iter().map(|(x, value)| (x, value * scale)).collect())
            .collect(),
    };
    let arms = view.arms.iter().enumerate();
    arms.filter_map(|(arm, view)| {
        let curve = view.curves.iter().find(|curve| curve.split == split && curve.measure == measure)?;
        Some(of_arm((arm, curve)))
    })
    .collect()
}

/// The two axes over everything that both panels show. Means and seeds decide the range; a wide band is cut at the frame.
pub(super) fn axes(panels: &[Vec<Series>], measure: Measure) -> (Axis, Axis) {
    let all = || panels.iter().flatten();
    let points = || all().flat_map(|s| s.seeds.iter().flatten().copied().chain(s.mean.iter().map(|m| (m.0, m.1))));
    let bounds = if measure == Measure::Top1 { (0.0, 100.0) } else { (0.0, f64::INFINITY) };
    let x = Axis::over(std::iter::once(0.0).chain(points().map(|p| p.0)), 5, (0.0, f64::INFINITY));
    let floor = (measure == Measure::LossNats).then_some(0.0);
    (x, Axis::over(floor.into_iter().chain(points().map(|p| p.1)), 6, bounds))
}

pub(super) fn draw<DB: DrawingBackend>(
    view: &StudyView,
    measure: Measure,
    axis: XAxis,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let panels = [Split::Validation, Split::Train].map(|split| series(view, split, measure, axis));
    let (x, y) = axes(&panels, measure);
    let widest = y.ticks.iter().map(|t| style::text_width_px(&y.label(*t), style::LABEL_PX)).fold(0.0, f64::max);
    let left = 34.0 + widest + 10.0;
    let (gap, right_margin) = (44.0, 30.0);
    let width = (canvas.width - left - gap - right_margin) / 2.0;
    let legend = style::legend_height_px(view.arms.iter().map(|arm| arm.name.as_str()), canvas.width as u32);
    let bottom = canvas.height - f64::from(legend) - 58.0;
    for (index, (panel, title)) in panels.iter().zip(["Validation part", "Training part"]).enumerate() {
        let from = left + index as f64 * (width + gap);
        let frame = Frame { left: from, right: from + width, top: 40.0, bottom, x: &x, y: &y };
        canvas.title(title, (from, 20.0), Anchor::Left)?;
        frame.draw_y(canvas, index == 0)?;
        frame.draw_x(canvas, false)?;
        frame.name_x(canvas, if axis == XAxis::Epoch { "Epoch" } else { "Optimiser updates" })?;
        draw_panel(panel, &frame, canvas)?;
    }
    let name = if measure == Measure::Top1 { "Top-1 accuracy (%)" } else { "Cross-entropy loss (nats)" };
    canvas.vertical_text(name, (16.0, f64::midpoint(40.0, bottom)), style::INK)?;
    draw_legend(view, canvas, bottom + 58.0)
}

fn draw_panel<DB: DrawingBackend>(
    panel: &[Series],
    frame: &Frame<'_>,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let clamp = |value: f64| value.clamp(frame.y.low, frame.y.high);
    for series in panel {
        let colour = style::arm_style(series.arm).colour;
        let banded: Vec<_> = series.mean.iter().filter_map(|&(x, _, band)| Some((x, band?))).collect();
        let lower = banded.iter().map(|&(x, (low, _))| frame.at(x, clamp(low)));
        let upper = banded.iter().rev().map(|&(x, (_, high))| frame.at(x, clamp(high)));
        if banded.len() > 1 {
            canvas.polygon(&lower.chain(upper).collect::<Vec<_>>(), &colour.mix(BAND_ALPHA))?;
        }
    }
    for series in panel.iter().filter(|series| series.seeds.len() > 1) {
        let colour = style::arm_style(series.arm).colour.mix(SEED_ALPHA);
        for line in &series.seeds {
            let points: Vec<Point> = line.iter().map(|&(x, value)| frame.at(x, value)).collect();
            canvas.line(&points, &colour, 0.75)?;
        }
    }
    for series in panel {
        let ArmStyle { colour, dash } = style::arm_style(series.arm);
        let points: Vec<Point> = series.mean.iter().map(|&(x, mean, _)| frame.at(x, mean)).collect();
        match points.as_slice() {
            [only] => canvas.dot(*only, 4.0, &colour)?,
            points => canvas.dashed(points, dash, &colour, 2.25)?,
        }
    }
    Ok(())
}

/// Arms with colour and line style, in rows below the panels.
pub(super) fn draw_legend<DB: DrawingBackend>(
    view: &StudyView,
    canvas: &Canvas<'_, DB>,
    top: f64,
) -> Result<(), FigureError> {
    let room = canvas.width - 40.0;
    let names = || view.arms.iter().map(|arm| arm.name.as_str());
    for (row, entries) in style::legend_rows(names(), room).iter().enumerate() {
        let widths: Vec<f64> = entries.iter().map(|&arm| style::entry_width_px(&view.arms[arm].name, room)).collect();
        let total = widths.iter().sum::<f64>() + style::ENTRY_GAP_PX * (widths.len() - 1) as f64;
        let y = top + f64::from(style::LEGEND_ROW_PX) * (row as f64 + 0.5);
        let mut x = (canvas.width - total) / 2.0;
        for (&arm, width) in entries.iter().zip(&widths) {
            let ArmStyle { colour, dash } = style::arm_style(arm);
            canvas.dashed(&[(x, y), (x + style::KEY_PX, y)], dash, &colour, 2.25)?;
            let text_x = x + style::KEY_PX + style::KEY_GAP_PX;
            let text =
                style::fit(&view.arms[arm].name, style::LABEL_PX, width - style::KEY_PX - style::KEY_GAP_PX + 1.0);
            canvas.text(&text, (text_x, y), Anchor::Left, style::INK)?;
            x += width + style::ENTRY_GAP_PX;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series_of(values: &[f64]) -> Series {
        let mean = values.iter().zip(1..).map(|(&value, epoch)| (f64::from(epoch), value, None)).collect();
        let seeds = vec![values.iter().zip(1..).map(|(&value, epoch)| (f64::from(epoch), value)).collect()];
        Series { arm: 0, mean, seeds }
    }

    #[test]
    fn both_panels_share_axes_that_hold_every_line() {
        let panels = [vec![series_of(&[31.0, 74.0])], vec![series_of(&[40.0, 99.5, 97.0])]];
        let (x, y) = axes(&panels, Measure::Top1);
        assert_eq!((x.low, x.high), (0.0, 3.0));
        assert!(y.low <= 31.0 && y.high == 100.0, "accuracy does not leave 0 to 100: {y:?}");
    }

    #[test]
    fn loss_starts_at_zero() {
        let (_, y) = axes(&[vec![series_of(&[1.6, 0.7])]], Measure::LossNats);
        assert_eq!(y.low, 0.0);
        assert!(y.high >= 1.6);
    }
}
