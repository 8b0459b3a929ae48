//! The camera's optics and sensor: blur, vignette, exposure, white balance, noise, tone curve.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::math::{Rgb, Vec3, cos, exp, mix3, pow, sin};
use super::noise::{hash, unit};

/// How light becomes bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sensor {
    /// Exposure, in stops about that which shows white as white.
    pub exposure_stops: f32,
    /// Gain of each channel.
    pub white_balance: Rgb,
    /// Standard deviation of the defocus, as a share of the picture's height.
    pub blur: f32,
    /// Length of the motion blur, as a share of the picture's height.
    pub motion: f32,
    pub motion_angle_rad: f32,
    /// Standard deviation of the noise on mid gray, in linear light.
    pub noise: f32,
    /// Loss of light in the corners, 0 to 1.
    pub vignette: f32,
    /// Slope of the tone curve at mid gray; 1 is neutral.
    pub contrast: f32,
    /// 0 is gray, 1 is neutral.
    pub saturation: f32,
    pub seed: u32,
}

/// Blur beyond this many pixels on each side is cut off.
const MAX_REACH_PX: usize = 48;

/// A picture in linear light, `[H, W]`.
pub(super) struct Film {
    pub width_px: usize,
    pub height_px: usize,
    pub radiance: Vec<Rgb>,
}

impl Sensor {
    /// Develops the film.
    pub(super) fn develop(&self, mut film: Film) -> RgbImage {
        let sigma_px = self.blur * film.height_px as f32;
        if sigma_px > 0.2 {
            let taps = gaussian(sigma_px);
            film = film.convolved(&taps, 1.0, 0.0).convolved(&taps, 0.0, 1.0);
        }
        let length_px = self.motion * film.height_px as f32;
        if length_px > 0.7 {
            let reach = ((length_px * 0.5).round() as usize).clamp(1, MAX_REACH_PX);
            let taps = vec![1.0 / (2 * reach + 1) as f32; 2 * reach + 1];
            film = film.convolved(&taps, cos(self.motion_angle_rad), sin(self.motion_angle_rad));
        }
        let (width, height) = (film.width_px as u32, film.height_px as u32);
        RgbImage::from_fn(width, height, |x, y| {
            let radiance = film.radiance[y as usize * film.width_px + x as usize];
            let (dx, dy) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.5);
            let corner = 1.0 - self.vignette * 2.0 * (dx * dx + dy * dy);
            image::Rgb(self.pixel(radiance * corner, x as i32, y as i32))
        })
    }

    fn pixel(&self, radiance: Rgb, x: i32, y: i32) -> [u8; 3] {
        let exposed = radiance * self.white_balance * exp(self.exposure_stops * std::f32::consts::LN_2);
        // Shot noise grows with the square root of the light; a part of it is read noise.
        let noisy = |value: f32, channel: i32| {
            let deviation = self.noise * (0.25 + (value.max(0.0) / 0.18).sqrt()) / 1.25;
            value + deviation * normal(x, y, channel, self.seed)
        };
        let noisy = Vec3 { x: noisy(exposed.x, 0), y: noisy(exposed.y, 1), z: noisy(exposed.z, 2) };
        let colorful = mix3(Vec3::splat(noisy.luminance()), noisy, self.saturation);
        <[f32; 3]>::from(colorful).map(|value| to_byte(tone(value, self.contrast)))
    }
}

impl Film {
    /// Weighted means along a line of direction `(dx, dy)`, nearest pixels, edges repeated. `taps` is odd in length.
    fn convolved(&self, taps: &[f32], dx: f32, dy: f32) -> Self {
        let reach = (taps.len() / 2) as f32;
        let offsets: Vec<(isize, isize, f32)> = taps
            .iter()
            .enumerate()
            .map(|(i, &weight)| {
                let t = i as f32 - reach;
                ((t * dx).round() as isize, (t * dy).round() as isize, weight)
            })
            .collect();
        let inside = |at: usize, by: isize, size: usize| at.saturating_add_signed(by).min(size - 1);
        let mut radiance = Vec::with_capacity(self.radiance.len());
        for y in 0..self.height_px {
            for x in 0..self.width_px {
                radiance.push(offsets.iter().fold(Vec3::ZERO, |sum, &(ox, oy, weight)| {
                    let at = inside(y, oy, self.height_px) * self.width_px + inside(x, ox, self.width_px);
                    sum + self.radiance[at] * weight
                }));
            }
        }
        Self { radiance, ..*self }
    }
}

fn gaussian(sigma_px: f32) -> Vec<f32> {
    let reach = ((3.0 * sigma_px).ceil() as usize).clamp(1, MAX_REACH_PX) as i32;
    let weights: Vec<f32> =
        (-reach..=reach).map(|i| exp(-0.5 * (i as f32 / sigma_px) * (i as f32 / sigma_px))).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// About a standard normal number: the sum of four uniform ones, scaled.
fn normal(x: i32, y: i32, channel: i32, seed: u32) -> f32 {
    let sum: f32 = (0..4).map(|i| unit(hash(x, y, channel * 4 + i, seed))).sum();
    (sum - 2.0) * 1.732_050_8
}

/// Linear light to display values: a shoulder for highlights, sRGB's exponent, and contrast about mid gray.
fn tone(linear: f32, contrast: f32) -> f32 {
    const SHOULDER: f32 = 0.7;
    let x = linear.max(0.0);
    let rolled =
        if x <= SHOULDER { x } else { SHOULDER + (1.0 - SHOULDER) * (1.0 - exp((SHOULDER - x) / (1.0 - SHOULDER))) };
    let display = if rolled <= 0.003_130_8 { 12.92 * rolled } else { 1.055 * pow(rolled, 1.0 / 2.4) - 0.055 };
    0.46 + (display - 0.46) * contrast
}

fn to_byte(display: f32) -> u8 {
    (display.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_has_mean_zero_and_unit_deviation() {
        let values: Vec<f32> = (0..10_000).map(|i| normal(i % 100, i / 100, 1, 9)).collect();
        let mean = values.iter().sum::<f32>() / 1e4;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn a_blur_keeps_a_flat_film_flat_and_spreads_a_point() {
        let mut film = Film { width_px: 9, height_px: 9, radiance: vec![Vec3::splat(0.5); 81] };
        let flat = film.convolved(&gaussian(1.2), 1.0, 0.0);
        assert!(flat.radiance.iter().all(|r| (r.x - 0.5).abs() < 1e-6));
        film.radiance = vec![Vec3::ZERO; 81];
        film.radiance[40] = Vec3::ONE;
        let spread = film.convolved(&gaussian(1.0), 0.0, 1.0);
        assert!(spread.radiance[40].x < 0.5 && spread.radiance[31].x > 0.1 && spread.radiance[41].x == 0.0);
    }

    #[test]
    fn the_tone_curve_rises_from_black_to_white() {
        let steps: Vec<u8> = (0..60).map(|i| to_byte(tone(i as f32 * 0.05, 1.0))).collect();
        assert!(steps.is_sorted());
        assert_eq!((steps[0], steps[59]), (0, 255));
    }
}
