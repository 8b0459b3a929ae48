//! Confusion matrices: share of each true class with the counts behind it, and the difference of two arms. Of many classes, the
//! most confused are shown, the same in every matrix.

use augtrial_web::{LIGHT, contrast};
use plotters::style::{Color as _, RGBAColor};

use super::canvas::{Anchor, Canvas, FigureError, Point};
use super::style::{self, Width};
use crate::view::{Confusion, StudyView};
use augtrial_base::numbers::{count, decimal, points};
use augtrial_plan::file::Contrast;

/// Widest and narrowest cell, and the height of a cell as a share of its width, logical px.
const CELL_PX: (f64, f64) = (10.0, 78.0);
const CELL_SHAPE: f64 = 0.6;
const MIN_CELL_HEIGHT_PX: f64 = 20.0;

/// Widest class name beside a matrix, as a share of the figure.
const MAX_NAME: f64 = 0.2;

/// Longest class name above a matrix, logical px.
const MAX_UPRIGHT_PX: f64 = 110.0;

/// The largest difference is taken for no smaller than this, so that noise is not painted as a finding.
const MIN_SCALE: f64 = 0.1;

/// The darkest cell of a difference, so that single points stand out less than whole classes.
const DARKEST: f64 = 0.85;

/// Title and the name of the axis above the matrix, logical px.
const HEAD_PX: f64 = 52.0;
const MARGIN_PX: f64 = 12.0;

/// Most classes of a matrix: with more, no cell can be read.
const MAX_CLASSES: usize = 24;

/// The classes that are shown, in order: all, or those that are most often taken for another or another for them, over all
/// arms.
pub(super) fn classes(view: &StudyView) -> Vec<usize> {
    let all = view.data.classes.len();
    if all <= MAX_CLASSES {
        return (0..all).collect();
    }
    let mut confused = vec![0_u64; all];
    for counts in view.arms.iter().filter_map(|arm| arm.confusion.as_ref()).map(|confusion| &confusion.counts) {
        for (label, row) in counts.iter().enumerate() {
            for (predicted, &n) in row.iter().enumerate().filter(|(predicted, _)| *predicted != label) {
                confused[label] += n;
                confused[predicted] += n;
            }
        }
    }
    let mut order: Vec<usize> = (0..all).collect();
    order.sort_by_key(|&class| (std::cmp::Reverse(confused[class]), class));
    order.truncate(MAX_CLASSES);
    order.sort_unstable();
    order
}

/// For a caption: how many of all classes are shown, and which.
pub(super) fn of_all(shown: usize, all: usize, which: &str) -> String {
    if shown < all { format!("; the {shown} {which} of {all} classes") } else { String::new() }
}

/// Where the cells of a matrix are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub left: f64,
    pub top: f64,
    pub cell: (f64, f64),
    pub n: usize,
}

impl Grid {
    /// Corner of a cell.
    fn at(&self, row: usize, column: usize) -> Point {
        (self.left + self.cell.0 * column as f64, self.top + self.cell.1 * row as f64)
    }

    pub fn right(&self) -> f64 {
        self.at(0, self.n).0
    }

    pub fn bottom(&self) -> f64 {
        self.at(self.n, 0).1
    }
}

/// Whether class names fit above their columns; else they stand upright.
fn names_fit(names: &[&str], cell: f64) -> bool {
    names.iter().all(|name| style::text_width_px(name, style::LABEL_PX) <= cell - 4.0)
}

pub(super) fn names<'a>(view: &'a StudyView, classes: &[usize]) -> Vec<&'a str> {
    classes.iter().map(|&class| view.data.classes[class].as_str()).collect()
}

pub(super) fn widest(names: &[&str]) -> f64 {
    names.iter().map(|name| style::text_width_px(name, style::LABEL_PX)).fold(30.0, f64::max)
}

