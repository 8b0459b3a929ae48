//! The images that are measured: the sources of training, and what every arm made of them.

use std::collections::BTreeMap;

use super::QualityError;
use crate::prepared::Prepared;
use crate::sets::{ArmSets, MadeSet};
use crate::{StudyError, sets};
use augtrial_base::digest::Digest;
use augtrial_base::words::chain;
use augtrial_data::pixels::{PixelStore, Pixels};
use augtrial_data::samples::Sample;
use augtrial_plan::arm::Role;
use augtrial_quality::{ArmImages, MeasuredImage, RealImage, change};

/// Everything that is measured but for what networks see of it.
pub(super) struct Gathered {
    pub(super) real: Vec<RealImage>,
    pub(super) arms: Vec<ArmImages>,
    /// Where the pixels of the real images, and of every arm's, are in `pixels`.
    pub(super) real_pixels: Vec<usize>,
    pub(super) arm_pixels: Vec<Vec<usize>>,
    pub(super) pixels: PixelStore,
    pub(super) notes: Vec<String>,
}

impl Gathered {
    /// Of the draw's training images and the sets that are made of them.
    pub(super) fn of(prepared: &Prepared<'_>) -> Result<Self, StudyError> {
        let (plan, data) = (prepared.plan, &prepared.data);
        let pool = prepared.pool()?;
        let mut pixels = PixelStore::new(plan.ingest.width_px, plan.ingest.height_px);
        let first = pixels.push(pool.originals());
        let places: BTreeMap<Digest, usize> =
            data.manifest.images.iter().enumerate().map(|(place, image)| (image.digest, first + place)).collect();
        let mut gathered = Self {
            real: Vec::new(),
            arms: Vec::new(),
            real_pixels: Vec::new(),
            arm_pixels: Vec::new(),
            pixels,
            notes: Vec::new(),
        };
        let mut paths: BTreeMap<Digest, String> = BTreeMap::new();
        for image in *data.augmentable() {
            // Files of equal bytes are one image.
            if paths.contains_key(&image.digest) {
                continue;
            }
            paths.insert(image.digest, image.path.clone());
            gathered.real_pixels.push(places[&image.digest]);
            let group = image.group.clone().unwrap_or_else(|| image.digest.to_string());
            gathered.real.push(RealImage { digest: image.digest, group, class: image.class, probabilities: None });
        }
        for arm in &plan.arms {
            if arm.role == Role::Control && arm.offline.is_empty() && arm.edit.is_none() {
                continue;
            }
            let found = match gathered.sets_of(prepared, arm) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(StudyError::Interrupted) => return Err(StudyError::Interrupted),
                Err(error) => {
                    gathered.notes.push(format!("{} is not measured: {}", arm.name, chain(&error)));
                    continue;
                }
            };
            let (mut images, mut of_images) = (Vec::new(), Vec::new());
            for made in &found.sets {
                let first = gathered.pixels.push(std::sync::Arc::clone(&made.pixels));
                for (place, image) in derived(made, &paths, |source| pool.pixels(source), plan.ingest.width_px)? {
                    images.push(image);
                    of_images.push(first + place);
                }
            }
            gathered.arms.push(ArmImages { name: arm.name.clone(), images });
            gathered.arm_pixels.push(of_images);
        }
        if gathered.arms.iter().all(|arm| arm.images.is_empty()) {
            let reason = gathered.notes.first().cloned().unwrap_or_else(|| {
                "all that its arms change, they change while training; measure an arm with `offline` or `edit`"
                    .to_owned()
            });
            return Err(QualityError::NoSets { study: plan.study.name.clone(), reason }.into());
        }
        Ok(gathered)
    }

    /// The sets of an arm if all are there: measuring makes none.
    fn sets_of(
        &mut self,
        prepared: &Prepared<'_>,
        arm: &augtrial_plan::arm::Arm,
    ) -> Result<Option<ArmSets>, StudyError> {
        let steps = prepared.steps(arm).collect::<Result<Vec<_>, _>>()?;
        if steps.iter().any(|step| !prepared.is_made(&prepared.digest(step))) {
            let folder = sets::folder(prepared.context);
            self.notes.push(format!(
                "{} is not measured: its set is not in {}; `augtrial run` makes it",
                arm.name,
                folder.display()
            ));
            return Ok(None);
        }
        prepared.sets_of(arm).map(Some)
    }

    /// A sample for a network to look at.
    pub(super) fn sample_of_real(&self, position: usize) -> Sample {
        let image = &self.real[position];
        Sample {
            pixels: self.real_pixels[position],
            label: image.class,
            image: image.digest,
            source: image.digest,
            path: String::new(),
            derived: false,
        }
    }

    /// The same of a derived image.
    pub(super) fn sample_of(&self, arm: usize, position: usize) -> Sample {
        let image = &self.arms[arm].images[position];
        Sample {
            pixels: self.arm_pixels[arm][position],
            label: image.class,
            // Named by what its file's path holds: the set, the source and the copy.
            image: Digest::of_bytes(image.file.as_bytes()),
            source: image.source,
            path: image.file.clone(),
            derived: true,
        }
    }
}

/// The images of a set, with their places in it.
fn derived<'p>(
    made: &MadeSet,
    paths: &BTreeMap<Digest, String>,
    pixels: impl Fn(Digest) -> Pixels<'p>,
    width_px: u32,
) -> Result<Vec<(usize, MeasuredImage)>, StudyError> {
    let image = |(place, image): (usize, &augtrial_augment::store::DerivedImage)| {
        let source = image.lineage.source;
        let change = change(&pixels(source).rgb()?, &made.pixels.rgb(place)?, width_px as usize);
        let change = change.map_err(|source| QualityError::Features { name: image.file.clone(), source })?;
        Ok((
            place,
            MeasuredImage {
                file: format!("{}/{}", made.set.digest, image.file),
                source_path: paths.get(&source).cloned().unwrap_or_default(),
                source,
                copy: image.lineage.copy,
                class: image.class,
                instruction: image.lineage.edit.as_ref().map(|edit| edit.instruction.clone()),
                change,
                probabilities: None,
            },
        ))
    };
    let known = made.set.images.iter().enumerate().filter(|(_, image)| paths.contains_key(&image.lineage.source));
    known.map(image).collect()
}
