//! Recall of each class with its interval, the arms side by side; of many classes, the hardest.

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError};
use super::curves;
use super::dots::label_column_px;
use super::style::{self, Width};
use crate::recall::ClassRecall;
use crate::view::StudyView;

/// Height of the arms' lines of one class and of a line, and the gap between classes, logical px.
const LINES_PX: f64 = 66.0;
const LINE_PX: (f64, f64) = (7.0, 15.0);
const GAP_PX: f64 = 16.0;

const TOP_PX: f64 = 16.0;
const AXIS_PX: f64 = 58.0;

/// Height of one arm's line: the more arms there are, the closer they stand.
fn line_px(view: &StudyView) -> f64 {
    (LINES_PX / view.arms.len().max(1) as f64).clamp(LINE_PX.0, LINE_PX.1)
}

fn class_px(view: &StudyView) -> f64 {
    (line_px(view) * view.arms.len() as f64 + GAP_PX).max(26.0)
}

/// Most classes, and the height that they may take, logical px.
const MAX_CLASSES: usize = 40;
const MAX_CLASSES_PX: f64 = 1500.0;

/// The classes that are shown, in order: all, or those of the lowest recall, averaged over arms.
pub(super) fn classes(view: &StudyView) -> Vec<usize> {
    let all = view.data.classes.len();
    let most = MAX_CLASSES.min((MAX_CLASSES_PX / class_px(view)) as usize).max(1);
    if all <= most {
        return (0..all).collect();
    }
    let mut sums = vec![(0.0, 0_u32); all];
    for recall in view.arms.iter().flat_map(|arm| &arm.recalls) {
        let (sum, n) = &mut sums[recall.class as usize];
        *sum += recall.recall;
        *n += 1;
    }
    // A class without test images is no hard one.
    let mean = |class: usize| if sums[class].1 == 0 { 2.0 } else { sums[class].0 / f64::from(sums[class].1) };
    let mut order: Vec<usize> = (0..all).collect();
    order.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(a.cmp(&b)));
    order.truncate(most);
    order.sort_unstable();
    order
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    let legend = style::legend_height_px(view.arms.iter().map(|arm| arm.name.as_str()), width.px());
    let height = TOP_PX + class_px(view) * classes(view).len() as f64 + AXIS_PX;
    (width.px(), height as u32 + legend)
}

/// In percent, over every recall and interval.
pub(super) fn axis(view: &StudyView) -> Axis {
    let recalls = view.arms.iter().flat_map(|arm| &arm.recalls);
    let values = recalls.flat_map(|recall| [recall.interval.0, recall.recall, recall.interval.1]);
    Axis::over(values.map(|value| 100.0 * value), 6, (0.0, 100.0))
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let (x, y) = (axis(view), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let classes = classes(view);
    let names = classes.iter().map(|&class| view.data.classes[class].as_str());
    let left = 16.0 + label_column_px(names, canvas.width) + 14.0;
    let bottom = TOP_PX + class_px(view) * classes.len() as f64;
    let frame = Frame { left, right: canvas.width - 30.0, top: TOP_PX, bottom, x: &x, y: &y };
    frame.draw_x(canvas, true)?;
    frame.name_x(canvas, "Recall on the test part (%)")?;
    for (index, &number) in classes.iter().enumerate() {
        let class = &view.data.classes[number];
        let top = TOP_PX + class_px(view) * index as f64;
        if index > 0 {
            canvas.line(&[(frame.left, top), (frame.right, top)], &style::GRID, 1.0)?;
        }
        let label = style::fit(class, style::LABEL_PX, frame.left - 30.0);
        let middle = top + class_px(view) / 2.0;
        canvas.text(&label, (frame.left - 14.0, middle), Anchor::Right, style::INK)?;
        for (arm, shown) in view.arms.iter().enumerate() {
            let recall = shown.recalls.iter().find(|recall| recall.class as usize == number);
            let line = middle + line_px(view) * (arm as f64 + 0.5 - view.arms.len() as f64 / 2.0);
            let radius = (0.6 * line_px(view)).min(4.5);
            recall.map_or(Ok(()), |recall| draw_recall(recall, arm, (line, radius), &frame, canvas))?;
        }
    }
    let names: Vec<&str> = view.arms.iter().map(|arm| arm.name.as_str()).collect();
    curves::draw_legend(&names, canvas, bottom + AXIS_PX)
}

fn draw_recall(
    recall: &ClassRecall,
    arm: usize,
    (y, radius): (f64, f64),
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let color = style::arm_style(arm).color;
    let at = |share: f64| (frame.x_px(100.0 * share), y);
    // Solid, since the arms stand in one order in every class: dashes of so many short lines would say nothing more.
    canvas.line(&[at(recall.interval.0), at(recall.interval.1)], &color, 1.75)?;
    canvas.dot(at(recall.recall), radius, &color)
}
