//! The materials, which define the classes; shape, light and everything else are independent of them.

use serde::{Deserialize, Serialize};

use super::math::Rgb;
use super::print::Print;

/// The six classes, in the order of their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Cardboard,
    Glass,
    Metal,
    Paper,
    Plastic,
    Trash,
}

impl Class {
    /// All classes, by index.
    pub const ALL: [Self; 6] = [Self::Cardboard, Self::Glass, Self::Metal, Self::Paper, Self::Plastic, Self::Trash];

    /// Images of each class in `TrashNet` (Yang and Thung 2016), whose imbalance the synthetic set follows.
    pub const TRASHNET_COUNTS: [u32; 6] = [403, 501, 410, 594, 482, 137];

    /// The name of the class and of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cardboard => "cardboard",
            Self::Glass => "glass",
            Self::Metal => "metal",
            Self::Paper => "paper",
            Self::Plastic => "plastic",
            Self::Trash => "trash",
        }
    }

    /// Place in [`Self::ALL`].
    #[must_use]
    pub fn index(self) -> u32 {
        self as u32
    }
}

/// What the object is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    pub substance: Substance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<Print>,
    /// A second substance bonded to parts of the first: a composite, which belongs to no recycling stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coat: Option<Coat>,
    pub soil: Soil,
    /// Seed of the grain.
    pub seed: u32,
}

/// One substance with its parameters, each 0 to 1 unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Substance {
    /// Kraft fibre over flutes; `pitch` is flutes per object unit.
    Cardboard { flutes: f32, pitch: f32, fibre: f32 },
    /// `clarity` is the share of light let through, `density` how strongly its color filters.
    Glass { clarity: f32, density: f32, roughness: f32 },
    /// `brushing` stretches highlights across the grain.
    Metal { roughness: f32, brushing: f32, rust: f32 },
    /// Pressed fibre; `gloss` is a coated magazine's.
    Paper { fibre: f32, gloss: f32 },
    /// `translucency` scatters light inside, `clarity` lets it through.
    Plastic { roughness: f32, translucency: f32, clarity: f32 },
}

/// A second substance in patches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coat {
    pub substance: Substance,
    pub color: Rgb,
    /// Share of the surface it covers.
    pub share: f32,
    /// Patches per object unit.
    pub frequency: f32,
}

/// Food, grease, mud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soil {
    /// Share of the surface it covers.
    pub coverage: f32,
    pub color: Rgb,
    /// 0 is dry dust, 1 is wet grease.
    pub wetness: f32,
    /// Stains per object unit.
    pub frequency: f32,
}

/// A surface soiled to this share is no longer recyclable: the object is trash whatever it is made of.
pub const SOILED_FROM: f32 = 0.3;

impl Material {
    /// The class that this material defines.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.coat.is_some() || self.soil.coverage >= SOILED_FROM {
            return Class::Trash;
        }
        match self.substance {
            Substance::Cardboard { .. } => Class::Cardboard,
            Substance::Glass { .. } => Class::Glass,
            Substance::Metal { .. } => Class::Metal,
            Substance::Paper { .. } => Class::Paper,
            Substance::Plastic { .. } => Class::Plastic,
        }
    }

    /// Share of light that passes, for the shadow it casts.
    pub(super) fn clarity(&self) -> f32 {
        match self.substance {
            Substance::Glass { clarity, .. } => clarity,
            Substance::Plastic { translucency, clarity, .. } => clarity.max(0.35 * translucency),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Vec3;

    fn paper(coverage: f32, coat: Option<Coat>) -> Material {
        let soil = Soil { coverage, color: Vec3::ZERO, wetness: 0.5, frequency: 1.0 };
        Material { substance: Substance::Paper { fibre: 0.5, gloss: 0.0 }, print: None, coat, soil, seed: 1 }
    }

    #[test]
    fn soil_and_composites_make_trash_of_any_substance() {
        let foil = Substance::Metal { roughness: 0.2, brushing: 0.0, rust: 0.0 };
        let coat = Coat { substance: foil, color: Vec3::ONE, share: 0.5, frequency: 1.0 };
        assert_eq!(paper(0.0, None).class(), Class::Paper);
        assert_eq!(paper(SOILED_FROM - 0.01, None).class(), Class::Paper);
        assert_eq!(paper(SOILED_FROM, None).class(), Class::Trash);
        assert_eq!(paper(0.0, Some(coat)).class(), Class::Trash);
    }

    #[test]
    fn indices_follow_the_alphabet_as_class_folders_do() {
        assert!(Class::ALL.map(Class::name).is_sorted());
        assert!(Class::ALL.iter().enumerate().all(|(index, class)| class.index() as usize == index));
    }
}
