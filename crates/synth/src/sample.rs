//! How scenes vary: the distribution that [`Scene::sample`] draws from.
//!
//! Shape, pose, damage, light, floor, occluder and sensor are drawn without regard to the class. Only material and color
//! depend on it, and their ranges overlap on purpose: white plastic beside white paper, gray metal beside gray plastic,
//! clear plastic beside glass, printed anything.

use std::f32::consts::{FRAC_PI_2, PI};

use super::background::{Background, Floor};
use super::camera::{Camera, Pose};
use super::damage::{Damage, Dent, Tear};
use super::draw::Draw;
use super::light::Light;
use super::material::{Class, Coat, Material, SOILED_FROM, Soil, Substance};
use super::math::{Rgb, Vec3, mix3, vec3};
use super::occluder::Occluder;
use super::palette::{gray, muted, saturated, shade_of, temperature, vivid};
use super::print::{Print, PrintStyle};
use super::scene::Scene;
use super::sensor::Sensor;
use super::shape::Shape;
use augtrial_base::seed::Stream;

impl Scene {
    /// Draws a scene of the class.
    #[must_use]
    pub fn sample(rng: &mut Stream, class: Class) -> Self {
        let shape = shape(rng);
        let pose = pose(rng, &shape);
        let camera = camera(rng, &shape);
        let damage = damage(rng);
        let light = light(rng);
        let background = background(rng);
        let occluder = occluder(rng);
        let sensor = sensor(rng);
        let (material, color) = material(rng, class);
        Self { shape, pose, material, color, damage, light, background, occluder, camera, sensor }
    }
}

/// A class, with the imbalance of `TrashNet`.
pub(super) fn class(rng: &mut Stream) -> Class {
    Class::ALL[rng.weighted(&Class::TRASHNET_COUNTS)]
}

pub(super) fn shape(rng: &mut Stream) -> Shape {
    match rng.weighted(&[14, 14, 12, 16, 11, 11, 10, 8, 8, 6]) {
        0 => Shape::Carton { half: vec3(rng.between(0.35, 0.75), rng.between(0.25, 0.6), rng.between(0.12, 0.7)) },
        1 => Shape::Sheet {
            half_width: rng.between(0.5, 0.85),
            half_depth: rng.between(0.35, 0.7),
            thickness: rng.between(0.012, 0.035),
            bend: rng.between(-0.5, 0.5),
        },
        2 => Shape::Can { radius: rng.between(0.35, 0.55), half_height: rng.between(0.3, 0.8) },
        3 => {
            let radius = rng.between(0.26, 0.42);
            Shape::Bottle {
                radius,
                half_height: rng.between(0.7, 1.0),
                neck_radius: radius * rng.between(0.3, 0.7),
                neck_share: rng.between(0.15, 0.33),
            }
        }
        4 => {
            let top_radius = rng.between(0.4, 0.6);
            Shape::Cup {
                top_radius,
                bottom_radius: top_radius * rng.between(0.6, 0.9),
                half_height: rng.between(0.35, 0.75),
                wall: rng.between(0.03, 0.05),
            }
        }
        5 => Shape::Ball { radius: rng.between(0.55, 0.75), lumps: rng.between(0.08, 0.2), seed: rng.bits() },
        6 => Shape::Fragment {
            radius: rng.between(0.55, 0.75),
            thickness: rng.between(0.015, 0.05),
            bend: rng.between(-0.4, 0.4),
            jag: rng.between(0.15, 0.4),
            seed: rng.bits(),
        },
        7 => Shape::Bag { radius: rng.between(0.65, 0.85), folds: rng.between(0.04, 0.12), seed: rng.bits() },
        8 => Shape::Tray {
            half: vec3(rng.between(0.5, 0.75), rng.between(0.4, 0.6), rng.between(0.12, 0.3)),
            wall: rng.between(0.03, 0.05),
        },
        _ => Shape::Tube {
            radius: rng.between(0.2, 0.45),
            half_height: rng.between(0.4, 0.9),
            wall: rng.between(0.025, 0.04),
        },
    }
}

fn pose(rng: &mut Stream, shape: &Shape) -> Pose {
    let lies = match shape {
        Shape::Sheet { .. } | Shape::Fragment { .. } | Shape::Tray { .. } => 0.0,
        Shape::Bag { .. } => 0.25,
        Shape::Bottle { .. } | Shape::Tube { .. } => 0.65,
        _ => 0.45,
    };
    let lean = rng.between(-0.06, 0.06);
    Pose {
        roll_rad: rng.angle(),
        tilt_rad: lean + if rng.chance(lies) { FRAC_PI_2 } else { 0.0 },
        yaw_rad: rng.angle(),
    }
}

