//! Which originals an arm makes copies of: those of some classes, those that the cross-fitted control finds hard, or as many drawn
//! at random.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom as _;

use super::StudyError;
use super::prepared::Prepared;
use augtrial_base::digest::Digest;
use augtrial_base::seed::Purpose;
use augtrial_base::words::nearest;
use augtrial_data::manifest::ImageRecord;
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::select::Select;
use augtrial_plan::train::Dose;

/// Content and class of the originals that an arm makes copies of; nothing if it selects none.
///
/// # Errors
/// [`StudyError::NotFitted`] where networks are asked that have not been trained; [`StudyError::Arm`] for a class that the data do not have.
pub(super) fn of(prepared: &Prepared<'_>, arm: &Arm) -> Result<Option<BTreeSet<(Digest, u32)>>, StudyError> {
    let Some(select) = &arm.select else { return Ok(None) };
    let images: Vec<&ImageRecord> = distinct(prepared);
    Ok(Some(match select {
        Select::Classes(classes) => of_classes(prepared, arm, classes, &images)?,
        Select::LowConfidence => {
            let confidence = prepared.cross_fit()?.confidence(prepared.context)?;
            // An image that no network judged is as hard as can be.
            hardest(&images, arm, |image| confidence.get(&key(image)).copied().unwrap_or(0.0))
        }
        Select::LateLearned => {
            let learned = prepared.cross_fit()?.learned(prepared.context)?;
            let confidence = prepared.cross_fit()?.confidence(prepared.context)?;
            // Of equally late ones, those that are least certain when they are held out.
            hardest(&images, arm, |image| {
                let (late, sure) = (learned.get(&key(image)).copied(), confidence.get(&key(image)).copied());
                sure.unwrap_or(0.0) - LEARNED_WEIGHT * late.unwrap_or(NEVER)
            })
        }
        Select::Random(like) => {
            let other = prepared.plan.arms.iter().find(|other| other.name == *like).expect("a plan names its arms");
            let selected = of(prepared, other)?.expect("a plan's null is of an arm that selects");
            at_random(prepared, other, &images, &selected)
        }
    }))
}

fn key(image: &ImageRecord) -> (Digest, u32) {
    (image.digest, image.class)
}

/// The smallest difference of mean epochs outweighs every difference of probabilities: there are at most 50 networks.
const LEARNED_WEIGHT: f64 = 1e3;
/// Later than any epoch.
const NEVER: f64 = 1e9;

/// How many originals of each class get copies, of these that there are; before a network is asked which.
pub(super) fn counts(plan: &Plan, classes: &[String], arm: &Arm, sources: &[u64]) -> Vec<u64> {
    let dose = Dose::Fraction(arm.fraction.unwrap_or(1.0));
    match &arm.select {
        None => sources.to_vec(),
        Some(Select::Classes(wanted)) => {
            let of = |(count, class): (&u64, &String)| if wanted.contains(class) { *count } else { 0 };
            sources.iter().zip(classes).map(of).collect()
        }
        Some(Select::LateLearned | Select::LowConfidence) => {
            sources.iter().map(|&count| dose.of_class(count as usize) as u64).collect()
        }
        Some(Select::Random(like)) => {
            let other = plan.arms.iter().find(|other| other.name == *like).expect("a plan names its arms");
            counts(plan, classes, other, sources)
        }
    }
}

/// Every content of the training part once for each class that it has, sorted.
fn distinct<'p>(prepared: &'p Prepared<'_>) -> Vec<&'p ImageRecord> {
    let mut images: Vec<&ImageRecord> = prepared.data.augmentable().iter().collect();
    images.sort_by_key(|image| (image.digest, image.class, &image.path));
    images.dedup_by_key(|image| (image.digest, image.class));
    images
}

fn of_classes(
    prepared: &Prepared<'_>,
    arm: &Arm,
    wanted: &[String],
    images: &[&ImageRecord],
) -> Result<BTreeSet<(Digest, u32)>, StudyError> {
    let classes = &prepared.data.manifest.classes;
    if let Some(unknown) = wanted.iter().find(|wanted| !classes.contains(wanted)) {
        let hint = nearest(unknown, classes.iter().map(String::as_str)).map_or_else(
            || format!("the classes are {}", classes.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let problem = format!("`select` names the class `{unknown}`, which the data set does not have: {hint}");
        return Err(StudyError::Arm { arm: arm.name.clone(), problem });
    }
    let of_class = |image: &&&ImageRecord| wanted.contains(&classes[image.class as usize]);
    Ok(images.iter().filter(of_class).map(|image| key(image)).collect())
}

/// Of every class, the arm's share of images with the lowest scores; of equal ones, those of the lower digest.
fn hardest(images: &[&ImageRecord], arm: &Arm, score: impl Fn(&ImageRecord) -> f64) -> BTreeSet<(Digest, u32)> {
    let dose = Dose::Fraction(arm.fraction.unwrap_or(1.0));
    let mut selected = BTreeSet::new();
    for (_, mut of_class) in by_class(images) {
        of_class.sort_by(|a, b| score(a).total_cmp(&score(b)).then(a.digest.cmp(&b.digest)));
        let count = dose.of_class(of_class.len());
        selected.extend(of_class[..count].iter().map(|image| key(image)));
    }
    selected
}

/// As many of every class as are selected, by streams of the sets' seed and of the recipe whose null this is.
fn at_random(
    prepared: &Prepared<'_>,
    other: &Arm,
    images: &[&ImageRecord],
    selected: &BTreeSet<(Digest, u32)>,
) -> BTreeSet<(Digest, u32)> {
    let purpose = Purpose::Select { recipe: other.recipe_digest() };
    let mut drawn = BTreeSet::new();
    for (class, mut of_class) in by_class(images) {
        let count = of_class.iter().filter(|image| selected.contains(&key(image))).count();
        of_class.shuffle(&mut prepared.data.draw.sets.stream(purpose, class.into()));
        drawn.extend(of_class[..count].iter().map(|image| key(image)));
    }
    drawn
}

fn by_class<'i>(images: &[&'i ImageRecord]) -> BTreeMap<u32, Vec<&'i ImageRecord>> {
    let mut classes: BTreeMap<u32, Vec<&ImageRecord>> = BTreeMap::new();
    for image in images {
        classes.entry(image.class).or_default().push(image);
    }
    classes
}
