//! The derived images that a report shows: chosen by the study seed and never by eye, and kept small in the study's own
//! record, so that its report can be made for ever.
//!
//! The sources are drawn once for all arms, so that a reader can compare the arms on the same picture; beside them each
//! arm shows some of the images that were planned and not made.

use std::collections::{BTreeMap, BTreeSet};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, RgbImage, imageops};
use rand::seq::SliceRandom as _;

use super::sets::{MadeSet, Sets};
use super::sheet::{Example, GalleryFate};
use super::{StudyData, StudyError, trials};
use augtrial_augment::{Augmenter as _, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_data::cache::CacheError;
use augtrial_data::manifest::Lineage;
use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, OfflineStep};
use augtrial_plan::transform::traced;
use augtrial_registry::Registry;

/// Sources that are shown, and how many of them may be of one class.
const SOURCES: usize = 12;
const SOURCES_PER_CLASS: usize = 2;

/// Copies of one source that are shown of one set.
const COPIES: u32 = 2;

/// Images that were not made, shown per arm beyond those of the chosen sources.
const MISSING: usize = 4;

/// Longer side of a picture at most, px.
const PICTURE_PX: u32 = 256;

/// Items of the stream `Purpose::Gallery`.
const DRAW_SOURCES: u64 = 0;
const DRAW_MISSING: u64 = 1;

/// What is shown of every arm, and the PNG files behind it.
pub(super) struct Gallery {
    /// In the order of the sets' arms.
    pub(super) arms: Vec<Vec<Example>>,
    pictures: BTreeMap<Digest, Vec<u8>>,
}

impl Gallery {
    /// Chooses the examples of every arm that has sets.
    ///
    /// # Errors
    /// If an image has to be decoded anew for it, and cannot be.
    pub(super) fn choose(plan: &Plan, data: &StudyData, sets: &Sets) -> Result<Self, CacheError> {
        let sources: Vec<(Digest, u32)> = data.augmentable().iter().map(|image| (image.digest, image.class)).collect();
        let chosen = choose_sources(&sources, plan.study.seed);
        let originals = data.manifest.images.iter().enumerate().map(|(index, image)| (image.digest, index)).collect();
        let mut gallery = Self { arms: Vec::new(), pictures: BTreeMap::new() };
        for made in &sets.arms {
            let arm = plan.arms.iter().find(|arm| arm.name == made.arm);
            let steps = arm.map_or(&[][..], |arm| &arm.offline);
            let asked = |set: usize| steps.get(set).map_or_else(String::new, described);
            let mut planned: Vec<Planned<'_>> =
                made.sets.iter().enumerate().flat_map(|(index, set)| planned(set, &asked(index))).collect();
            keep_chosen(&mut planned, &chosen, plan.study.seed);
            let size = (plan.ingest.width_px, plan.ingest.height_px);
            let examples = planned.iter().map(|planned| gallery.example(planned, size, data, sets, &originals));
            let mut examples = examples.collect::<Result<Vec<Example>, _>>()?;
            for &(source, class) in arm.filter(|arm| !arm.online.is_empty()).map_or(&[][..], |_| &chosen) {
                let Some(arm) = arm else { continue };
                examples.extend(gallery.online(plan, arm, data, sets, (originals[&source], class))?);
            }
            gallery.arms.push(examples);
        }
        Ok(gallery)
    }

