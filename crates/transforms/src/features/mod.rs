//! The table of what is done to features, one file and one row each: samples made of what a frozen trunk gives, for a head that is
//! trained on them.

mod interpolation;
mod noise;
mod smote;
mod space;

#[cfg(test)]
mod tests;

pub use interpolation::FeatureInterpolation;
pub use noise::FeatureNoise;
pub use smote::Smote;
pub use space::FeatureSpace;

use augtrial_base::seed::Stream;

/// What makes samples of features.
pub trait FeatureMaker: Send + Sync {
    /// Nearest neighbors of a sample, of its class, that it asks for.
    fn neighbors(&self) -> usize {
        0
    }

    /// Samples of each class that are added once, given how many there are. Where none are added, every sample is made anew each
    /// time that it is shown.
    fn added(&self, counts: &[usize]) -> Vec<usize>;

    /// Writes the features `[F]` of a sample that is made of sample `base`; whatever is random comes from `rng`.
    fn make(&self, space: &FeatureSpace, base: usize, made: &mut [f32], rng: &mut Stream);
}

crate::table::table! {
    /// What is done to the features of the training part.
    pub enum Features: dyn FeatureMaker {
        Smote = "smote",
        FeatureInterpolation = "interpolation",
        FeatureNoise = "noise",
    }
}

impl Features {
    /// Samples that are added in all, given how many each class has.
    #[must_use]
    pub fn total_added(&self, counts: &[usize]) -> usize {
        self.behavior().added(counts).iter().sum()
    }
}
