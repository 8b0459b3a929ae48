//! The shapes, as signed distance functions (after Quilez, *Distance functions*): negative inside, in object units.
//!
//! The local `z` is the axis of turned shapes and the normal of flat ones. A shape knows nothing of its material.

use serde::{Deserialize, Serialize};

use super::math::{Vec3, atan2, cos, mix, smooth_min, smoothstep, vec3};
use super::noise;

/// What the object's form is; about one unit from its center to its farthest point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// A closed carton, with half sides.
    Carton { half: Vec3 },
    /// A flat or curved sheet: a flattened box, a page, a pane.
    Sheet { half_width: f32, half_depth: f32, thickness: f32, bend: f32 },
    /// A can with rims.
    Can { radius: f32, half_height: f32 },
    /// A bottle or jar: body, shoulder, neck and lip.
    Bottle { radius: f32, half_height: f32, neck_radius: f32, neck_share: f32 },
    /// An open cup, wider at the top.
    Cup { top_radius: f32, bottom_radius: f32, half_height: f32, wall: f32 },
    /// A compact lump, as paper or foil crumpled in the hand.
    Ball { radius: f32, lumps: f32, seed: u32 },
    /// A piece torn or broken off, with a ragged outline.
    Fragment { radius: f32, thickness: f32, bend: f32, jag: f32, seed: u32 },
    /// A filled bag, tied at the top.
    Bag { radius: f32, folds: f32, seed: u32 },
    /// An open tray.
    Tray { half: Vec3, wall: f32 },
    /// A tube, open at both ends.
    Tube { radius: f32, half_height: f32, wall: f32 },
}

impl Shape {
    /// Number of variants, for tests and sampling.
    pub const KINDS: usize = 10;

    /// Signed distance from `p` to the surface. May be too small, by a factor that [`Self::slope`] states.
    pub(super) fn distance(&self, p: Vec3) -> f32 {
        match *self {
            Self::Carton { half } => cuboid(p, half, 0.04),
            Self::Sheet { half_width, half_depth, thickness, bend } => {
                let z = p.z - bend * (p.x * p.x - 0.4 * half_width * half_width);
                cuboid(vec3(p.x, p.y, z), vec3(half_width, half_depth, thickness), thickness * 0.5)
            }
            Self::Can { radius, half_height } => can(radial(p), p.z, radius, half_height),
            Self::Bottle { radius, half_height, neck_radius, neck_share } => {
                bottle(radial(p), p.z, radius, half_height, neck_radius, neck_share)
            }
            Self::Cup { top_radius, bottom_radius, half_height, wall } => {
                let height_share = (p.z / half_height).clamp(-1.0, 1.0) * 0.5 + 0.5;
                let side = radial(p) - mix(bottom_radius, top_radius, height_share);
                let outer = side.max(p.z.abs() - half_height);
                let inner = (side + wall).max(-half_height + wall - p.z);
                let rim = (side * side + (p.z - half_height) * (p.z - half_height)).sqrt() - wall * 0.9;
                outer.max(-inner).min(rim)
            }
            Self::Ball { radius, lumps, seed } => {
                let round = p.length() - radius;
                // Farther than any lump reaches, an underestimate is enough and saves the noise.
                if round > 2.0 * lumps {
                    round - lumps
                } else {
                    round + lumps * noise::gradient(p * (1.6 / radius), seed)
                }
            }
            Self::Fragment { radius, thickness, bend, jag, seed } => {
                let around = radial(p);
                let z = p.z - bend * (p.x * p.x - p.y * p.y * 0.4);
                let farthest = extrude(around - radius * (1.0 + 1.4 * jag), z, thickness, thickness * 0.6);
                if farthest > 0.1 {
                    return farthest;
                }
                let edge = vec3(p.x, p.y, 0.0) * (1.0 / around.max(1e-4));
                let ragged = noise::gradient(edge * 1.3, seed) + 0.4 * noise::gradient(edge * 4.0, seed ^ 1);
                let outline = around - radius * (1.0 + jag * ragged);
                extrude(outline, z, thickness, thickness * 0.6)
            }
            Self::Bag { radius, folds, seed } => bag(p, radius, folds, seed),
            Self::Tray { half, wall } => {
                let outer = cuboid(p, half, 0.05);
                let hollow = vec3(half.x - wall, half.y - wall, half.z);
                outer.max(-cuboid(p - vec3(0.0, 0.0, wall * 1.5), hollow, 0.05))
            }
            Self::Tube { radius, half_height, wall } => {
                let shell = (radial(p) - radius + wall).abs() - wall;
                extrude(shell, p.z, half_height, wall * 0.5)
            }
        }
    }

