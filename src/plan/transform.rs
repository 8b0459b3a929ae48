//! The transforms a recipe may name, with the field's usual parameters and defaults.
//!
//! Parameters follow torchvision's transforms v2 where it has the operation; each table of a recipe is one variant here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A closed interval `[low, high]`.
pub type Range = [f64; 2];

/// How pixels without a source are filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// One RGB colour, `{ constant = [0, 0, 0] }`.
    Constant([u8; 3]),
    /// The nearest pixel at the edge.
    Edge,
}

impl Default for Fill {
    fn default() -> Self {
        Self::Constant([0, 0, 0])
    }
}

/// What `random_erasing` writes into its rectangle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EraseValue {
    /// One RGB colour, `{ constant = [0, 0, 0] }`.
    Constant([u8; 3]),
    /// Every channel of every pixel drawn uniformly from 0 to 255.
    #[default]
    Random,
}

/// One transform of one image: RGB, 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    HorizontalFlip(Flip),
    VerticalFlip(Flip),
    Rotation(Rotation),
    QuarterTurns(QuarterTurns),
    RandomResizedCrop(RandomResizedCrop),
    RandomCrop(RandomCrop),
    Shift(Shift),
    ColorJitter(ColorJitter),
    HsvScale(HsvScale),
    LabScale(LabScale),
    GaussianNoise(GaussianNoise),
    SaltAndPepper(SaltAndPepper),
    GaussianBlur(GaussianBlur),
    RandomErasing(RandomErasing),
    Cutout(Cutout),
}

/// Mirrors the image with probability `p` (torchvision `RandomHorizontalFlip`, `RandomVerticalFlip`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flip {
    /// Probability, 0 to 1.
    pub p: f64,
}

impl Default for Flip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

/// Rotates about the centre by an angle drawn from `[-degrees, degrees]`, bilinear (torchvision `RandomRotation`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Largest angle, degrees.
    pub degrees: f64,
    /// What is seen beyond the corners.
    pub fill: Fill,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { degrees: 15.0, fill: Fill::default() }
    }
}

/// Rotates by a right angle drawn uniformly from `turns` (counter-clockwise quarter turns), resized back if sides swap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuarterTurns {
    /// Numbers of quarter turns to draw from, each 0 to 3.
    pub turns: Vec<u8>,
}

impl Default for QuarterTurns {
    fn default() -> Self {
        Self { turns: vec![0, 1, 2, 3] }
    }
}

/// Crops a rectangle of random area and aspect, and resizes it (torchvision `RandomResizedCrop`, bilinear, antialias).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Share of the area, drawn uniformly.
    pub scale: Range,
    /// Width over height, drawn log-uniformly.
    pub ratio: Range,
    /// Width of the result, px; the image's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_px: Option<u32>,
    /// Height of the result, px; the image's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_px: Option<u32>,
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], width_px: None, height_px: None }
    }
}

/// Pads every side and crops the original size at a random place (torchvision `RandomCrop` with `padding`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// Width of the padding on each side, px.
    pub padding_px: u32,
    /// What the padding shows.
    pub fill: Fill,
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { padding_px: 4, fill: Fill::default() }
    }
}

/// Translates by whole pixels drawn uniformly up to a share of each side (torchvision `RandomAffine(translate=...)`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shift {
    /// Largest horizontal shift, as a share of the width.
    pub x: f64,
    /// Largest vertical shift, as a share of the height.
    pub y: f64,
    /// What is seen beyond the edge.
    pub fill: Fill,
}

impl Default for Shift {
    fn default() -> Self {
        Self { x: 0.1, y: 0.1, fill: Fill::default() }
    }
}

/// Brightness, contrast, saturation and hue in a random order (torchvision `ColorJitter`).
///
/// A strength `s` draws the factor from `[max(0, 1 - s), 1 + s]`; hue draws a shift from `[-hue, hue]` turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    /// At most 0.5.
    pub hue: f64,
}

/// Multiplies the components of HSV, each by a factor drawn from its interval; hue wraps, the others clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HsvScale {
    pub hue: Range,
    pub saturation: Range,
    pub value: Range,
}

