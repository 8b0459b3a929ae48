//! Blocks of a section as markup.

use maud::{Markup, PreEscaped, html};

use super::gallery;
use crate::document::Block;
use crate::figures::{Drawing, Drawings, Figure, themed};
use crate::markdown::capitalized;
use crate::tables::{Column, Table, TableCell};
use crate::view::StudyView;
use augtrial_base::numbers::NONE;

pub(super) fn block(block: &Block, view: &StudyView, drawings: &Drawings) -> Markup {
    match block {
        Block::Heading(title) => html! { h3 { (title) } },
        Block::Text(text) => html! { p { (unbroken(text)) } },
        Block::Answers(answers) => html! {
            ul.answers { @for answer in answers { li { (unbroken(&capitalized(answer))) } } }
        },
        Block::List(lines) => html! { ul { @for line in lines { li { (line) } } } },
        Block::Table(table) if table.rows.is_empty() => html! {},
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => self::figure(figure, drawings),
        Block::Curves(figures) => curves(figures, drawings),
        Block::Gallery => gallery::gallery(view),
        Block::Look(look) => gallery::look(look),
        Block::Terms(terms) => self::terms(terms),
        Block::Fold(title, blocks) => html! {
            details { summary { (title) } @for block in blocks { (self::block(block, view, drawings)) } }
        },
        Block::Code(name, text) => html! {
            details { summary { (name) } pre tabindex="0" { code { (text) } } }
        },
    }
}

pub(crate) fn terms(terms: &[(String, String)]) -> Markup {
    html! { dl { @for (term, meaning) in terms { div { dt { (term) } dd { (unbroken(meaning)) } } } } }
}

/// A number and its percent sign stay on one line.
fn unbroken(text: &str) -> String {
    text.replace(" %", "\u{a0}%")
}

/// Drawn twice where a narrow window needs it, and the style sheet shows one.
fn figure(figure: &Figure, drawings: &Drawings) -> Markup {
    let drawn = match drawings.of(figure) {
        Drawing::Drawn(drawn) => drawn,
        Drawing::Missing(reason) => {
            return html! { p.banner role="note" { strong { "Missing figure. " } (figure.caption) " " (reason) } };
        }
    };
    // Matrices are large, one by one, and folded: once is enough. Curves are drawn by the program, but on paper.
    let both = !figure.is_single_confusion() && !figure.is_curves();
    html! {
        figure id={ "figure-" (figure.name) } {
            div.scroll.page[both] tabindex="0" role="group" aria-label=(figure.caption) {
                (PreEscaped(themed(&drawn.svg, &figure.caption)))
            }
            @if both { div.column { (PreEscaped(themed(&drawn.column_svg, &figure.caption))) } }
            figcaption { (figure.caption) }
        }
    }
}

/// The figures as they are printed, and the place where the program puts the one that can be asked.
fn curves(figures: &[Figure], drawings: &Drawings) -> Markup {
    html! {
        div id="curves" hidden {}
        div.still { @for figure in figures { (self::figure(figure, drawings)) } }
    }
}

pub(crate) fn table(table: &Table) -> Markup {
    let (rows, total) = match table.rows.split_last() {
        Some((last, rows)) if table.total => (rows, Some(last)),
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

fn row(cells: &[TableCell], columns: &[Column]) -> Markup {
    let shown = |cell: &TableCell| if cell.shown.is_empty() { NONE.to_owned() } else { cell.shown.clone() };
    html! {
        tr {
            @for (index, (cell, column)) in cells.iter().zip(columns).enumerate() {
                @if index == 0 {
                    th scope="row" data-value=(cell.value) { (shown(cell)) }
                } @else if column.is_text() {
                    td data-value=(cell.value) { (shown(cell)) }
                } @else {
                    td.number data-value=(cell.value) { (shown(cell)) }
                }
            }
        }
    }
}
