//! Two scopes of one contrast. Over seeds alone, the paired t interval speaks of training noise on this test set. Over seeds
//! and images, a two-way analysis of the differences image by image speaks of new images like these.
//!
//! The wider interval is never narrower than the narrower one: it is the hull of both, and its p values are the larger of
//! both. By simulation (docs/scope.md) that keeps its coverage where three seeds give the two-way analysis too many degrees
//! of freedom. Images of one cluster count as one.

use std::collections::BTreeMap;

use super::verdict::{Unadjusted, Unscoped};
use super::{ByImage, Metric, RunResult, StudyResults};
use augtrial_plan::dataset::Protocol;
use augtrial_stats::{self as stats, Crossed, Degenerate, Estimate, PairedT};

/// The two-way analysis of the metric's differences, image by image; its mean is `difference`, the metric's own.
pub(super) fn crossed(
    pairs: &[(&RunResult, &RunResult)],
    difference: f64,
    input: &StudyResults,
) -> Result<Crossed, Unscoped> {
    if input.study.protocol == Protocol::AsPublished {
        return Err(Unscoped::OwnImages);
    }
    if input.conduct.test_share.is_some() {
        return Err(Unscoped::Redrawn);
    }
    let images = pairs.first().map_or(0, |(treatment, _)| treatment.correct.len());
    let alike = |run: &RunResult| run.correct.len() == images;
    if images == 0 || !pairs.iter().all(|(treatment, control)| alike(treatment) && alike(control)) {
        return Err(Unscoped::NoPredictions);
    }
    let values = values(pairs, images, input)?;
    let units = units(images, input)?;
    let table: Vec<Vec<f64>> = values.iter().map(|(treatment, control)| row(treatment, control, &units)).collect();
    let found = stats::crossed(&table).map_err(Unscoped::Undefined)?;
    Ok(Crossed { mean: difference, ..found })
}

/// What each image adds to the metric, of the treatment's run and of the control's.
type ByImagePair = (Vec<f64>, Vec<f64>);

/// What each image adds to the metric, of both sides of every pair.
fn values(
    pairs: &[(&RunResult, &RunResult)],
    images: usize,
    input: &StudyResults,
) -> Result<Vec<ByImagePair>, Unscoped> {
    let of = |run: &RunResult| match input.metric().by_image {
        ByImage::Correct | ByImage::CorrectByClass => Ok(run.correct.iter().map(|&right| f64::from(right)).collect()),
        ByImage::Mean(_) if run.answers.len() != images => Err(Unscoped::NoPredictions),
        ByImage::Mean(value) => Ok(run.answers.iter().map(value).collect()),
        ByImage::None => Err(Unscoped::NoMean),
    };
    pairs.iter().map(|(treatment, control)| Ok((of(treatment)?, of(control)?))).collect()
}

/// Weight and unit of every image: a unit's weighted differences are summed, and their mean over units is the metric's.
struct Units {
    /// (weight, unit) by image.
    images: Vec<(f64, usize)>,
    count: usize,
}

fn units(images: usize, input: &StudyResults) -> Result<Units, Unscoped> {
    let known = input.images.len() == images;
    let classes = || {
        let mut counts = BTreeMap::<u32, f64>::new();
        input.images.iter().for_each(|image| *counts.entry(image.label).or_default() += 1.0);
        counts
    };
    let weights: Vec<f64> = match input.metric().by_image {
        ByImage::Correct | ByImage::Mean(_) | ByImage::None => vec![1.0 / images as f64; images],
        ByImage::CorrectByClass if !known => return Err(Unscoped::NoLabels),
        ByImage::CorrectByClass => {
            let counts = classes();
            input.images.iter().map(|image| 1.0 / (counts.len() as f64 * counts[&image.label])).collect()
        }
    };
    let mut numbers = BTreeMap::new();
    let unit_of = |image: usize| {
        let cluster = if known { u64::from(input.images[image].cluster) } else { image as u64 };
        let next = numbers.len();
        *numbers.entry(cluster).or_insert(next)
    };
    let units: Vec<usize> = (0..images).map(unit_of).collect();
    Ok(Units { count: numbers.len(), images: weights.into_iter().zip(units).collect() })
}

fn row(treatment: &[f64], control: &[f64], units: &Units) -> Vec<f64> {
    let mut row = vec![0.0; units.count];
    for ((&(weight, unit), t), c) in units.images.iter().zip(treatment).zip(control) {
        row[unit] += weight * units.count as f64 * (t - c);
    }
    row
}

/// The contrast where the split is redrawn for every seed: training and test images vary, and runs share some of them. The
/// corrected resampled t (Nadeau and Bengio 2003) speaks of new images like these. Without spread over seeds there is
/// no t, and `plain` stands.
pub(super) fn resampled(
    d: &[f64],
    test_share: f64,
    plain: Unadjusted,
    input: &StudyResults,
) -> (Unadjusted, Result<PairedT, Degenerate>) {
    let t = stats::corrected_t(d, test_share, plain.difference.level);
    let found = match &t {
        Ok(t) => {
            let tost_p = input.margin().and_then(|delta| stats::corrected_tost_p(d, test_share, delta).ok());
            let difference = bounded(t.difference, input.metric());
            Unadjusted { difference, p: t.p, tost_p: tost_p.unwrap_or(1.0) }
        }
        Err(_) => plain,
    };
    (found, t)
}

/// The contrast for new images, from what the seeds alone say of it.
pub(super) fn beyond(
    here: Unadjusted,
    crossed: &Result<Crossed, Unscoped>,
    input: &StudyResults,
) -> Result<Unadjusted, Unscoped> {
    let crossed = match crossed {
        Ok(crossed) => crossed,
        // All answers differ alike: the images add nothing to what the seeds say.
        Err(Unscoped::Undefined(Degenerate::ZeroVariance)) => return Ok(here),
        Err(reason) => return Err(reason.clone()),
    };
    let undefined = Unscoped::Undefined;
    let wide = crossed.estimate(here.difference.level).map_err(undefined)?.interval;
    let narrow = here.difference.interval;
    let hull = (wide.0.min(narrow.0), wide.1.max(narrow.1));
    let tost_p = match input.margin() {
        Some(delta) => crossed.equivalence_p(delta).map_err(undefined)?.max(here.tost_p),
        None => 1.0,
    };
    Ok(Unadjusted {
        difference: bounded(Estimate { interval: hull, ..here.difference }, input.metric()),
        p: crossed.p().map_err(undefined)?.max(here.p),
        tost_p,
    })
}

/// A difference of two shares lies within -1 to 1, and so does its interval; other metrics have bounds of their own.
pub(super) fn bounded(difference: Estimate, metric: &Metric) -> Estimate {
    Estimate { interval: metric.bounded_difference(difference.interval), ..difference }
}
