//! Vectors, colors and the few functions of one variable that the renderer needs.
//!
//! Sine, exponential and power come from the `libm` crate, not from the platform, and the compiler neither fuses nor
//! reorders `f32` operations: a scene gives the same bytes on every machine.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

use serde::{Deserialize, Serialize};

/// A point or direction; serialized as `[x, y, z]`. World `z` points up and the floor is `z = 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 3]", into = "[f32; 3]")]
pub struct Vec3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

/// Linear light in red, green and blue (`x`, `y`, `z`); 1 is a white surface under a light of intensity 1.
pub type Rgb = Vec3;

/// Shorthand for a vector.
#[inline]
pub(super) const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl From<[f32; 3]> for Vec3 {
    #[inline]
    fn from([x, y, z]: [f32; 3]) -> Self {
        Self { x, y, z }
    }
}

impl From<Vec3> for [f32; 3] {
    #[inline]
    fn from(v: Vec3) -> Self {
        [v.x, v.y, v.z]
    }
}

impl Vec3 {
    pub(super) const ZERO: Self = vec3(0.0, 0.0, 0.0);
    pub(super) const ONE: Self = vec3(1.0, 1.0, 1.0);
    pub(super) const UP: Self = vec3(0.0, 0.0, 1.0);

    #[inline]
    pub(super) const fn splat(value: f32) -> Self {
        vec3(value, value, value)
    }

    #[inline]
    pub(super) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    #[inline]
    pub(super) fn cross(self, o: Self) -> Self {
        vec3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    #[inline]
    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The unit vector of this direction; `UP` for the zero vector.
    #[inline]
    pub(super) fn normalized(self) -> Self {
        let length = self.length();
        if length > 1e-12 { self * (1.0 / length) } else { Self::UP }
    }

    #[inline]
    pub(super) fn abs(self) -> Self {
        vec3(self.x.abs(), self.y.abs(), self.z.abs())
    }

    #[inline]
    pub(super) fn max(self, floor: f32) -> Self {
        vec3(self.x.max(floor), self.y.max(floor), self.z.max(floor))
    }

    #[inline]
    pub(super) fn map(self, f: impl Fn(f32) -> f32) -> Self {
        vec3(f(self.x), f(self.y), f(self.z))
    }

    /// Rec. 709 luminance of a linear color.
    #[inline]
    pub(super) fn luminance(self) -> f32 {
        0.2126 * self.x + 0.7152 * self.y + 0.0722 * self.z
    }

    /// Mirror image of an incoming direction on a surface of normal `n`.
    #[inline]
    pub(super) fn reflected(self, n: Self) -> Self {
        self - n * (2.0 * self.dot(n))
    }
}

impl Add for Vec3 {
    type Output = Self;
    #[inline]
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl AddAssign for Vec3 {
    #[inline]
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Sub for Vec3 {
    type Output = Self;
    #[inline]
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    #[inline]
    fn mul(self, s: f32) -> Self {
        vec3(self.x * s, self.y * s, self.z * s)
    }
}

/// Component by component, as light is filtered by a color.
impl Mul for Vec3 {
    type Output = Self;
    #[inline]
    fn mul(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        vec3(-self.x, -self.y, -self.z)
    }
}

/// A rotation, as the images of the three local axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub x: Vec3,
    pub y: Vec3,
    pub z: Vec3,
}

impl Rotation {
    /// First `roll` about the local `z`, then `tilt` about `x`, then `yaw` about the world's `z`; radians.
    #[inline]
    pub(super) fn from_angles(roll: f32, tilt: f32, yaw: f32) -> Self {
        let turn_z = |v: Vec3, a: f32| vec3(cos(a) * v.x - sin(a) * v.y, sin(a) * v.x + cos(a) * v.y, v.z);
        let turn_x = |v: Vec3, a: f32| vec3(v.x, cos(a) * v.y - sin(a) * v.z, sin(a) * v.y + cos(a) * v.z);
        let turn = |v| turn_z(turn_x(turn_z(v, roll), tilt), yaw);
        Self { x: turn(vec3(1.0, 0.0, 0.0)), y: turn(vec3(0.0, 1.0, 0.0)), z: turn(Vec3::UP) }
    }

    #[inline]
    pub(super) fn to_world(self, v: Vec3) -> Vec3 {
        self.x * v.x + self.y * v.y + self.z * v.z
    }

    #[inline]
    pub(super) fn to_local(self, v: Vec3) -> Vec3 {
        vec3(self.x.dot(v), self.y.dot(v), self.z.dot(v))
    }
}

pub(super) fn sin(radians: f32) -> f32 {
    libm::sinf(radians)
}

pub(super) fn cos(radians: f32) -> f32 {
    libm::cosf(radians)
}

pub(super) fn exp(x: f32) -> f32 {
    libm::expf(x)
}

pub(super) fn pow(base: f32, exponent: f32) -> f32 {
    libm::powf(base, exponent)
}

pub(super) fn atan2(y: f32, x: f32) -> f32 {
    libm::atan2f(y, x)
}

#[inline]
pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

#[inline]
pub(super) fn mix3(a: Vec3, b: Vec3, t: f32) -> Vec3 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, a smooth cubic between.
#[inline]
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The smaller of two distances, rounded where they are within `k` of one another (Quilez, polynomial smooth minimum).
#[inline]
pub(super) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_and_its_inverse_cancel() {
        let rotation = Rotation::from_angles(0.3, 1.1, -2.0);
        let v = vec3(0.2, -1.3, 0.7);
        assert!((rotation.to_local(rotation.to_world(v)) - v).length() < 1e-6);
        assert!((rotation.x.cross(rotation.y) - rotation.z).length() < 1e-6, "right-handed");
    }

    #[test]
    fn a_smooth_minimum_is_never_above_the_minimum_and_meets_it_far_away() {
        assert_eq!(smooth_min(1.0, 3.0, 0.5), 1.0);
        assert!(smooth_min(1.0, 1.1, 0.5) < 1.0);
    }

    #[test]
    fn a_mirrored_direction_keeps_its_tangent_and_turns_its_normal() {
        assert_eq!(vec3(1.0, 0.0, -1.0).reflected(Vec3::UP), vec3(1.0, 0.0, 1.0));
    }
}