    /// How much faster than a true distance [`Self::distance`] can grow; the march divides its steps by it.
    #[inline]
    pub(super) fn slope(&self) -> f32 {
        match *self {
            Self::Carton { .. } | Self::Can { .. } | Self::Tray { .. } | Self::Tube { .. } => 1.0,
            Self::Bottle { .. } | Self::Cup { .. } => 1.15,
            Self::Ball { .. } => 1.3,
            Self::Sheet { bend, .. } => 1.0 + 1.6 * bend.abs(),
            Self::Fragment { bend, jag, .. } => 1.2 + 1.6 * bend.abs() + 2.0 * jag,
            Self::Bag { folds, .. } => 1.35 + 2.0 * folds,
        }
    }

    /// Radius of a ball about the center that holds the shape.
    pub(super) fn bounding_radius(&self) -> f32 {
        match *self {
            Self::Carton { half } | Self::Tray { half, .. } => half.length(),
            Self::Sheet { half_width, half_depth, thickness, bend } => {
                vec3(half_width, half_depth, thickness + bend.abs() * half_width * half_width).length()
            }
            Self::Can { radius, half_height }
            | Self::Bottle { radius, half_height, .. }
            | Self::Tube { radius, half_height, .. } => vec3(radius, 0.0, half_height).length() + 0.03,
            Self::Cup { top_radius, half_height, wall, .. } => vec3(top_radius, 0.0, half_height).length() + wall,
            Self::Ball { radius, lumps, .. } => radius + lumps,
            Self::Fragment { radius, thickness, bend, jag, .. } => {
                let far = radius * (1.0 + 1.3 * jag);
                vec3(far, 0.0, thickness + bend.abs() * far * far).length()
            }
            Self::Bag { radius, .. } => radius * 1.35,
        }
    }

    /// Whether the shape is a thin sheet, which crumples by bending and not by swelling.
    #[inline]
    pub(super) fn is_thin(&self) -> bool {
        matches!(self, Self::Sheet { .. } | Self::Fragment { .. })
    }

    /// Whether the shape is turned about its `z` axis, so that labels wrap around it.
    #[inline]
    pub(super) fn is_turned(&self) -> bool {
        matches!(self, Self::Can { .. } | Self::Bottle { .. } | Self::Cup { .. } | Self::Tube { .. })
    }

    /// Coordinates on the surface in object units, for prints and grain: around and along, or the two flat axes.
    #[inline]
    pub(super) fn chart(&self, p: Vec3, n: Vec3) -> [f32; 2] {
        let facing = n.abs();
        if self.is_turned() && facing.z < 0.8 {
            let radius = radial(p).max(0.2);
            return [atan2(p.y, p.x) * radius, p.z];
        }
        if facing.z >= facing.x && facing.z >= facing.y {
            [p.x, p.y]
        } else if facing.x >= facing.y {
            [p.y, p.z]
        } else {
            [p.x, p.z]
        }
    }
}

#[inline]
fn radial(p: Vec3) -> f32 {
    (p.x * p.x + p.y * p.y).sqrt()
}

#[inline]
fn cuboid(p: Vec3, half: Vec3, rounding: f32) -> f32 {
    let q = p.abs() - half + Vec3::splat(rounding);
    q.max(0.0).length() + q.x.max(q.y).max(q.z).min(0.0) - rounding
}

/// A flat outline given thickness: `outline` is its distance in the plane.
#[inline]
fn extrude(outline: f32, z: f32, half_height: f32, rounding: f32) -> f32 {
    let (a, b) = (outline + rounding, z.abs() - half_height + rounding);
    let outside = (a.max(0.0) * a.max(0.0) + b.max(0.0) * b.max(0.0)).sqrt();
    outside + a.max(b).min(0.0) - rounding
}

