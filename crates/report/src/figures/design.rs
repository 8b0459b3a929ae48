//! The figures of a design: the gain of every cell as a forest, and the published gain as a waterfall from what is left of it when
//! the study is done as it should be, factor by factor.

use plotters::style::RGBColor;

use super::axis::{Axis, Frame};
use super::canvas::{self, Anchor, Canvas, FigureError};
use super::contrasts::in_brackets;
use super::dots::label_column_px;
use super::learning::learning_figures;
use super::style::{self, Width};
use super::{output, theme};
use crate::format::ReportError;
use augtrial_compare::{Attribution, DesignComparison, DesignContrast, Scale, Share};
use augtrial_stats::Estimate;
use augtrial_web::LIGHT;

/// Height of one row, logical px.
const ROW_PX: f64 = 34.0;
/// Room above the rows, and below them for the axis.
const TOP_PX: f64 = 40.0;
const AXIS_PX: f64 = 58.0;
/// Room for the numbers at the right.
const NUMBERS_PX: f64 = 190.0;
const MARGIN_PX: f64 = 16.0;
/// Cells that are drawn at most: more are in the table.
const MOST_ROWS: usize = 64;

/// A figure in all of its files.
pub(crate) struct DesignFigure {
    pub name: String,
    pub caption: String,
    /// For a page, in the colors of its theme.
    pub element: String,
    /// File endings and their bytes.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

/// Every figure that there is data for.
///
/// # Errors
/// [`ReportError::Figure`].
pub(crate) fn design_figures(comparison: &DesignComparison) -> Result<Vec<DesignFigure>, ReportError> {
    drawn(comparison).map_err(|error| ReportError::Figure { problem: error.to_string() })
}

fn drawn(comparison: &DesignComparison) -> Result<Vec<DesignFigure>, FigureError> {
    let mut figures = learning_figures(comparison)?;
    for contrast in &comparison.contrasts {
        let (treatment, control) = (&contrast.contrast.treatment, &contrast.contrast.control);
        let name = format!("{treatment}-less-{control}");
        let caption = format!(
            "{treatment} less {control} in every cell: the mean over seeds with its t interval. Only training noise varies."
        );
        figures.push(figure(&format!("gains-{name}"), caption, gains_height(contrast), &|canvas| {
            draw_gains(comparison, contrast, canvas)
        })?);
        if let Some(Ok(attribution)) = &contrast.attribution {
            let caption = format!(
                "From the gain of {treatment} over {control} as it should be to the published one: each factor's share, averaged over \
                 all orders, with its t interval over {} seeds.",
                attribution.seeds
            );
            let rows = attribution.shares.len() + 2;
            figures.push(figure(&format!("shares-{name}"), caption, height(rows), &|canvas| {
                draw_shares(comparison, attribution, canvas)
            })?);
        }
    }
    Ok(figures)
}

pub(super) fn figure(
    name: &str,
    caption: String,
    height_px: u32,
    draw: &dyn Fn(&Canvas<'_>) -> Result<(), FigureError>,
) -> Result<DesignFigure, FigureError> {
    let svg = canvas::svg((Width::Page.px(), height_px), draw)?;
    Ok(DesignFigure {
        name: name.to_owned(),
        element: theme::themed(&svg, &caption),
        files: vec![
            ("png", output::png(&svg)?),
            ("pdf", output::pdf(&svg)?),
            ("svg", theme::with_fonts(&svg).into_bytes()),
        ],
        caption,
    })
}

fn height(rows: usize) -> u32 {
    (TOP_PX + ROW_PX * rows as f64 + AXIS_PX) as u32
}

fn gains_height(contrast: &DesignContrast) -> u32 {
    height(contrast.gains.len().min(MOST_ROWS))
}

/// An axis that holds these differences and zero, on the scale that they are shown on.
fn axis(comparison: &DesignComparison, bounds: impl Iterator<Item = f64>) -> Axis {
    let (factor, (low, high)) = (comparison.measure().scale.factor(), comparison.measure().range);
    // A share may be larger than any difference: shares of opposite signs add up to it.
    let widest = 2.0 * factor * (high - low);
    Axis::over(bounds.chain([0.0]).map(|bound| factor * bound), 6, (-widest, widest))
}

/// A frame with room for names and numbers, its axis and its line of no difference drawn.
fn framed<'a>(
    comparison: &DesignComparison,
    names: &[String],
    x: &'a Axis,
    y: &'a Axis,
    canvas: &Canvas<'_>,
) -> Result<Frame<'a>, FigureError> {
    let left = MARGIN_PX + label_column_px(names.iter().map(String::as_str), canvas.width) + 14.0;
    let right = canvas.width - NUMBERS_PX - MARGIN_PX;
    let frame = Frame { left, right, top: TOP_PX, bottom: canvas.height - AXIS_PX, x, y };
    frame.draw_x(canvas, true)?;
    canvas.line(&[(frame.x_px(0.0), frame.top), (frame.x_px(0.0), frame.bottom)], &style::INK, 1.25)?;
    let measure = comparison.measure();
    let unit = in_brackets(measure.scale.difference_unit());
    frame.name_x(canvas, &format!("Difference in {}{unit}", measure.title))?;
    canvas.title("Mean [interval]", (canvas.width - MARGIN_PX, 20.0), Anchor::Right)?;
    Ok(frame)
}