/// The cells of a matrix that takes the whole width.
fn grid(view: &StudyView, classes: &[usize], width: Width) -> Grid {
    let (names, all) = (names(view, classes), f64::from(width.px()));
    let left = 48.0 + widest(&names).min(MAX_NAME * all);
    let n = classes.len();
    let cell = ((all - left - MARGIN_PX) / n.max(1) as f64).clamp(CELL_PX.0, CELL_PX.1);
    let upright = if names_fit(&names, cell) { 24.0 } else { widest(&names).min(MAX_UPRIGHT_PX) + 12.0 };
    Grid { left, top: HEAD_PX + upright, cell: (cell, (CELL_SHAPE * cell).max(MIN_CELL_HEIGHT_PX)), n }
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, classes: &[usize], width: Width) -> (u32, u32) {
    (width.px(), (grid(view, classes, width).bottom() + MARGIN_PX) as u32)
}

/// Share of each true class that was given each class, of `classes` only; a class without images has none.
pub(super) fn shares(confusion: &Confusion, classes: &[usize]) -> Vec<Vec<Option<f64>>> {
    let of_row = |&label: &usize| {
        let row = &confusion.counts[label];
        let total: u64 = row.iter().sum();
        classes.iter().map(|&predicted| (total > 0).then(|| row[predicted] as f64 / total as f64)).collect()
    };
    classes.iter().map(of_row).collect()
}

/// Treatment's shares less the control's, per cell; absent where either has none.
pub(super) fn differences(treatment: &Confusion, control: &Confusion, classes: &[usize]) -> Vec<Vec<Option<f64>>> {
    let less = |t: &Vec<Option<f64>>, c: &Vec<Option<f64>>| t.iter().zip(c).map(|(t, c)| Some((*t)? - (*c)?)).collect();
    shares(treatment, classes).iter().zip(&shares(control, classes)).map(|(t, c)| less(t, c)).collect()
}

/// One arm's matrix.
pub(super) fn draw(view: &StudyView, arm: usize, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let Some(confusion) = &view.arms[arm].confusion else { return Ok(()) };
    let classes = classes(view);
    let grid = grid(view, &classes, canvas.place());
    let cell = |row: usize, column: usize, share: f64| {
        let n = confusion.counts[classes[row]][classes[column]];
        let below = (grid.cell.1 >= 40.0).then(|| count(n));
        let text = if n == 0 { String::new() } else { percent_for(share, grid.cell.0) };
        ShownCell { fill: Fill::share(share), text, below: below.filter(|_| n > 0) }
    };
    let values = shares(confusion, &classes);
    draw_head(view, &classes, &view.arms[arm].name, &grid, canvas)?;
    draw_cells(&grid, &values, cell, canvas)
}

/// One contrast's difference of two matrices.
pub(super) fn draw_difference(view: &StudyView, contrast: usize, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let contrast = &view.comparison.contrasts[contrast].contrast;
    let Some((treatment, control)) = both(view, contrast) else { return Ok(()) };
    let classes = classes(view);
    let differences = differences(treatment, control, &classes);
    let largest = differences.iter().flatten().flatten().fold(MIN_SCALE, |most: f64, d| most.max(d.abs()));
    let grid = grid(view, &classes, canvas.place());
    let cell = |_: usize, _: usize, difference: f64| {
        let text = match grid.cell.0 {
            _ if difference == 0.0 => String::new(),
            width if width >= 56.0 => points(difference),
            width if width >= 24.0 => augtrial_base::numbers::signed(100.0 * difference, 0),
            _ => String::new(),
        };
        ShownCell { fill: Fill::difference(difference, largest), text, below: None }
    };
    let title = format!("{} \u{2212} {}", contrast.treatment, contrast.control);
    draw_head(view, &classes, &title, &grid, canvas)?;
    draw_cells(&grid, &differences, cell, canvas)
}