#[inline]
fn can(around: f32, z: f32, radius: f32, half_height: f32) -> f32 {
    let inset = 0.12 * radius * smoothstep(half_height * 0.8, half_height, z.abs());
    let body = extrude(around - radius + inset, z, half_height, 0.03);
    let lid = extrude(around - radius * 0.8, z.abs() - half_height, 0.04, 0.01);
    let (ring, height) = (around - radius * 0.86, z.abs() - half_height);
    let rim = (ring * ring + height * height).sqrt() - 0.035;
    body.max(-lid).min(rim)
}

#[inline]
fn bottle(around: f32, z: f32, radius: f32, half_height: f32, neck_radius: f32, neck_share: f32) -> f32 {
    let shoulder = half_height * (1.0 - 2.0 * neck_share);
    let body_half = (half_height + shoulder) * 0.5;
    let body = extrude(around - radius, z - (shoulder - body_half), body_half, radius * 0.35);
    let neck = extrude(
        around - neck_radius,
        z - (shoulder + half_height) * 0.5 + 0.1,
        (half_height - shoulder) * 0.5 + 0.1,
        0.02,
    );
    let lip = extrude(around - neck_radius * 1.22, z - half_height + 0.06, 0.06, 0.02);
    smooth_min(body, neck, radius * 0.45).min(lip)
}

#[inline]
fn bag(p: Vec3, radius: f32, folds: f32, seed: u32) -> f32 {
    let stretched = vec3(p.x, p.y, p.z * 1.18);
    let body = stretched.length() - radius * 0.95;
    if body > radius * 0.6 {
        return body - radius * 0.4;
    }
    let top = p.z - radius * 0.95;
    let tuft = radial(p) - mix(0.12, 0.3, smoothstep(0.0, radius * 0.3, top)) * radius;
    let tuft = tuft.max(top.abs() - radius * 0.28);
    let angle = atan2(p.y, p.x);
    let pleats = cos(angle * 9.0 + 2.0 * noise::gradient(p * 1.5, seed)) * smoothstep(-0.3, 1.0, p.z / radius);
    smooth_min(body, tuft, 0.3 * radius) + folds * (0.6 * noise::gradient(p * (2.2 / radius), seed) + 0.35 * pleats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw as _;
    use crate::sample;
    use augtrial_base::seed::{Purpose, StudySeed};

    fn shapes() -> Vec<Shape> {
        (0..200).map(|index| sample::shape(&mut StudySeed(5).stream(Purpose::Gallery, index))).collect()
    }

    #[test]
    fn no_part_of_a_shape_lies_beyond_its_bounding_ball() {
        let mut rng = StudySeed(6).stream(Purpose::Gallery, 0);
        for shape in shapes() {
            for _ in 0..200 {
                let toward = rng.direction();
                let beyond_ball = toward * (shape.bounding_radius() + 0.02);
                assert!(shape.distance(beyond_ball) > 0.0, "{shape:?} at {beyond_ball:?}");
            }
        }
    }

    /// Sphere tracing needs this: a step of `distance / slope` never enters the shape.
    #[test]
    fn a_step_divided_by_the_slope_never_passes_the_surface() {
        let mut rng = StudySeed(7).stream(Purpose::Gallery, 0);
        let mut passed = 0;
        let mut steps = 0;
        for shape in shapes() {
            for _ in 0..100 {
                let p = rng.direction() * rng.between(0.2, 1.6);
                let distance = shape.distance(p);
                if distance > 0.0 {
                    let next = p + rng.direction() * (0.9 * distance / shape.slope());
                    steps += 1;
                    passed += u32::from(shape.distance(next) < -0.02);
                }
            }
        }
        assert!(steps > 5_000, "{steps}");
        assert!(passed * 500 < steps, "{passed} of {steps} steps");
    }

    #[test]
    fn every_kind_of_shape_is_drawn_and_encloses_something() {
        let mut rng = StudySeed(8).stream(Purpose::Gallery, 0);
        let mut kinds = std::collections::HashSet::new();
        for shape in shapes() {
            kinds.insert(std::mem::discriminant(&shape));
            let inside = (0..4000).any(|_| shape.distance(rng.direction() * rng.between(0.0, 1.1)) < 0.0);
            assert!(inside, "{shape:?}");
        }
        assert_eq!(kinds.len(), Shape::KINDS);
    }
}
