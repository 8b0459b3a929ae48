//! The object in the world: its shape, damaged and posed, with the questions that light asks of it.
//!
//! Rays march by sphere tracing (Hart 1996); soft shadows and occlusion after Quilez, *Free penumbra shadows* (2010).

use super::camera::Ray;
use super::damage::Damage;
use super::math::{Rotation, Vec3, smoothstep, vec3};
use super::noise;
use super::scene::Scene;
use super::shape::Shape;

const MARCH_STEPS: u32 = 72;
const SHADOW_STEPS: u32 = 20;
/// Distance at which a ray has arrived, object units.
const ARRIVED: f32 = 0.003;
/// How far creases rise above an undamaged surface at most, as a multiple of their height: swelling, and bending a sheet.
const ROUND_RISE: f32 = 0.55;
const THIN_RISE: f32 = 1.6 * (1.35 + ROUND_RISE);

/// A shape with its damage, resting on the floor.
pub(super) struct Solid<'a> {
    pub shape: &'a Shape,
    damage: &'a Damage,
    rotation: Rotation,
    center: Vec3,
    bounding_radius: f32,
    /// Center and radius of each pressing ball, local.
    dents: Vec<(Vec3, f32)>,
    /// Direction, offset and jag of the cut, local.
    cut: Option<(Vec3, f32, f32)>,
    step_share: f32,
}

impl<'a> Solid<'a> {
    pub fn of(scene: &'a Scene) -> Self {
        let (shape, damage) = (&scene.shape, &scene.damage);
        let rotation = scene.pose.rotation();
        let rise = if shape.is_thin() { THIN_RISE } else { ROUND_RISE };
        let mut solid = Self {
            shape,
            damage,
            rotation,
            center: Vec3::ZERO,
            bounding_radius: shape.bounding_radius() + rise * damage.crumple,
            dents: Vec::new(),
            cut: None,
            step_share: 0.9 / (shape.slope() + 2.2 * damage.crumple * damage.crumple_frequency),
        };
        // Of the undamaged shape: damage moves neither the object nor the camera that looks at it.
        solid.center.z = -solid.lowest();
        solid.cut =
            damage.tear.as_ref().map(|tear| (tear.toward, tear.at * solid.surface_along(tear.toward), tear.jag));
        if !shape.is_thin() {
            solid.dents = damage
                .dents
                .iter()
                .map(|dent| {
                    let surface = solid.surface_along(dent.toward);
                    (dent.toward * (surface + dent.radius - dent.depth), dent.radius)
                })
                .collect();
        }
        solid
    }

    /// Height of the object's center above the floor, which the camera looks at.
    pub fn center(&self) -> Vec3 {
        self.center
    }

    pub fn to_local(&self, p: Vec3) -> Vec3 {
        self.rotation.to_local(p - self.center)
    }

    pub fn direction_to_local(&self, d: Vec3) -> Vec3 {
        self.rotation.to_local(d)
    }

    pub fn direction_to_world(&self, d: Vec3) -> Vec3 {
        self.rotation.to_world(d)
    }

    /// Height of the shape's lowest point relative to its center, by rays from below.
    fn lowest(&self) -> f32 {
        const RAYS: i32 = 8;
        let radius = self.shape.bounding_radius();
        let mut lowest = radius;
        for i in -RAYS..=RAYS {
            for j in -RAYS..=RAYS {
                let (x, y) = (radius * i as f32 / RAYS as f32, radius * j as f32 / RAYS as f32);
                let mut z = -radius;
                while z < lowest {
                    let distance = self.shape.distance(self.rotation.to_local(vec3(x, y, z)));
                    if distance < ARRIVED {
                        lowest = z;
                        break;
                    }
                    z += (distance / self.shape.slope()).max(ARRIVED);
                }
            }
        }
        lowest
    }

    /// Distance of the outermost surface from the center along a local direction.
    fn surface_along(&self, toward: Vec3) -> f32 {
        let mut t = self.bounding_radius;
        for _ in 0..MARCH_STEPS {
            let distance = self.shape.distance(toward * t);
            if distance < ARRIVED {
                break;
            }
            t -= distance * self.step_share;
        }
        t.max(0.0)
    }

    fn local_distance(&self, mut p: Vec3) -> f32 {
        let crumple = self.damage.crumple;
        let folded = |q: Vec3| noise::creases(q * self.damage.crumple_frequency, self.damage.seed) - 0.45;
        if self.shape.is_thin() && crumple > 0.0 {
            let flat = self.shape.distance(p);
            if flat > 1.3 * THIN_RISE * crumple + 0.02 {
                return flat - THIN_RISE * crumple;
            }
            // Upward only: a crumpled sheet rests on its lowest folds.
            p.z += 1.6 * crumple * (folded(vec3(p.x, p.y, 0.0)) - ROUND_RISE);
        }
        let mut distance = self.shape.distance(p);
        // Dents and cuts only take away: farther out than folds rise, an underestimate is enough and saves the noise.
        if distance > 0.9 * crumple + 0.08 {
            return distance - ROUND_RISE * crumple;
        }
        if !self.shape.is_thin() && crumple > 0.0 {
            distance -= crumple * folded(p);
        }
        for &(center, radius) in &self.dents {
            distance = -super::math::smooth_min(-distance, (p - center).length() - radius, 0.08);
        }
        if let Some((toward, offset, jag)) = self.cut {
            let ragged = jag * noise::gradient(p * 5.0, self.damage.seed ^ 0x7ea2);
            distance = distance.max(p.dot(toward) - offset + ragged);
        }
        distance
    }

