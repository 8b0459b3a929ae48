//! What happened to the object's form: dents, crumpling, a torn or broken edge.

use serde::{Deserialize, Serialize};

use super::math::Vec3;

/// Changes of form, independent of shape and material.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// Places where something pressed into the surface.
    pub dents: Vec<Dent>,
    /// Height of the creases, object units.
    pub crumple: f32,
    /// Creases per object unit.
    pub crumple_frequency: f32,
    /// A part that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tear: Option<Tear>,
    /// Seed of creases and ragged edges.
    pub seed: u32,
}

/// A round impression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dent {
    /// From the object's center to the place, a unit vector in the object's own axes.
    pub toward: Vec3,
    /// Radius of what pressed, object units.
    pub radius: f32,
    /// How far it went in, object units.
    pub depth: f32,
}

/// A cut along a ragged plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tear {
    /// Toward the missing part, a unit vector in the object's own axes.
    pub toward: Vec3,
    /// Where the cut is, as a share of how far the shape reaches that way.
    pub at: f32,
    /// Height of the ragged edge, object units.
    pub jag: f32,
}
