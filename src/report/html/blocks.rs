//! Blocks of a section as markup.

use maud::{Markup, PreEscaped, html};

use super::gallery;
use crate::report::document::Block;
use crate::report::figures::{Figure, themed};
use crate::report::format::ReportError;
use crate::report::markdown::capitalised;
use crate::report::numbers::NONE;
use crate::report::tables::{Cell, Column, Table};
use crate::report::view::StudyView;

pub(super) fn block(block: &Block, view: &StudyView) -> Result<Markup, ReportError> {
    Ok(match block {
        Block::Heading(title) => html! { h3 { (title) } },
        Block::Text(text) => html! { p { (unbroken(text)) } },
        Block::Answers(answers) => html! {
            ul.answers { @for answer in answers { li { (unbroken(&capitalised(answer))) } } }
        },
        Block::List(lines) => html! { ul { @for line in lines { li { (line) } } } },
        Block::Table(table) if table.rows.is_empty() => html! {},
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => self::figure(figure, view)?,
        Block::Curves(figures) => curves(figures, view)?,
        Block::Gallery => gallery::gallery(view),
        Block::Code(name, text) => html! {
            details { summary { (name) } pre tabindex="0" { code { (text) } } }
        },
    })
}

/// A number and its percent sign stay on one line.
fn unbroken(text: &str) -> String {
    text.replace(" %", "\u{a0}%")
}

fn figure(figure: &Figure, view: &StudyView) -> Result<Markup, ReportError> {
    let svg = themed(&figure.svg(view)?, &figure.caption);
    Ok(html! {
        figure id={ "figure-" (figure.name) } {
            div.scroll tabindex="0" role="group" aria-label=(figure.caption) { (PreEscaped(svg)) }
            figcaption { (figure.caption) }
        }
    })
}

/// The figures as they are printed, and the place where the program puts the one that can be asked.
fn curves(figures: &[Figure], view: &StudyView) -> Result<Markup, ReportError> {
    let still = figures.iter().map(|figure| self::figure(figure, view)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        div id="curves" hidden {}
        div.still { @for figure in still { (figure) } }
    })
}

fn table(table: &Table) -> Markup {
    let (rows, total) = match table.rows.split_last() {
        Some((last, rows)) if table.has_total() => (rows, Some(last)),
        _ => (table.rows.as_slice(), None),
    };
    html! {
        // Outside of the box that scrolls, so that it is read whole on a narrow screen.
        p.caption id={ "caption-" (table.name) } { (table.caption) }
        div.scroll.table tabindex="0" role="group" aria-labelledby={ "caption-" (table.name) } {
            table id={ "table-" (table.name) } aria-labelledby={ "caption-" (table.name) } {
                thead { tr {
                    @for column in &table.columns { th scope="col" class=[(!column.is_text()).then_some("number")] { (column.title) } }
                } }
                tbody { @for row in rows { (self::row(row, &table.columns)) } }
                @if let Some(total) = total { tfoot { (self::row(total, &table.columns)) } }
            }
        }
    }
}

fn row(cells: &[Cell], columns: &[Column]) -> Markup {
    let shown = |cell: &Cell| if cell.shown.is_empty() { NONE.to_owned() } else { cell.shown.clone() };
    html! {
        tr {
            @for (index, (cell, column)) in cells.iter().zip(columns).enumerate() {
                @if index == 0 {
                    th scope="row" data-value=(cell.exact) { (shown(cell)) }
                } @else if column.is_text() {
                    td data-value=(cell.exact) { (shown(cell)) }
                } @else {
                    td.number data-value=(cell.exact) { (shown(cell)) }
                }
            }
        }
    }
}
