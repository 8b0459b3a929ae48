//! Where the camera stands and how the object lies: geometry of the picture that no material or light changes.

use serde::{Deserialize, Serialize};

use super::math::{Rotation, Vec3, cos, sin, vec3};

/// How the object lies on the floor; its lowest point touches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// Turn about the object's own axis.
    pub roll_rad: f32,
    /// 0 stands upright, a quarter turn lies on its side.
    pub tilt_rad: f32,
    /// Turn about the vertical.
    pub yaw_rad: f32,
}

impl Pose {
    #[inline]
    pub(super) fn rotation(&self) -> Rotation {
        Rotation::from_angles(self.roll_rad, self.tilt_rad, self.yaw_rad)
    }
}

/// A pinhole camera that looks down at the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Height of the view above the horizon; a quarter turn looks straight down.
    pub elevation_rad: f32,
    /// From the object's center, in object units.
    pub distance: f32,
    /// Tangent of half the vertical field of view.
    pub half_field: f32,
    /// Turn of the picture about its center.
    pub roll_rad: f32,
    /// Where the object's center appears, as shares of half the picture's height.
    pub shift: [f32; 2],
}

/// A half line; `direction` is a unit vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ray {
    pub origin: Vec3,
    pub direction: Vec3,
}

impl Ray {
    #[inline]
    pub fn at(self, t: f32) -> Vec3 {
        self.origin + self.direction * t
    }

    /// Distance to the floor, infinite for a ray that does not go down.
    #[inline]
    pub fn to_floor(self) -> f32 {
        if self.direction.z < -1e-4 { -self.origin.z / self.direction.z } else { f32::INFINITY }
    }
}

/// A camera aimed at a target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    pub origin: Vec3,
    forward: Vec3,
    right: Vec3,
    up: Vec3,
    half_field: f32,
    shift: [f32; 2],
}

impl Camera {
    #[inline]
    pub(super) fn aim(&self, target: Vec3) -> Aim {
        let (level, rise) = (cos(self.elevation_rad), sin(self.elevation_rad));
        let forward = vec3(0.0, level, -rise);
        let (right, up) = (vec3(1.0, 0.0, 0.0), vec3(0.0, rise, level));
        let (c, s) = (cos(self.roll_rad), sin(self.roll_rad));
        Aim {
            origin: target - forward * self.distance,
            forward,
            right: right * c + up * s,
            up: up * c - right * s,
            half_field: self.half_field,
            shift: self.shift,
        }
    }
}

impl Aim {
    /// The ray through a point of the picture: `y` runs from -1 (bottom) to 1 (top), `x` alike times the aspect.
    #[inline]
    pub fn ray(&self, x: f32, y: f32) -> Ray {
        let (x, y) = ((x - self.shift[0]) * self.half_field, (y - self.shift[1]) * self.half_field);
        Ray { origin: self.origin, direction: (self.forward + self.right * x + self.up * y).normalized() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(elevation_rad: f32) -> Camera {
        Camera { elevation_rad, distance: 3.0, half_field: 0.5, roll_rad: 0.0, shift: [0.25, -0.5] }
    }

    #[test]
    fn the_target_appears_where_the_shift_says() {
        let target = vec3(0.0, 0.0, 0.4);
        let ray = camera(0.7).aim(target).ray(0.25, -0.5);
        assert!((ray.at(3.0) - target).length() < 1e-5);
    }

    #[test]
    fn up_in_the_picture_is_away_on_the_floor_and_right_is_right() {
        let aim = camera(0.7).aim(Vec3::ZERO);
        let floor = |x, y| {
            let ray = aim.ray(x, y);
            ray.at(ray.to_floor())
        };
        assert!(floor(0.0, 0.5).y > floor(0.0, -0.5).y);
        assert!(floor(0.5, 0.0).x > floor(-0.5, 0.0).x);
        assert!(floor(0.3, 0.1).z.abs() < 1e-5);
    }

    #[test]
    fn a_ray_to_the_sky_never_meets_the_floor() {
        assert_eq!(Ray { origin: Vec3::UP, direction: vec3(0.0, 0.6, 0.8) }.to_floor(), f32::INFINITY);
    }
}
