//! Recall of each class with its interval, the arms side by side.

use plotters::prelude::DrawingBackend;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError};
use super::dots::label_column_px;
use super::{curves, style};
use crate::report::recall::ClassRecall;
use crate::report::view::StudyView;

/// Height of one arm's line, and the gap between classes, logical px.
const LINE_PX: f64 = 15.0;
const GAP_PX: f64 = 18.0;

const TOP_PX: f64 = 16.0;
const AXIS_PX: f64 = 58.0;

fn class_px(view: &StudyView) -> f64 {
    LINE_PX * view.arms.len() as f64 + GAP_PX
}

/// Size of the figure.
pub(super) fn size(view: &StudyView) -> (u32, u32) {
    let legend = style::legend_height_px(view.arms.iter().map(|arm| arm.name.as_str()), style::WIDTH_PX);
    let height = TOP_PX + class_px(view) * view.data.classes.len() as f64 + AXIS_PX;
    (style::WIDTH_PX, height as u32 + legend)
}

/// In percent, over every recall and interval.
pub(super) fn axis(view: &StudyView) -> Axis {
    let recalls = view.arms.iter().flat_map(|arm| &arm.recalls);
    let values = recalls.flat_map(|recall| [recall.interval.0, recall.recall, recall.interval.1]);
    Axis::over(values.map(|value| 100.0 * value), 6, (0.0, 100.0))
}

pub(super) fn draw<DB: DrawingBackend>(view: &StudyView, canvas: &Canvas<'_, DB>) -> Result<(), FigureError> {
    let (x, y) = (axis(view), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let left = 16.0 + label_column_px(view.data.classes.iter().map(String::as_str)) + 14.0;
    let bottom = TOP_PX + class_px(view) * view.data.classes.len() as f64;
    let frame = Frame { left, right: canvas.width - 30.0, top: TOP_PX, bottom, x: &x, y: &y };
    frame.draw_x(canvas, true)?;
    frame.name_x(canvas, "Recall on the test part (%)")?;
    for (index, class) in view.data.classes.iter().enumerate() {
        let top = TOP_PX + class_px(view) * index as f64;
        if index > 0 {
            canvas.line(&[(frame.left, top), (frame.right, top)], &style::GRID, 1.0)?;
        }
        let label = style::fit(class, style::LABEL_PX, frame.left - 30.0);
        let middle = top + class_px(view) / 2.0;
        canvas.text(&label, (frame.left - 14.0, middle), Anchor::Right, style::INK)?;
        for (arm, shown) in view.arms.iter().enumerate() {
            let recall = shown.recalls.iter().find(|recall| recall.class as usize == index);
            let line = top + GAP_PX / 2.0 + LINE_PX * (arm as f64 + 0.5);
            recall.map_or(Ok(()), |recall| draw_recall(recall, arm, line, &frame, canvas))?;
        }
    }
    curves::draw_legend(view, canvas, bottom + AXIS_PX)
}

fn draw_recall<DB: DrawingBackend>(
    recall: &ClassRecall,
    arm: usize,
    y: f64,
    frame: &Frame<'_>,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let style::ArmStyle { colour, dash } = style::arm_style(arm);
    let at = |share: f64| (frame.x_px(100.0 * share), y);
    canvas.dashed(&[at(recall.interval.0), at(recall.interval.1)], dash, &colour, 2.0)?;
    canvas.dot(at(recall.recall), 4.5, &colour)
}
