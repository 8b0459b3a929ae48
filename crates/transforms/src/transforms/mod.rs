//! The table of transforms: one file and one row each.

mod affine;
mod apply;
mod aug_mix;
mod auto_augment;
mod autocontrast;
mod channel_shuffle;
mod clahe;
mod coarse_dropout;
mod color_jitter;
mod cutout;
mod d4;
mod downscale;
mod elastic;
mod equalize;
mod gamma;
mod gaussian_blur;
mod gaussian_noise;
mod grayscale;
mod grid_mask;
mod horizontal_flip;
mod hsv_scale;
mod invert;
mod jpeg;
mod lab_scale;
mod motion_blur;
mod one_of;
mod perspective;
mod photometric_distort;
mod posterize;
mod quarter_turns;
pub(crate) mod rand_augment;
mod random_crop;
mod random_erasing;
mod random_order;
mod random_resized_crop;
mod rgb_shift;
mod rotation;
mod salt_and_pepper;
mod sharpness;
mod shear;
mod shift;
mod solarize;
mod some_of;
mod timm_rand_augment;
mod trivial_augment_wide;
mod vertical_flip;

pub use affine::*;
pub use apply::*;
pub use aug_mix::*;
pub use auto_augment::*;
pub use autocontrast::*;
pub use channel_shuffle::*;
pub use clahe::*;
pub use coarse_dropout::*;
pub use color_jitter::*;
pub use cutout::*;
pub use d4::*;
pub use downscale::*;
pub use elastic::*;
pub use equalize::*;
pub use gamma::*;
pub use gaussian_blur::*;
pub use gaussian_noise::*;
pub use grayscale::*;
pub use grid_mask::*;
pub use horizontal_flip::*;
pub use hsv_scale::*;
pub use invert::*;
pub use jpeg::*;
pub use lab_scale::*;
pub use motion_blur::*;
pub use one_of::*;
pub use perspective::*;
pub use photometric_distort::*;
pub use posterize::*;
pub use quarter_turns::*;
pub use rand_augment::*;
pub use random_crop::*;
pub use random_erasing::*;
pub use random_order::*;
pub use random_resized_crop::*;
pub use rgb_shift::*;
pub use rotation::*;
pub use salt_and_pepper::*;
pub use sharpness::*;
pub use shear::*;
pub use shift::*;
pub use solarize::*;
pub use some_of::*;
pub use timm_rand_augment::*;
pub use trivial_augment_wide::*;
pub use vertical_flip::*;

use crate::Augmenter;

impl Transform {
    /// The transforms that this one chooses among or applies; none if it is not a combinator.
    #[must_use]
    pub fn branches(&self) -> &[Self] {
        match self {
            Self::OneOf(OneOf { of, .. })
            | Self::SomeOf(SomeOf { of, .. })
            | Self::Apply(Apply { of, .. })
            | Self::RandomOrder(RandomOrder { of }) => of,
            _ => &[],
        }
    }

    /// This transform, its branches and theirs.
    #[must_use]
    pub fn with_branches(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.branches().iter().flat_map(Self::with_branches)).collect()
    }
}

crate::table::table! {
    /// One transform of one image: RGB, 8 bits a channel.
    pub enum Transform: dyn Augmenter {
        HorizontalFlip = "horizontal_flip",
        VerticalFlip = "vertical_flip",
        Rotation = "rotation",
        QuarterTurns = "quarter_turns",
        RandomResizedCrop = "random_resized_crop",
        RandomCrop = "random_crop",
        Shift = "shift",
        ColorJitter = "color_jitter",
        HsvScale = "hsv_scale",
        LabScale = "lab_scale",
        GaussianNoise = "gaussian_noise",
        SaltAndPepper = "salt_and_pepper",
        GaussianBlur = "gaussian_blur",
        RandomErasing = "random_erasing",
        Cutout = "cutout",
        Affine = "affine",
        Shear = "shear",
        Perspective = "perspective",
        Elastic = "elastic",
        Posterize = "posterize",
        Solarize = "solarize",
        Invert = "invert",
        Autocontrast = "autocontrast",
        Equalize = "equalize",
        Grayscale = "grayscale",
        Sharpness = "sharpness",
        Gamma = "gamma",
        ChannelShuffle = "channel_shuffle",
        PhotometricDistort = "photometric_distort",
        MotionBlur = "motion_blur",
        Jpeg = "jpeg",
        CoarseDropout = "coarse_dropout",
        GridMask = "grid_mask",
        RgbShift = "rgb_shift",
        Downscale = "downscale",
        Clahe = "clahe",
        D4 = "d4",
        TrivialAugmentWide = "trivial_augment_wide",
        RandAugment = "rand_augment",
        TimmRandAugment = "timm_rand_augment",
        AutoAugment = "auto_augment",
        AugMix = "aug_mix",
        OneOf = "one_of",
        SomeOf = "some_of",
        Apply = "apply",
        RandomOrder = "random_order",
    }
}