    pub fn distance(&self, p: Vec3) -> f32 {
        self.local_distance(self.to_local(p))
    }

    /// Where a ray passes the bounding ball, if it does.
    fn bounds(&self, ray: &Ray) -> Option<(f32, f32)> {
        let from = ray.origin - self.center;
        let b = from.dot(ray.direction);
        let under_root = b * b - from.dot(from) + self.bounding_radius * self.bounding_radius;
        if under_root <= 0.0 {
            return None;
        }
        let root = under_root.sqrt();
        (root - b > 0.0).then(|| ((-b - root).max(0.0), root - b))
    }

    /// Distance along the ray to the object, if it is hit before `limit`.
    pub fn hit(&self, ray: &Ray, limit: f32) -> Option<f32> {
        let (mut t, end) = self.bounds(ray)?;
        let end = end.min(limit);
        for _ in 0..MARCH_STEPS {
            if t > end {
                return None;
            }
            let distance = self.distance(ray.at(t));
            if distance < ARRIVED {
                return Some(t);
            }
            t += (distance * self.step_share).max(ARRIVED);
        }
        None
    }

    /// Outward unit normal, from four distances `reach` apart (Quilez' tetrahedron).
    pub fn normal(&self, p: Vec3, reach: f32) -> Vec3 {
        const CORNERS: [Vec3; 4] =
            [vec3(1.0, -1.0, -1.0), vec3(-1.0, -1.0, 1.0), vec3(-1.0, 1.0, -1.0), vec3(1.0, 1.0, 1.0)];
        let local = self.to_local(p);
        let sum =
            CORNERS.iter().fold(Vec3::ZERO, |sum, &corner| sum + corner * self.local_distance(local + corner * reach));
        self.rotation.to_world(sum.normalized())
    }

    /// Share of a light of angular size `softness` that reaches `p`, 0 to 1.
    pub fn lit(&self, p: Vec3, toward: Vec3, softness: f32) -> f32 {
        let ray = Ray { origin: p, direction: toward };
        let Some((start, end)) = self.bounds(&ray) else { return 1.0 };
        let (mut t, mut share) = (start.max(0.02), 1.0_f32);
        for _ in 0..SHADOW_STEPS {
            let distance = self.distance(ray.at(t));
            share = share.min(distance / (softness * t));
            if share < -0.9 || t > end {
                break;
            }
            t += (distance * self.step_share).clamp(0.03, 0.25);
        }
        smoothstep(-1.0, 1.0, share)
    }

    /// Share of the sky that the object leaves open above `p` on a surface of normal `n`, 0 to 1.
    pub fn open_sky(&self, p: Vec3, n: Vec3) -> f32 {
        let near = self.distance(p + n * 0.12) / 0.12;
        let far = self.distance(p + n * 0.4) / 0.4;
        (0.25 + 0.4 * near.min(1.0) + 0.35 * far.min(1.0)).clamp(0.1, 1.0)
    }

    /// Whether `p` is so far from the object that it casts nothing on it.
    pub fn is_remote(&self, p: Vec3) -> bool {
        (p - self.center).length() > self.bounding_radius + 0.6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene;
    use augtrial_base::seed::StudySeed;

    #[test]
    fn every_object_rests_on_the_floor() {
        for index in 0..80 {
            let whole = scene(StudySeed(9), index).1.with_damage(Damage::default());
            let solid = Solid::of(&whole);
            let step = 0.04;
            let under = (-35..=35).flat_map(|i| (-35..=35).map(move |j| (i as f32 * step, j as f32 * step)));
            let nearest = under.map(|(x, y)| solid.distance(vec3(x, y, 0.0))).fold(f32::INFINITY, f32::min);
            assert!(nearest.abs() < 0.05, "image {index}: {nearest} above the floor, {:?}", whole.shape);
        }
    }

    #[test]
    fn a_ray_ends_on_the_surface_and_its_normal_faces_the_camera() {
        let mut hits = 0;
        for index in 0..40 {
            let scene = scene(StudySeed(9), index).1;
            let solid = Solid::of(&scene);
            let aim = scene.camera.aim(solid.center());
            for (x, y) in [(0.0, 0.0), (0.2, 0.1), (-0.15, 0.2), (0.1, -0.2)] {
                let ray = aim.ray(x, y);
                if let Some(t) = solid.hit(&ray, ray.to_floor()) {
                    hits += 1;
                    assert!(solid.distance(ray.at(t)) < ARRIVED);
                    let n = solid.normal(ray.at(t), 0.004);
                    assert!(n.dot(ray.direction) < 0.35, "image {index}: {n:?}");
                }
            }
        }
        assert!(hits > 60, "{hits}");
    }

    #[test]
    fn the_shadow_lies_opposite_the_light_and_nowhere_else() {
        let mut scene = scene(StudySeed(9), 0).1.with_damage(Damage::default());
        scene.shape = Shape::Carton { half: vec3(0.4, 0.4, 0.4) };
        scene.pose = crate::Pose { roll_rad: 0.0, tilt_rad: 0.0, yaw_rad: 0.0 };
        let solid = Solid::of(&scene);
        let toward = vec3(1.0, 0.0, 1.0).normalized();
        assert_eq!(solid.lit(vec3(2.0, 0.0, 0.0), toward, 0.1), 1.0);
        assert_eq!(solid.lit(vec3(0.0, 1.5, 0.0), toward, 0.1), 1.0);
        assert!(solid.lit(vec3(-0.7, 0.0, 0.0), toward, 0.1) < 0.05);
    }
}
