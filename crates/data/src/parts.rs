//! The parts of a data set.
//!
//! The types carry the proof that nothing leaks: a [`TrainPart`] comes only out of a [`Partition`], its [`Sources`] are
//! all that an augmenter is given, and a training set takes nothing whose source is not in the part (see `sets`). No
//! file's content is in two parts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::bonds::Bonds;
use super::folds;
use super::manifest::{ImageRecord, LeftOut, Manifest};
use super::split::{Shares, SplitError, Unit, assign, assigned, refuse_classes_of_twins, units};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_plan::dataset::{Given, SplitRule};
use augtrial_plan::train::Dose;
use rand::Rng as _;

/// A data set divided by source.
#[derive(Clone, Debug)]
pub struct Partition {
    pub train: TrainPart,
    pub validation: EvaluationPart,
    pub test: EvaluationPart,
    /// Sorted by path.
    pub withheld: Vec<Withheld>,
    /// Images of the training part that somebody decided not to train on, with the reason, sorted by path.
    pub excluded: Vec<LeftOut>,
    /// Images of the training part that a cut leaves unused; they are in no part.
    pub unused: usize,
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
    /// Whether its bytes are those of the twin, or of another image in its part.
    pub identical: bool,
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
        Self::bonded(manifest, rule, None, seed, &Bonds::default())
    }

    /// The same, where the rule has folds with this one, from 0, as the test part.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_fold(
        manifest: &Manifest,
        rule: SplitRule,
        fold: Option<u32>,
        seed: StudySeed,
    ) -> Result<Self, SplitError> {
        Self::bonded(manifest, rule, fold, seed, &Bonds::default())
    }

    /// The same, with what an audit asks.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn bonded(
        manifest: &Manifest,
        rule: SplitRule,
        fold: Option<u32>,
        seed: StudySeed,
        bonds: &Bonds,
    ) -> Result<Self, SplitError> {
        refuse_classes_of_twins(manifest)?;
        match rule {
            SplitRule::Folds(folds) => {
                let placed = folds::divide(manifest, folds, fold.unwrap_or(0), seed, bonds)?;
                Self::collect(manifest, placed, Vec::new(), bonds)
            }
            SplitRule::Stratified(_) => {
                let images: Vec<&ImageRecord> = manifest.images.iter().collect();
                let units = units(&images, bonds);
                let parts = assign(&units, &manifest.classes, Shares::of(rule, manifest)?, seed, 0)?;
                Self::collect(manifest, placed(&images, &units, &parts), Vec::new(), bonds)
            }
            SplitRule::Given(given) => Self::given(manifest, given, seed, bonds),
        }
    }

    fn given(manifest: &Manifest, given: Given, seed: StudySeed, bonds: &Bonds) -> Result<Self, SplitError> {
        refuse_straddling_groups(manifest)?;
        let (mut kept, withheld) = withhold_twins(manifest, bonds)?;
        if !kept.iter().any(|&(_, split)| split == Split::Validation) {
            let (train, rest): (Vec<_>, Vec<_>) = kept.into_iter().partition(|&(_, split)| split == Split::Train);
            let train: Vec<&ImageRecord> = train.into_iter().map(|(image, _)| image).collect();
            let units = units(&train, bonds);
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
        Self::collect(manifest, kept, withheld, bonds)
    }

    fn collect(
        manifest: &Manifest,
        mut placed: Vec<Placed<'_>>,
        withheld: Vec<Withheld>,
        bonds: &Bonds,
    ) -> Result<Self, SplitError> {
        placed.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let mut excluded = Vec::new();
        placed.retain(|(image, split)| match bonds.exclusion(&image.path) {
            Some(reason) if *split == Split::Train => {
                let (path, class) = (image.path.clone(), Some(image.class));
                excluded.push(LeftOut { path, reason: reason.to_owned(), class });
                false
            }
            _ => true,
        });
        refuse_untrained_classes(manifest, &placed)?;
        let of = |part| placed.iter().filter(|&&(_, split)| split == part).map(|&(image, _)| image.clone()).collect();
        let images: Vec<ImageRecord> = of(Split::Train);
        let digests = images.iter().map(|image| image.digest).collect();
        Ok(Self {
            train: TrainPart { images, digests },
            validation: EvaluationPart { split: Split::Validation, images: of(Split::Validation) },
            test: EvaluationPart { split: Split::Test, images: of(Split::Test) },
            withheld,
            excluded,
            unused: 0,
        })
    }

    /// The same with a training part of some of its images, drawn class by class. Every image has a number of its own, made of
    /// the seed and its content, and a class's lowest are taken: a smaller dose takes some of the images that a larger one
    /// takes. Images are drawn one by one, whatever group they belong to: what is left out is in no part, so that nothing leaks.
    ///
    /// # Errors
    /// [`SplitError::TooFewToTrain`] if a class has fewer images than the dose asks for.
    pub fn cut(mut self, classes: &[String], dose: Dose, seed: StudySeed) -> Result<Self, SplitError> {
        let mut by_class: Vec<Vec<ImageRecord>> = vec![Vec::new(); classes.len()];
        let before = self.train.images.len();
        for image in self.train.images {
            by_class[image.class as usize].push(image);
        }
        let short: Vec<(String, usize)> = classes
            .iter()
            .zip(&by_class)
            .filter(|(_, images)| dose.of_class(images.len()) > images.len())
            .map(|(class, images)| (class.clone(), images.len()))
            .collect();
        if !short.is_empty() {
            let least = by_class.iter().map(Vec::len).min().unwrap_or(0);
            return Err(SplitError::TooFewToTrain { wanted: dose.of_class(0), short, least });
        }
        let number = |image: &ImageRecord| seed.stream(Purpose::Subset { image: image.digest }, 0).next_u64();
        let taken = by_class.into_iter().flat_map(|mut images| {
            images.sort_by_cached_key(|image| (number(image), image.digest, image.path.clone()));
            images.truncate(dose.of_class(images.len()));
            images
        });
        let mut images: Vec<ImageRecord> = taken.collect();
        images.sort_by(|a, b| a.path.cmp(&b.path));
        self.unused = before - images.len();
        let digests = images.iter().map(|image| image.digest).collect();
        self.train = TrainPart { images, digests };
        Ok(self)
    }
}

