//! Accuracy and loss over training, all arms in one figure: validation part and training part on one scale, side by side or, in
//! a column, one above the other.

use plotters::style::Color as _;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::style::{self, ArmStyle, Width};
use crate::curves::{Curve, MeanPoint, Measure, XAxis};
use crate::view::StudyView;
use augtrial_base::events::Split;
use augtrial_web::MIN_BAND_SEEDS;

/// What is left of a color in an interval's band, and in the line of one seed.
const BAND_ALPHA: f64 = 0.16;
const SEED_ALPHA: f64 = 0.35;

/// More lines of single seeds than this in a panel hide what they should show, and are left out.
const MAX_SEED_LINES: usize = 30;

/// Height of a panel's ticks and the name of its axis, logical px.
const AXIS_PX: f64 = 58.0;

/// Arms that are named at the ends of their lines; more would not find room, and have a legend.
const MAX_LABELED: usize = 6;

/// Widest name at a line's end, as a share of the figure; with wider ones there is a legend.
const MAX_LABEL: f64 = 0.21;

/// Length of a line's sample before its name, the gaps around it, and the distance of two names; logical px.
const SAMPLE_PX: f64 = 22.0;
const LABEL_GAP_PX: f64 = 6.0;
const LABEL_ROW_PX: f64 = 18.0;

/// One arm's curve in one panel, on the scale of the axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub arm: usize,
    /// (x, mean, interval where it is worth a band)
    pub mean: Vec<MeanPoint>,
    pub seeds: Vec<Vec<Point>>,
}

/// Where an axis ends, and the highest value if that lies above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    pub end: f64,
    pub highest: f64,
}

/// Whether the curves by updates repeat those by epochs.
pub(crate) fn same_updates(view: &StudyView) -> bool {
    let of =
        |curve: &Curve| -> (Vec<u32>, Vec<f64>) { curve.mean.iter().map(|point| (point.epoch, point.updates)).unzip() };
    let arms: Vec<_> = view.arms.iter().filter_map(|arm| arm.curves.first()).map(of).collect();
    augtrial_web::same_updates(arms.iter().map(|(epochs, updates)| (epochs.as_slice(), updates.as_slice())))
}

/// Whether there are so few seeds that each has a line.
fn shows_seeds(view: &StudyView) -> bool {
    view.arms.iter().filter_map(|arm| arm.curves.first()).map(|curve| curve.seeds.len()).sum::<usize>()
        <= MAX_SEED_LINES
}

/// For a caption: what the lines and bands are, and what is cut.
pub(super) fn what_is_shown(view: &StudyView, measure: Measure) -> String {
    let most = view.arms.iter().flat_map(|arm| &arm.curves).map(|curve| curve.seeds.len()).max().unwrap_or(0);
    let mut parts = vec!["mean over seeds"];
    parts.extend((most >= MIN_BAND_SEEDS).then_some("its t interval"));
    parts.extend((most > 1 && shows_seeds(view)).then_some("every seed in a thin line"));
    let cut = if cut(view, measure).is_some() { "; triangles mark values above the axis" } else { "" };
    let (last, first) = parts.split_last().expect("the mean is always shown");
    if first.is_empty() { format!("{last}{cut}") } else { format!("{} and {last}{cut}", first.join(", ")) }
}

/// Where the axis of losses ends although single values lie above; nothing for accuracies, which cannot.
pub(super) fn cut(view: &StudyView, measure: Measure) -> Option<Cut> {
    if measure == Measure::Top1 {
        return None;
    }
    let curves: Vec<&Curve> = view.arms.iter().flat_map(|arm| &arm.curves).filter(|c| c.measure == measure).collect();
    let lines: Vec<Vec<Vec<f64>>> = curves
        .iter()
        .map(|curve| curve.seeds.iter().map(|seed| seed.points.iter().map(|point| point.2).collect()).collect())
        .collect();
    let end = augtrial_web::limit(&lines)?;
    Some(Cut { end, highest: lines.iter().flatten().flatten().copied().fold(end, f64::max) })
}