/// A row's name at the left, its numbers at the right.
fn words(
    name: &str,
    estimate: Option<&Estimate>,
    scale: Scale,
    y: f64,
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let name = style::fit(name, style::LABEL_PX, frame.left - MARGIN_PX - 14.0);
    canvas.text(&name, (frame.left - 14.0, y), Anchor::Right, style::INK)?;
    let numbers = estimate.map_or_else(
        || "no interval".to_owned(),
        |estimate| {
            let (low, high) = estimate.interval;
            let [point, low, high] = [estimate.point, low, high].map(|value| scale.difference(value));
            format!("{point} [{low}, {high}]")
        },
    );
    let numbers = style::fit(&numbers, style::LABEL_PX, NUMBERS_PX - 4.0);
    canvas.text(&numbers, (canvas.width - MARGIN_PX, y), Anchor::Right, style::INK)
}

fn draw_gains(
    comparison: &DesignComparison,
    contrast: &DesignContrast,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let scale = comparison.measure().scale;
    let shown: Vec<_> = comparison.cells.iter().zip(&contrast.gains).take(MOST_ROWS).collect();
    let names: Vec<String> = shown.iter().map(|(cell, _)| cell.levels.join(", ")).collect();
    let tested = || shown.iter().filter_map(|(_, gain)| gain.tested.as_ref().ok());
    let bounds = tested().flat_map(|tested| [tested.difference.interval.0, tested.difference.interval.1]);
    let (x, y) = (axis(comparison, bounds), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let frame = framed(comparison, &names, &x, &y, canvas)?;
    let color = style::arm_style(1).color;
    for (row, ((_, gain), name)) in shown.iter().zip(&names).enumerate() {
        let middle = frame.top + ROW_PX * (row as f64 + 0.5);
        let difference = gain.tested.as_ref().ok().map(|tested| tested.difference);
        words(name, difference.as_ref(), scale, middle, &frame, canvas)?;
        if let Some(difference) = difference {
            interval(&difference, scale, middle, color, &frame, canvas)?;
            let x = frame.x_px(scale.factor() * difference.point);
            canvas.rectangle((x - 4.5, middle - 4.5), (x + 4.5, middle + 4.5), &color)?;
        }
    }
    Ok(())
}

/// The interval as a line with ends.
fn interval(
    estimate: &Estimate,
    scale: Scale,
    y: f64,
    color: RGBColor,
    frame: &Frame<'_>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let at = |value: f64| frame.x_px(scale.factor() * value);
    let (low, high) = (at(estimate.interval.0), at(estimate.interval.1));
    canvas.line(&[(low, y), (high, y)], &color, 1.5)?;
    [low, high].into_iter().try_for_each(|end| canvas.line(&[(end, y - 5.0), (end, y + 5.0)], &color, 1.5))
}

/// A bar of the waterfall: from where to where, and what is written of it.
struct Bar<'a> {
    name: String,
    from: f64,
    estimate: &'a Estimate,
    /// A gain itself, and not a step between two.
    whole: bool,
}

/// The reference, every share on top of what came before it, and the published gain.
fn bars(attribution: &Attribution) -> Vec<Bar<'_>> {
    let whole = |name: &str, estimate| Bar { name: name.to_owned(), from: 0.0, estimate, whole: true };
    let mut bars = vec![whole("As it should be", &attribution.reference)];
    let mut reached = attribution.reference.point;
    for Share { switch, share } in &attribution.shares {
        bars.push(Bar {
            name: format!("{}: {}", switch.factor, switch.to),
            from: reached,
            estimate: share,
            whole: false,
        });
        reached += share.point;
    }
    bars.push(whole("As published", &attribution.published));
    bars
}

fn draw_shares(
    comparison: &DesignComparison,
    attribution: &Attribution,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let scale = comparison.measure().scale;
    let bars = bars(attribution);
    let names: Vec<String> = bars.iter().map(|bar| bar.name.clone()).collect();
    let bounds = bars.iter().flat_map(|bar| {
        let (low, high) = bar.estimate.interval;
        [bar.from, bar.from + bar.estimate.point, bar.from + low, bar.from + high]
    });
    let (x, y) = (axis(comparison, bounds), Axis::over([0.0, 1.0].into_iter(), 1, (0.0, 1.0)));
    let frame = framed(comparison, &names, &x, &y, canvas)?;
    let at = |value: f64| frame.x_px(scale.factor() * value);
    for (row, bar) in bars.iter().enumerate() {
        let middle = frame.top + ROW_PX * (row as f64 + 0.5);
        let end = bar.from + bar.estimate.point;
        let color = match (bar.whole, bar.estimate.point >= 0.0) {
            (true, _) => style::MUTED,
            (false, true) => style::color(LIGHT.gain),
            (false, false) => style::color(LIGHT.loss),
        };
        let (left, right) = (at(bar.from.min(end)), at(bar.from.max(end)));
        canvas.rectangle((left, middle - 9.0), (right.max(left + 1.0), middle + 9.0), &color)?;
        let shifted = Estimate {
            point: end,
            interval: (bar.from + bar.estimate.interval.0, bar.from + bar.estimate.interval.1),
            level: bar.estimate.level,
        };
        interval(&shifted, scale, middle, style::INK, &frame, canvas)?;
        words(&bar.name, Some(bar.estimate), scale, middle, &frame, canvas)?;
        // From the end of this bar to the beginning of the next.
        if row + 1 < bars.len() {
            canvas.line(&[(at(end), middle + 9.0), (at(end), middle + ROW_PX - 9.0)], &style::MUTED, 1.0)?;
        }
    }
    Ok(())
}
