//! What a network sees in the pictures of a data set, for an audit.

use std::sync::Arc;

use super::quality::Looker;
use super::{Context, DataAudit, FeatureChoice, StudyError, sets};
use augtrial_audit::PictureFeatures;
use augtrial_data::cache::Picture;
use augtrial_data::pixels::PixelStore;
use augtrial_data::samples::Sample;
use augtrial_plan::Plan;

/// The features of every picture of an audited data set, at the plan's working size, by a network that is named. What it saw is kept by
/// digest below the folder of runs.
///
/// # Errors
/// [`StudyError::NoEngine`] if this process cannot look; [`StudyError::Features`] if what it sees cannot be compared; else whatever reading
/// or looking gives.
///
/// # Panics
/// If the control's own networks are asked for: an audit has none.
pub fn picture_features(
    plan: &Plan,
    audited: &DataAudit,
    choice: &FeatureChoice,
    threads: Option<u32>,
    context: &Context<'_>,
) -> Result<PictureFeatures, StudyError> {
    context.engine()?.begin(&plan.classifier, threads)?;
    let looker = Looker::given(choice, plan, context)?.expect("an audit looks with a network that is named");
    let images = &audited.manifest.images;
    let pictures = Picture::of_records(audited.source.root(), images);
    let mut pixels = PixelStore::new(plan.ingest.width_px, plan.ingest.height_px);
    let first = pixels.push(Arc::new(sets::decode("decode images", &pictures, pictures.len(), plan, context)?));
    let samples = images.iter().enumerate().map(|(place, image)| Sample {
        pixels: first + place,
        label: image.class,
        image: image.digest,
        source: image.digest,
        path: String::new(),
        derived: false,
    });
    let seen = looker.see(&pixels, samples.collect())?;
    PictureFeatures::new(images.len(), seen.width, seen.features)
        .map_err(|source| StudyError::Features { name: looker.name.clone(), source })
}
