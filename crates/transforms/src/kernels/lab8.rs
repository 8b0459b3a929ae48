//! CIE L*a*b* in bytes: `OpenCV`'s conversions of 8-bit images (`modules/imgproc/src/color_lab.cpp`, `RGB2Lab_b` and
//! `Lab2RGBinteger`), in whole numbers and with its tables. L* is scaled to 255, a* and b* are shifted by 128. From L*a*b*, every
//! byte is the same; to it, one a* or b* in ten thousand differs by one.

use std::sync::LazyLock;

use super::vector::{Lanes, PIXELS, Work, vectorized};
use crate::raster::{Rgb8, round_to_int, shifted};

const XYZ_FROM_RGB: [[f64; 3]; 3] =
    [[0.412_453, 0.357_58, 0.180_423], [0.212_671, 0.715_16, 0.072_169], [0.019_334, 0.119_193, 0.950_227]];
const RGB_FROM_XYZ: [[f64; 3]; 3] =
    [[3.240_479, -1.537_15, -0.498_535], [-0.969_256, 1.875_991, 0.041_556], [0.055_648, -0.204_043, 1.057_311]];
const D65: [f64; 3] = [0.950_456, 1.0, 1.088_754];

/// Bits behind the point: of coefficients, of linear light, of roots, of L*a*b* on its way back.
const COEFFICIENT: u32 = 12;
const LIGHT: u32 = 3;
const ROOT: u32 = COEFFICIENT + LIGHT;
const BASE: i32 = 1 << 14;
/// Entries of the table from light to bytes.
const LEVELS: usize = 4096;

struct Tables {
    linear: [i32; 256],
    roots: Vec<i32>,
    to: [[i32; 3]; 3],
    /// Of each L*: the share of light, and its root.
    light: [(i32, i32); 256],
    from: [[i32; 3]; 3],
    bytes: [u8; LEVELS],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let scaled = |shift: u32, value: f64| (f64::from(1_u32 << shift) * value).round_ties_even() as i32;
    let linear = |value: f64| if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    let root = |x: f64| if x < 216.0 / 24389.0 { x * 841.0 / 108.0 + 16.0 / 116.0 } else { x.cbrt() };
    let encoded = |x: f64| if x <= 0.003_130_8 { x * 12.92 } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
    let light = |byte: usize| {
        let lightness = byte as f64 * 100.0 / 255.0;
        let (share, root) = if lightness <= 8.0 {
            let share = lightness * 27.0 / 24389.0;
            (share, share * 841.0 / 108.0 + 16.0 / 116.0)
        } else {
            let root = (lightness + 16.0) / 116.0;
            (root.powi(3), root)
        };
        [share, root].map(|value| (value * f64::from(BASE)).round_ties_even() as i32).into()
    };
    Tables {
        linear: std::array::from_fn(|byte| scaled(LIGHT, 255.0 * linear(byte as f64 / 255.0))),
        roots: (0..(256 * 3 / 2) << LIGHT)
            .map(|x| scaled(ROOT, root(f64::from(x) / f64::from(255 << LIGHT))))
            .collect(),
        to: std::array::from_fn(|axis| XYZ_FROM_RGB[axis].map(|value| scaled(COEFFICIENT, value / D65[axis]))),
        light: std::array::from_fn(light),
        from: RGB_FROM_XYZ.map(|row| std::array::from_fn(|axis| scaled(COEFFICIENT, row[axis] * D65[axis]))),
        bytes: std::array::from_fn(|x| (255.0 * encoded(x as f64 / LEVELS as f64)).round_ties_even() as u8),
    }
});

#[inline(always)]
fn dot([a, b, c]: [i32; 3], [x, y, z]: [i32; 3]) -> i32 {
    a * x + b * y + c * z
}

/// Replaces the pixels' colors by L*a*b*.
pub(crate) fn to_lab(pixels: &mut [Rgb8]) {
    let tables = &*TABLES;
    for pixel in pixels {
        let light = pixel.map(|byte| tables.linear[usize::from(byte)]);
        let [x, y, z] = tables.to.map(|row| tables.roots[shifted(dot(row, light), COEFFICIENT) as usize]);
        let lightness = (116 * 255 + 50) / 100 * y - (16 * 255 * (1 << ROOT) + 50) / 100;
        let middle = 128 << ROOT;
        let lab = [lightness, 500 * (x - y) + middle, 200 * (y - z) + middle];
        *pixel = lab.map(|value| shifted(value, ROOT).clamp(0, 255) as u8);
    }
}

