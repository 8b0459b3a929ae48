//! Coverage of the real images beside the gain, one dot per arm; the coverage of the floor as a line.

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError};
use super::contrasts::in_brackets;
use super::style::{self, Width};
use crate::view::StudyView;
use augtrial_quality::RowSubject;

/// Radius of a dot, logical px.
const DOT_PX: f64 = 6.0;

/// An arm with its place among the arms, its coverage, and its mean difference to its control as the study measures it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ArmPoint {
    pub place: usize,
    pub name: String,
    pub coverage: f64,
    pub gain: f64,
}

/// Every arm that has both numbers, in the order of the plan.
pub(super) fn points(view: &StudyView) -> Vec<ArmPoint> {
    let Some(quality) = view.quality.as_ref().map(|view| &view.quality) else { return Vec::new() };
    let factor = view.comparison.measure().scale.factor();
    let coverage = |name: &str| {
        quality
            .whole()
            .find(|row| matches!(&row.subject, RowSubject::Arm(arm) if arm == name))?
            .values
            .get("coverage")
            .copied()
    };
    let gain = |name: &str| {
        let contrast = view.comparison.contrasts.iter().find(|result| result.contrast.treatment == name)?;
        contrast.mean_difference().map(|difference| factor * difference)
    };
    let arms = view.arms.iter().enumerate();
    arms.filter_map(|(place, arm)| {
        Some(ArmPoint { place, name: arm.name.clone(), coverage: coverage(&arm.name)?, gain: gain(&arm.name)? })
    })
    .collect()
}

/// Size of the figure.
pub(super) fn size(width: Width) -> (u32, u32) {
    (width.px(), 340)
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let points = points(view);
    let scale = view.comparison.measure().scale;
    let x = Axis::over([0.0, 1.0].into_iter(), 5, (0.0, 1.0));
    let y = Axis::over(points.iter().map(|point| point.gain).chain([0.0]), 6, (f64::NEG_INFINITY, f64::INFINITY));
    let frame = Frame { left: 84.0, right: canvas.width - 24.0, top: 30.0, bottom: canvas.height - 58.0, x: &x, y: &y };
    frame.draw_y(canvas, true)?;
    frame.draw_x(canvas, true)?;
    frame.name_x(canvas, "Coverage of the real images (share)")?;
    let name = format!("Difference in {}{}", view.metric, in_brackets(scale.difference_unit()));
    let name = style::fit(&name, style::LABEL_PX, frame.bottom - frame.top + 20.0);
    canvas.vertical_text(&name, (16.0, f64::midpoint(frame.top, frame.bottom)), Anchor::Middle, style::INK)?;
    let rows = view.quality.iter().flat_map(|view| view.quality.whole());
    let floor = rows.filter(|row| row.subject == RowSubject::Floor).find_map(|row| row.values.get("coverage"));
    if let Some(&floor) = floor {
        let at = frame.x_px(floor.clamp(0.0, 1.0));
        canvas.dashed(&[(at, frame.top), (at, frame.bottom)], &[4.0, 4.0], &style::MUTED, 1.5)?;
        canvas.text("floor", (at - 6.0, frame.top - 12.0), Anchor::Middle, style::MUTED)?;
    }
    for point in &points {
        let (px, py) = frame.at(point.coverage.clamp(0.0, 1.0), point.gain);
        canvas.dot((px, py), DOT_PX, &style::arm_style(point.place).color)?;
        let right = point.coverage > 0.6;
        let (anchor, shift) = if right { (Anchor::Right, -DOT_PX - 5.0) } else { (Anchor::Left, DOT_PX + 5.0) };
        let room = if right { px - frame.left } else { frame.right - px } - 2.0 * DOT_PX;
        canvas.text(&style::fit(&point.name, style::LABEL_PX, room), (px + shift, py - 10.0), anchor, style::INK)?;
    }
    Ok(())
}
