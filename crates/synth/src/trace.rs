//! From a scene to pixels: four rays a pixel, each ending on the object or on the floor.

use image::RgbImage;
use rayon::prelude::*;

use super::camera::{Aim, Ray};
use super::math::{Rgb, Vec3, mix3, vec3};
use super::scene::Scene;
use super::sensor::Film;
use super::shade::{Incidence, shade};
use super::solid::Solid;
use super::surface::{Surface, SurfacePoint, surface};

/// Offsets of the rays within a pixel: a rotated grid.
const SAMPLES: [(f32, f32); 4] = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];

/// The scene as a picture of the given size. The same scene and size give the same bytes on every machine and for every
/// number of threads; another size shows the same scene.
///
/// # Panics
/// If a side is zero.
#[must_use]
pub fn render(scene: &Scene, width_px: u32, height_px: u32) -> RgbImage {
    assert!(width_px > 0 && height_px > 0, "a picture has at least one pixel");
    let view = View::of(scene, height_px);
    let (width, height) = (width_px as usize, height_px as usize);
    let mut radiance = vec![Vec3::ZERO; width * height];
    radiance.par_chunks_mut(width).enumerate().for_each(|(row, pixels)| {
        for (column, pixel) in pixels.iter_mut().enumerate() {
            *pixel = view.pixel(|dx, dy| place_in_picture(column as f32 + dx, row as f32 + dy, width, height));
        }
    });
    scene.sensor.develop(Film { width_px: width, height_px: height, radiance })
}

/// Distance from the camera to the object at each pixel's center, `[H, W]` in object units; infinite where the floor is
/// seen. Finite values are the object's mask. The occluder, which is in front of the scene, does not count.
#[must_use]
pub fn depth(scene: &Scene, width_px: u32, height_px: u32) -> Vec<f32> {
    let view = View::of(scene, height_px);
    let (width, height) = (width_px as usize, height_px as usize);
    let at = |index: usize| {
        let (x, y) = place_in_picture((index % width) as f32 + 0.5, (index / width) as f32 + 0.5, width, height);
        let ray = view.aim.ray(x, y);
        view.solid.hit(&ray, ray.to_floor()).unwrap_or(f32::INFINITY)
    };
    (0..width * height).map(at).collect()
}

/// Pixels to the coordinates of [`Aim::ray`]: the height spans -1 to 1, upward.
fn place_in_picture(column: f32, row: f32, width: usize, height: usize) -> (f32, f32) {
    let half = height as f32 * 0.5;
    ((column - width as f32 * 0.5) / half, (half - row) / half)
}

/// A scene made ready for rays.
struct View<'a> {
    scene: &'a Scene,
    solid: Solid<'a>,
    aim: Aim,
    toward_light: Vec3,
    floor: Rgb,
    /// Light that the object lets pass, by color.
    passed: Rgb,
    /// Width of a pixel at distance 1.
    pixel: f32,
}

impl<'a> View<'a> {
    fn of(scene: &'a Scene, height_px: u32) -> Self {
        let solid = Solid::of(scene);
        Self {
            aim: scene.camera.aim(solid.center()),
            solid,
            scene,
            toward_light: scene.light.toward(),
            floor: scene.background.mean_color(),
            passed: mix3(Vec3::ONE, scene.color, 0.6) * (0.75 * scene.material.clarity()),
            pixel: 2.0 * scene.camera.half_field / height_px as f32,
        }
    }

    /// Mean radiance of a pixel; `place` turns an offset within it to a place in the picture.
    fn pixel(&self, place: impl Fn(f32, f32) -> (f32, f32)) -> Rgb {
        let hits = SAMPLES.map(|(dx, dy)| {
            let (x, y) = place(dx, dy);
            let ray = self.aim.ray(x, y);
            (ray, self.solid.hit(&ray, ray.to_floor()))
        });
        let radiance = if hits.iter().all(|(_, hit)| hit.is_none()) {
            // The floor's pattern and shadows are no sharper than a pixel: one ray is enough.
            let (x, y) = place(0.5, 0.5);
            self.floor(&self.aim.ray(x, y), true)
        } else {
            let sum = hits.iter().fold(Vec3::ZERO, |sum, (ray, hit)| sum + self.seen(ray, *hit));
            sum * (1.0 / SAMPLES.len() as f32)
        };
        let (x, y) = place(0.5, 0.5);
        self.occluded(radiance, x, y)
    }

