//! The confusion matrices of all arms as small multiples: one look at where they differ.

use super::canvas::{Anchor, Canvas, FigureError};
use super::confusion::{self, Fill, Grid, ShownCell};
use super::style::{self, Width};
use crate::view::StudyView;

/// Matrices in one row.
const fn per_row(width: Width) -> usize {
    match width {
        Width::Page => 3,
        Width::Column => 2,
    }
}

/// Largest cell, and the smallest that has its row's name beside it, logical px.
const MAX_CELL_PX: f64 = 40.0;
const NAMED_CELL_PX: f64 = 15.0;

const TITLE_PX: f64 = 26.0;
const GAP_PX: f64 = 18.0;
const MARGIN_PX: f64 = 12.0;

/// Widest class name, as a share of the figure.
const MAX_NAME: f64 = 0.18;

/// The arms that have a matrix, and where each is.
fn layout(view: &StudyView, classes: &[usize], width: Width) -> Vec<(usize, Grid)> {
    let arms = view.arms.iter().enumerate().filter(|(_, arm)| arm.confusion.is_some()).map(|(index, _)| index);
    let arms: Vec<usize> = arms.collect();
    let (all, n, columns) = (f64::from(width.px()), classes.len(), arms.len().min(per_row(width)).max(1));
    let cell = |left: f64| {
        let room = all - left - MARGIN_PX - GAP_PX * (columns as f64 - 1.0);
        (room / columns as f64 / n.max(1) as f64).min(MAX_CELL_PX)
    };
    let named = MARGIN_PX + confusion::widest(&confusion::names(view, classes)).min(MAX_NAME * all) + 8.0;
    let left = if cell(named) >= NAMED_CELL_PX { named } else { MARGIN_PX };
    let cell = cell(left);
    let side = cell * n as f64;
    let place = |(index, arm): (usize, usize)| {
        let (row, column) = (index / columns, index % columns);
        let grid = Grid {
            left: left + column as f64 * (side + GAP_PX),
            top: TITLE_PX + row as f64 * (side + TITLE_PX + GAP_PX),
            cell: (cell, cell),
            n,
        };
        (arm, grid)
    };
    arms.into_iter().enumerate().map(place).collect()
}

/// Size of the figure.
pub(super) fn size(view: &StudyView, classes: &[usize], width: Width) -> (u32, u32) {
    let bottom = layout(view, classes, width).last().map_or(0.0, |(_, grid)| grid.bottom());
    (width.px(), (bottom + MARGIN_PX) as u32)
}

pub(super) fn draw(view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let classes = confusion::classes(view);
    let names = confusion::names(view, &classes);
    let layout = layout(view, &classes, canvas.place());
    let first = layout.first().map_or(MARGIN_PX, |(_, grid)| grid.left);
    for (arm, grid) in layout {
        let Some(matrix) = &view.arms[arm].confusion else { continue };
        let side = grid.right() - grid.left;
        let title = style::fit(&view.arms[arm].name, style::TITLE_MEASURE_PX, side + GAP_PX - 4.0);
        canvas.title(&title, (grid.left, grid.top - 13.0), Anchor::Left)?;
        let color = style::arm_style(arm).color;
        canvas.rectangle((grid.left, grid.top - 3.0), (grid.right(), grid.top), &color)?;
        if grid.left <= first && first > MARGIN_PX {
            confusion::draw_rows(&names, &grid, first - MARGIN_PX - 8.0, canvas)?;
        }
        let shown = |_: usize, _: usize, share: f64| {
            let text = if share < 0.005 { String::new() } else { confusion::percent_for(share, grid.cell.0.min(40.0)) };
            ShownCell { fill: Fill::share(share), text, below: None }
        };
        confusion::draw_cells(&grid, &confusion::shares(matrix, &classes), shown, canvas)?;
    }
    Ok(())
}