fn camera(rng: &mut Stream, shape: &Shape) -> Camera {
    let half_field = rng.between(0.25, 0.5);
    // The bounding ball fills this share of the picture's height.
    let fill = rng.between(0.9, 1.35);
    Camera {
        elevation_rad: rng.between(0.42, 1.5),
        distance: shape.bounding_radius() / (half_field * fill),
        half_field,
        roll_rad: rng.between(-0.25, 0.25),
        shift: [rng.between(-0.28, 0.28), rng.between(-0.16, 0.16)],
    }
}

fn damage(rng: &mut Stream) -> Damage {
    let dents = if rng.chance(0.35) { 1 + rng.weighted(&[3, 2, 1]) } else { 0 };
    let dents = (0..dents).map(|_| Dent {
        toward: rng.direction(),
        radius: rng.between(0.2, 0.6),
        depth: rng.between(0.04, 0.15),
    });
    let dents = dents.collect();
    let crumple = if rng.chance(0.5) { rng.mostly_low(0.01, 0.105) } else { 0.0 };
    let tear = rng.chance(0.14).then(|| Tear {
        toward: rng.direction(),
        at: rng.between(0.3, 0.8),
        jag: rng.between(0.03, 0.14),
    });
    Damage { dents, crumple, crumple_frequency: rng.between(1.2, 3.0), tear, seed: rng.bits() }
}

fn light(rng: &mut Stream) -> Light {
    let warmth = rng.between(-0.5, 0.5);
    let room = rng.between(-1.0, 1.0);
    Light {
        azimuth_rad: rng.angle(),
        elevation_rad: rng.between(0.4, 1.4),
        intensity: rng.between(0.45, 1.1),
        color: temperature(warmth),
        ambient: rng.between(0.14, 0.55),
        ambient_color: temperature(0.4 * room),
        softness: rng.mostly_low(0.05, 0.6),
    }
}

fn background(rng: &mut Stream) -> Background {
    let floor = Floor::ALL[rng.weighted(&[52, 9, 12, 6, 8, 6, 7])];
    let (color, accent, frequency) = match floor {
        Floor::Board => (shade_of(rng, Vec3::splat(0.7), 0.25), Vec3::splat(0.4), 1.0),
        Floor::Wood => (shade_of(rng, vec3(0.42, 0.25, 0.13), 0.5), vec3(0.16, 0.08, 0.035), rng.between(0.8, 2.0)),
        Floor::Concrete => (shade_of(rng, vec3(0.34, 0.33, 0.31), 0.5), vec3(0.15, 0.145, 0.14), rng.between(0.7, 1.6)),
        Floor::Cloth => (muted(rng), muted(rng), rng.between(0.6, 1.3)),
        Floor::Tiles => {
            (shade_of(rng, vec3(0.5, 0.47, 0.42), 0.6), Vec3::splat(rng.between(0.08, 0.4)), rng.between(0.5, 1.1))
        }
        Floor::Grass => (shade_of(rng, vec3(0.16, 0.27, 0.06), 0.5), vec3(0.05, 0.07, 0.02), rng.between(0.8, 1.6)),
        Floor::Belt => (Vec3::splat(rng.between(0.03, 0.09)), vec3(0.2, 0.18, 0.15), rng.between(0.6, 1.2)),
    };
    let litter = if rng.chance(0.25) { rng.between(0.1, 0.6) } else { 0.0 };
    Background { floor, color, accent, frequency, angle_rad: rng.between(0.0, PI), litter, seed: rng.bits() }
}

fn occluder(rng: &mut Stream) -> Option<Occluder> {
    rng.chance(0.16).then(|| {
        let side = rng.angle();
        let away = rng.between(0.45, 1.0);
        let skin = rng.chance(0.4);
        Occluder {
            tip: [away * 1.2 * super::math::cos(side), away * super::math::sin(side)],
            angle_rad: side + rng.between(-0.7, 0.7),
            radius: rng.between(0.1, 0.3),
            softness: rng.between(0.1, 0.5),
            color: if skin { shade_of(rng, vec3(0.5, 0.29, 0.2), 0.5) } else { vivid(rng) },
        }
    })
}

