//! A contact sheet: pictures of one size in a grid, each with lines of text below it.

use image::{Rgb, RgbImage};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style;

/// Between cells and around the sheet.
const GAP_PX: u32 = 12;
const LABEL_SPACE_PX: u32 = 24;
const LINE_PX: u32 = 15;
/// Below this a label could not be read.
const MIN_CELL_PX: u32 = 150;

/// One picture of a sheet.
#[derive(Clone, Debug)]
pub struct SheetPicture {
    pub picture: RgbImage,
    /// Lines that are too long for the cell are cut.
    pub label: String,
}

/// The sheet of `cells`, row by row, `columns` a row. Small pictures are enlarged by a whole number, without smoothing; the
/// largest decides the size of the cells.
///
/// # Panics
/// If `columns` is 0.
#[must_use]
pub fn contact_sheet(cells: &[SheetPicture], columns: u32) -> RgbImage {
    let widest = cells.iter().map(|cell| cell.picture.width()).max().unwrap_or(1);
    let highest = cells.iter().map(|cell| cell.picture.height()).max().unwrap_or(1);
    let enlarge = MIN_CELL_PX.div_ceil(widest).max(1);
    let (cell_width, picture_height) = (widest * enlarge, highest * enlarge);
    let mut tops = vec![GAP_PX];
    for row in cells.chunks(columns as usize) {
        let lines = row.iter().map(|cell| cell.label.lines().count() as u32).max().unwrap_or(0).max(1);
        let height = picture_height + LABEL_SPACE_PX + (lines - 1) * LINE_PX;
        tops.push(tops.last().expect("there is a first") + height + GAP_PX);
    }
    let (width, height) = (columns * (cell_width + GAP_PX) + GAP_PX, *tops.last().expect("there is a first"));
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let place = |index: usize| {
        let (column, row) = (index as u32 % columns, index / columns as usize);
        (GAP_PX + column * (cell_width + GAP_PX), tops[row])
    };
    for (index, cell) in cells.iter().enumerate() {
        let (x, y) = place(index);
        let (width, height) = (cell.picture.width() * enlarge, cell.picture.height() * enlarge);
        let picture = image::imageops::resize(&cell.picture, width, height, image::imageops::FilterType::Nearest);
        image::imageops::replace(&mut sheet, &picture, x.into(), y.into());
    }
    let labels = cells.iter().enumerate().flat_map(|(index, cell)| {
        let (x, y) = place(index);
        let first = y + picture_height + LABEL_SPACE_PX / 2;
        cell.label.lines().zip(0..).map(move |(line, number)| {
            let text = style::fit(line, style::LABEL_PX, f64::from(cell_width));
            (text, (x as i32, (first + number * LINE_PX) as i32))
        })
    });
    write_labels(&mut sheet, labels);
    sheet
}

fn write_labels(sheet: &mut RgbImage, labels: impl Iterator<Item = (String, (i32, i32))>) {
    style::register_fonts();
    let size = sheet.dimensions();
    let area = BitMapBackend::with_buffer(sheet, size).into_drawing_area();
    let font = FontDesc::new(FontFamily::Name(style::FONT), style::LABEL_PX, FontStyle::Normal);
    let text_style = TextStyle::from(font).color(&style::INK).pos(Pos::new(HPos::Left, VPos::Center));
    for (text, at) in labels {
        // A bitmap in memory takes every glyph: the bundled font has a sign for unknown characters.
        let _ = area.draw(&plotters::element::Text::new(text, at, text_style.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(level: u8, label: &str) -> SheetPicture {
        SheetPicture { picture: RgbImage::from_pixel(32, 24, Rgb([level; 3])), label: label.to_owned() }
    }

    #[test]
    fn every_picture_stands_in_its_cell_with_ink_below_it() {
        let sheet =
            contact_sheet(&[cell(10, "source"), cell(20, "a label far too long for such a cell"), cell(30, "c")], 2);
        // Enlarged five times: 160 x 120 px, a line of text, gaps of 12 px.
        assert_eq!(sheet.dimensions(), (2 * 172 + 12, 2 * 156 + 12));
        for (level, x, y) in [(10, 12, 12), (20, 184, 12), (30, 12, 168)] {
            assert_eq!(sheet.get_pixel(x, y), &Rgb([level; 3]));
            assert_eq!(sheet.get_pixel(x + 159, y + 119), &Rgb([level; 3]));
            let label = (x..x + 160).any(|x| (y + 120..y + 144).any(|y| sheet.get_pixel(x, y).0[0] < 100));
            assert!(label, "the label of {level} is written");
        }
        assert_eq!(sheet.get_pixel(178, 60), &Rgb([255; 3]), "nothing is written between the columns");

        let two_lines = contact_sheet(&[cell(10, "source"), cell(20, "rotate\nshift")], 2);
        assert_eq!(two_lines.height(), 12 + 120 + 24 + 15 + 12);
        let written = |top: u32| (184..344).any(|x| (top..top + 15).any(|y| two_lines.get_pixel(x, y).0[0] < 100));
        assert!(written(12 + 120 + 4) && written(12 + 120 + 19));
    }
}
