//! What a gate's rules say of the images of a set: pixels beside their source's, and what the network says that was not trained on
//! the source. The measures, and their terms, are those of `augtrial quality`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cross_fit::CrossFit;
use crate::prepared::Prepared;
use crate::sets::MadeSet;
use crate::{QualityError, StudyError};
use augtrial_augment::store::{Missing, MissingReason};
use augtrial_base::digest::Digest;
use augtrial_data::manifest::ImageRecord;
use augtrial_data::pixels::PixelStore;
use augtrial_data::samples::Sample;
use augtrial_plan::gate::{Bounds, Gate};
use augtrial_quality::{
    Change, Features, JudgedImage, NEARLY_UNCHANGED, QualitySettings, Thresholds, change, nearest_scale,
};

/// What is known of one image of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub change: Change,
    /// Of a network that was not trained on its source: one probability per class, and the distance of features from the source's.
    pub seen: Option<(Vec<f32>, f64)>,
}

/// Why images of a set are left out, by position among them.
pub fn left_out(
    prepared: &Prepared<'_>,
    arm: &str,
    gate: &Gate,
    made: &MadeSet,
) -> Result<BTreeMap<usize, Missing>, StudyError> {
    let (facts, thresholds) = facts(prepared, arm, gate, made)?;
    let classes = &prepared.data.manifest.classes;
    let images = made.set.images.iter().zip(&facts).enumerate();
    let refused = images.filter_map(|(position, (image, facts))| {
        Some((position, refusal(gate, image.class, facts, &thresholds, classes)?))
    });
    Ok(refused.collect())
}

/// The images of a set that networks confidently take for another class: the class and its probability, by position. Empty where the plan
/// asks no network.
pub fn mislabeled(
    prepared: &Prepared<'_>,
    arm: &str,
    made: &MadeSet,
) -> Result<BTreeMap<usize, (u32, f32)>, StudyError> {
    if prepared.plan.cross_fit_plan().is_none() {
        return Ok(BTreeMap::new());
    }
    let unchanged = Facts { change: Change { levels: 0.0, ssim: None }, seen: None };
    let mut facts = vec![unchanged; made.set.images.len()];
    let thresholds = look(prepared, arm, made, &mut facts)?;
    let mut found = BTreeMap::new();
    for (position, (image, facts)) in made.set.images.iter().zip(&facts).enumerate() {
        let Some((probabilities, _)) = &facts.seen else { continue };
        let judged = JudgedImage { label: image.class, probabilities, nearly_unchanged: false };
        if thresholds.mislabeled(&judged) {
            found.insert(position, (judged.predicted() as u32, probabilities[judged.predicted()]));
        }
    }
    Ok(found)
}

/// The first rule that an image breaks, in the order of the file's keys.
pub fn refusal(gate: &Gate, class: u32, facts: &Facts, thresholds: &Thresholds, classes: &[String]) -> Option<Missing> {
    let broken = |reason, detail: String| Some(Missing { reason, detail });
    let out = |bounds: Option<Bounds>, value: f64| bounds.is_some_and(|bounds| !bounds.hold(value));
    if let Some((probabilities, distance)) = &facts.seen {
        let nearly_unchanged = facts.change.ssim.is_some_and(|ssim| ssim >= NEARLY_UNCHANGED);
        let judged = JudgedImage { label: class, probabilities, nearly_unchanged };
        let taken = || {
            let (predicted, confidence) = (judged.predicted(), judged.confidence());
            let probability = probabilities[predicted];
            format!(
                "taken for {} with probability {probability:.3}, {confidence:.3} for {}",
                classes[predicted], classes[class as usize]
            )
        };
        if gate.agreement && !judged.agrees() {
            return broken(MissingReason::GatedAgreement, taken());
        }
        if gate.drop_mislabeled && thresholds.mislabeled(&judged) {
            return broken(MissingReason::GatedMislabeled, taken());
        }
        if gate.drop_too_easy && thresholds.too_easy(&judged) {
            let ssim = facts.change.ssim.unwrap_or(1.0);
            return broken(MissingReason::GatedTooEasy, format!("{}, SSIM {ssim:.3} to its source", taken()));
        }
        if out(gate.confidence, judged.confidence()) {
            return broken(MissingReason::GatedConfidence, taken());
        }
        if out(gate.change_features, *distance) {
            let detail = format!("features {distance:.3} nearest distances from its source's");
            return broken(MissingReason::GatedChangeFeatures, detail);
        }
    }
    let Change { levels, ssim } = facts.change;
    if out(gate.change_levels, levels) {
        return broken(MissingReason::GatedChangeLevels, format!("{levels:.3} levels from its source"));
    }
    match ssim {
        Some(ssim) if out(gate.change_ssim, ssim) => {
            broken(MissingReason::GatedChangeSsim, format!("SSIM {ssim:.3} to its source"))
        }
        _ => None,
    }
}

