//! How figures look: fonts, colors, line styles and sizes, the same in every figure.

use std::sync::{LazyLock, Once};

use augtrial_web::{LIGHT, Rgb};
use plotters::style::{FontStyle, RGBColor, register_font};
use ttf_parser::Face;

/// Font family as viewers of SVG should resolve it; also the key of the bundled font.
pub(super) const FONT: &str = "Inter, Helvetica, Arial, sans-serif";

/// The bundled fonts.
pub(super) const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");
pub(super) const SEMI_BOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");

/// The place that a figure is laid out for. Its texts have the same size in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// A page on a screen, or the whole width of one on paper.
    Page,
    /// A column of a paper with two, or a phone.
    Column,
}

impl Width {
    /// Logical px.
    pub const fn px(self) -> u32 {
        match self {
            Self::Page => 800,
            Self::Column => 440,
        }
    }
}

/// Text sizes, logical px of a line's height.
pub(super) const LABEL_PX: f64 = 15.0;
pub(super) const TITLE_PX: f64 = 16.0;

/// Titles are set in a weight whose letters are wider than those that are measured.
pub(super) const TITLE_MEASURE_PX: f64 = TITLE_PX * 1.08;

pub(super) const INK: RGBColor = color(LIGHT.ink);
pub(super) const MUTED: RGBColor = color(LIGHT.muted);
pub(super) const GRID: RGBColor = color(LIGHT.grid);
pub(super) const WHITE: RGBColor = color(LIGHT.page);
pub(super) const CELL_INK: RGBColor = color(LIGHT.cell_ink);

pub(super) const fn color(Rgb(red, green, blue): Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

/// How one arm is drawn, everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ArmStyle {
    pub color: RGBColor,
    pub dash: &'static [f64],
}

/// The style of the arm at `index` of the experiment file.
pub(super) fn arm_style(index: usize) -> ArmStyle {
    let line = augtrial_web::arm_line(index);
    ArmStyle { color: color(LIGHT.arms[line.color]), dash: line.dash }
}

/// Registers the bundled fonts once per process.
pub(super) fn register_fonts() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, SEMI_BOLD)] {
            assert!(register_font(FONT, style, bytes).is_ok(), "a bundled font is an OpenType font");
        }
    });
}

/// The bundled font, to be measured.
static FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::parse(REGULAR, 0).ok());

/// Whether the bundled font has a letter for it.
pub(super) fn has_glyph(character: char) -> bool {
    FACE.as_ref().is_some_and(|face| face.glyph_index(character).is_some())
}

/// plotters takes a size for the height of a line, which is so many times that of the letters (plotters-svg 0.3.7).
const LINE_PER_EM: f64 = 1.24;

/// Width of one line of text, logical px, before kerning. What the bundled font lacks is set by the viewer's fonts, and taken to
/// be as wide as it is high: Chinese letters and emoji are, and others are narrower.
pub(super) fn text_width_px(text: &str, size_px: f64) -> f64 {
    let advance = |character: char| {
        let face = FACE.as_ref()?;
        let advance = face.glyph_hor_advance(face.glyph_index(character)?)?;
        Some(f64::from(advance) / f64::from(face.units_per_em()))
    };
    let em_px = size_px / LINE_PER_EM;
    text.chars().map(|character| em_px * advance(character).unwrap_or(1.0)).sum()
}

/// Characters beyond which no line of a figure reaches: the narrowest take more than a pixel each.
const MAX_LINE_CHARS: usize = 1000;

/// Characters of a text that is wrapped; a figure shows no more of it.
const MAX_WRAPPED_CHARS: usize = 1000;

/// Cuts a text to a width, with an ellipsis: by halves, since every measurement costs its length.
pub(super) fn fit(text: &str, size_px: f64, width_px: f64) -> String {
    let whole = text.chars().nth(MAX_LINE_CHARS).is_none();
    if whole && text_width_px(text, size_px) <= width_px {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().take(MAX_LINE_CHARS).collect();
    let cut = |kept: usize| characters[..kept].iter().collect::<String>() + "…";
    let (mut fits, mut too_wide) = (0, characters.len());
    while too_wide - fits > 1 {
        let middle = usize::midpoint(fits, too_wide);
        if text_width_px(&cut(middle), size_px) <= width_px {
            fits = middle;
        } else {
            too_wide = middle;
        }
    }
    cut(fits)
}

/// Breaks a text into lines of a width: between words, then after hyphens; what is wider still is cut, and so is a text of
/// more than a thousand characters.
pub(super) fn wrap(text: &str, size_px: f64, width_px: f64) -> Vec<String> {
    let text = augtrial_base::text::cap(text, MAX_WRAPPED_CHARS);
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
pub(crate) fn font_faces(bold: bool) -> String {
    use base64::Engine as _;

    let regular = include_bytes!("../../assets/fonts/Inter-Regular.subset.woff2").as_slice();
    let semi_bold = include_bytes!("../../assets/fonts/Inter-SemiBold.subset.woff2").as_slice();
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