impl Partition {
    /// The same where one of `folds` folds of the training part, counted from 0, is the test part, and trained on is what is left.
    /// The validation part stays, and the images of the test part are in none. Folds are drawn as those of a whole data set are.
    ///
    /// # Errors
    /// [`SplitError::ClassTooSmall`] if a class has too few training images for the folds.
    pub fn held_out(
        mut self,
        classes: &[String],
        (folds, fold): (u32, u32),
        seed: StudySeed,
        bonds: &Bonds,
    ) -> Result<Self, SplitError> {
        let held = folds::held_out(&self.train.images, classes, (folds, fold), seed, bonds)?;
        let (test, images): (Vec<_>, Vec<_>) =
            self.train.images.into_iter().zip(held).partition(|&(_, is_held)| is_held);
        let of = |images: Vec<(ImageRecord, bool)>| -> Vec<ImageRecord> {
            images.into_iter().map(|(image, _)| image).collect()
        };
        let images = of(images);
        let digests = images.iter().map(|image| image.digest).collect();
        self.train = TrainPart { images, digests };
        self.test = EvaluationPart { split: Split::Test, images: of(test) };
        Ok(self)
    }
}

/// A class that nothing is left of to train on cannot be learned.
fn refuse_untrained_classes(manifest: &Manifest, placed: &[Placed<'_>]) -> Result<(), SplitError> {
    let trained: BTreeSet<u32> =
        placed.iter().filter(|(_, split)| *split == Split::Train).map(|(image, _)| image.class).collect();
    match (0..manifest.classes.len()).find(|&class| !trained.contains(&(class as u32))) {
        Some(class) => Err(SplitError::ClassTooSmall { class: manifest.classes[class].clone(), units: 0, parts: 1 }),
        None => Ok(()),
    }
}

fn placed<'a>(images: &[&'a ImageRecord], units: &[Unit], parts: &[Split]) -> Vec<Placed<'a>> {
    let members = units.iter().zip(parts).flat_map(|(unit, &part)| unit.members.iter().map(move |&i| (i, part)));
    members.map(|(i, part)| (images[i], part)).collect()
}

/// Also finds images that have no part at all.
fn refuse_straddling_groups(manifest: &Manifest) -> Result<(), SplitError> {
    let mut first: BTreeMap<&str, (&str, Split)> = BTreeMap::new();
    for (image, split) in assigned(manifest)? {
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
fn withhold_twins<'a>(manifest: &'a Manifest, bonds: &Bonds) -> Result<(Vec<Placed<'a>>, Vec<Withheld>), SplitError> {
    let assigned = assigned(manifest)?;
    let images: Vec<&ImageRecord> = manifest.images.iter().collect();
    let mut kept = Vec::with_capacity(images.len());
    let mut withheld = Vec::new();
    for unit in units(&images, bonds) {
        let members: Vec<Placed<'_>> = unit.members.iter().map(|&i| assigned[i]).collect();
        let Some(&(any, last)) = members.iter().max_by_key(|(_, split)| *split) else { continue };
        let staying = || members.iter().filter(|(_, split)| *split == last).map(|&(image, _)| image);
        let identical: BTreeMap<Digest, &ImageRecord> = staying().map(|image| (image.digest, image)).collect();
        for &(image, split) in &members {
            if split == last {
                kept.push((image, split));
            } else {
                let twin = identical.get(&image.digest);
                let (path, named) = (image.path.clone(), twin.unwrap_or(&any).path.clone());
                withheld.push(Withheld { path, split, twin: named, twin_split: last, identical: twin.is_some() });
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
mod tests;
