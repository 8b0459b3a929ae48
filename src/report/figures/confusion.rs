//! Confusion matrices: share of each true class with the counts behind it, and the difference of two arms.

use plotters::prelude::DrawingBackend;
use plotters::style::{Color as _, RGBAColor, RGBColor};

use super::canvas::{Anchor, Canvas, FigureError};
use super::style;
use crate::plan::file::Contrast;
use crate::report::numbers::{count, points};
use crate::report::view::{Confusion, StudyView};

/// Width and height of a cell, logical px.
const CELL_PX: (f64, f64) = (78.0, 46.0);

/// Widest class name, logical px.
const MAX_NAME_PX: f64 = 140.0;

/// The colour of 100 %, and of the largest gain; 0 is as the page.
pub(super) const FULL: RGBColor = RGBColor(0, 84, 140);

/// The colour of the largest loss.
pub(super) const LESS: RGBColor = RGBColor(173, 76, 0);

/// The largest difference is taken for no smaller than this, so that noise is not painted as a finding.
const MIN_SCALE: f64 = 0.1;

const TOP_PX: f64 = 74.0;

fn names_column_px(classes: &[String]) -> f64 {
    let widths = classes.iter().map(|class| style::text_width_px(class, style::LABEL_PX));
    48.0 + widths.fold(30.0, f64::max).min(MAX_NAME_PX)
}

/// Size of the figure.
pub(super) fn size(classes: &[String], confusion: &Confusion) -> (u32, u32) {
    let n = confusion.counts.len() as f64;
    let width = names_column_px(classes) + n * CELL_PX.0 + 20.0;
    (width.max(420.0) as u32, (TOP_PX + n * CELL_PX.1 + 20.0) as u32)
}

/// Share of each true class that was given each class; a class without images has none.
pub(super) fn shares(confusion: &Confusion) -> Vec<Vec<Option<f64>>> {
    let of_row = |row: &Vec<u64>| {
        let total: u64 = row.iter().sum();
        row.iter().map(|&n| (total > 0).then(|| n as f64 / total as f64)).collect()
    };
    confusion.counts.iter().map(of_row).collect()
}

/// Treatment's shares less the control's, per cell; absent where either has none.
pub(super) fn differences(treatment: &Confusion, control: &Confusion) -> Vec<Vec<Option<f64>>> {
    let less = |t: &Vec<Option<f64>>, c: &Vec<Option<f64>>| t.iter().zip(c).map(|(t, c)| Some((*t)? - (*c)?)).collect();
    shares(treatment).iter().zip(&shares(control)).map(|(t, c)| less(t, c)).collect()
}

/// One arm's matrix.
pub(super) fn draw<DB: DrawingBackend>(
    view: &StudyView,
    arm: usize,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let Some(confusion) = &view.arms[arm].confusion else { return Ok(()) };
    let cell = |row: usize, column: usize, share: f64| Shown {
        fill: FULL.mix(share),
        dark: share > 0.5,
        text: format!("{:.1} %", 100.0 * share),
        below: Some(count(confusion.counts[row][column])),
    };
    draw_matrix(view, &view.arms[arm].name, &shares(confusion), cell, canvas)
}

/// One contrast's difference of two matrices.
pub(super) fn draw_difference<DB: DrawingBackend>(
    view: &StudyView,
    contrast: usize,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let contrast = &view.comparison.contrasts[contrast].contrast;
    let Some((treatment, control)) = both(view, contrast) else { return Ok(()) };
    let differences = differences(treatment, control);
    let largest = differences.iter().flatten().flatten().fold(MIN_SCALE, |most: f64, d| most.max(d.abs()));
    let cell = |_: usize, _: usize, difference: f64| {
        let shade = 0.85 * difference.abs() / largest;
        let fill = if difference < 0.0 { LESS } else { FULL };
        Shown { fill: fill.mix(shade), dark: shade > 0.65, text: points(difference), below: None }
    };
    let title = format!("{} \u{2212} {}", contrast.treatment, contrast.control);
    draw_matrix(view, &title, &differences, cell, canvas)
}