fn sensor(rng: &mut Stream) -> Sensor {
    let cast = rng.between(-0.1, 0.1);
    Sensor {
        exposure_stops: rng.between(-0.3, 0.5),
        white_balance: vec3(1.0 + cast, 1.0 + rng.between(-0.03, 0.03), 1.0 - cast),
        blur: rng.mostly_low(0.0, 0.013),
        motion: if rng.chance(0.1) { rng.between(0.01, 0.04) } else { 0.0 },
        motion_angle_rad: rng.between(0.0, PI),
        noise: rng.mostly_low(0.003, 0.024),
        vignette: rng.between(0.0, 0.45),
        contrast: rng.between(0.85, 1.15),
        saturation: rng.between(0.7, 1.15),
        seed: rng.bits(),
    }
}

fn material(rng: &mut Stream, class: Class) -> (Material, Rgb) {
    let made_of = if class == Class::Trash { rng.pick(&Class::ALL[..5]) } else { class };
    let (substance, color) = substance(rng, made_of);
    let print = rng.chance(print_chance(made_of)).then(|| print(rng, made_of));
    let composite = rng.chance(0.5);
    let coat = (class == Class::Trash && composite).then(|| {
        let other = Class::ALL[(made_of as usize + 1 + rng.weighted(&[1, 1, 1, 1])) % 5];
        let (substance, color) = self::substance(rng, other);
        Coat { substance, color, share: rng.between(0.3, 0.6), frequency: rng.between(0.8, 2.0) }
    });
    let coverage = match (class, composite) {
        (Class::Trash, true) => rng.between(0.25, 0.65),
        (Class::Trash, false) => rng.between(SOILED_FROM + 0.12, 0.9),
        _ if rng.chance(0.2) => rng.between(0.02, 0.16),
        _ => 0.0,
    };
    (Material { substance, print, coat, soil: soil(rng, coverage), seed: rng.bits() }, color)
}

fn substance(rng: &mut Stream, class: Class) -> (Substance, Rgb) {
    match class {
        Class::Cardboard => {
            let color =
                if rng.chance(0.07) { gray(rng, 0.35, 0.75) } else { shade_of(rng, vec3(0.40, 0.25, 0.13), 0.35) };
            let made = Substance::Cardboard {
                flutes: rng.between(0.0, 1.0),
                pitch: rng.between(5.0, 11.0),
                fibre: rng.between(0.2, 1.0),
            };
            (made, color)
        }
        Class::Glass => {
            let tint = [vec3(0.85, 0.93, 0.9), vec3(0.16, 0.42, 0.14), vec3(0.36, 0.15, 0.04), vec3(0.15, 0.3, 0.55)];
            let tint = tint[rng.weighted(&[30, 38, 27, 5])];
            let clarity = rng.between(0.75, 0.97);
            let roughness = if rng.chance(0.15) { rng.between(0.1, 0.4) } else { rng.between(0.0, 0.04) };
            (Substance::Glass { clarity, density: rng.between(0.7, 1.6), roughness }, shade_of(rng, tint, 0.12))
        }
        Class::Metal => {
            let alloys =
                [vec3(0.80, 0.81, 0.82), vec3(0.52, 0.52, 0.53), vec3(0.83, 0.66, 0.34), vec3(0.78, 0.45, 0.32)];
            let alloy = alloys[rng.weighted(&[58, 27, 9, 6])];
            let rust = if rng.chance(0.15) { rng.between(0.1, 0.45) } else { 0.0 };
            let made = Substance::Metal { roughness: rng.mostly_low(0.1, 0.45), brushing: rng.between(0.0, 0.9), rust };
            (made, shade_of(rng, alloy, 0.12))
        }
        Class::Paper => {
            let color = match rng.weighted(&[80, 9, 7, 4]) {
                0 => gray(rng, 0.6, 0.88),
                1 => shade_of(rng, vec3(0.62, 0.55, 0.42), 0.2),
                2 => vivid(rng),
                _ => shade_of(rng, vec3(0.42, 0.28, 0.16), 0.3),
            };
            let gloss = if rng.chance(0.3) { rng.between(0.2, 0.9) } else { rng.between(0.0, 0.15) };
            (Substance::Paper { fibre: rng.between(0.2, 1.0), gloss }, color)
        }
        Class::Plastic | Class::Trash => {
            let color = match rng.weighted(&[76, 9, 6, 9]) {
                0 => saturated(rng),
                1 => gray(rng, 0.6, 0.88),
                2 => gray(rng, 0.03, 0.3),
                _ => vec3(0.2, 0.42, 0.62),
            };
            let clear = rng.chance(0.2);
            let made = Substance::Plastic {
                roughness: rng.mostly_low(0.1, 0.5),
                translucency: rng.between(0.2, 0.9),
                clarity: if clear { rng.between(0.45, 0.85) } else { 0.0 },
            };
            (made, if clear { mix3(Vec3::splat(0.9), color, rng.between(0.0, 0.5)) } else { color })
        }
    }
}

