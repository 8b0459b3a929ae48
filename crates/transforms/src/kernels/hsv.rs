//! HSV as in torchvision's `_rgb_to_hsv` and `_hsv_to_rgb` (after Pillow; Smith 1978), components from 0 to 1.

use crate::raster::Rgb8;

/// The largest value of a channel.
pub(crate) const WHITE: f32 = 255.0;

/// What 1 becomes before it is truncated to a byte.
const UNIT: f32 = WHITE + 1.0 - 1e-3;

/// torchvision's conversion of 0 to 1 into bytes: 256 intervals of equal width (`to_dtype_image`, `eps = 1e-3`).
pub(crate) fn unit_to_byte(value: f32) -> u8 {
    (value * UNIT) as u8
}

/// Hue in turns, saturation and value; a gray has hue 0.
pub(crate) fn rgb_to_hsv(pixel: Rgb8) -> [f32; 3] {
    let [red, green, blue] = pixel.map(|channel| f32::from(channel) / WHITE);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = most - least;
    if range == 0.0 {
        return [0.0, 0.0, most];
    }
    let sixths = if most == red {
        (green - blue) / range
    } else if most == green {
        (blue - red) / range + 2.0
    } else {
        (red - green) / range + 4.0
    };
    [within_a_turn(sixths / 6.0), range / most, most]
}

/// A hue from -1 to 2 turns as one from 0 to 1: `rem_euclid`, without the call that takes most of the time.
#[inline(always)]
pub(crate) fn within_a_turn(turns: f32) -> f32 {
    choose(turns < 0.0, turns + 1.0, choose(turns >= 1.0, turns - 1.0, turns))
}

/// A whole number up to 255 divided by 255, to the bit and without the division. Its product with the first part of the inverse
/// is exact; the second part's is so small that its last bit does not count.
#[inline(always)]
fn of_white(value: f32) -> f32 {
    const FIRST: f32 = f32::from_bits((1.0 / WHITE).to_bits() & 0xffff_ff00);
    const SECOND: f32 = (1.0 / WHITE as f64 - FIRST as f64) as f32;
    value * FIRST + value * SECOND
}

/// The hue of a pixel turned by -1 to 1 turns, on the scale of bytes: [`rgb_to_hsv`], [`hsv_to_rgb`] and [`unit_to_byte`] before
/// its truncation, bit for bit, and without branches.
#[inline(always)]
pub(crate) fn turned(pixel: [f32; 3], turns: f32) -> [f32; 3] {
    let (red, green, blue) = (of_white(pixel[0]), of_white(pixel[1]), of_white(pixel[2]));
    let (most, least) = (larger(larger(red, green), blue), smaller(smaller(red, green), blue));
    let range = most - least;
    let (is_red, is_green, is_gray) = (most == red, most == green, range == 0.0);
    let first = choose(is_red, green, choose(is_green, blue, red));
    let second = choose(is_red, blue, choose(is_green, red, green));
    let base = choose(is_red, 0.0, choose(is_green, 2.0, 4.0));
    let hue = within_a_turn(((first - second) / choose(is_gray, 1.0, range) + base) / 6.0);
    let hue = choose(is_gray, 0.0, hue);
    // Black has no range either.
    let saturation = range / larger(most, f32::MIN_POSITIVE);

    let sixths = within_a_turn(hue + turns) * 6.0;
    let sector =
        passed(sixths, 1.0) + passed(sixths, 2.0) + passed(sixths, 3.0) + passed(sixths, 4.0) + passed(sixths, 5.0);
    let sector = sector + passed(sixths, 6.0);
    let within = sixths - sector;
    let slopes = [
        (1.0 - saturation) * most,
        (1.0 - saturation * within) * most,
        (1.0 - saturation * (1.0 - within)) * most,
        most,
    ];
    [behind(sector, 0.0, slopes) * UNIT, behind(sector, 4.0, slopes) * UNIT, behind(sector, 2.0, slopes) * UNIT]
}

/// The channel of a hue that is so many sectors behind: full, falling, low, low, rising, full.
#[inline(always)]
fn behind(sector: f32, sectors: f32, [low, falling, rising, full]: [f32; 4]) -> f32 {
    let at = sector + sectors;
    let at = at - choose(at >= 6.0, 6.0, 0.0);
    let sloped = choose(at == 1.0, falling, choose(at == 4.0, rising, low));
    choose(at == 0.0, full, choose(at == 5.0, full, sloped))
}

/// 1 where a bound is reached.
#[inline(always)]
fn passed(value: f32, bound: f32) -> f32 {
    choose(value >= bound, 1.0, 0.0)
}

/// The larger of two numbers.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    choose(a > b, a, b)
}

/// The smaller of two numbers.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    choose(a < b, a, b)
}

/// One of two numbers that are both computed: of `if` and `else` the compiler makes branches, which keep it from vector code.
#[inline(always)]
fn choose(first: bool, a: f32, b: f32) -> f32 {
    let mask = u32::from(first).wrapping_neg();
    f32::from_bits((a.to_bits() & mask) | (b.to_bits() & !mask))
}

/// Channels from 0 to 1.
pub(crate) fn hsv_to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue * 6.0;
    let sector = sixths as u32;
    let within = sixths - sector as f32;
    let low = (1.0 - saturation) * value;
    let falling = (1.0 - saturation * within) * value;
    let rising = (1.0 - saturation * (1.0 - within)) * value;
    match sector % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::to_byte;

    #[test]
    fn a_share_of_white_is_the_quotient() {
        for value in (0..=255).map(f32::from as fn(u8) -> f32) {
            assert_eq!(of_white(value).to_bits(), (value / WHITE).to_bits(), "{value}");
        }
    }

    #[test]
    fn a_hue_within_a_turn_is_the_remainder() {
        for thousandth in -999..2000_i32 {
            let turns = thousandth as f32 / 1000.0;
            assert_eq!(within_a_turn(turns).to_bits(), turns.rem_euclid(1.0).to_bits(), "{turns}");
        }
    }

    #[test]
    fn a_hue_that_is_turned_without_branches_is_the_same() {
        for turns in [-0.5, -0.31, -0.1, 0.0, 0.04, 0.25, 0.5] {
            for red in (0..=255).step_by(5) {
                for green in (0..=255).step_by(5) {
                    for blue in (0..=255).step_by(3) {
                        let pixel = [red, green, blue];
                        let [hue, saturation, value] = rgb_to_hsv(pixel);
                        let expected = hsv_to_rgb([within_a_turn(hue + turns), saturation, value]).map(unit_to_byte);
                        let made = turned(pixel.map(f32::from), turns).map(|channel| channel as u8);
                        assert_eq!(made, expected, "{pixel:?} by {turns}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_color_comes_back_from_hsv() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let pixel = [red, green, blue];
                    assert_eq!(hsv_to_rgb(rgb_to_hsv(pixel)).map(|c| to_byte(c * WHITE)), pixel);
                }
            }
        }
    }
}