/// Width of the names at the lines' ends; nothing where a legend has them.
fn labels_px(view: &StudyView, width_px: f64) -> Option<f64> {
    let names = view.arms.iter().map(|arm| style::text_width_px(&arm.name, style::LABEL_PX));
    let widest = names.fold(0.0, f64::max);
    let fit = view.arms.len() <= MAX_LABELED && widest <= MAX_LABEL * width_px;
    fit.then_some(widest + SAMPLE_PX + 2.0 * LABEL_GAP_PX)
}

/// Height of the legend, where there is one.
fn legend_px(view: &StudyView, width_px: f64) -> u32 {
    let names = view.arms.iter().map(|arm| arm.name.as_str());
    if labels_px(view, width_px).is_some() { 0 } else { style::legend_height_px(names, width_px as u32) }
}

/// Heights near those wanted at which no two names touch, in the order given.
fn spread(wanted: &[f64], (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut placed = vec![0.0; wanted.len()];
    let mut least = top;
    for &label in &order {
        placed[label] = wanted[label].max(least);
        least = placed[label] + LABEL_ROW_PX;
    }
    let mut most = bottom;
    for &label in order.iter().rev() {
        placed[label] = f64::min(placed[label], most);
        most = placed[label] - LABEL_ROW_PX;
    }
    placed
}

/// Size of the figure: two panels, side by side or one above the other.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    let legend = legend_px(view, width.px().into());
    (width.px(), legend + if width == Width::Page { 410 } else { 600 })
}

