//! A confusion matrix: share of each true class, with the counts behind it.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Anchor, Canvas, FigureError};
use super::style;
use crate::report::numbers::count;
use crate::report::view::{Confusion, StudyView};

/// Width and height of a cell, logical px.
const CELL_PX: (f64, f64) = (78.0, 46.0);

/// Widest class name, logical px.
const MAX_NAME_PX: f64 = 140.0;

/// The colour of 100 %; 0 % is white.
const FULL: RGBColor = RGBColor(0, 84, 140);

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

pub(super) fn draw<DB: DrawingBackend>(
    view: &StudyView,
    arm: usize,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let Some(confusion) = &view.arms[arm].confusion else { return Ok(()) };
    let classes = &view.data.classes;
    let left = names_column_px(classes);
    let bottom = TOP_PX + classes.len() as f64 * CELL_PX.1;
    let title = style::fit(&view.arms[arm].name, style::TITLE_PX * 1.08, canvas.width - 24.0);
    canvas.title(&title, (12.0, 18.0), Anchor::LEFT)?;
    let middle = left + classes.len() as f64 * CELL_PX.0 / 2.0;
    canvas.text("Predicted class", (middle, 40.0), Anchor::MIDDLE, &style::MUTED)?;
    canvas.vertical_text("True class", (16.0, f64::midpoint(TOP_PX, bottom)), &style::MUTED)?;
    for (index, class) in classes.iter().enumerate() {
        let column = style::fit(class, style::LABEL_PX, CELL_PX.0 - 4.0);
        let x = left + CELL_PX.0 * (index as f64 + 0.5);
        canvas.text(&column, (x, TOP_PX - 12.0), Anchor::MIDDLE, &style::INK)?;
        let row = style::fit(class, style::LABEL_PX, MAX_NAME_PX);
        let y = TOP_PX + CELL_PX.1 * (index as f64 + 0.5);
        canvas.text(&row, (left - 10.0, y), Anchor(HPos::Right, VPos::Center), &style::INK)?;
    }
    for (row, row_shares) in shares(confusion).iter().enumerate() {
        for (column, share) in row_shares.iter().enumerate() {
            let from = (left + CELL_PX.0 * column as f64, TOP_PX + CELL_PX.1 * row as f64);
            draw_cell(from, *share, confusion.counts[row][column], canvas)?;
        }
    }
    Ok(())
}

fn draw_cell<DB: DrawingBackend>(
    (x, y): (f64, f64),
    share: Option<f64>,
    images: u64,
    canvas: &Canvas<'_, DB>,
) -> Result<(), FigureError> {
    let shade = share.unwrap_or(0.0);
    let blend = |full: u8| (255.0 - (255.0 - f64::from(full)) * shade).round() as u8;
    let fill = RGBColor(blend(FULL.0), blend(FULL.1), blend(FULL.2));
    canvas.rectangle((x, y), (x + CELL_PX.0, y + CELL_PX.1), &style::GRID)?;
    canvas.rectangle((x + 0.5, y + 0.5), (x + CELL_PX.0 - 0.5, y + CELL_PX.1 - 0.5), &fill)?;
    let ink = if shade > 0.5 { style::WHITE } else { style::INK };
    let middle = x + CELL_PX.0 / 2.0;
    let Some(share) = share else {
        return canvas.text("–", (middle, y + CELL_PX.1 / 2.0), Anchor::MIDDLE, &style::MUTED);
    };
    canvas.text(&format!("{:.1} %", 100.0 * share), (middle, y + 16.0), Anchor::MIDDLE, &ink)?;
    let quiet = if shade > 0.5 { style::WHITE } else { style::MUTED };
    canvas.small_text(&count(images), (middle, y + 33.0), &quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_to_one_and_absent_classes_have_no_share() {
        let confusion = Confusion { counts: vec![vec![3, 1], vec![0, 0]], runs: 1 };
        assert_eq!(shares(&confusion), [vec![Some(0.75), Some(0.25)], vec![None, None]]);
    }
}
