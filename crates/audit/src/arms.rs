//! Questions about the images of arms that are not in the data set: those that were made of it, and extra ones.

use std::path::PathBuf;

use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;

use augtrial_base::digest::Digest;
use augtrial_data::cache::Picture;

use crate::hash::DifferenceHash;
use crate::odd::Oddity;
use crate::survey::{Channels, Reach, channels, similarity};

/// What is asked of an image of an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArmQuestion {
    /// It looks like an image of the test part, and more than like its source.
    NearerToTest,
    /// A network that was not trained on its source confidently takes it for another class.
    OtherClass,
    /// It is nearly its source: it teaches little.
    NearlySource,
    /// An extra image that is, or looks like, one of the data set.
    InDataSet,
    /// An extra image that is odd by itself.
    Odd(Oddity),
}

impl ArmQuestion {
    /// As tables and pages call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NearerToTest => "nearer to a test image than to its source",
            Self::OtherClass => "taken for another class",
            Self::NearlySource => "nearly its source",
            Self::InDataSet => "extra image that the data set has",
            Self::Odd(oddity) => oddity.name(),
        }
    }
}

impl ArmQuestion {
    /// Names its section of the page.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::NearerToTest => "nearer-to-test",
            Self::OtherClass => "other-class",
            Self::NearlySource => "nearly-source",
            Self::InDataSet => "in-data-set",
            Self::Odd(Oddity::Dark) => "extra-dark",
            Self::Odd(Oddity::Light) => "extra-light",
            Self::Odd(Oddity::Shape) => "extra-shape",
            Self::Odd(Oddity::LowInformation) => "extra-low-information",
            Self::Odd(Oddity::Blurry) => "extra-blurry",
            Self::Odd(Oddity::Size) => "extra-size",
        }
    }

    /// What it means, for the page.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::NearerToTest => {
                "Beside each stand its source and the test image. An arm that trains on it is told something of the test part."
            }
            Self::OtherClass => {
                "By networks of the control that were not trained on the source; confident is what real images of that class reach on \
                 average."
            }
            Self::NearlySource => "A structural similarity of 0.95 or more: it adds little to its source.",
            Self::InDataSet => {
                "Extra images that are, or look like, one of the data set. Those like one of validation or test are withheld."
            }
            Self::Odd(_) => "Extra images that are odd by themselves, by the scores of the data set's own.",
        }
    }
}

impl Serialize for ArmQuestion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A question about one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFinding {
    pub question: ArmQuestion,
    pub arm: String,
    /// Below the folder of sets, or of the extra images.
    pub image: String,
    pub class: u32,
    /// Position of its source in the manifest; an extra image has none.
    pub source: Option<usize>,
    /// Position of the image of the data set that it is like, or of the class that it is taken for.
    pub other: Option<usize>,
    /// What was measured, in words.
    pub note: String,
    /// The higher, the more pressing among findings of its kind.
    pub score: f64,
    /// Where the picture is. Not told: it is a place of this machine.
    #[serde(skip)]
    pub file: PathBuf,
    #[serde(skip)]
    pub digest: Digest,
}

impl ArmFinding {
    pub(crate) fn picture(&self) -> Picture {
        Picture { file: self.file.clone(), digest: self.digest }
    }
}

/// The look of a picture: its hash, and its structure at 32 x 32 px.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    hash: DifferenceHash,
    channels: Channels,
}

impl Look {
    /// Of RGB bytes `[H, W, 3]`.
    ///
    /// # Panics
    /// If they are not as many as the size needs.
    #[must_use]
    pub fn of(rgb: &[u8], width_px: u32, height_px: u32) -> Self {
        let image = RgbImage::from_raw(width_px, height_px, rgb.to_vec()).expect("as many bytes as pixels need");
        Self { hash: DifferenceHash::of(&image), channels: channels(&image) }
    }
}

/// The image among `tests` that a derived one looks like, as the reach says, if it looks more like it than like its source: its place,
/// the bits that differ from it and from the source.
#[must_use]
pub fn nearer_to_test(derived: &Look, source: &Look, tests: &[Look], reach: Reach) -> Option<(usize, u32, u32)> {
    let own = derived.hash.distance(source.hash);
    let within = tests.iter().enumerate().map(|(place, test)| (derived.hash.distance(test.hash), place));
    let (bits, place) = within.filter(|&(bits, _)| bits <= reach.radius && bits < own).min()?;
    (similarity(&derived.channels, &tests[place].channels) >= reach.similarity).then_some((place, bits, own))
}

/// The looks of pictures of one size, in their order.
#[must_use]
pub fn looks(pictures: &[impl AsRef<[u8]> + Sync], width_px: u32, height_px: u32) -> Vec<Look> {
    pictures.par_iter().map(|rgb| Look::of(rgb.as_ref(), width_px, height_px)).collect()
}

/// Sorted by kind, then the most pressing first.
pub(crate) fn sorted(mut found: Vec<ArmFinding>) -> Vec<ArmFinding> {
    found.sort_by(|a, b| {
        a.question
            .cmp(&b.question)
            .then(b.score.total_cmp(&a.score))
            .then_with(|| (&a.arm, &a.image).cmp(&(&b.arm, &b.image)))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(of: impl Fn(u32, u32) -> u8) -> Vec<u8> {
        (0..40 * 30).flat_map(|at| [of(at % 40, at / 40); 3]).collect()
    }

    #[test]
    fn an_edit_that_shows_a_test_image_is_found_and_one_that_shows_its_source_is_not() {
        let source = picture(|x, y| (x * 5 + y) as u8);
        let test = picture(|x, y| ((x * y) % 97 * 2) as u8);
        let brighter: Vec<u8> = test.iter().map(|value| value.saturating_add(9)).collect();
        let all = looks(&[&source, &test, &brighter], 40, 30);
        let tests = [all[1].clone()];
        let reach = Reach::default();
        let found = nearer_to_test(&all[2], &all[0], &tests, reach).unwrap();
        assert!(found.0 == 0 && found.1 < found.2, "{found:?}");
        assert_eq!(nearer_to_test(&all[0], &all[0], &tests, reach), None);
        assert_eq!(nearer_to_test(&all[2], &all[0], &[], reach), None);
    }
}
