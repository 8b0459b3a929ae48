//! Textures from integer hashes: gradient noise (Perlin, *Improving noise*, 2002), its fractal sums, and cells.
//!
//! Every function takes the seed of its texture; `footprint` is the width of a pixel in the texture's own units, and
//! detail finer than that fades out instead of aliasing.

use super::math::{Vec3, smoothstep, vec3};

/// Odd multipliers that spread each coordinate over 32 bits.
const X_KEY: u32 = 0x8da6_b343;
const Y_KEY: u32 = 0xd816_3841;
const Z_KEY: u32 = 0xcb1a_b31f;

/// Mixes integer coordinates and a seed to 32 well-spread bits (`lowbias32` of Wellons' hash prospector).
#[inline]
pub(super) fn hash(x: i32, y: i32, z: i32, seed: u32) -> u32 {
    let mut h = seed ^ (x as u32).wrapping_mul(X_KEY) ^ (y as u32).wrapping_mul(Y_KEY) ^ (z as u32).wrapping_mul(Z_KEY);
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// The upper 24 bits as a number in `[0, 1)`.
#[inline]
pub(super) fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A number in `[0, 1)` for each integer cell.
#[inline]
pub(super) fn cell(x: i32, y: i32, seed: u32) -> f32 {
    unit(hash(x, y, 0, seed))
}

/// Perlin's gradients: the directions to the edges of a cube, four of them twice.
const GRADIENTS: [[f32; 3]; 16] = [
    [1.0, 1.0, 0.0],
    [-1.0, 1.0, 0.0],
    [1.0, -1.0, 0.0],
    [-1.0, -1.0, 0.0],
    [1.0, 0.0, 1.0],
    [-1.0, 0.0, 1.0],
    [1.0, 0.0, -1.0],
    [-1.0, 0.0, -1.0],
    [0.0, 1.0, 1.0],
    [0.0, -1.0, 1.0],
    [0.0, 1.0, -1.0],
    [0.0, -1.0, -1.0],
    [1.0, 1.0, 0.0],
    [-1.0, 1.0, 0.0],
    [0.0, -1.0, 1.0],
    [0.0, -1.0, -1.0],
];

/// The largest integer not above `x`; `f32::floor` is a call on processors without the instruction.
#[inline]
pub(super) fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated.wrapping_sub(i32::from((truncated as f32) > x))
}

/// Gradient noise, about -1 to 1, with one feature per unit.
pub(super) fn gradient(p: Vec3, seed: u32) -> f32 {
    let (ix, iy, iz) = (floor(p.x), floor(p.y), floor(p.z));
    let (x, y, z) = (p.x - ix as f32, p.y - iy as f32, p.z - iz as f32);
    // The sides of the cell are mixed once, and not for each of its eight corners.
    let side = |i: i32, key: u32| [(i as u32).wrapping_mul(key), (i as u32).wrapping_add(1).wrapping_mul(key)];
    let (hx, hy, hz) = (side(ix, X_KEY), side(iy, Y_KEY), side(iz, Z_KEY));
    let mut corners = [0.0_f32; 8];
    for (corner, height) in corners.iter_mut().enumerate() {
        let (a, b, c) = (corner & 1, corner >> 1 & 1, corner >> 2);
        let mut bits = (seed ^ hx[a] ^ hy[b] ^ hz[c]).wrapping_mul(0x7feb_352d);
        bits = (bits ^ (bits >> 15)).wrapping_mul(0x846c_a68b);
        let [gx, gy, gz] = GRADIENTS[(bits >> 28) as usize];
        *height = gx * (x - a as f32) + gy * (y - b as f32) + gz * (z - c as f32);
    }
    let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (u, v, w) = (fade(x), fade(y), fade(z));
    let edge = |i: usize| corners[i] + (corners[i + 1] - corners[i]) * u;
    let face = |i: usize| edge(i) + (edge(i + 2) - edge(i)) * v;
    face(0) + (face(4) - face(0)) * w
}

/// How much of a feature of width `width` survives a pixel of width `footprint`.
#[inline]
pub(super) fn visibility(width: f32, footprint: f32) -> f32 {
    1.0 - smoothstep(0.5, 1.2, footprint / width)
}

/// Sum of `octaves` of gradient noise, each half as wide and half as strong; about -1 to 1.
pub(super) fn fractal(p: Vec3, octaves: u32, footprint: f32, seed: u32) -> f32 {
    let (mut sum, mut scale, mut weight) = (0.0, 1.0, 0.6);
    for octave in 0..octaves {
        let seen = visibility(1.0 / scale, footprint);
        if seen <= 0.0 {
            break;
        }
        sum += gradient(p * scale, seed.wrapping_add(octave.wrapping_mul(0x9e37_79b9))) * weight * seen;
        scale *= 2.03;
        weight *= 0.5;
    }
    sum
}

/// Sharp folds: 1 along creases and towards 0 between them, from two octaves of folded gradient noise.
#[inline]
pub(super) fn creases(p: Vec3, seed: u32) -> f32 {
    let coarse = gradient(p, seed).abs();
    let fine = gradient(p * 2.17 + vec3(3.1, 1.7, 0.4), seed ^ 0x55aa_1234).abs();
    1.0 - 1.3 * coarse - 0.6 * fine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> impl Iterator<Item = Vec3> {
        (0..4096).map(|i| vec3((i % 16) as f32 * 0.37, (i / 16 % 16) as f32 * 0.41, (i / 256) as f32 * 0.53))
    }

    #[test]
    fn gradient_noise_is_bounded_centred_and_varied() {
        let values: Vec<f32> = grid().map(|p| gradient(p, 7)).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / values.len() as f32;
        assert!(values.iter().all(|v| v.abs() <= 1.1));
        assert!(mean.abs() < 0.05, "{mean}");
        assert!(variance > 0.04, "{variance}");
    }

    #[test]
    fn noise_is_continuous_across_cells_and_zero_at_corners() {
        assert_eq!(gradient(vec3(3.0, -2.0, 5.0), 1), 0.0);
        let (below, above) = (gradient(vec3(0.999_99, 0.4, 0.6), 1), gradient(vec3(1.000_01, 0.4, 0.6), 1));
        assert!((below - above).abs() < 1e-3);
    }

    #[test]
    fn the_seed_changes_the_texture_and_a_wide_pixel_flattens_it() {
        let p = vec3(0.3, 0.6, 0.2);
        assert_ne!(gradient(p, 1), gradient(p, 2));
        assert_eq!(fractal(p, 4, 10.0, 1), 0.0);
        assert_ne!(fractal(p, 4, 0.0, 1), 0.0);
    }
}
