//! The flow of images through a study, in the manner of the CONSORT statement's diagram: read, left out, divided; then each
//! arm from what was planned to what its runs were tested on.

use std::ops::Range;

use plotters::style::Color as _;

use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::style::{self, Width};
use crate::view::{ArmView, StudyView};
use augtrial_base::events::Split;
use augtrial_base::numbers::count;
use augtrial_base::words::plural;
use augtrial_plan::dataset::Protocol;

/// Arms side by side; more go into further rows.
fn arms_per_row(width: Width) -> usize {
    if width == Width::Page { 4 } else { 2 }
}

const MARGIN_PX: f64 = 12.0;
const GAP_PX: f64 = 16.0;
/// Height of an arrow between two boxes.
const ARROW_PX: f64 = 22.0;
const PADDING_PX: f64 = 10.0;
const LINE_PX: f64 = 20.0;

/// Widths of the boxes above the arms, and of those beside them.
fn trunk_px(width: Width) -> (f64, f64) {
    if width == Width::Page { (330.0, 200.0) } else { (250.0, 170.0) }
}

/// Where the flow runs down: in the middle, or at the left where the boxes beside it need the room.
fn axis_px(width: Width) -> f64 {
    if width == Width::Page { f64::from(width.px()) / 2.0 } else { MARGIN_PX + trunk_px(width).0 / 2.0 }
}

const MAX_ARM_PX: f64 = 300.0;

/// Reasons that a box lists before it only counts.
const MAX_REASONS: usize = 3;

/// A box with lines of text; the first may be a title.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TextBox {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub lines: Vec<String>,
    /// Index of the arm whose name the box begins with, and the lines that the name takes.
    pub arm: Option<(usize, usize)>,
    /// Beside the flow: what left it.
    pub aside: bool,
}

/// Everything placed, logical px.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FlowLayout {
    pub boxes: Vec<TextBox>,
    /// Lines of the flow; each ends in an arrow head if the flag is set.
    pub lines: Vec<(Vec<Point>, bool)>,
    pub height: f64,
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    (width.px(), layout(view, width).height.ceil() as u32)
}

pub(super) fn layout(view: &StudyView, width: Width) -> FlowLayout {
    let mut layout = FlowLayout::default();
    let (axis, (trunk_px, side_px)) = (axis_px(width), trunk_px(width));
    let mut top = MARGIN_PX;
    for (index, (lines, aside)) in trunk(view).into_iter().enumerate() {
        if index > 0 {
            layout.lines.push((vec![(axis, top - ARROW_PX), (axis, top)], true));
        }
        let placed = text_box(&lines, axis - trunk_px / 2.0, top, trunk_px);
        let bottom = placed.top + placed.height;
        let mut next = bottom + ARROW_PX;
        if !aside.is_empty() {
            let left = f64::from(width.px()) - MARGIN_PX - side_px;
            let side = TextBox { aside: true, ..text_box(&aside, left, bottom + 8.0, side_px) };
            let middle = side.top + side.height / 2.0;
            layout.lines.push((vec![(axis, bottom), (axis, middle), (left, middle)], true));
            next = side.top + side.height + 8.0 + ARROW_PX;
            layout.lines.push((vec![(axis, bottom), (axis, next - ARROW_PX)], false));
            layout.boxes.push(side);
        }
        layout.boxes.push(placed);
        top = next;
    }
    let from = top - ARROW_PX;
    layout.height = from + MARGIN_PX;
    for (row, arms) in view.arms.chunks(arms_per_row(width)).enumerate() {
        let bus = if row == 0 { from + 8.0 } else { layout.height + 8.0 };
        let first = row * arms_per_row(width);
        place_arms(view, first..first + arms.len(), width, (from, bus), &mut layout);
    }
    layout
}