impl Default for HsvScale {
    fn default() -> Self {
        Self { hue: [1.0, 1.0], saturation: [0.8, 1.2], value: [0.8, 1.2] }
    }
}

/// Multiplies the components of CIE L*a*b* (D65), each by a factor drawn from its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LabScale {
    pub lightness: Range,
    pub a: Range,
    pub b: Range,
}

impl Default for LabScale {
    fn default() -> Self {
        Self { lightness: [0.8, 1.2], a: [0.8, 1.2], b: [0.8, 1.2] }
    }
}

/// Adds independent normal noise to every channel (torchvision `GaussianNoise`, clipped).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianNoise {
    /// Standard deviation, on the scale where white is 1; drawn uniformly.
    pub sigma: Range,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        Self { sigma: [0.02, 0.1] }
    }
}

/// Sets isolated pixels, or square blocks of them, to black or white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SaltAndPepper {
    /// Share of the blocks that is replaced, drawn uniformly.
    pub amount: Range,
    /// Share of white among the replaced.
    pub salt: f64,
    /// Side of a block, px.
    pub block_px: u32,
}

impl Default for SaltAndPepper {
    fn default() -> Self {
        Self { amount: [0.01, 0.05], salt: 0.5, block_px: 1 }
    }
}

/// Convolves with a normal kernel whose sigma is drawn uniformly (torchvision `GaussianBlur`, reflected edges).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlur {
    /// Side of the kernel, px; odd.
    pub kernel_px: u32,
    /// Standard deviation, px.
    pub sigma: Range,
}

impl Default for GaussianBlur {
    fn default() -> Self {
        Self { kernel_px: 5, sigma: [0.1, 2.0] }
    }
}

/// Replaces a random rectangle with probability `p` (torchvision `RandomErasing`; Zhong et al. 2020, algorithm 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomErasing {
    pub p: f64,
    /// Share of the area, drawn uniformly.
    pub scale: Range,
    /// Height over width, drawn log-uniformly.
    pub ratio: Range,
    pub value: EraseValue,
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: EraseValue::default() }
    }
}

/// Blackens squares of a fixed size at random centres, clipped at the edges (`DeVries` and Taylor 2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cutout {
    /// Side of a square, px.
    pub side_px: u32,
    /// Number of squares.
    pub holes: u32,
}

impl Default for Cutout {
    fn default() -> Self {
        Self { side_px: 16, holes: 1 }
    }
}

/// Mixing of a whole batch with a permutation of itself; the labels are mixed alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mix {
    /// Convex combination of images (Zhang et al. 2018).
    Mixup(MixParameters),
    /// A pasted rectangle (Yun et al. 2019).
    Cutmix(MixParameters),
}

/// Parameters shared by `MixUp` and `CutMix`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MixParameters {
    /// lambda is drawn from Beta(alpha, alpha), once a batch.
    pub alpha: f64,
    /// Probability that a batch is mixed at all.
    pub p: f64,
}

impl Default for MixParameters {
    fn default() -> Self {
        Self { alpha: 1.0, p: 1.0 }
    }
}

impl Transform {
    /// The name used in experiment files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::HorizontalFlip(_) => "horizontal_flip",
            Self::VerticalFlip(_) => "vertical_flip",
            Self::Rotation(_) => "rotation",
            Self::QuarterTurns(_) => "quarter_turns",
            Self::RandomResizedCrop(_) => "random_resized_crop",
            Self::RandomCrop(_) => "random_crop",
            Self::Shift(_) => "shift",
            Self::ColorJitter(_) => "color_jitter",
            Self::HsvScale(_) => "hsv_scale",
            Self::LabScale(_) => "lab_scale",
            Self::GaussianNoise(_) => "gaussian_noise",
            Self::SaltAndPepper(_) => "salt_and_pepper",
            Self::GaussianBlur(_) => "gaussian_blur",
            Self::RandomErasing(_) => "random_erasing",
            Self::Cutout(_) => "cutout",
        }
    }
}
