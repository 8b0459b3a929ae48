//! Something blurred between the camera and the object: a finger, a leaf, the edge of a box.

use serde::{Deserialize, Serialize};

use super::math::{Rgb, cos, sin, smoothstep};

/// A capsule in front of the picture; lengths are shares of half the picture's height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occluder {
    /// Where its tip is.
    pub tip: [f32; 2],
    /// Direction in which it extends out of the picture.
    pub angle_rad: f32,
    /// Half its width.
    pub radius: f32,
    /// How blurred its edge is.
    pub softness: f32,
    pub color: Rgb,
}

impl Occluder {
    /// How much it covers at a point of the picture, and how bright it is there.
    pub(super) fn cover(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (x - self.tip[0], y - self.tip[1]);
        let (c, s) = (cos(self.angle_rad), sin(self.angle_rad));
        let (along, across) = ((c * dx + s * dy).min(0.0), c * dy - s * dx);
        let distance = (along * along + across * across).sqrt() / self.radius;
        let cover = 1.0 - smoothstep(1.0 - self.softness, 1.0 + self.softness, distance);
        (cover, 0.75 + 0.3 * (across / self.radius).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_covers_from_its_tip_outward_and_not_beyond() {
        let finger = Occluder { tip: [0.5, 0.0], angle_rad: 0.0, radius: 0.1, softness: 0.3, color: Rgb::default() };
        assert_eq!(finger.cover(0.6, 0.0).0, 1.0);
        assert_eq!(finger.cover(5.0, 0.0).0, 1.0);
        assert_eq!(finger.cover(0.2, 0.0).0, 0.0);
        assert_eq!(finger.cover(0.6, 0.3).0, 0.0);
        assert!((0.2..0.8).contains(&finger.cover(0.6, 0.1).0));
    }
}