/// The confusions of both arms of a contrast.
pub(super) fn both<'a>(view: &'a StudyView, contrast: &Contrast) -> Option<(&'a Confusion, &'a Confusion)> {
    let of = |name: &str| view.arms.iter().find(|arm| arm.name == name)?.confusion.as_ref();
    Some((of(&contrast.treatment)?, of(&contrast.control)?))
}

/// A share as text that a cell of this width has room for; none where there is too little.
pub(super) fn percent_for(share: f64, width: f64) -> String {
    match width {
        width if width >= 66.0 => format!("{} %", decimal(100.0 * share, 1)),
        width if width >= 44.0 => decimal(100.0 * share, 1),
        width if width >= 20.0 => decimal(100.0 * share, 0),
        _ => String::new(),
    }
}

/// The color of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fill {
    loss: bool,
    shade: f64,
}

impl Fill {
    pub fn share(share: f64) -> Self {
        Self { loss: false, shade: share }
    }

    pub fn difference(difference: f64, largest: f64) -> Self {
        Self { loss: difference < 0.0, shade: DARKEST * difference.abs() / largest }
    }

    fn color(self) -> RGBAColor {
        style::color(if self.loss { LIGHT.loss } else { LIGHT.gain }).mix(self.shade)
    }

    /// Whether light text is read better on it than dark text.
    fn is_dark(self) -> bool {
        let ground = if self.loss { LIGHT.loss } else { LIGHT.gain }.over(LIGHT.page, self.shade);
        contrast(LIGHT.page, ground) > contrast(LIGHT.cell_ink, ground)
    }
}

/// How a cell is shown.
pub(super) struct ShownCell {
    pub fill: Fill,
    /// Empty where there is nothing to say, or no room.
    pub text: String,
    pub below: Option<String>,
}

/// Title and names around a matrix.
fn draw_head(
    view: &StudyView,
    classes: &[usize],
    title: &str,
    grid: &Grid,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let title = style::fit(title, style::TITLE_MEASURE_PX, canvas.width - 24.0);
    canvas.title(&title, (MARGIN_PX, 18.0), Anchor::Left)?;
    let middle = f64::midpoint(grid.left, grid.right());
    canvas.text("Predicted class", (middle, 40.0), Anchor::Middle, style::MUTED)?;
    let middle = f64::midpoint(grid.top, grid.bottom());
    canvas.vertical_text("True class", (16.0, middle), Anchor::Middle, style::MUTED)?;
    draw_rows(&names(view, classes), grid, grid.left - 38.0, canvas)?;
    draw_columns(&names(view, classes), grid, canvas)
}

/// Names of the rows, at the left.
pub(super) fn draw_rows(names: &[&str], grid: &Grid, room: f64, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    for (index, name) in names.iter().enumerate() {
        let at = (grid.left - 8.0, grid.at(index, 0).1 + grid.cell.1 / 2.0);
        canvas.text(&style::fit(name, style::LABEL_PX, room), at, Anchor::Right, style::INK)?;
    }
    Ok(())
}

/// Names of the columns: above them, or upright where they are too wide.
pub(super) fn draw_columns(names: &[&str], grid: &Grid, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let fit = names_fit(names, grid.cell.0);
    for (index, name) in names.iter().enumerate() {
        let x = grid.at(0, index).0 + grid.cell.0 / 2.0;
        if fit {
            canvas.text(name, (x, grid.top - 12.0), Anchor::Middle, style::INK)?;
        } else {
            let name = style::fit(name, style::LABEL_PX, MAX_UPRIGHT_PX);
            canvas.vertical_text(&name, (x, grid.top - 6.0), Anchor::Left, style::INK)?;
        }
    }
    Ok(())
}

