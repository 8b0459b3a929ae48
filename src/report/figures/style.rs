//! How figures look: fonts, colours, line styles and sizes, the same in every figure.

use std::sync::Once;

use plotters::style::{FontStyle, RGBColor, register_font};

/// Font family as viewers of SVG should resolve it; also the key of the bundled font.
pub(super) const FONT: &str = "Inter, Helvetica, Arial, sans-serif";

/// Width of most figures, logical px: PNG files have twice as many.
pub(super) const WIDTH_PX: u32 = 800;

/// Text sizes, logical px.
pub(super) const LABEL_PX: f64 = 15.0;
pub(super) const TITLE_PX: f64 = 16.0;

pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const MUTED: RGBColor = RGBColor(102, 102, 102);
pub(super) const GRID: RGBColor = RGBColor(228, 228, 228);
pub(super) const WHITE: RGBColor = RGBColor(255, 255, 255);

/// Okabe and Ito (2008), told apart under every common form of colour blindness; yellow is left out, it vanishes on white.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// Lengths of line and gap in turn, logical px: solid, dashed, dotted, dash-dot.
const DASHES: [&[f64]; 4] = [&[], &[9.0, 5.0], &[2.0, 4.0], &[9.0, 4.0, 2.0, 4.0]];

/// Number of colours before they repeat.
pub(in crate::report) const COLOURS: usize = PALETTE.len();

/// How one arm is drawn, everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ArmStyle {
    pub colour: RGBColor,
    pub dash: &'static [f64],
}

/// The style of the arm at `index` of the experiment file.
pub(super) fn arm_style(index: usize) -> ArmStyle {
    ArmStyle { colour: PALETTE[index % PALETTE.len()], dash: DASHES[index % DASHES.len()] }
}

/// Registers the bundled fonts once per process.
pub(super) fn register_fonts() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let regular = include_bytes!("../../../assets/fonts/Inter-Regular.otf");
        let semi_bold = include_bytes!("../../../assets/fonts/Inter-SemiBold.otf");
        for (style, bytes) in [(FontStyle::Normal, regular.as_slice()), (FontStyle::Bold, semi_bold.as_slice())] {
            assert!(register_font(FONT, style, bytes).is_ok(), "a bundled font is an OpenType font");
        }
    });
}

/// Width of one line of text, logical px.
pub(super) fn text_width_px(text: &str, size_px: f64) -> f64 {
    register_fonts();
    // Measured large and scaled down: the library rounds to whole pixels.
    let font =
        plotters::style::FontDesc::new(plotters::style::FontFamily::Name(FONT), size_px * 16.0, FontStyle::Normal);
    font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) / 16.0)
}

/// Cuts a text to a width, with an ellipsis.
pub(super) fn fit(text: &str, size_px: f64, width_px: f64) -> String {
    if text_width_px(text, size_px) <= width_px {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    (1..characters.len())
        .rev()
        .map(|kept| characters[..kept].iter().collect::<String>() + "…")
        .find(|short| text_width_px(short, size_px) <= width_px)
        .unwrap_or_else(|| "…".to_owned())
}

/// Breaks a text into lines of a width: between words, then after hyphens; what is wider still is cut.
pub(super) fn wrap(text: &str, size_px: f64, width_px: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let whole = text_width_px(word, size_px) <= width_px;
        let pieces: Vec<&str> = if whole { vec![word] } else { word.split_inclusive('-').collect() };
        for (index, piece) in pieces.into_iter().enumerate() {
            let gap = if index == 0 { " " } else { "" };
            match lines.last_mut() {
                Some(line) if text_width_px(&format!("{line}{gap}{piece}"), size_px) <= width_px => {
                    line.push_str(gap);
                    line.push_str(piece);
                }
                _ => lines.push(fit(piece, size_px, width_px)),
            }
        }
    }
    lines
}

/// The style sheet that makes an SVG file draw the same on a machine without the font: the weights that it uses, as data.
pub(in crate::report) fn font_faces(bold: bool) -> String {
    use base64::Engine as _;

    let regular = include_bytes!("../../../assets/fonts/Inter-Regular.subset.woff2").as_slice();
    let semi_bold = include_bytes!("../../../assets/fonts/Inter-SemiBold.subset.woff2").as_slice();
    let faces = [(400, regular), (700, semi_bold)].into_iter().take(if bold { 2 } else { 1 });
    let face = |(weight, bytes): (u32, &[u8])| {
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!(
            "@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/woff2;base64,{data}) format(\"woff2\")}}"
        )
    };
    faces.map(face).collect()
}

/// Length of a legend's line sample, and the gaps around its text, logical px.
pub(super) const KEY_PX: f64 = 34.0;
pub(super) const KEY_GAP_PX: f64 = 8.0;
pub(super) const ENTRY_GAP_PX: f64 = 24.0;
pub(super) const LEGEND_ROW_PX: u32 = 24;

/// Rows of a legend: indices of the entries in each.
pub(super) fn legend_rows<'a>(names: impl Iterator<Item = &'a str>, width_px: f64) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut used = f64::INFINITY;
    for (index, name) in names.enumerate() {
        let entry = entry_width_px(name, width_px);
        if used + entry > width_px {
            rows.push(Vec::new());
            used = 0.0;
        }
        rows.last_mut().expect("the first entry starts a row").push(index);
        used += entry + ENTRY_GAP_PX;
    }
    rows
}

/// Width of one legend entry.
pub(super) fn entry_width_px(name: &str, width_px: f64) -> f64 {
    (KEY_PX + KEY_GAP_PX + text_width_px(name, LABEL_PX)).min(width_px)
}

/// Height of a legend under a figure.
pub(super) fn legend_height_px<'a>(names: impl Iterator<Item = &'a str>, width_px: u32) -> u32 {
    legend_rows(names, f64::from(width_px) - 40.0).len() as u32 * LEGEND_ROW_PX + 8
}
