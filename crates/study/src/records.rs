//! Which runs a study rests on: its own, and those of other studies that were equal trials.

use std::collections::BTreeSet;

use super::StudyError;
use super::results::cells;
use super::sheet::StudySheet;
use augtrial_plan::Plan;
use augtrial_registry::{Registry, RunId};

/// Every run that these plans' studies recorded, under whichever seeds and settings, and every run of another study that counts
/// for them.
///
/// # Errors
/// Whatever reading the registry gives; also if the studies recorded nothing.
pub fn runs_behind(plans: &[&Plan], registry: &Registry) -> Result<BTreeSet<RunId>, StudyError> {
    let mut runs = BTreeSet::new();
    for plan in plans {
        // Its own, and those of the search that chose its values.
        for study in [Some(plan.study.name.clone()), plan.search_name()].into_iter().flatten() {
            let own = augtrial_registry::Filter { study: Some(study), ..augtrial_registry::Filter::default() };
            runs.extend(registry.list(&own)?.into_iter().map(|run| run.run));
        }
        let Some(sheet) = registry.read_study::<StudySheet>(&plan.study.name, &plan.digest())? else { continue };
        let counted = cells(plan, registry, &sheet)?.into_iter().filter_map(|cell| cell.state.counted);
        runs.extend(counted.map(|run| run.run));
    }
    if runs.is_empty() {
        return Err(StudyError::NotRun {
            study: plans.first().map_or_else(String::new, |plan| plan.study.name.clone()),
        });
    }
    Ok(runs)
}