fn print_chance(class: Class) -> f32 {
    match class {
        Class::Cardboard | Class::Glass => 0.18,
        Class::Paper => 0.55,
        _ => 0.2,
    }
}

fn print(rng: &mut Stream, class: Class) -> Print {
    let style = match class {
        Class::Paper => PrintStyle::ALL[rng.weighted(&[78, 10, 6, 6])],
        Class::Cardboard => PrintStyle::ALL[rng.weighted(&[60, 8, 10, 22])],
        _ => PrintStyle::ALL[rng.weighted(&[10, 10, 15, 65])],
    };
    let dark = style == PrintStyle::Text && rng.chance(0.75);
    Print {
        style,
        ink: if dark { Vec3::splat(0.05) } else { vivid(rng) },
        coverage: rng.between(0.2, 0.6),
        frequency: rng.between(8.0, 18.0),
        seed: rng.bits(),
    }
}

fn soil(rng: &mut Stream, coverage: f32) -> Soil {
    let kinds = [vec3(0.13, 0.08, 0.04), vec3(0.32, 0.07, 0.03), vec3(0.36, 0.24, 0.05), vec3(0.1, 0.1, 0.09)];
    let kind = rng.pick(&kinds);
    Soil { coverage, color: shade_of(rng, kind, 0.4), wetness: rng.unit(), frequency: rng.between(1.2, 3.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{depth, render, scene};
    use augtrial_base::seed::{Purpose, StudySeed};

    fn stream(index: u64) -> Stream {
        StudySeed(3).stream(Purpose::Gallery, index)
    }

    #[test]
    fn the_material_of_a_scene_is_of_the_class_it_was_drawn_for() {
        for index in 0..600 {
            let class = Class::ALL[index as usize % 6];
            assert_eq!(Scene::sample(&mut stream(index), class).class(), class);
        }
    }

    #[test]
    fn shape_pose_light_floor_and_sensor_do_not_depend_on_the_class() {
        let of = |class| {
            let scene = Scene::sample(&mut stream(4), class);
            (scene.shape, scene.pose, scene.camera, scene.damage, scene.light, scene.background, scene.sensor)
        };
        assert!(Class::ALL.iter().all(|&class| of(class) == of(Class::Paper)));
    }

    #[test]
    fn classes_are_drawn_as_often_as_in_trashnet() {
        let total: u32 = Class::TRASHNET_COUNTS.iter().sum();
        let mut counts = [0_u32; 6];
        for index in 0..10_000 {
            counts[class(&mut stream(index)).index() as usize] += 1;
        }
        for (count, share) in counts.iter().zip(Class::TRASHNET_COUNTS) {
            let expected = f64::from(share) / f64::from(total) * 1e4;
            assert!((f64::from(*count) - expected).abs() < 150.0, "{counts:?}");
        }
    }

    #[test]
    fn a_scene_survives_json_exactly() {
        for index in 0..50 {
            let (_, scene) = scene(StudySeed(1), index);
            let json = serde_json::to_string(&scene).unwrap();
            assert_eq!(serde_json::from_str::<Scene>(&json).unwrap(), scene);
        }
    }

    #[test]
    fn every_class_in_every_shape_is_a_picture_with_contrast_and_a_visible_object() {
        let mut seen = std::collections::HashSet::new();
        for index in 0..400 {
            let (class, scene) = scene(StudySeed(2), index);
            if !seen.insert((class, std::mem::discriminant(&scene.shape))) {
                continue;
            }
            let picture = render(&scene, 32, 24);
            let bytes = picture.as_raw();
            let mean = bytes.iter().map(|&b| f64::from(b)).sum::<f64>() / bytes.len() as f64;
            let variance = bytes.iter().map(|&b| (f64::from(b) - mean).powi(2)).sum::<f64>() / bytes.len() as f64;
            assert!(variance.sqrt() > 5.0, "image {index}: deviation {}", variance.sqrt());
            let mask = depth(&scene, 32, 24).into_iter().filter(|d| d.is_finite()).count();
            assert!(mask > 24, "image {index} ({:?}): {mask} of 768 pixels", scene.shape);
        }
        assert!(seen.len() > 50, "{} of 60 combinations", seen.len());
    }
}