/// What a panel shows: accuracy in percent, loss in nats.
pub(super) fn series(view: &StudyView, split: Split, measure: Measure, axis: XAxis) -> Vec<Series> {
    let scale = if measure == Measure::Top1 { 100.0 } else { 1.0 };
    let band = |n: usize, interval: Option<(f64, f64)>| {
        interval.filter(|_| n >= MIN_BAND_SEEDS).map(|(low, high)| (low * scale, high * scale))
    };
    let of_arm = |(arm, curve): (usize, &Curve)| Series {
        arm,
        mean: curve
            .mean_on(axis)
            .into_iter()
            .zip(&curve.mean)
            .map(|((x, mean, interval), point)| (x, mean * scale, band(point.n, interval)))
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

/// The two axes over everything that both panels show, up to where they are cut. Means and seeds decide the range; a wide band is
/// cut at the frame.
pub(super) fn axes(panels: &[Vec<Series>], measure: Measure, cut: Option<Cut>) -> (Axis, Axis) {
    let all = || panels.iter().flatten();
    let points = || all().flat_map(|s| s.seeds.iter().flatten().copied().chain(s.mean.iter().map(|m| (m.0, m.1))));
    let bounds = if measure == Measure::Top1 { (0.0, 100.0) } else { (0.0, f64::INFINITY) };
    // Epochs and updates are whole, and end where training ends.
    let last = points().map(|point| point.0).fold(1.0, f64::max);
    let mut x = Axis::over([0.0, last].into_iter(), 5, (0.0, last));
    x.ticks.retain(|tick| (tick - tick.round()).abs() < 1e-9);
    x.decimals = 0;
    let floor = (measure == Measure::LossNats).then_some(0.0);
    let end = cut.map_or(f64::INFINITY, |cut| cut.end);
    (x, Axis::over(floor.into_iter().chain(points().map(|p| p.1.min(end))), 6, bounds))
}

pub(super) fn draw(view: &StudyView, measure: Measure, axis: XAxis, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let panels = [Split::Validation, Split::Train].map(|split| series(view, split, measure, axis));
    let cut = cut(view, measure);
    let (x, y) = axes(&panels, measure, cut);
    let widest = y.ticks.iter().map(|t| style::text_width_px(&y.label(*t), style::LABEL_PX)).fold(0.0, f64::max);
    let left = 34.0 + widest + 10.0;
    let labels = labels_px(view, canvas.width);
    let legend = f64::from(legend_px(view, canvas.width));
    let side_by_side = canvas.place() == Width::Page;
    let (top, right, gap) =
        (40.0, canvas.width - labels.map_or(30.0, |px| px + 8.0), if side_by_side { 44.0 } else { 66.0 });
    let bottom = canvas.height - legend - AXIS_PX;
    for (index, (panel, title)) in panels.iter().zip(["Validation part", "Training part"]).enumerate() {
        let frame = if side_by_side {
            let width = (right - left - gap) / 2.0;
            let from = left + index as f64 * (width + gap);
            Frame { left: from, right: from + width, top, bottom, x: &x, y: &y }
        } else {
            let height = (bottom - top - gap) / 2.0;
            let from = top + index as f64 * (height + gap);
            Frame { left, right, top: from, bottom: from + height, x: &x, y: &y }
        };
        canvas.title(title, (frame.left, frame.top - 20.0), Anchor::Left)?;
        frame.draw_y(canvas, index == 0 || !side_by_side)?;
        frame.draw_x(canvas, false)?;
        if index == 1 || side_by_side {
            frame.name_x(canvas, if axis == XAxis::Epoch { "Epoch" } else { "Optimizer updates" })?;
        }
        draw_panel(panel, &frame, shows_seeds(view), canvas)?;
        if labels.is_some() && (index == 1 || !side_by_side) {
            draw_labels(view, panel, &frame, canvas)?;
        }
        if let Some(cut) = cut {
            let note = format!("\u{25b2} up to {}", augtrial_base::numbers::decimal(cut.highest, 1));
            canvas.text(&note, (frame.right, frame.top - 20.0), Anchor::Right, style::MUTED)?;
        }
    }
    let name = if measure == Measure::Top1 { "Top-1 accuracy (%)" } else { "Cross-entropy loss (nats)" };
    canvas.vertical_text(name, (16.0, f64::midpoint(top, bottom)), Anchor::Middle, style::INK)?;
    let names: Vec<&str> = view.arms.iter().map(|arm| arm.name.as_str()).collect();
    if labels.is_some() { Ok(()) } else { draw_legend(&names, canvas, bottom + AXIS_PX) }
}

/// The arms' names at the ends of their lines.
fn draw_labels(view: &StudyView, panel: &[Series], frame: &Frame<'_>, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let end = |series: &Series| series.mean.last().map_or(frame.top, |&(x, y, _)| frame.at(x, y.min(frame.y.high)).1);
    let heights = spread(&panel.iter().map(end).collect::<Vec<_>>(), (frame.top, frame.bottom));
    for (series, y) in panel.iter().zip(heights) {
        let ArmStyle { color, dash } = style::arm_style(series.arm);
        let from = frame.right + LABEL_GAP_PX;
        canvas.dashed(&[(from, y), (from + SAMPLE_PX, y)], dash, &color, 2.25)?;
        let at = (from + SAMPLE_PX + LABEL_GAP_PX, y);
        canvas.text(&view.arms[series.arm].name, at, Anchor::Left, style::INK)?;
    }
    Ok(())
}

fn draw_panel(panel: &[Series], frame: &Frame<'_>, seeds: bool, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let clamp = |value: f64| value.clamp(frame.y.low, frame.y.high);
    let at = |x: f64, y: f64| frame.at(x, clamp(y));
    for series in panel {
        let color = style::arm_style(series.arm).color;
        let banded: Vec<_> = series.mean.iter().filter_map(|&(x, _, band)| Some((x, band?))).collect();
        let lower = banded.iter().map(|&(x, (low, _))| at(x, low));
        let upper = banded.iter().rev().map(|&(x, (_, high))| at(x, high));
        if banded.len() > 1 {
            canvas.polygon(&lower.chain(upper).collect::<Vec<_>>(), &color.mix(BAND_ALPHA))?;
        }
    }
    for series in panel.iter().filter(|series| seeds && series.seeds.len() > 1) {
        let color = style::arm_style(series.arm).color.mix(SEED_ALPHA);
        for line in &series.seeds {
            let points: Vec<Point> = line.iter().map(|&(x, value)| at(x, value)).collect();
            canvas.line(&points, &color, 0.75)?;
        }
    }
    for series in panel {
        let ArmStyle { color, dash } = style::arm_style(series.arm);
        let points: Vec<Point> = series.mean.iter().map(|&(x, mean, _)| at(x, mean)).collect();
        match points.as_slice() {
            [only] => canvas.dot(*only, 4.0, &color)?,
            points => canvas.dashed(points, dash, &color, 2.25)?,
        }
        let means = series.mean.iter().map(|&(x, mean, _)| (x, mean));
        let shown = means.chain(series.seeds.iter().flatten().copied().filter(|_| seeds));
        for (x, _) in shown.filter(|(_, value)| *value > frame.y.high) {
            let (x, top) = (frame.x_px(x), frame.top);
            canvas.polygon(&[(x - 4.0, top + 7.0), (x + 4.0, top + 7.0), (x, top)], &color)?;
        }
    }
    Ok(())
}

/// Arms with color and line style, in rows below the panels.
pub(super) fn draw_legend(names: &[&str], canvas: &Canvas<'_>, top: f64) -> Result<(), FigureError> {
    let room = canvas.width - 40.0;
    for (row, entries) in style::legend_rows(names.iter().copied(), room).iter().enumerate() {
        let widths: Vec<f64> = entries.iter().map(|&arm| style::entry_width_px(names[arm], room)).collect();
        let total = widths.iter().sum::<f64>() + style::ENTRY_GAP_PX * (widths.len() - 1) as f64;
        let y = top + f64::from(style::LEGEND_ROW_PX) * (row as f64 + 0.5);
        let mut x = (canvas.width - total) / 2.0;
        for (&arm, width) in entries.iter().zip(&widths) {
            let ArmStyle { color, dash } = style::arm_style(arm);
            canvas.dashed(&[(x, y), (x + style::KEY_PX, y)], dash, &color, 2.25)?;
            let text_x = x + style::KEY_PX + style::KEY_GAP_PX;
            let text = style::fit(names[arm], style::LABEL_PX, width - style::KEY_PX - style::KEY_GAP_PX + 1.0);
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
        let (x, y) = axes(&panels, Measure::Top1, None);
        assert_eq!((x.low, x.high, x.ticks.len()), (0.0, 3.0, 4));
        assert!(y.low <= 31.0 && y.high == 100.0, "accuracy does not leave 0 to 100: {y:?}");
    }

    #[test]
    fn loss_starts_at_zero() {
        let (_, y) = axes(&[vec![series_of(&[1.6, 0.7])]], Measure::LossNats, None);
        assert_eq!(y.low, 0.0);
        assert!(y.high >= 1.6);
    }

    #[test]
    fn names_at_the_ends_of_lines_do_not_touch_and_stay_in_the_panel() {
        assert_eq!(spread(&[50.0, 20.0, 52.0], (0.0, 100.0)), [50.0, 20.0, 68.0]);
        assert_eq!(spread(&[99.0, 98.0], (0.0, 100.0)), [100.0, 82.0]);
    }

    #[test]
    fn a_spike_does_not_stretch_the_axis() {
        let cut = Cut { end: 2.0, highest: 90.0 };
        let (_, y) = axes(&[vec![series_of(&[1.6, 90.0, 0.7])]], Measure::LossNats, Some(cut));
        assert_eq!((y.low, y.high), (0.0, 2.0));
    }
}
