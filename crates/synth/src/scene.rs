//! A scene: everything that decides a picture but its size, as plain data.

use serde::{Deserialize, Serialize};

use super::background::Background;
use super::camera::{Camera, Pose};
use super::damage::Damage;
use super::light::Light;
use super::material::{Class, Material};
use super::math::Rgb;
use super::occluder::Occluder;
use super::sensor::Sensor;
use super::shape::Shape;

/// One object on a floor, lit and photographed. The parts are independent of one another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    pub shape: Shape,
    pub pose: Pose,
    pub material: Material,
    /// Base color of the object.
    pub color: Rgb,
    pub damage: Damage,
    pub light: Light,
    pub background: Background,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occluder: Option<Occluder>,
    pub camera: Camera,
    pub sensor: Sensor,
}

impl Scene {
    /// The class of the object, which its material defines.
    #[must_use]
    pub fn class(&self) -> Class {
        self.material.class()
    }

    /// The same scene, made of another material.
    #[must_use]
    pub fn with_material(&self, material: Material) -> Self {
        Self { material, ..self.clone() }
    }

    /// The same scene in another light.
    #[must_use]
    pub fn with_light(&self, light: Light) -> Self {
        Self { light, ..self.clone() }
    }

    /// The same scene on another floor.
    #[must_use]
    pub fn with_background(&self, background: Background) -> Self {
        Self { background, ..self.clone() }
    }

    /// The same scene with the object in another color.
    #[must_use]
    pub fn with_color(&self, color: Rgb) -> Self {
        Self { color, ..self.clone() }
    }

    /// The same scene with other damage.
    #[must_use]
    pub fn with_damage(&self, damage: Damage) -> Self {
        Self { damage, ..self.clone() }
    }
}
