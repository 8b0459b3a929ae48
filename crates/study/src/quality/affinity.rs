//! Affinity (Gontijo-Lopes et al. 2021, section 3.1): how much worse the control's networks do on validation images that an arm
//! changes than on the same images as they are. They were not trained on either.

use std::sync::Arc;

use super::networks::ControlNetwork;
use crate::StudyError;
use crate::data::Division;
use crate::prepared::Prepared;
use crate::sets;
use augtrial_augment::store::SourceImage;
use augtrial_augment::{Augmenter as _, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::seed::{Fork, Purpose};
use augtrial_data::cache::CacheError;
use augtrial_data::pixels::{PixelBlock, PixelStore};
use augtrial_data::samples::{EvaluationSet, Sample};
use augtrial_plan::arm::Arm;
use augtrial_quality::Stored;
use image::RgbImage;

/// The networks with their accuracies on the validation images as they are.
pub(super) struct Affinity<'a, 'n> {
    prepared: &'a Prepared<'a>,
    /// Of the draw's seeds.
    networks: Vec<(&'n ControlNetwork<'a>, f64)>,
    sources: Vec<SourceImage<'a>>,
}

impl<'a, 'n> Affinity<'a, 'n> {
    pub(super) fn new(prepared: &'a Prepared<'a>, networks: &'n [ControlNetwork<'a>]) -> Result<Self, StudyError> {
        let Division::BySource(partition) = &prepared.data.division else {
            return Ok(Self { prepared, networks: Vec::new(), sources: Vec::new() });
        };
        let pool = prepared.pool()?;
        let source = |image: &'a augtrial_data::manifest::ImageRecord| SourceImage {
            digest: image.digest,
            path: &image.path,
            class: image.class,
            pixels: pool.pixels(image.digest),
        };
        let sources: Vec<SourceImage<'a>> = partition.validation.images().iter().map(source).collect();
        let mut affinity = Self { prepared, networks: Vec::new(), sources };
        let clean = affinity.set(affinity.unchanged()?);
        for network in networks.iter().filter(|network| network.seed.is_some_and(|seed| prepared.seeds.contains(&seed)))
        {
            affinity.networks.push((network, accuracy(&network.looker.look(&clean)?, &clean)));
        }
        Ok(affinity)
    }

    /// The affinity of an arm, as a difference of shares, or why it has none.
    pub(super) fn of(&self, arm: &Arm) -> Result<Result<f64, String>, StudyError> {
        if arm.edit.is_some() {
            return Ok(
                Err("its edits are of training images, and affinity needs them of validation images".to_owned()),
            );
        }
        if arm.gate.is_some() {
            return Ok(Err("its gate judges images of training, and affinity needs images of validation".to_owned()));
        }
        if arm.offline.is_empty() && arm.online.is_empty() {
            return Ok(Err("it changes no single image".to_owned()));
        }
        if self.networks.is_empty() || self.sources.is_empty() {
            return Ok(Err("no network of the control is there for this division".to_owned()));
        }
        let set = self.set(self.changed(arm)?);
        let mut differences = Vec::new();
        for (network, clean) in &self.networks {
            differences.push(accuracy(&network.looker.look(&set)?, &set) - clean);
        }
        Ok(Ok(differences.iter().sum::<f64>() / differences.len() as f64))
    }

    /// The validation images as they are.
    fn unchanged(&self) -> Result<Vec<(u32, Vec<u8>)>, CacheError> {
        let image = |source: &SourceImage<'_>| Ok((source.class, source.pixels.rgb()?.into_owned()));
        self.sources.iter().map(image).collect()
    }

    /// The validation images as the arm changes them: by every offline step, and then as while training.
    fn changed(&self, arm: &Arm) -> Result<Vec<(u32, Vec<u8>)>, StudyError> {
        let Prepared { plan, data, .. } = self.prepared;
        let mut images = Vec::new();
        for step in self.prepared.steps(arm) {
            let name = format!("{} of validation images", arm.name);
            let made = sets::materialize(self.prepared, &name, data.draw.sets, &self.sources, &step?)?;
            let made_of = made.set.images.iter().enumerate();
            for (place, image) in made_of {
                images.push((image.class, made.pixels.rgb(place)?.into_owned()));
            }
        }
        if images.is_empty() {
            images = self.unchanged()?;
        }
        if arm.online.is_empty() {
            return Ok(images);
        }
        let pipeline = Pipeline::new(&arm.online);
        let recipe = Digest::of_value("affinity-v1", &arm.online).to_string();
        let fork = Fork::new(&mut plan.study.seed.stream(Purpose::Quality, 2));
        let (width_px, height_px) = (plan.ingest.width_px, plan.ingest.height_px);
        let change = |(place, (class, rgb)): (usize, (u32, Vec<u8>))| {
            let image = RgbImage::from_raw(width_px, height_px, rgb).expect("images of the working size");
            (class, pipeline.apply(image, &mut fork.stream(&recipe, place as u64)).into_raw())
        };
        Ok(images.into_iter().enumerate().map(change).collect())
    }

    fn set(&self, images: Vec<(u32, Vec<u8>)>) -> EvaluationSet {
        let ingest = &self.prepared.plan.ingest;
        let mut bytes = Vec::new();
        let mut samples = Vec::new();
        for (place, (label, rgb)) in images.into_iter().enumerate() {
            let image = Digest::of_bytes(&rgb);
            samples.push(Sample { pixels: place, label, image, source: image, path: String::new(), derived: true });
            bytes.extend(rgb);
        }
        let mut pixels = PixelStore::new(ingest.width_px, ingest.height_px);
        pixels.push(Arc::new(PixelBlock::from_memory(ingest.width_px, ingest.height_px, bytes)));
        EvaluationSet::new(Split::Validation, samples, pixels)
    }
}

/// Share of the images whose likeliest class is their own; of equal ones, the first.
fn accuracy(seen: &Stored, set: &EvaluationSet) -> f64 {
    let is_right = |(row, sample): &(&[f32], &Sample)| {
        let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter().position(|&p| p == best) == Some(sample.label as usize)
    };
    let right = seen.probabilities.chunks_exact(seen.classes).zip(set.samples()).filter(is_right).count();
    right as f64 / set.samples().len() as f64
}