    /// Writes the pictures into the study's record.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn keep(&self, plan: &Plan, registry: &Registry) -> Result<(), StudyError> {
        let write = |png| registry.write_picture(&plan.study.name, &plan.digest(), png);
        self.pictures.values().try_for_each(|png| write(png).map(drop)).map_err(StudyError::from)
    }

    fn example(
        &mut self,
        planned: &Planned<'_>,
        size: (u32, u32),
        data: &StudyData,
        sets: &Sets,
        originals: &BTreeMap<Digest, usize>,
    ) -> Result<Example, CacheError> {
        let lineage = planned.lineage;
        let original = originals[&lineage.source];
        let source = self.picture(size, &sets.originals.rgb(original)?);
        let shown = match planned.made {
            Ok(position) => GalleryFate::Picture(self.picture(size, &planned.set.pixels.rgb(position)?)),
            Err(reason) => GalleryFate::Missing(reason.to_owned()),
        };
        let edit = lineage.edit.as_ref();
        Ok(Example {
            source,
            path: data.manifest.images[original].path.clone(),
            class: planned.class,
            copy: lineage.copy,
            asked: edit.map_or_else(|| planned.asked.clone(), |edit| edit.instruction.clone()),
            change_levels: edit.and_then(|edit| edit.change_levels),
            shown,
        })
    }

    /// What the online transforms of an arm make of an original in the first passes of the first seed, as if it stood at its place in the
    /// data set.
    fn online(
        &mut self,
        plan: &Plan,
        arm: &Arm,
        data: &StudyData,
        sets: &Sets,
        (original, class): (usize, u32),
    ) -> Result<Vec<Example>, CacheError> {
        let (transforms, recipe) = trials::online(plan, arm);
        let pipeline = Pipeline::new(&transforms);
        let size = (plan.ingest.width_px, plan.ingest.height_px);
        let rgb = sets.originals.rgb(original)?;
        let source = self.picture(size, &rgb);
        let seed = plan.study.seeds[0];
        let mut examples = Vec::new();
        for copy in 0..COPIES {
            let image = RgbImage::from_raw(size.0, size.1, rgb.to_vec()).expect("a block's images are of one size");
            let purpose = Purpose::Online { recipe, seed, pass: copy.into() };
            let mut rng = plan.study.seed.stream(purpose, original as u64);
            let (made, notes) = traced(|| pipeline.apply(image, &mut rng));
            let drawn = if notes.is_empty() { "unchanged".to_owned() } else { notes.join(", ") };
            examples.push(Example {
                source,
                path: data.manifest.images[original].path.clone(),
                class,
                copy,
                asked: format!("online: {drawn}"),
                change_levels: None,
                shown: GalleryFate::Picture(self.picture((made.width(), made.height()), made.as_raw())),
            });
        }
        Ok(examples)
    }

    fn picture(&mut self, (width_px, height_px): (u32, u32), rgb: &[u8]) -> Digest {
        let png = picture(width_px, height_px, rgb);
        let digest = Digest::of_bytes(&png);
        self.pictures.entry(digest).or_insert(png);
        digest
    }
}

/// One planned image of a set.
struct Planned<'a> {
    set: &'a MadeSet,
    lineage: &'a Lineage,
    class: u32,
    asked: String,
    /// Position among the set's pixels, or why there is none.
    made: Result<usize, &'a str>,
}

fn planned<'a>(set: &'a MadeSet, asked: &str) -> Vec<Planned<'a>> {
    let new = |lineage, class, made| Planned { set, lineage, class, asked: asked.to_owned(), made };
    let made =
        set.set.images.iter().enumerate().map(|(position, image)| new(&image.lineage, image.class, Ok(position)));
    let missing = set.set.missing.iter().map(|image| {
        let missing = &image.missing;
        let reason = if missing.detail.is_empty() { missing.reason.name() } else { missing.detail.as_str() };
        new(&image.lineage, image.class, Err(reason))
    });
    made.chain(missing).collect()
}

/// A random order of the sources, of which the first of each class are shown.
fn choose_sources(sources: &[(Digest, u32)], seed: StudySeed) -> Vec<(Digest, u32)> {
    // Byte-identical files of one class are one source; sorted, the choice does not depend on paths.
    let mut order: Vec<_> = sources.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    order.shuffle(&mut seed.stream(Purpose::Gallery, DRAW_SOURCES));
    let mut of_class = BTreeMap::<u32, usize>::new();
    order.retain(|(_, class)| {
        let shown = of_class.entry(*class).or_default();
        *shown += 1;
        *shown <= SOURCES_PER_CLASS
    });
    order.truncate(SOURCES);
    order
}

/// Keeps the first copies of the chosen sources and a random few of the other missing ones, sorted by class and source.
fn keep_chosen(planned: &mut Vec<Planned<'_>>, chosen: &[(Digest, u32)], seed: StudySeed) {
    let is_chosen =
        |image: &Planned<'_>| image.lineage.copy < COPIES && chosen.contains(&(image.lineage.source, image.class));
    let mut missing: Vec<usize> =
        (0..planned.len()).filter(|&index| planned[index].made.is_err() && !is_chosen(&planned[index])).collect();
    missing.shuffle(&mut seed.stream(Purpose::Gallery, DRAW_MISSING));
    missing.truncate(MISSING);
    let kept: Vec<bool> =
        planned.iter().enumerate().map(|(index, image)| is_chosen(image) || missing.contains(&index)).collect();
    let mut kept = kept.into_iter();
    planned.retain(|_| kept.next().unwrap_or(false));
    // Stable: the sets stay in the order of the recipe.
    planned.sort_by_key(|image| (image.class, image.lineage.source, image.lineage.copy));
}