    fn seen(&self, ray: &Ray, hit: Option<f32>) -> Rgb {
        hit.map_or_else(|| self.floor(ray, true), |t| self.object(ray, t))
    }

    /// What reaches the camera past the occluder, whose blurred edge is wider than a pixel.
    fn occluded(&self, radiance: Rgb, x: f32, y: f32) -> Rgb {
        let Some(occluder) = &self.scene.occluder else { return radiance };
        let (cover, brightness) = occluder.cover(x, y);
        let light = &self.scene.light;
        let front = occluder.color * (light.key() * 0.4 + light.ambient_color * light.ambient) * brightness;
        mix3(radiance, front, cover)
    }

    fn object(&self, ray: &Ray, t: f32) -> Rgb {
        let scene = self.scene;
        let p = ray.at(t);
        let footprint = self.pixel * t;
        let smooth = self.solid.normal(p, (0.5 * footprint).max(0.004));
        let local = self.solid.to_local(p);
        let place = SurfacePoint::of(self.solid.shape, local, self.solid.direction_to_local(smooth), footprint);
        let found = surface(&scene.material, scene.color, place);
        let n = (smooth + self.solid.direction_to_world(found.bump)).normalized();
        let facing = smooth.dot(self.toward_light) > -0.1;
        let lit = if facing { self.solid.lit(p + smooth * 0.02, self.toward_light, scene.light.softness) } else { 0.0 };
        let behind = if found.transmission > 0.0 { self.behind(ray, p, n, &found) } else { Vec3::ZERO };
        let at = Incidence {
            n,
            view: -ray.direction,
            grain: self.solid.direction_to_world(vec3(0.0, 0.0, 1.0)),
            lit: Vec3::splat(lit) + self.passed * (1.0 - lit),
            open: self.solid.open_sky(p, smooth),
            floor: self.floor,
            behind,
        };
        shade(&found, &scene.light, &at)
    }

    /// What is seen through a thin wall: the floor or the room, displaced by refraction, and the far wall's mirror image.
    fn behind(&self, ray: &Ray, p: Vec3, n: Vec3, found: &Surface) -> Rgb {
        let bent = (ray.direction - n * (0.28 + 0.2 * found.roughness)).normalized();
        let onward = Ray { origin: p, direction: bent };
        let light = &self.scene.light;
        let clear = if onward.to_floor().is_finite() {
            self.floor(&onward, false)
        } else {
            light.mirrored(bent, 0.3, self.floor)
        };
        let far_wall = light.mirrored(bent.reflected(n), found.roughness, self.floor) * 0.09;
        let frosted = light.around(n, self.floor) * 0.8;
        mix3(clear + far_wall, frosted, (found.roughness * 1.6).min(0.9))
    }

    /// The floor, or the room's wall above it. `shadowed` asks for the object's shadow.
    fn floor(&self, ray: &Ray, shadowed: bool) -> Rgb {
        let t = ray.to_floor();
        let light = &self.scene.light;
        if !t.is_finite() {
            return light.mirrored(ray.direction, 0.8, self.floor);
        }
        let p = ray.at(t);
        let travelled = (p - self.aim.origin).length();
        let slant = (-ray.direction.z).max(0.15);
        let ground = self.scene.background.at(p.x, p.y, self.pixel * travelled / slant.sqrt());
        let n = (Vec3::UP + ground.bump).normalized();
        let mut lit = Vec3::splat(0.6);
        let mut open = 0.7;
        if shadowed {
            let share = self.solid.lit(p, self.toward_light, light.softness);
            lit = Vec3::splat(share) + self.passed * (1.0 - share);
            open = if self.solid.is_remote(p) { 1.0 } else { self.solid.open_sky(p, Vec3::UP) };
        }
        let scattered = ground.albedo
            * (light.key() * lit * n.dot(self.toward_light).max(0.0) + light.around(n, self.floor) * open);
        let mirror =
            light.mirrored(ray.direction.reflected(n), 0.3, self.floor) * (ground.gloss * 0.3 * (1.0 - slant) * open);
        scattered + mirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Damage, Light, scene};
    use augtrial_base::digest::Digest;
    use augtrial_base::seed::StudySeed;

