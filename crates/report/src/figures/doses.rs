//! Dose and response: the metric of a family of arms against the copies that are made of every original.

use plotters::style::Color as _;

use super::axis::{Axis, Frame};
use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::contrasts::in_brackets;
use super::curves::draw_legend;
use super::dots;
use super::style::{self, ArmStyle, Width};
use crate::view::StudyView;
use augtrial_compare::ArmSummary;
use augtrial_plan::copies::Family;

const TOP_PX: f64 = 24.0;
const AXIS_PX: f64 = 58.0;
/// Families at one dose stand side by side.
const APART_PX: f64 = 5.0;

fn names(view: &StudyView) -> Vec<&str> {
    view.families.iter().map(|family| family.name.as_str()).collect()
}

/// Size of the figure; its legend is there for two families or more.
pub(super) fn size(view: &StudyView, width: Width) -> (u32, u32) {
    let height = if width == Width::Page { 350 } else { 300 };
    (width.px(), height + legend_px(view, width.px()))
}

fn legend_px(view: &StudyView, width_px: u32) -> u32 {
    if view.families.len() < 2 { 0 } else { style::legend_height_px(names(view).into_iter(), width_px) }
}

/// The arms of a family that have a result, by their copies.
pub(super) fn measured<'v>(view: &'v StudyView, family: &Family) -> Vec<(f64, &'v ArmSummary)> {
    let arm = |&(copies, index): &(u32, usize)| {
        let name = &view.arms[index].name;
        let arm = view.comparison.arms.iter().find(|arm| arm.name == *name)?;
        arm.summary.is_ok().then_some((f64::from(copies), arm))
    };
    family.members.iter().filter_map(arm).collect()
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let metric = view.comparison.measure();
    let factor = metric.scale.factor();
    let all: Vec<Vec<(f64, &ArmSummary)>> = view.families.iter().map(|family| measured(view, family)).collect();
    let shown: Vec<ArmSummary> = all.iter().flatten().map(|(_, arm)| (*arm).clone()).collect();
    let y = dots::axis(&shown, metric);
    let doses = view.families.iter().flat_map(|family| &family.members).map(|(copies, _)| f64::from(*copies));
    let most = doses.clone().fold(1.0, f64::max);
    let mut ticks: Vec<f64> = doses.collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let room = 0.05 * most;
    let x = Axis { low: ticks.first().copied().unwrap_or(0.0) - room, high: most + room, ticks, decimals: 0 };
    let widest = y.ticks.iter().map(|tick| style::text_width_px(&y.label(*tick), style::LABEL_PX)).fold(0.0, f64::max);
    let bottom = canvas.height - f64::from(legend_px(view, canvas.width as u32)) - AXIS_PX;
    let frame = Frame { left: 44.0 + widest, right: canvas.width - 30.0, top: TOP_PX, bottom, x: &x, y: &y };
    frame.draw_y(canvas, true)?;
    frame.draw_x(canvas, false)?;
    frame.name_x(canvas, "Copies of every original")?;
    let name = format!("{}{}", view.metric, in_brackets(metric.scale.unit()));
    let name = style::fit(&name, style::LABEL_PX, bottom - TOP_PX + 20.0);
    canvas.vertical_text(&name, (16.0, f64::midpoint(TOP_PX, bottom)), Anchor::Middle, style::INK)?;
    for (index, family) in all.iter().enumerate() {
        let aside = APART_PX * (index as f64 - (all.len() - 1) as f64 / 2.0);
        draw_family(family, index, aside, factor, &frame, canvas)?;
    }
    if all.len() < 2 { Ok(()) } else { draw_legend(&names(view), canvas, bottom + AXIS_PX) }
}

fn draw_family(
    family: &[(f64, &ArmSummary)],
    index: usize,
    aside: f64,
    factor: f64,
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let ArmStyle { color, dash } = style::arm_style(index);
    let at = |dose: f64, value: f64| {
        let (x, y) = frame.at(dose, (factor * value).clamp(frame.y.low, frame.y.high));
        (x + aside, y)
    };
    let mut means: Vec<Point> = Vec::new();
    for &(dose, arm) in family {
        for value in &arm.values {
            canvas.dot(at(dose, value.value), 2.5, &color.mix(0.45))?;
        }
        if let Ok(estimate) = &arm.mean {
            canvas.line(&[at(dose, estimate.interval.0), at(dose, estimate.interval.1)], &color, 1.5)?;
        }
        if let Ok(summary) = &arm.summary {
            means.push(at(dose, summary.mean));
        }
    }
    if means.len() > 1 {
        canvas.dashed(&means, dash, &color, 2.25)?;
    }
    means.iter().try_for_each(|mean| canvas.dot(*mean, 4.5, &color))
}