/// What the gate asks of every image of a set, and from which probability on networks are confident.
fn facts(
    prepared: &Prepared<'_>,
    arm: &str,
    gate: &Gate,
    made: &MadeSet,
) -> Result<(Vec<Facts>, Thresholds), StudyError> {
    let pool = prepared.pool()?;
    let width_px = prepared.plan.ingest.width_px as usize;
    let mut facts = Vec::with_capacity(made.set.images.len());
    for (place, image) in made.set.images.iter().enumerate() {
        let found = change(&pool.pixels(image.lineage.source).rgb()?, &made.pixels.rgb(place)?, width_px);
        let change = found.map_err(|source| QualityError::Features { name: image.file.clone(), source })?;
        facts.push(Facts { change, seen: None });
    }
    let thresholds = if gate.asks_networks() {
        look(prepared, arm, made, &mut facts)?
    } else {
        Thresholds::of([], prepared.data.manifest.classes.len())
    };
    Ok((facts, thresholds))
}

/// Lets every network look at the images whose sources it was not trained on.
fn look(prepared: &Prepared<'_>, arm: &str, made: &MadeSet, facts: &mut [Facts]) -> Result<Thresholds, StudyError> {
    let (data, context) = (&prepared.data, prepared.context);
    let fitted: &CrossFit = prepared.cross_fit()?;
    let classes = data.manifest.classes.len();
    let pool = prepared.pool()?;
    let ingest = &prepared.plan.ingest;
    let mut pixels = PixelStore::new(ingest.width_px, ingest.height_px);
    let (originals, derived) = (pixels.push(pool.originals()), pixels.push(Arc::clone(&made.pixels)));
    let mut real: Vec<&ImageRecord> = data.augmentable().iter().collect();
    real.sort_by_key(|image| (image.digest, image.class, &image.path));
    real.dedup_by_key(|image| (image.digest, image.class));
    let mut judged: Vec<(u32, Vec<f32>)> = Vec::with_capacity(real.len());
    for fold in &fitted.folds {
        context.check_stop()?;
        let looker = fitted.looker(fold, classes, context)?;
        let held: Vec<&ImageRecord> =
            real.iter().copied().filter(|image| fold.held_out.contains(&image.digest)).collect();
        let samples = held.iter().map(|image| Sample {
            pixels: originals + pool.position(image.digest),
            label: image.class,
            image: image.digest,
            source: image.digest,
            path: String::new(),
            derived: false,
        });
        let of_real = looker.see(&pixels, samples.collect())?;
        let real_features = looker.features(of_real.width, of_real.features)?;
        let labels: Vec<u32> = held.iter().map(|image| image.class).collect();
        judged.extend(labels.iter().copied().zip(of_real.probabilities.chunks_exact(classes).map(<[f32]>::to_vec)));
        let scale = nearest_scale(&real_features, &labels, QualitySettings::default().most, prepared.plan.study.seed);
        let place_of: BTreeMap<Digest, usize> =
            held.iter().enumerate().map(|(place, image)| (image.digest, place)).collect();

        let images = made.set.images.iter().enumerate();
        let of_fold: Vec<usize> =
            images.filter(|(_, image)| place_of.contains_key(&image.lineage.source)).map(|(at, _)| at).collect();
        if of_fold.is_empty() {
            continue;
        }
        let samples = of_fold.iter().map(|&at| made.sample(at, derived + at)).collect();
        let seen = looker.see(&pixels, samples)?;
        let features: Features = looker.features(seen.width, seen.features)?;
        for (row, &at) in of_fold.iter().enumerate() {
            let source = place_of[&made.set.images[at].lineage.source];
            let probabilities = seen.probabilities[row * classes..][..classes].to_vec();
            let distance = features.distance(row, &real_features, source);
            // Where no two real images of a class differ, a distance of nothing is none, and any other is endless.
            let apart = if distance > 0.0 { f64::INFINITY } else { 0.0 };
            let told = if scale > 0.0 { distance / scale } else { apart };
            facts[at].seen = Some((probabilities, told));
        }
    }
    if let Some(at) = facts.iter().position(|facts| facts.seen.is_none()) {
        let source = made.set.images[at].lineage.source;
        let problem =
            format!("no network was held out of the source {} of an image that its gate judges", source.short());
        return Err(StudyError::Arm { arm: arm.to_owned(), problem });
    }
    let real = judged.iter().map(|(label, probabilities)| JudgedImage {
        label: *label,
        probabilities,
        nearly_unchanged: false,
    });
    Ok(Thresholds::of(real, classes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(probabilities: &[f32], ssim: f64, levels: f64, distance: f64) -> Facts {
        Facts { change: Change { levels, ssim: Some(ssim) }, seen: Some((probabilities.to_vec(), distance)) }
    }

    fn reason(gate: &Gate, facts: &Facts) -> Option<&'static str> {
        let real = [[0.8_f32, 0.2], [0.4, 0.6]];
        let real = real.iter().zip([0, 1]).map(|(probabilities, label)| JudgedImage {
            label,
            probabilities,
            nearly_unchanged: false,
        });
        let classes = ["glass".to_owned(), "metal".to_owned()];
        let found = refusal(gate, 0, facts, &Thresholds::of(real, 2), &classes)?;
        assert!(!found.detail.is_empty());
        Some(found.reason.name())
    }

    #[test]
    fn every_rule_leaves_out_what_breaks_it_and_the_first_broken_rule_is_the_reason() {
        let right = facts(&[0.9, 0.1], 0.97, 3.0, 0.5);
        let wrong = facts(&[0.3, 0.7], 0.5, 30.0, 2.0);
        let unsure = facts(&[0.45, 0.55], 0.5, 30.0, 2.0);
        let within = |least, most| Some(Bounds { least, most });
        let agreement = Gate { agreement: true, ..Gate::default() };
        assert_eq!((reason(&agreement, &right), reason(&agreement, &unsure)), (None, Some("gated-agreement")));
        let mislabeled = Gate { drop_mislabeled: true, ..Gate::default() };
        assert_eq!(reason(&mislabeled, &wrong), Some("gated-mislabeled"), "0.7 is above the 0.6 of real metal");
        assert_eq!(reason(&mislabeled, &unsure), None, "0.55 is below it");
        let too_easy = Gate { drop_too_easy: true, ..Gate::default() };
        assert_eq!((reason(&too_easy, &right), reason(&too_easy, &wrong)), (Some("gated-too-easy"), None));
        let confidence = Gate { confidence: within(Some(0.4), Some(0.8)), ..Gate::default() };
        assert_eq!(reason(&confidence, &right), Some("gated-confidence"));
        assert_eq!((reason(&confidence, &unsure), reason(&confidence, &wrong)), (None, Some("gated-confidence")));
        let features = Gate { change_features: within(None, Some(1.0)), ..Gate::default() };
        assert_eq!((reason(&features, &right), reason(&features, &wrong)), (None, Some("gated-change-features")));
        let levels = Gate { change_levels: within(Some(5.0), None), ..Gate::default() };
        assert_eq!((reason(&levels, &right), reason(&levels, &wrong)), (Some("gated-change-levels"), None));
        let ssim = Gate { change_ssim: within(Some(0.6), Some(0.95)), ..Gate::default() };
        assert_eq!(
            (reason(&ssim, &right), reason(&ssim, &wrong)),
            (Some("gated-change-ssim"), Some("gated-change-ssim"))
        );
        let all = Gate { agreement: true, drop_mislabeled: true, ..confidence };
        assert_eq!(reason(&all, &wrong), Some("gated-agreement"));
    }
}
