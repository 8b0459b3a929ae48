//! From one drawing to the files of a figure: PNG at twice its logical size, and PDF at the size that it has in print. The
//! bundled font alone is used, so that every machine gives the same bytes.

use std::sync::{Arc, LazyLock};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use svg2pdf::{ConversionOptions, PageOptions};

use super::canvas::FigureError;
use super::style;

/// PNG pixels per logical pixel.
const PNG_SCALE: u32 = 2;

/// Width of a column on paper, mm: journals give 84 to 89. Labels then have 6.9 pt.
const COLUMN_MM: f64 = 88.0;

/// Logical pixels per inch on paper.
const PRINTED_DPI: f64 = style::Width::Column.px() as f64 / (COLUMN_MM / 25.4);

/// The bundled fonts and no other.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| database(&[style::REGULAR, style::SEMI_BOLD]));

/// One font for PDF: its objects would be written in no fixed order if there were two.
static ONE_FONT: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| database(&[style::REGULAR]));

fn database(fonts: &[&[u8]]) -> Arc<fontdb::Database> {
    let mut database = fontdb::Database::new();
    for font in fonts {
        database.load_font_data(font.to_vec());
    }
    Arc::new(database)
}

fn tree(svg: &str, fonts: &Arc<fontdb::Database>) -> Result<Tree, FigureError> {
    let options = Options { fontdb: Arc::clone(fonts), font_family: "Inter".to_owned(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|error| FigureError::Read(error.to_string()))
}

/// The drawing as a PNG file.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, FigureError> {
    let tree = tree(svg, &FONTS)?;
    let size = tree.size().to_int_size();
    let (width, height) = (size.width() * PNG_SCALE, size.height() * PNG_SCALE);
    let mut pixels = Pixmap::new(width, height).ok_or(FigureError::Empty)?;
    let scale = PNG_SCALE as f32;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    // The ground is white: there is no transparency left.
    let rgb: Vec<u8> = pixels.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&rgb, width, height, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

/// The drawing as a PDF file with its texts as texts.
pub(super) fn pdf(svg: &str) -> Result<Vec<u8>, FigureError> {
    let options = ConversionOptions { embed_text: true, ..ConversionOptions::default() };
    let page = PageOptions { dpi: PRINTED_DPI as f32 };
    let mut bytes = svg2pdf::to_pdf(&tree(svg, &ONE_FONT)?, options, page)
        .map_err(|error| FigureError::Backend(error.to_string()))?;
    sort_resources(&mut bytes);
    Ok(bytes)
}

/// Sorts the entries of each dictionary of resources, which the library writes in the order of a hash map: the same drawing
/// shall give the same bytes. Lines change places and nothing changes its length, so that all offsets stay right.
fn sort_resources(pdf: &mut [u8]) {
    let is_entry = |line: &[u8]| {
        let text = std::str::from_utf8(line).unwrap_or_default().trim();
        let mut parts = text.split(' ');
        let named = parts.next().is_some_and(|name| name.starts_with('/'));
        let numbers = parts.next().zip(parts.next()).is_some_and(|(n, m)| n.parse::<u32>().is_ok() && m == "0");
        named && numbers && parts.next() == Some("R") && parts.next().is_none()
    };
    let mut start = 0;
    let mut lines: Vec<(usize, usize)> = Vec::new();
    for end in memchr_lines(pdf) {
        if is_entry(&pdf[start..end]) {
            lines.push((start, end));
        } else {
            sort_lines(pdf, &lines);
            lines.clear();
        }
        start = end;
    }
}

/// Ends of the lines, behind their line feeds.
fn memchr_lines(bytes: &[u8]) -> Vec<usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect()
}

fn sort_lines(bytes: &mut [u8], lines: &[(usize, usize)]) {
    let (Some(&(from, _)), Some(&(_, to))) = (lines.first(), lines.last()) else { return };
    let mut sorted: Vec<Vec<u8>> = lines.iter().map(|&(start, end)| bytes[start..end].to_vec()).collect();
    sorted.sort();
    bytes[from..to].copy_from_slice(&sorted.concat());
}

#[cfg(test)]
mod tests {
    use super::super::canvas::{Anchor, svg};
    use super::*;

    fn drawing() -> String {
        svg((440, 90), |canvas| canvas.text("Difference (points)", (20.0, 45.0), Anchor::Left, style::INK)).unwrap()
    }

    #[test]
    fn a_png_is_twice_as_large_and_its_text_is_set_in_the_bundled_font() {
        let image = image::load_from_memory(&png(&drawing()).unwrap()).unwrap().to_luma8();
        assert_eq!(image.dimensions(), (880, 180));
        let dark: Vec<u32> = image.enumerate_pixels().filter(|(.., p)| p.0[0] < 128).map(|(x, ..)| x).collect();
        let (from, to) = (dark.iter().min().unwrap() / 2, dark.iter().max().unwrap() / 2);
        let width = style::text_width_px("Difference (points)", style::LABEL_PX);
        // The room beside the first and the last letter, and kerning, take some of it and never add to it.
        let drawn = f64::from(to - from);
        assert!(from.abs_diff(20) <= 2 && drawn <= width && drawn >= 0.94 * width, "{from} to {to}, {width} px");
    }

    #[test]
    fn a_pdf_has_the_width_of_a_column_and_its_font_within() {
        let bytes = pdf(&drawing()).unwrap();
        assert_eq!(bytes, pdf(&drawing()).unwrap(), "the same drawing gives the same bytes");
        let text = String::from_utf8_lossy(&bytes);
        // 88 mm in points.
        assert!(text.contains("/MediaBox [0 0 249.4") && text.contains("/FontFile"), "{text}");
    }

    #[test]
    fn the_same_drawing_gives_the_same_pdf_however_many_resources_it_has() {
        use plotters::style::Color as _;

        let drawn = svg((440, 90), |canvas| {
            canvas.title("Title", (20.0, 20.0), Anchor::Left)?;
            for shade in 1..20 {
                let x = 20.0 * f64::from(shade);
                canvas.rectangle((x, 30.0), (x + 15.0, 60.0), &style::INK.mix(f64::from(shade) / 20.0))?;
            }
            canvas.text("label", (20.0, 75.0), Anchor::Left, style::INK)
        })
        .unwrap();
        let first = pdf(&drawn).unwrap();
        for _ in 0..20 {
            assert_eq!(pdf(&drawn).unwrap(), first);
        }
    }
}
