//! Learning curves: every arm against the number of real training images, on a log scale, with t intervals over seeds.

use plotters::style::Color as _;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::contrasts::in_brackets;
use super::curves::draw_legend;
use super::design::{DesignFigure, figure};
use super::style::{self, ArmStyle, Width};
use crate::design::place;
use augtrial_base::numbers::count;
use augtrial_compare::{DesignComparison, LearningPoint, LearningSlice};

const HEIGHT_PX: u32 = 380;
const TOP_PX: f64 = 24.0;
const AXIS_PX: f64 = 58.0;
const RIGHT_PX: f64 = 30.0;
/// Arms at one number of images stand side by side, so that their intervals do not hide each other.
const APART_PX: f64 = 5.0;
/// Points of a fitted curve.
const STEPS: usize = 60;
/// What is left of a color in a fitted curve.
const FITTED_ALPHA: f64 = 0.45;
/// Slices that are drawn at most: more are in the table.
const MOST_SLICES: usize = 12;

/// One figure for each combination of the other factors' levels.
pub(super) fn learning_figures(comparison: &DesignComparison) -> Result<Vec<DesignFigure>, FigureError> {
    let slices = comparison.learning.iter().flat_map(|learning| &learning.slices).take(MOST_SLICES);
    let one = |(index, slice): (usize, &LearningSlice)| {
        let caption = format!(
            "{}{} of every arm against the number of real training images: mean and t interval over seeds; thin lines are the \
             control's curves, the mean over seeds. Subsets are nested, and drawn once.",
            place(slice),
            comparison.measure().title
        );
        let name = if index == 0 { "learning".to_owned() } else { format!("learning-{}", index + 1) };
        let legend = style::legend_height_px(slice.arms.iter().map(|arm| arm.arm.as_str()), Width::Page.px());
        figure(&name, caption, HEIGHT_PX + legend, &|canvas| draw(comparison, slice, canvas))
    };
    slices.enumerate().map(one).collect()
}

/// What is drawn of a point, on the scale of the axes: `ln n`, the mean, and its interval.
type Shown = (f64, f64, Option<(f64, f64)>);

fn shown(point: &LearningPoint, factor: f64) -> Option<Shown> {
    let mean = *point.mean.as_ref().ok()?;
    let interval =
        point.interval.as_ref().ok().map(|estimate| (factor * estimate.interval.0, factor * estimate.interval.1));
    Some(((point.images as f64).ln(), factor * mean, interval))
}

/// The controls' fitted curves, the mean over seeds: the arm's index with its points.
fn fitted(comparison: &DesignComparison, slice: &LearningSlice, ends: (f64, f64)) -> Vec<(usize, Vec<Point>)> {
    let measure = comparison.measure();
    let mut drawn: Vec<(usize, Vec<Point>)> = Vec::new();
    for worth in slice.worths.iter().filter(|worth| !worth.curves.is_empty()) {
        let Some(arm) = slice.arms.iter().position(|arm| arm.arm == worth.contrast.control) else { continue };
        if drawn.iter().any(|(known, _)| *known == arm) {
            continue;
        }
        let at = |step: usize| {
            let ln_n = ends.0 + (ends.1 - ends.0) * step as f64 / STEPS as f64;
            let sum: f64 = worth.curves.iter().map(|curve| curve.at(ln_n.exp(), measure.better)).sum();
            (ln_n, measure.scale.factor() * sum / worth.curves.len() as f64)
        };
        drawn.push((arm, (0..=STEPS).map(at).collect()));
    }
    drawn
}

fn draw(comparison: &DesignComparison, slice: &LearningSlice, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let measure = comparison.measure();
    let factor = measure.scale.factor();
    let names: Vec<&str> = slice.arms.iter().map(|arm| arm.arm.as_str()).collect();
    let points = || slice.arms.iter().flat_map(|arm| &arm.points).filter_map(|point| shown(point, factor));
    let ends =
        points().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.0), high.max(point.0)));
    let fitted = fitted(comparison, slice, ends);
    // Means decide the range, and intervals as far as they do not leave what the metric can be.
    let bounds = (factor * measure.range.0, factor * measure.range.1);
    let values = points().flat_map(|(_, mean, interval)| interval.map_or([mean; 3], |(low, high)| [mean, low, high]));
    let y = Axis::over(values.map(|value| value.clamp(bounds.0, bounds.1)), 6, bounds);
    let room = 0.06 * (ends.1 - ends.0);
    let x = Axis { low: ends.0 - room, high: ends.1 + room, ticks: Vec::new(), decimals: 0 };
    let widest = y.ticks.iter().map(|tick| style::text_width_px(&y.label(*tick), style::LABEL_PX)).fold(0.0, f64::max);
    let legend = f64::from(style::legend_height_px(names.iter().copied(), canvas.width as u32));
    let bottom = canvas.height - legend - AXIS_PX;
    let frame = Frame { left: 44.0 + widest, right: canvas.width - RIGHT_PX, top: TOP_PX, bottom, x: &x, y: &y };
    frame.draw_y(canvas, true)?;
    frame.draw_x(canvas, false)?;
    draw_sizes(slice, &frame, canvas)?;
    frame.name_x(canvas, "Real training images (log scale)")?;
    let name = format!("{}{}", measure.title, in_brackets(measure.scale.unit()));
    canvas.vertical_text(&name, (16.0, f64::midpoint(frame.top, bottom)), Anchor::Middle, style::INK)?;
    let at = |x: f64, value: f64| frame.at(x, value.clamp(y.low, y.high));
    for (arm, line) in &fitted {
        let line: Vec<Point> = line.iter().map(|&(x, value)| at(x, value)).collect();
        canvas.line(&line, &style::arm_style(*arm).color.mix(FITTED_ALPHA), 1.0)?;
    }
    for (index, arm) in slice.arms.iter().enumerate() {
        let ArmStyle { color, dash } = style::arm_style(index);
        let aside = APART_PX * (index as f64 - (slice.arms.len() - 1) as f64 / 2.0);
        let place = |x: f64, value: f64| {
            let (x, y) = at(x, value);
            (x + aside, y)
        };
        let points: Vec<_> = arm.points.iter().filter_map(|point| shown(point, factor)).collect();
        for &(x, mean, interval) in &points {
            if let Some((low, high)) = interval {
                canvas.line(&[place(x, low), place(x, high)], &color, 1.25)?;
            }
            canvas.dot(place(x, mean), 3.5, &color)?;
        }
        if points.len() > 1 {
            let line: Vec<Point> = points.iter().map(|&(x, mean, _)| place(x, mean)).collect();
            canvas.dashed(&line, dash, &color, 2.25)?;
        }
    }
    draw_legend(&names, canvas, bottom + AXIS_PX)
}

/// A tick at every number of images that there is room for.
fn draw_sizes(slice: &LearningSlice, frame: &Frame<'_>, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let mut sizes: Vec<u64> = slice.arms.iter().flat_map(|arm| &arm.points).map(|point| point.images).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut free_from = f64::NEG_INFINITY;
    for size in sizes {
        let (x, text) = (frame.x_px((size as f64).ln()), count(size));
        canvas.line(&[(x, frame.bottom), (x, frame.bottom + 5.0)], &style::MUTED, 1.0)?;
        let half = style::text_width_px(&text, style::LABEL_PX) / 2.0;
        if x - half >= free_from {
            canvas.text(&text, (x, frame.bottom + 16.0), Anchor::Middle, style::MUTED)?;
            free_from = x + half + 6.0;
        }
    }
    Ok(())
}
