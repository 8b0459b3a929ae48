//! The parts of a data set.
//!
//! The types carry the proof that nothing leaks: a [`TrainPart`] comes only out of a [`Partition`], its [`Sources`] are
//! all that an augmenter is given, and a training set takes nothing whose source is not in the part (see `sets`). No
//! file's content is in two parts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::manifest::{ImageRecord, Manifest};
use super::split::{Shares, SplitError, Unit, assign, assigned, units};
use crate::digest::Digest;
use crate::events::Split;
use crate::plan::dataset::{Given, SplitRule};
use crate::seed::StudySeed;

/// A data set divided by source.
#[derive(Clone, Debug)]
pub struct Partition {
    pub train: TrainPart,
    pub validation: EvaluationPart,
    pub test: EvaluationPart,
    /// Sorted by path.
    pub withheld: Vec<Withheld>,
}

/// An image left out because the data set assigns it to one part and its twin, or its twin's group, to another.
/// The part that is opened later keeps its image, so that published test parts stay whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub path: String,
    /// The part it was taken from.
    pub split: Split,
    /// An image that it must not be apart from.
    pub twin: String,
    pub twin_split: Split,
}

/// The training part. There is no other way to it than a [`Partition`].
#[derive(Clone, Debug)]
pub struct TrainPart {
    images: Vec<ImageRecord>,
    digests: BTreeSet<Digest>,
}

/// The validation or the test part.
#[derive(Clone, Debug)]
pub struct EvaluationPart {
    split: Split,
    images: Vec<ImageRecord>,
}

/// Images that may be augmented: of the training part, or of everything under the as-published protocol.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a>(&'a [ImageRecord]);

impl<'a> Sources<'a> {
    pub(super) fn new(images: &'a [ImageRecord]) -> Self {
        Self(images)
    }
}

impl<'a> Deref for Sources<'a> {
    type Target = &'a [ImageRecord];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// An image and its part.
type Placed<'a> = (&'a ImageRecord, Split);

impl Partition {
    /// Divides the images by source as `rule` says.
    ///
    /// # Errors
    /// If a class is too small for the parts, or if the data set's own division is incomplete or breaks a group.
    pub fn new(manifest: &Manifest, rule: SplitRule, seed: StudySeed) -> Result<Self, SplitError> {
        match rule {
            SplitRule::Stratified(_) => {
                let images: Vec<&ImageRecord> = manifest.images.iter().collect();
                let units = units(&images);
                let parts = assign(&units, &manifest.classes, Shares::of(rule, manifest)?, seed, 0)?;
                Ok(Self::collect(placed(&images, &units, &parts), Vec::new()))
            }
            SplitRule::Given(given) => Self::given(manifest, given, seed),
        }
    }

    fn given(manifest: &Manifest, given: Given, seed: StudySeed) -> Result<Self, SplitError> {
        refuse_straddling_groups(manifest)?;
        let (mut kept, withheld) = withhold_twins(manifest)?;
        if !kept.iter().any(|&(_, split)| split == Split::Validation) {
            let (train, rest): (Vec<_>, Vec<_>) = kept.into_iter().partition(|&(_, split)| split == Split::Train);
            let train: Vec<&ImageRecord> = train.into_iter().map(|(image, _)| image).collect();
            let units = units(&train);
            let shares = Shares::validation_from_train(given.validation_from_train);
            let parts = assign(&units, &manifest.classes, shares, seed, 0)?;
            kept = placed(&train, &units, &parts);
            kept.extend(rest);
        }
        for part in Split::ALL {
            if !kept.iter().any(|&(_, split)| split == part) {
                return Err(SplitError::PartMissing(part));
            }
        }
        let trained: BTreeSet<u32> =
            kept.iter().filter(|(_, split)| *split == Split::Train).map(|(image, _)| image.class).collect();
        match (0..manifest.classes.len()).find(|&class| !trained.contains(&(class as u32))) {
            Some(class) => {
                Err(SplitError::ClassTooSmall { class: manifest.classes[class].clone(), units: 0, parts: 1 })
            }
            None => Ok(Self::collect(kept, withheld)),
        }
    }