/// One row of arms, their columns aligned level by level, hung from a bus at the height `bus`.
fn place_arms(view: &StudyView, arms: Range<usize>, place: Width, (from, bus): (f64, f64), layout: &mut FlowLayout) {
    let (all, axis) = (f64::from(place.px()), axis_px(place));
    let (first, arms) = (arms.start, arms.len());
    let columns = view.arms.len().min(arms_per_row(place)) as f64;
    let width = ((all - 2.0 * MARGIN_PX - GAP_PX * (columns - 1.0)) / columns).min(MAX_ARM_PX);
    let used = width * arms as f64 + GAP_PX * (arms as f64 - 1.0);
    let left = |column: usize| (all - used) / 2.0 + (width + GAP_PX) * column as f64;
    // The trunk of a further row runs in the gap beside the columns above it.
    let trunk = if first == 0 { axis } else { MARGIN_PX / 2.0 };
    let mut path = vec![(axis, from)];
    if first > 0 {
        path.extend([(axis, from + 8.0), (trunk, from + 8.0), (trunk, bus)]);
    } else {
        path.push((axis, bus));
    }
    layout.lines.push((path, false));
    let (first_middle, last_middle) = (left(0) + width / 2.0, left(arms - 1) + width / 2.0);
    layout.lines.push((vec![(trunk.min(first_middle), bus), (trunk.max(last_middle), bus)], false));
    let levels: Vec<Vec<TextBox>> = (0..arms)
        .map(|column| {
            let texts = arm_texts(view, &view.arms[first + column]);
            let mut boxes: Vec<TextBox> = texts.iter().map(|lines| text_box(lines, left(column), 0.0, width)).collect();
            let name = name_lines(&view.arms[first + column].name, width);
            boxes[0].height += LINE_PX * name.len() as f64;
            boxes[0].lines.splice(0..0, name);
            boxes
        })
        .collect();
    let mut top = bus + ARROW_PX;
    for level in 0..levels[0].len() {
        let height = levels.iter().map(|boxes| boxes[level].height).fold(0.0, f64::max);
        for (column, boxes) in levels.iter().enumerate() {
            let middle = left(column) + width / 2.0;
            let above = if level == 0 { bus } else { top - ARROW_PX };
            layout.lines.push((vec![(middle, above), (middle, top)], true));
            let name_lines = name_lines(&view.arms[first + column].name, width).len();
            let arm = (level == 0).then_some((first + column, name_lines));
            layout.boxes.push(TextBox { top, height, arm, aside: level == 1, ..boxes[level].clone() });
        }
        top += height + ARROW_PX;
    }
    layout.height = top - ARROW_PX + MARGIN_PX;
}

/// The boxes above the arms, each with what leaves the flow below it.
fn trunk(view: &StudyView) -> Vec<(Vec<String>, Vec<String>)> {
    let data = &view.data;
    let read = data.read.total.count;
    let quarantined = data.quarantined.len() as u64;
    let mut out = vec![format!("Quarantined: {}", count(quarantined))];
    if !data.ignored.is_empty() {
        out.push(format!("Ignored files: {}", count(data.ignored.len() as u64)));
    }
    let mut withheld = Vec::new();
    if !data.withheld.is_empty() {
        withheld
            .push(format!("Withheld, identical to an image of another part: {}", count(data.withheld.len() as u64)));
    }
    let unused = match data.unused {
        0 => Vec::new(),
        unused => vec![format!("Left unused of the training part, as planned: {}", count(unused))],
    };
    let divided = if view.protocol == Protocol::AsPublished {
        vec!["Augmented first, then divided file by file".to_owned(), "(as-published protocol)".to_owned()]
    } else {
        let part =
            |split: Split| data.parts.iter().find(|part| part.split == split).map_or(0, |p| p.counts.iter().sum());
        vec![
            "Divided by source".to_owned(),
            format!(
                "train {}, validation {}, test {}",
                count(part(Split::Train)),
                count(part(Split::Validation)),
                count(part(Split::Test))
            ),
        ]
    };
    vec![
        (vec![format!("Files found as images of a class: {}", count(read + quarantined))], out),
        (
            vec![
                format!("Images read: {} in {} classes", count(read), data.classes.len()),
                format!("of them byte-identical duplicates: {}", count(data.duplicates)),
            ],
            withheld,
        ),
        (divided, unused),
    ]
}

/// An arm's name, to be set as a title.
fn name_lines(name: &str, width: f64) -> Vec<String> {
    style::wrap(name, style::TITLE_MEASURE_PX, width - 2.0 * PADDING_PX)
}

