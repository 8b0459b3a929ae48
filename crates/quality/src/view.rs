//! What is measured: the derived images of every arm, and real and derived images as a network sees them.

use augtrial_base::digest::Digest;

use crate::features::Features;
use crate::measures::Change;

/// The derived images of an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmImages {
    pub name: String,
    pub images: Vec<MeasuredImage>,
}

/// A derived image, beside its source.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredImage {
    /// Path of the image below the folder of sets.
    pub file: String,
    /// Path of the source below the data set's folder.
    pub source_path: String,
    /// Digest of the source.
    pub source: Digest,
    /// Which copy of its source.
    pub copy: u32,
    /// Index of the class.
    pub class: u32,
    /// What an editor was asked.
    pub instruction: Option<String>,
    pub change: Change,
    /// One per class, by networks that were not trained on its source; nothing if there is none.
    pub probabilities: Option<Vec<f32>>,
}

/// A real image.
#[derive(Clone, Debug, PartialEq)]
pub struct RealImage {
    pub digest: Digest,
    /// Images of one group come into one half; by default an image is its own group.
    pub group: String,
    /// Index of the class.
    pub class: u32,
    /// As of a derived image.
    pub probabilities: Option<Vec<f32>>,
}

/// Images as one network sees them. Features of two networks cannot be compared, so that each view is measured by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkView {
    /// Positions among the real images, in the order of their features.
    pub real: Vec<usize>,
    pub real_features: Features,
    /// Of every arm, in their order.
    pub arms: Vec<ArmSeen>,
}

/// The derived images of an arm as a network sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmSeen {
    /// Positions among the arm's images, in the order of their features. The source of each is among the view's real images.
    pub images: Vec<usize>,
    pub features: Features,
}

/// Everything that is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredSets {
    pub classes: Vec<String>,
    pub real: Vec<RealImage>,
    pub arms: Vec<ArmImages>,
    pub views: Vec<NetworkView>,
}