/// The share of light of a root from -8145 to 28,718, both in units of [`BASE`]: its cube, or a line where it is dark.
#[inline(always)]
fn cube(root: i32) -> i32 {
    // Truncated, as whole numbers are divided: shares of 841 are never within half a thousandth of the next number.
    let line = round_to_int((root as f32 * (108.0 / 841.0)).abs() - 0.499_5) * root.signum();
    let line = line - BASE * 16 / 116 * 108 / 841;
    let cube = (((root * root) >> 14) * root) >> 14;
    if root <= BASE * 6 / 29 { line } else { cube }
}

/// Replaces L*a*b* by the pixels' colors.
pub(crate) fn from_lab(pixels: &mut [Rgb8]) {
    vectorized(FromLab(pixels));
}

/// Work of [`from_lab`].
struct FromLab<'a>(&'a mut [Rgb8]);

impl Work for FromLab<'_> {
    type Output = ();

    #[inline(always)]
    fn call<L: Lanes>(self, _: L) {
        let tables = &*TABLES;
        let (blocks, rest) = self.0.as_chunks_mut();
        for block in blocks.iter_mut() {
            from_lab_block(tables, block);
        }
        let mut last = [[0; 3]; PIXELS];
        last[..rest.len()].copy_from_slice(rest);
        from_lab_block(tables, &mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[inline(always)]
fn from_lab_block(tables: &Tables, block: &mut [Rgb8; PIXELS]) {
    let [mut x, mut y, mut z] = [[0; PIXELS]; 3];
    for (lane, &[lightness, a, b]) in block.iter().enumerate() {
        let root;
        (y[lane], root) = tables.light[usize::from(lightness)];
        x[lane] = root + ((5 * i32::from(a) * 53_687 + (1 << 7)) >> 13) - 128 * BASE / 500;
        z[lane] = root - (((i32::from(b) * 41_943 + (1 << 4)) >> 9) - 128 * BASE / 200 + 1);
    }
    let mut levels = [[0; PIXELS]; 3];
    for lane in 0..PIXELS {
        let xyz = [cube(x[lane]), y[lane], cube(z[lane])];
        for channel in 0..3 {
            let level = shifted(dot(tables.from[channel], xyz), COEFFICIENT + 14 - 12);
            levels[channel][lane] = level.clamp(0, LEVELS as i32 - 1);
        }
    }
    for (lane, pixel) in block.iter_mut().enumerate() {
        // The mask changes nothing, and spares a check.
        *pixel = std::array::from_fn(|channel| tables.bytes[levels[channel][lane] as usize & (LEVELS - 1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `OpenCV`'s table.
    #[test]
    fn a_share_of_light_is_computed_as_the_table_is() {
        let base = i64::from(BASE);
        for root in -8145..28_719_i64 {
            let share = if root <= base * 6 / 29 {
                root * 108 / 841 - base * 16 / 116 * 108 / 841
            } else {
                root * root / base * root / base
            };
            assert_eq!(i64::from(cube(root as i32)), share, "{root}");
        }
    }

    #[test]
    fn every_lab_is_within_the_tables_and_colors_come_back_nearly() {
        for lightness in 0..=255 {
            for a in (0..=255).step_by(5) {
                for b in (0..=255).step_by(5) {
                    from_lab(&mut [[lightness, a, b]]);
                }
            }
        }
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let mut lab = [[red, green, blue]];
                    to_lab(&mut lab);
                    from_lab(&mut lab);
                    let [back] = lab;
                    // Whole L*a*b* are coarse where a channel is dark.
                    assert!(
                        [red, green, blue].iter().zip(back).all(|(a, b)| a.abs_diff(b) <= 24),
                        "{red} {green} {blue}: {back:?}"
                    );
                }
            }
        }
    }
}