/// The boxes of one arm below its name: planned, not made or left out, trained on, tested.
fn arm_texts(view: &StudyView, arm: &ArmView) -> [Vec<String>; 4] {
    let flow = &arm.flow;
    let not_made: u64 = flow.missing.iter().map(|(_, n)| n).sum();
    let mut missing = vec![format!("Not made or left out: {}", count(not_made))];
    missing.extend(listed(flow.missing.iter().map(|(reason, n)| format!("{} {reason}", count(*n)))));
    let summary = view.comparison.arms.iter().find(|summary| summary.name == arm.name);
    let (done, lost) = summary.map_or((0, &[][..]), |summary| (summary.values.len(), summary.missing.as_slice()));
    let mut tested = vec![format!("Tested: {} of {}", done, plural(done + lost.len(), "run"))];
    if flow.tested > 0 {
        tested.push(format!("on {} images each", count(flow.tested)));
    }
    tested.extend(listed(lost.iter().map(|missing| format!("seed {}: {}", missing.seed, missing.reason))));
    let mut trained = vec![
        format!("Trained on: {}", count(flow.trained_on)),
        format!("from {} originals", count(arm.budget.unique_originals)),
    ];
    trained.extend(flow.stand_ins.map(|(images, p)| format!("{} stand in for them, p = {p}", count(images))));
    [vec![format!("Planned: {}", count(flow.planned))], missing, trained, tested]
}

fn listed(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > MAX_REASONS {
        let more = lines.len() - (MAX_REASONS - 1);
        lines.truncate(MAX_REASONS - 1);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A box as high as its wrapped lines.
fn text_box(lines: &[String], left: f64, top: f64, width: f64) -> TextBox {
    let room = width - 2.0 * PADDING_PX;
    let lines: Vec<String> = lines.iter().flat_map(|line| style::wrap(line, style::LABEL_PX, room)).collect();
    let height = LINE_PX * lines.len() as f64 + PADDING_PX + 4.0;
    TextBox { left, top, width, height, lines, arm: None, aside: false }
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let layout = layout(view, canvas.place());
    for (points, arrow) in &layout.lines {
        canvas.line(points, &style::MUTED, 1.25)?;
        if let (true, [.., before, end]) = (arrow, points.as_slice()) {
            arrow_head(*before, *end, canvas)?;
        }
    }
    layout.boxes.iter().try_for_each(|placed| draw_box(placed, canvas))
}

fn arrow_head(before: Point, end: Point, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let (dx, dy) = ((end.0 - before.0).signum(), (end.1 - before.1).signum());
    let horizontal = (end.0 - before.0).abs() > (end.1 - before.1).abs();
    let wings = if horizontal {
        [(end.0 - 7.0 * dx, end.1 - 4.0), (end.0 - 7.0 * dx, end.1 + 4.0)]
    } else {
        [(end.0 - 4.0, end.1 - 7.0 * dy), (end.0 + 4.0, end.1 - 7.0 * dy)]
    };
    canvas.polygon(&[end, wings[0], wings[1]], &style::MUTED)
}

fn draw_box(placed: &TextBox, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let TextBox { left, top, width, height, lines, arm, aside } = placed;
    let (right, bottom) = (left + width, top + height);
    let outline = [(*left, *top), (right, *top), (right, bottom), (*left, bottom), (*left, *top)];
    if *aside {
        canvas.rectangle((*left, *top), (right, bottom), &style::MUTED.mix(0.1))?;
    }
    canvas.line(&outline, &style::MUTED, 1.25)?;
    if let Some((arm, _)) = arm {
        canvas.rectangle((*left, *top), (right, top + 4.0), &style::arm_style(*arm).color)?;
    }
    let titles = arm.map_or(0, |(_, name_lines)| name_lines);
    for (index, line) in lines.iter().enumerate() {
        let at = (left + PADDING_PX, top + PADDING_PX / 2.0 + 2.0 + LINE_PX * (index as f64 + 0.5));
        if index < titles {
            canvas.title(line, at, Anchor::Left)?;
        } else {
            canvas.text(line, at, Anchor::Left, style::INK)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_reasons_end_in_a_count() {
        let lines = |n: usize| listed((0..n).map(|i| i.to_string()));
        assert_eq!(lines(3), ["0", "1", "2"]);
        assert_eq!(lines(5), ["0", "1", "and 3 more"]);
    }

    #[test]
    fn a_box_holds_its_lines() {
        let text = "instruct-pix2pix-class-preserving-edits of an arm with a long name and 1,234 images".to_owned();
        let placed = text_box(std::slice::from_ref(&text), 0.0, 0.0, 160.0);
        let room = placed.width - 2.0 * PADDING_PX;
        assert!(placed.lines.iter().all(|line| style::text_width_px(line, style::LABEL_PX) <= room), "{placed:?}");
        assert_eq!(placed.lines.join("").replace(' ', ""), text.replace(' ', ""), "nothing is lost");
        assert!(placed.height >= LINE_PX * placed.lines.len() as f64);
    }
}
