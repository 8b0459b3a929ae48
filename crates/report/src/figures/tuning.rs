//! Tuning curves: what a search of so many tries is expected to find, one line per arm.

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::curves::draw_legend;
use super::style::{self, ArmStyle, Width};
use crate::view::StudyView;
use augtrial_compare::Tuning;
use augtrial_plan::tune::TuneMetric;

const TOP_PX: f64 = 20.0;
const AXIS_PX: f64 = 62.0;
const RIGHT_PX: f64 = 24.0;

/// Height of the plot, logical px.
const fn plot_px(width: Width) -> u32 {
    match width {
        Width::Page => 300,
        Width::Column => 230,
    }
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    let names = view.arms.iter().map(|arm| arm.name.as_str());
    (width.px(), plot_px(width) + AXIS_PX as u32 + style::legend_height_px(names, width.px()))
}

/// Each arm's index with its curve, on the scale of the axis: percent, or nats.
pub(super) fn series(view: &StudyView, tuning: &Tuning) -> Vec<(usize, Vec<f64>)> {
    let factor = factor(tuning);
    let of = |(index, arm): (usize, &crate::view::ArmView)| {
        let tried = tuning.arms.iter().find(|tried| tried.arm == arm.name)?;
        Some((index, tried.curve(tuning.metric).into_iter().map(|value| factor * value).collect()))
    };
    view.arms.iter().enumerate().filter_map(of).collect()
}

fn factor(tuning: &Tuning) -> f64 {
    if tuning.metric == TuneMetric::Top1 { 100.0 } else { 1.0 }
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let Some(tuning) = &view.tuning else { return Ok(()) };
    let series = series(view, tuning);
    let tries = tuning.tries.len();
    let bounds = if tuning.metric == TuneMetric::Top1 { (0.0, 100.0) } else { (0.0, f64::INFINITY) };
    let y = Axis::over(series.iter().flat_map(|(_, curve)| curve).copied(), 5, bounds);
    let mut x = Axis::over([1.0, tries as f64].into_iter(), 8, (1.0, tries.max(2) as f64));
    x.ticks = ticks(tries);
    x.decimals = 0;
    let legend = f64::from(style::legend_height_px(view.arms.iter().map(|arm| arm.name.as_str()), canvas.width as u32));
    let bottom = canvas.height - legend - AXIS_PX;
    let widest = y.ticks.iter().map(|tick| style::text_width_px(&y.label(*tick), style::LABEL_PX)).fold(0.0, f64::max);
    let frame = Frame { left: 46.0 + widest, right: canvas.width - RIGHT_PX, top: TOP_PX, bottom, x: &x, y: &y };
    frame.draw_y(canvas, true)?;
    frame.draw_x(canvas, false)?;
    frame.name_x(canvas, "Tries")?;
    let unit = if tuning.metric == TuneMetric::Top1 { "%" } else { "nats" };
    let name = format!("Best {} ({unit})", tuning.measure());
    let name = style::fit(&name, style::LABEL_PX, bottom - TOP_PX + 30.0);
    canvas.vertical_text(&name, (16.0, f64::midpoint(frame.top, bottom)), Anchor::Middle, style::INK)?;
    for (index, curve) in &series {
        let ArmStyle { color, dash } = style::arm_style(*index);
        let points: Vec<Point> = (1..).zip(curve).map(|(k, &value)| frame.at(f64::from(k), value)).collect();
        match points.as_slice() {
            [only] => canvas.dot(*only, 4.0, &color)?,
            _ => canvas.dashed(&points, dash, &color, 2.25)?,
        }
    }
    let names: Vec<&str> = view.arms.iter().map(|arm| arm.name.as_str()).collect();
    draw_legend(&names, canvas, bottom + AXIS_PX)
}

/// Whole numbers of tries: the first, the last and some between.
fn ticks(tries: usize) -> Vec<f64> {
    let step = tries.div_ceil(8).max(1);
    let mut ticks: Vec<usize> = (1..=tries).step_by(step).collect();
    if let Some(last) = ticks.last_mut()
        && tries - *last < step
    {
        *last = tries;
    }
    ticks.into_iter().map(|tick| tick as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_whole_and_reach_from_the_first_try_to_the_last() {
        assert_eq!(ticks(1), [1.0]);
        assert_eq!(ticks(5), [1.0, 2.0, 3.0, 4.0, 5.0]);
        let many = ticks(50);
        assert_eq!((many[0], many[many.len() - 1]), (1.0, 50.0));
        assert!(many.len() <= 8, "{many:?}");
    }
}
