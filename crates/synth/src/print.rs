//! What is printed on the object: text, blocks of color, stripes, a label. Packaging of any material carries it.

use serde::{Deserialize, Serialize};

use super::math::{Rgb, Vec3, mix, mix3, smoothstep, vec3};
use super::noise::{cell, floor, hash, unit, visibility};

/// A print, in the coordinates of the shape's surface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Print {
    pub style: PrintStyle,
    pub ink: Rgb,
    /// Share of the surface it is on, 0 to 1.
    pub coverage: f32,
    /// Rows per object unit.
    pub frequency: f32,
    pub seed: u32,
}

/// Kinds of print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrintStyle {
    Text,
    Blocks,
    Stripes,
    /// A colored band with text on it.
    Label,
}

impl PrintStyle {
    pub(super) const ALL: [Self; 4] = [Self::Text, Self::Blocks, Self::Stripes, Self::Label];
}

impl Print {
    /// How much ink there is at `(u, v)`, and its color.
    pub(super) fn at(&self, [u, v]: [f32; 2], footprint: f32) -> (f32, Rgb) {
        let grain = footprint * self.frequency;
        let (column, row) = (u * self.frequency, v * self.frequency);
        match self.style {
            PrintStyle::Text => {
                let field = cell(floor(u * 1.5), floor(v * 1.1), self.seed ^ 3);
                (if field < self.coverage { self.text(column, row, grain) } else { 0.0 }, self.ink)
            }
            PrintStyle::Blocks => {
                let (i, j) = (floor(column * 0.45), floor(row * 0.3));
                let cover = if cell(i, j, self.seed) < self.coverage { 0.92 } else { 0.0 };
                (cover, self.variant(hash(i, j, 1, self.seed)))
            }
            PrintStyle::Stripes => {
                let wave = (row * 0.35 - (row * 0.35).floor() - 0.5).abs() * 2.0;
                let soft = 0.02 + grain * 0.35;
                let stripe = 1.0 - smoothstep(self.coverage - soft, self.coverage + soft, wave);
                (mix(self.coverage, stripe, visibility(2.0, grain)) * 0.95, self.ink)
            }
            PrintStyle::Label => {
                let edge = self.coverage * 0.75 - v.abs();
                let band = smoothstep(-0.01 - footprint, 0.01 + footprint, edge);
                let letters = self.text(column * 0.5, row * 0.5, grain * 0.5) * smoothstep(0.05, 0.1, edge);
                let emblem = 1.0 - smoothstep(0.2, 0.22 + footprint, (u * u + v * v).sqrt());
                let paper = mix3(self.ink, self.variant(self.seed), emblem);
                (band, mix3(paper, contrast(paper), letters * 0.85))
            }
        }
    }

    /// Lines of words, as dashes of unequal length; too small to be read, they fade to gray.
    fn text(&self, column: f32, row: f32, grain: f32) -> f32 {
        let line = row.floor();
        let height = row - line;
        let shifted = column * 1.4 + cell(line as i32, 7, self.seed) * 9.0;
        let word = unit(hash(floor(shifted), line as i32, 5, self.seed));
        let letter = unit(hash(floor(shifted * 5.0), line as i32, 6, self.seed));
        let inked = word < 0.82 && letter < 0.8 && (0.3..0.72).contains(&height);
        let seen = visibility(0.5, grain);
        mix(0.3, if inked { 1.0 } else { 0.0 }, seen) * 0.9
    }

    /// A color that goes with the ink: its channels turned about.
    fn variant(&self, bits: u32) -> Rgb {
        let Vec3 { x, y, z } = self.ink;
        let turned = match bits % 4 {
            0 => vec3(y, z, x),
            1 => vec3(z, x, y),
            2 => vec3(x, x, y),
            _ => self.ink,
        };
        turned * (0.6 + 0.7 * unit(bits))
    }
}

/// Black on light colors, white on dark ones.
fn contrast(paper: Rgb) -> Rgb {
    if paper.luminance() > 0.3 { Vec3::splat(0.04) } else { Vec3::splat(0.8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(style: PrintStyle, coverage: f32) -> Print {
        Print { style, ink: vec3(0.7, 0.1, 0.1), coverage, frequency: 10.0, seed: 3 }
    }

    fn mean_cover(print: &Print, footprint: f32) -> f32 {
        let at = |i: i32| [(i % 64) as f32 * 0.031 - 1.0, (i / 64) as f32 * 0.031 - 1.0];
        (0..4096).map(|i| print.at(at(i), footprint).0).sum::<f32>() / 4096.0
    }

    #[test]
    fn more_coverage_is_more_ink_in_every_style() {
        for style in PrintStyle::ALL {
            let (little, much) = (mean_cover(&print(style, 0.15), 0.001), mean_cover(&print(style, 0.9), 0.001));
            assert!(little + 0.1 < much && much <= 1.0, "{style:?}: {little} and {much}");
        }
    }

    #[test]
    fn text_too_small_to_read_is_as_grey_as_text_is_on_average() {
        let text = print(PrintStyle::Text, 1.0);
        let (near, far) = (mean_cover(&text, 0.001), mean_cover(&text, 1.0));
        assert!((near - far).abs() < 0.08, "{near} and {far}");
    }
}
