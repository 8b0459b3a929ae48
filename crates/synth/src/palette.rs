//! Families of colors that scenes are drawn from.

use super::draw::Draw as _;
use super::math::{Rgb, Vec3, mix3, vec3};
use augtrial_base::seed::Stream;

/// From bluish (-1) over white to orange (1).
pub(super) fn temperature(warmth: f32) -> Rgb {
    if warmth > 0.0 {
        mix3(Vec3::ONE, vec3(1.15, 0.92, 0.66), warmth)
    } else {
        mix3(Vec3::ONE, vec3(0.8, 0.95, 1.18), -warmth)
    }
}

/// A color near `base`: lighter or darker by up to `spread`, and slightly off in hue.
pub(super) fn shade_of(rng: &mut Stream, base: Rgb, spread: f32) -> Rgb {
    let brightness = 1.0 + rng.between(-spread, spread);
    let hue = vec3(rng.between(0.9, 1.1), rng.between(0.92, 1.08), rng.between(0.88, 1.12));
    (base * hue * brightness).map(|channel| channel.clamp(0.02, 0.92))
}

/// A color of any hue, close to gray.
pub(super) fn muted(rng: &mut Stream) -> Rgb {
    let color = vivid(rng);
    mix3(color, Vec3::splat(color.luminance()), 0.55)
}

/// A color of any hue, muted to saturated.
pub(super) fn vivid(rng: &mut Stream) -> Rgb {
    let strong = vec3(rng.unit(), rng.unit(), rng.unit()).map(|channel| 0.02 + 0.75 * channel * channel);
    mix3(strong, Vec3::splat(strong.luminance()), rng.between(0.0, 0.6))
}

/// A strong color of any hue, as of dyed plastic.
pub(super) fn saturated(rng: &mut Stream) -> Rgb {
    let third = rng.between(0.03, 0.3);
    let (strong, weak) = (rng.between(0.5, 0.85), rng.between(0.02, 0.1));
    match rng.weighted(&[1; 6]) {
        0 => vec3(strong, third, weak),
        1 => vec3(strong, weak, third),
        2 => vec3(third, strong, weak),
        3 => vec3(weak, strong, third),
        4 => vec3(third, weak, strong),
        _ => vec3(weak, third, strong),
    }
}

/// White to black, nearly without hue, between two levels.
pub(super) fn gray(rng: &mut Stream, low: f32, high: f32) -> Rgb {
    let level = rng.between(low, high);
    shade_of(rng, Vec3::splat(level), 0.03)
}
