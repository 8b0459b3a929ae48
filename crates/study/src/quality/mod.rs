//! How good the sets of a study are: images and networks of its record go in, `augtrial_quality` measures, the study's record keeps it.

mod affinity;
mod galleries;
mod gather;
mod lead;
mod networks;
mod options;
mod outcome;

pub use lead::{MeasuredStudy, quality};
pub(super) use networks::Looker;
pub use options::{FeatureChoice, QualityError, QualityOptions};

use super::StudyError;
use augtrial_plan::Plan;
use augtrial_quality::{SetQuality, VERSION};
use augtrial_registry::Registry;

/// Name of what is kept beside a study's sheet.
const FILE: &str = "quality.json";

/// What was measured last under this plan; nothing if nothing was, or if another version of the program wrote it.
pub(super) fn kept(plan: &Plan, registry: &Registry) -> Result<Option<SetQuality>, StudyError> {
    let bytes = registry.read_study_file(&plan.study.name, &plan.digest(), FILE)?;
    let quality = bytes.and_then(|bytes| serde_json::from_slice::<SetQuality>(&bytes).ok());
    Ok(quality.filter(|quality| quality.version == VERSION))
}