    fn example(index: u64) -> Scene {
        scene(StudySeed(1), index).1
    }

    /// Recorded once; a change of any pixel is a new `RENDERER_VERSION`. Holds on every machine: see `math`.
    #[test]
    fn renders_are_pinned() {
        let digest = |index, w, h| Digest::of_bytes(render(&example(index), w, h).as_raw()).short();
        let digests = [digest(0, 16, 12), digest(1, 16, 12), digest(2, 24, 8), digest(77, 16, 12)];
        assert_eq!(digests, ["c34851d0f12b", "f619878d62ee", "d7c2e4fab918", "2d626c09d675"]);
    }

    #[test]
    fn the_number_of_threads_changes_no_byte() {
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let crowd = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        for index in 0..4 {
            let scene = example(index);
            assert_eq!(alone.install(|| render(&scene, 32, 24)), crowd.install(|| render(&scene, 32, 24)));
        }
    }

    #[test]
    fn another_material_light_floor_or_color_leaves_every_depth_as_it_was() {
        for index in 0..6 {
            let (scene, other) = (example(index), example(index + 50));
            let before = depth(&scene, 32, 24);
            let changed = [
                scene.with_material(other.material.clone()),
                scene.with_light(other.light.clone()),
                scene.with_background(other.background.clone()),
                scene.with_color(other.color),
            ];
            for (part, after) in changed.iter().enumerate() {
                assert_eq!(depth(after, 32, 24), before, "image {index}, part {part}");
                assert_ne!(render(after, 32, 24), render(&scene, 32, 24), "image {index}, part {part}");
            }
        }
    }

    #[test]
    fn a_scene_given_its_own_parts_again_is_the_same_picture() {
        let scene = example(3);
        let again = scene
            .with_material(scene.material.clone())
            .with_light(scene.light.clone())
            .with_background(scene.background.clone())
            .with_damage(scene.damage.clone())
            .with_color(scene.color);
        assert_eq!(render(&again, 32, 24), render(&scene, 32, 24));
    }

    #[test]
    fn damage_changes_the_form() {
        let changed = (0..10).filter(|&index| {
            let scene = example(index);
            let whole = scene.with_damage(Damage::default());
            let crumpled = Damage { crumple: 0.1, crumple_frequency: 2.0, ..Damage::default() };
            depth(&scene.with_damage(crumpled), 32, 24) != depth(&whole, 32, 24)
        });
        assert_eq!(changed.count(), 10);
    }

    #[test]
    fn a_brighter_light_gives_a_brighter_picture() {
        let mean = |scene: &Scene| render(scene, 16, 12).as_raw().iter().map(|&b| u64::from(b)).sum::<u64>();
        for index in 0..6 {
            let scene = example(index);
            let at = |intensity| scene.with_light(Light { intensity, ..scene.light.clone() });
            assert!(mean(&at(0.2)) < mean(&at(0.8)), "image {index}");
        }
    }

    #[test]
    fn a_larger_picture_shows_the_same_scene() {
        for index in 0..8 {
            let mut scene = example(index);
            scene.sensor.noise = 0.0;
            let small = render(&scene, 48, 36);
            let large = image::imageops::thumbnail(&render(&scene, 192, 144), 48, 36);
            let apart = small.as_raw().iter().zip(large.as_raw()).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>();
            let mean = apart as f64 / small.as_raw().len() as f64;
            assert!(mean < 9.0, "image {index}: {mean} gray levels apart");
        }
    }

    #[test]
    fn no_ray_of_any_class_ends_in_a_number_that_is_not_one() {
        for index in 0..60 {
            let scene = example(index);
            let view = View::of(&scene, 24);
            for at in 0..(32 * 24) {
                let (column, row) = ((at % 32) as f32, (at / 32) as f32);
                let radiance = <[f32; 3]>::from(view.pixel(|dx, dy| place_in_picture(column + dx, row + dy, 32, 24)));
                assert!(radiance.iter().all(|r| r.is_finite() && *r >= 0.0), "image {index}: {radiance:?}");
            }
        }
    }
}