/// The confusions of both arms of a contrast.
pub(super) fn both<'a>(view: &'a StudyView, contrast: &Contrast) -> Option<(&'a Confusion, &'a Confusion)> {
    let of = |name: &str| view.arms.iter().find(|arm| arm.name == name)?.confusion.as_ref();
    Some((of(&contrast.treatment)?, of(&contrast.control)?))
}

/// How a cell is shown.
struct Shown {
    fill: RGBAColor,
    /// Whether the fill asks for light text.
    dark: bool,
    text: String,
    below: Option<String>,
}

fn draw_matrix<DB: DrawingBackend>(
    view: &StudyView,
    title: &str,
    values: &[Vec<Option<f64>>],
    shown: impl Fn(usize, usize, f64) -> Shown,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let classes = &view.data.classes;
    let left = names_column_px(classes);
    let bottom = TOP_PX + classes.len() as f64 * CELL_PX.1;
    let title = style::fit(title, style::TITLE_PX * 1.08, canvas.width - 24.0);
    canvas.title(&title, (12.0, 18.0), Anchor::Left)?;
    let middle = left + classes.len() as f64 * CELL_PX.0 / 2.0;
    canvas.text("Predicted class", (middle, 40.0), Anchor::Middle, style::MUTED)?;
    canvas.vertical_text("True class", (16.0, f64::midpoint(TOP_PX, bottom)), style::MUTED)?;
    for (index, class) in classes.iter().enumerate() {
        let column = style::fit(class, style::LABEL_PX, CELL_PX.0 - 4.0);
        let x = left + CELL_PX.0 * (index as f64 + 0.5);
        canvas.text(&column, (x, TOP_PX - 12.0), Anchor::Middle, style::INK)?;
        let row = style::fit(class, style::LABEL_PX, MAX_NAME_PX);
        let y = TOP_PX + CELL_PX.1 * (index as f64 + 0.5);
        canvas.text(&row, (left - 10.0, y), Anchor::Right, style::INK)?;
    }
    for (row, of_row) in values.iter().enumerate() {
        for (column, value) in of_row.iter().enumerate() {
            let from = (left + CELL_PX.0 * column as f64, TOP_PX + CELL_PX.1 * row as f64);
            draw_cell(from, value.map(|value| shown(row, column, value)), canvas)?;
        }
    }
    Ok(())
}

fn draw_cell<DB: DrawingBackend>(
    (x, y): (f64, f64),
    shown: Option<Shown>,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let (width, height) = CELL_PX;
    let middle = x + width / 2.0;
    if let Some(shown) = &shown {
        canvas.rectangle((x, y), (x + width, y + height), &shown.fill)?;
    }
    let outline = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)];
    canvas.line(&outline, &style::GRID, 1.0)?;
    let Some(Shown { dark, text, below, .. }) = shown else {
        return canvas.text("–", (middle, y + height / 2.0), Anchor::Middle, style::MUTED);
    };
    let (ink, quiet) = if dark { (style::WHITE, style::WHITE) } else { (style::INK, style::MUTED) };
    let Some(below) = below else { return canvas.text(&text, (middle, y + height / 2.0), Anchor::Middle, ink) };
    canvas.text(&text, (middle, y + 16.0), Anchor::Middle, ink)?;
    canvas.small_text(&below, (middle, y + 33.0), quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_to_one_and_absent_classes_have_no_share() {
        let confusion = Confusion { counts: vec![vec![3, 1], vec![0, 0]], runs: 1 };
        assert_eq!(shares(&confusion), [vec![Some(0.75), Some(0.25)], vec![None, None]]);
    }

    #[test]
    fn a_difference_is_treatment_less_control_in_shares_and_its_rows_sum_to_zero() {
        let control = Confusion { counts: vec![vec![3, 1], vec![0, 0]], runs: 1 };
        let treatment = Confusion { counts: vec![vec![8, 0], vec![1, 1]], runs: 2 };
        assert_eq!(differences(&treatment, &control), [vec![Some(0.25), Some(-0.25)], vec![None, None]]);
    }
}
