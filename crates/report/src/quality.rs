//! What a report says of the quality of the sets, where `augtrial quality` measured them: the table, coverage beside gain, and derived
//! images to look at.

use std::collections::BTreeMap;

use serde::Serialize;

use super::document::Block;
use super::figures::Figure;
use super::record::Picture;
use super::references::Citations;
use super::tables;
use super::view::StudyView;
use augtrial_base::digest::Digest;
use augtrial_base::numbers::count;
use augtrial_base::text;
use augtrial_quality::{MEASURES, SetQuality, ShownImage};

/// What was measured of a study's sets.
#[derive(Clone, Debug)]
pub struct QualityRecord {
    pub quality: SetQuality,
    /// Of the galleries; empty where a report shows no pictures.
    pub pictures: BTreeMap<Digest, Picture>,
}

/// The same, ready to be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QualityView {
    pub quality: SetQuality,
    pub looks: Vec<QualityLook>,
}

/// Derived images of an arm to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QualityLook {
    /// The arm, and how the images were chosen.
    pub title: String,
    pub shown: Vec<LookedAt>,
}

/// A derived image beside its source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookedAt {
    pub source: Picture,
    pub derived: Picture,
    /// Class, path, what was asked and what was measured.
    pub caption: String,
}

impl QualityView {
    /// With every text from elsewhere cut and freed of what steers a reader. Cites the works of the measures that have a value.
    pub(super) fn new(record: &QualityRecord, cited: &Citations) -> Self {
        let mut quality = record.quality.clone();
        let clean = |text: &mut String| *text = text::reason(text);
        clean(&mut quality.features);
        clean(&mut quality.judges);
        quality.notes.iter_mut().for_each(clean);
        quality.rows.iter_mut().flat_map(|row| row.missing.values_mut()).for_each(clean);
        let used = MEASURES.iter().filter(|measure| quality.whole().any(|row| row.values.contains_key(measure.key)));
        used.filter_map(|measure| measure.work).for_each(|work| drop(cited.cite_work(work)));
        let looked = |shown: &ShownImage| {
            let asked = shown.instruction.iter().map(|asked| text::reason(asked));
            let words = [text::reason(&shown.class), text::reason(&shown.path)].into_iter().chain(asked);
            Some(LookedAt {
                source: record.pictures.get(&shown.source)?.clone(),
                derived: record.pictures.get(&shown.derived)?.clone(),
                caption: format!("{}: {}", words.collect::<Vec<_>>().join(", "), text::reason(&shown.note)),
            })
        };
        let look = |gallery: &augtrial_quality::SetGallery| QualityLook {
            title: format!("{}: {}", text::reason(&gallery.arm), text::reason(&gallery.title)),
            shown: gallery.shown.iter().filter_map(looked).collect(),
        };
        let looks = quality.galleries.iter().map(look).filter(|look: &QualityLook| !look.shown.is_empty()).collect();
        Self { quality, looks }
    }

    /// Every picture that is shown.
    pub(super) fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.looks.iter().flat_map(|look| &look.shown).flat_map(|shown| [&shown.source, &shown.derived])
    }
}

/// The section; empty where nothing was measured.
pub(super) fn blocks(view: &StudyView, figures: impl Iterator<Item = Figure>) -> Vec<Block> {
    let Some(QualityView { quality, looks }) = &view.quality else { return Vec::new() };
    let vendi = quality
        .vendi_of
        .map_or_else(String::new, |images| format!(" Vendi scores are of {} images.", count(images as u64)));
    let mut blocks = vec![Block::Text(format!(
        "Measured on {} real images, in halves by class: each set is compared with the half that it was not made from. Floor: one half of \
         the real images against the other. Ceiling: real images of the next class in the place of the set. Features of {}. \
         Labels are judged by {}. Balls reach to neighbor {}; precision, density and coverage use those of real images, recall those \
         of the set. P values are by {} permutations.{vendi}",
        count(quality.real_images as u64),
        quality.features,
        quality.judges,
        quality.k,
        count(quality.permutations.into()),
    ))];
    if !quality.notes.is_empty() {
        blocks.push(Block::List(quality.notes.clone()));
    }
    blocks.push(Block::Table(tables::set_quality(view)));
    let reasons = quality.reasons();
    if !reasons.is_empty() {
        blocks.push(Block::Fold("What was not measured, and why".to_owned(), vec![Block::List(reasons)]));
    }
    blocks.extend(figures.map(Block::Figure));
    let parts = tables::set_quality_parts(view);
    if !parts.rows.is_empty() {
        blocks.push(Block::Fold("By class and instruction".to_owned(), vec![Block::Table(parts)]));
    }
    for look in looks {
        blocks.push(Block::Fold(look.title.clone(), vec![Block::Look(look.clone())]));
    }
    let terms = MEASURES.iter().map(|measure| {
        (
            measure.title.to_owned(),
            format!("{} ({}; better: {})", measure.help, measure.unit.words(), measure.better.words()),
        )
    });
    blocks.push(Block::Fold("What the measures say".to_owned(), vec![Block::Terms(terms.collect())]));
    blocks
}