/// Cells with their texts, and the lines between them.
pub(super) fn draw_cells(
    grid: &Grid,
    values: &[Vec<Option<f64>>],
    shown: impl Fn(usize, usize, f64) -> ShownCell,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    for (row, of_row) in values.iter().enumerate() {
        for (column, value) in of_row.iter().enumerate() {
            draw_cell(grid.at(row, column), grid.cell, value.map(|value| shown(row, column, value)), canvas)?;
        }
    }
    for line in 0..=grid.n {
        let (x, y) = grid.at(line, line);
        canvas.line(&[(grid.left, y), (grid.right(), y)], &style::GRID, 1.0)?;
        canvas.line(&[(x, grid.top), (x, grid.bottom())], &style::GRID, 1.0)?;
    }
    Ok(())
}

fn draw_cell(
    (x, y): Point,
    (width, height): (f64, f64),
    shown: Option<ShownCell>,
    canvas: &Canvas<'_>,
) -> Result<(), FigureError> {
    let middle = (x + width / 2.0, y + height / 2.0);
    let Some(ShownCell { fill, text, below }) = shown else {
        return canvas.text("–", middle, Anchor::Middle, style::MUTED);
    };
    if fill.shade > 0.0 {
        canvas.rectangle((x, y), (x + width, y + height), &fill.color())?;
    }
    let ink = if fill.is_dark() { style::WHITE } else { style::CELL_INK };
    let size_px = if width < 34.0 { style::LABEL_PX - 3.0 } else { style::LABEL_PX };
    match below {
        _ if text.is_empty() => Ok(()),
        None => canvas.sized_text(&text, middle, size_px, ink),
        Some(below) => {
            canvas.sized_text(&text, (middle.0, middle.1 - 8.0), size_px, ink)?;
            canvas.sized_text(&below, (middle.0, middle.1 + 10.0), size_px - 2.0, ink)
        }
    }
}

#[cfg(test)]
mod tests {
    use augtrial_web::{DARK, Theme};

    use super::*;

    #[test]
    fn rows_sum_to_one_and_absent_classes_have_no_share() {
        let confusion = Confusion { counts: vec![vec![3, 1], vec![0, 0]], runs: 1 };
        assert_eq!(shares(&confusion, &[0, 1]), [vec![Some(0.75), Some(0.25)], vec![None, None]]);
        assert_eq!(shares(&confusion, &[1]), [vec![None]]);
        assert_eq!(shares(&confusion, &[0]), [vec![Some(0.75)]], "of the whole class, not of what is shown");
    }

    #[test]
    fn a_difference_is_treatment_less_control_in_shares_and_its_rows_sum_to_zero() {
        let control = Confusion { counts: vec![vec![3, 1], vec![0, 0]], runs: 1 };
        let treatment = Confusion { counts: vec![vec![8, 0], vec![1, 1]], runs: 2 };
        assert_eq!(differences(&treatment, &control, &[0, 1]), [vec![Some(0.25), Some(-0.25)], vec![None, None]]);
    }

    #[test]
    fn every_cell_can_be_read_in_both_themes() {
        for (theme, loss, percent) in [LIGHT, DARK]
            .iter()
            .flat_map(|theme| [false, true].map(|loss| (theme, loss)))
            .flat_map(|(theme, loss)| (0..=100).map(move |percent| (theme, loss, f64::from(percent) / 100.0)))
        {
            let fill = Fill { loss, shade: if loss { DARKEST * percent } else { percent } };
            let Theme { page, gain, loss: lost, cell_ink, .. } = *theme;
            let ground = if loss { lost } else { gain }.over(page, fill.shade);
            // White stays white; the other text is the theme's.
            let ink = if fill.is_dark() { LIGHT.page } else { cell_ink };
            let found = contrast(ink, ground);
            assert!(found >= 4.5, "{} on {}: {found:.2}", ink.hex(), ground.hex());
        }
    }

    #[test]
    fn a_cell_says_what_it_has_room_for() {
        assert_eq!([78.0, 50.0, 24.0, 12.0].map(|width| percent_for(0.123, width)), ["12.3 %", "12.3", "12", ""]);
    }
}