    fn collect(mut placed: Vec<Placed<'_>>, withheld: Vec<Withheld>) -> Self {
        placed.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let of = |part| placed.iter().filter(|&&(_, split)| split == part).map(|&(image, _)| image.clone()).collect();
        let images: Vec<ImageRecord> = of(Split::Train);
        let digests = images.iter().map(|image| image.digest).collect();
        Self {
            train: TrainPart { images, digests },
            validation: EvaluationPart { split: Split::Validation, images: of(Split::Validation) },
            test: EvaluationPart { split: Split::Test, images: of(Split::Test) },
            withheld,
        }
    }
}

fn placed<'a>(images: &[&'a ImageRecord], units: &[Unit], parts: &[Split]) -> Vec<Placed<'a>> {
    let members = units.iter().zip(parts).flat_map(|(unit, &part)| unit.members.iter().map(move |&i| (i, part)));
    members.map(|(i, part)| (images[i], part)).collect()
}

/// Also finds the first image that has no part at all.
fn refuse_straddling_groups(manifest: &Manifest) -> Result<(), SplitError> {
    let mut first: BTreeMap<&str, (&str, Split)> = BTreeMap::new();
    for image in &manifest.images {
        let split = assigned(image)?;
        let Some(group) = &image.group else { continue };
        let (path, other) = *first.entry(group).or_insert((&image.path, split));
        if other != split {
            return Err(SplitError::GroupStraddles {
                group: group.clone(),
                first: (path.to_owned(), other),
                second: (image.path.clone(), split),
            });
        }
    }
    Ok(())
}

/// Keeps of every unit what is in its last part: test before validation before train.
fn withhold_twins(manifest: &Manifest) -> Result<(Vec<Placed<'_>>, Vec<Withheld>), SplitError> {
    let images: Vec<&ImageRecord> = manifest.images.iter().collect();
    let mut kept = Vec::with_capacity(images.len());
    let mut withheld = Vec::new();
    for unit in units(&images) {
        let mut members = Vec::with_capacity(unit.members.len());
        for &i in &unit.members {
            members.push((images[i], assigned(images[i])?));
        }
        let Some(&(twin, last)) = members.iter().max_by_key(|(_, split)| *split) else { continue };
        for (image, split) in members {
            if split == last {
                kept.push((image, split));
            } else {
                let (path, twin) = (image.path.clone(), twin.path.clone());
                withheld.push(Withheld { path, split, twin, twin_split: last });
            }
        }
    }
    withheld.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((kept, withheld))
}

impl TrainPart {
    /// The images that may be trained on and augmented, sorted by path.
    #[must_use]
    pub fn sources(&self) -> Sources<'_> {
        Sources(&self.images)
    }

    /// Whether an image of this content is in the part.
    #[must_use]
    pub fn contains(&self, source: Digest) -> bool {
        self.digests.contains(&source)
    }

    /// Digest of the part's paths, classes and contents.
    #[must_use]
    pub fn digest(&self) -> Digest {
        part_digest(Split::Train, &self.images)
    }
}

impl EvaluationPart {
    /// Which part this is.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// The part's images, sorted by path.
    #[must_use]
    pub fn images(&self) -> &[ImageRecord] {
        &self.images
    }

    /// Digest of the part's paths, classes and contents.
    #[must_use]
    pub fn digest(&self) -> Digest {
        part_digest(self.split, &self.images)
    }
}

fn part_digest(split: Split, images: &[ImageRecord]) -> Digest {
    let content: Vec<_> = images.iter().map(|image| (&image.path, image.class, image.digest)).collect();
    Digest::of_value("part-v1", &(split, content))
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
