//! The embedded data set: computer renderings of recyclables, made from a seed. Synthetic, and it says so everywhere.
//!
//! A [`Scene`] is drawn first, as plain data; then [`render`] turns it into pixels. Every part of a scene can be replaced
//! ([`Scene::with_material`] and its siblings) with all else exactly equal, which gives exact pairs of before and after.

mod background;
mod camera;
mod damage;
mod dataset;
mod draw;
mod light;
mod material;
mod math;
mod noise;
mod occluder;
mod palette;
mod print;
mod sample;
mod scene;
mod sensor;
mod shade;
mod shape;
mod solid;
mod surface;
mod trace;

pub use background::{Background, Floor};
pub use camera::{Camera, Pose};
pub use damage::{Damage, Dent, Tear};
pub use dataset::{CHECKSUMS, RENDERER_VERSION, RenderError, scene, verify_dataset, write_dataset};
pub use light::Light;
pub use material::{Class, Coat, Material, SOILED_FROM, Soil, Substance};
pub use math::{Rgb, Vec3};
pub use occluder::Occluder;
pub use print::{Print, PrintStyle};
pub use scene::Scene;
pub use sensor::Sensor;
pub use shape::Shape;
pub use trace::{depth, render};