/// The transforms of a step in words: `horizontal_flip(p 0.5), shift(x 0.1, y 0.1, fill constant 0 0 0)`.
fn described(step: &OfflineStep) -> String {
    let words = |value: &serde_json::Value| {
        let mut text = String::new();
        for part in value.to_string().split(['{', '}', '[', ']', '"', ':', ',']).filter(|part| !part.is_empty()) {
            text += if text.is_empty() { "" } else { " " };
            // A third is enough to four decimals.
            let rounded = part.parse::<f64>().ok().filter(|_| part.len() > 6).map(|number| format!("{number:.4}"));
            text += rounded.as_deref().unwrap_or(part);
        }
        text
    };
    let transform = |transform: &augtrial_plan::transform::Transform| {
        let value = serde_json::to_value(transform).expect("a transform has a JSON form");
        let parameters = value.get(transform.name()).and_then(serde_json::Value::as_object);
        let parameters = parameters.into_iter().flatten().map(|(name, value)| format!("{name} {}", words(value)));
        format!("{}({})", transform.name(), parameters.collect::<Vec<_>>().join(", "))
    };
    step.apply.iter().map(transform).collect::<Vec<_>>().join(", ")
}

/// A PNG file of an image `[H, W, 3]`, its longer side reduced to [`PICTURE_PX`].
pub(super) fn picture(width_px: u32, height_px: u32, rgb: &[u8]) -> Vec<u8> {
    let image = RgbImage::from_raw(width_px, height_px, rgb.to_vec()).expect("a block's images are of one size");
    let longer = width_px.max(height_px);
    let reduced = |side: u32| (f64::from(side * PICTURE_PX) / f64::from(longer)).round().max(1.0) as u32;
    let small = if longer > PICTURE_PX {
        imageops::resize(&image, reduced(width_px), reduced(height_px), imageops::FilterType::Triangle)
    } else {
        image
    };
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
        .write_image(small.as_raw(), small.width(), small.height(), ExtendedColorType::Rgb8)
        .expect("memory takes every byte");
    png
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_plan::transform::{HorizontalFlip, Shift, Transform};

    fn sources() -> Vec<(Digest, u32)> {
        (0..90_u32).map(|i| (Digest::of_bytes(&i.to_le_bytes()), i % 9)).collect()
    }

    #[test]
    fn the_seed_alone_chooses_and_no_class_fills_the_gallery() {
        let chosen = choose_sources(&sources(), StudySeed(1));
        let backwards: Vec<_> = sources().into_iter().rev().collect();
        assert_eq!(chosen, choose_sources(&backwards, StudySeed(1)), "the order of the data decides nothing");
        assert_ne!(chosen, choose_sources(&sources(), StudySeed(2)));
        assert_eq!(chosen.len(), SOURCES);
        for class in 0..9 {
            assert!(chosen.iter().filter(|(_, of)| *of == class).count() <= SOURCES_PER_CLASS);
        }
        let one_class: Vec<_> = sources().into_iter().map(|(digest, _)| (digest, 0)).collect();
        assert_eq!(choose_sources(&one_class, StudySeed(1)).len(), SOURCES_PER_CLASS);
    }

    #[test]
    fn a_step_is_told_with_its_parameters() {
        let apply = vec![Transform::HorizontalFlip(HorizontalFlip::default()), Transform::Shift(Shift::default())];
        let text = described(&OfflineStep { copies: augtrial_plan::copies::Copies::default(), apply });
        assert_eq!(text, "horizontal_flip(p 0.5), shift(x 0.1, y 0.1, fill constant 0 0 0)");
    }

    #[test]
    fn pictures_keep_their_shape_and_small_ones_their_pixels() {
        let size = |png: &[u8]| image::load_from_memory(png).unwrap().into_rgb8();
        let rgb: Vec<u8> = (0..512 * 384 * 3).map(|i| (i % 251) as u8).collect();
        assert_eq!(size(&picture(512, 384, &rgb)).dimensions(), (256, 192));
        assert_eq!(size(&picture(8, 4, &rgb[..96])).into_raw(), rgb[..96]);
    }
}
