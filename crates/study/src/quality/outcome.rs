//! What training with the sets came to: diversity, by the losses of training (Gontijo-Lopes et al. 2021, section 3.2), and the gain.

use crate::StudyError;
use crate::results::ArmSeed;
use augtrial_base::events::{EpochMetrics, Split};
use augtrial_compare::{Better, Comparison, Scale};
use augtrial_plan::Plan;
use augtrial_plan::arm::Role;
use augtrial_registry::Registry;

/// Training loss of an arm after its last epoch over that of its control, mean over the seeds that both have, or why there is none.
pub(super) fn diversity(
    plan: &Plan,
    registry: &Registry,
    cells: &[ArmSeed<'_>],
    arm: &str,
) -> Result<Result<f64, String>, StudyError> {
    let Some(control) = control_of(plan, arm) else { return Ok(Err("the study has no control".to_owned())) };
    let mut ratios = Vec::new();
    for &seed in &plan.study.seeds {
        let loss = |name: &str| -> Result<Option<f64>, StudyError> {
            let cell = cells.iter().find(|cell| cell.arm == name && cell.seed == seed);
            let Some(run) = cell.and_then(|cell| cell.state.counted.as_ref()) else { return Ok(None) };
            Ok(last_training_loss(&registry.record_of(run)?.epochs))
        };
        if let (Some(of_arm), Some(of_control)) = (loss(arm)?, loss(control)?)
            && of_control > 0.0
        {
            ratios.push(of_arm / of_control);
        }
    }
    if ratios.is_empty() {
        return Ok(Err(format!("no seed has a finished run of {arm} and one of {control} with a loss above 0")));
    }
    Ok(Ok(ratios.iter().sum::<f64>() / ratios.len() as f64))
}

fn last_training_loss(epochs: &[EpochMetrics]) -> Option<f64> {
    let training = epochs.iter().filter(|metrics| metrics.split == Split::Train);
    training.max_by_key(|metrics| metrics.epoch).map(|metrics| metrics.loss_nats)
}

/// Mean difference of the study's metric, arm less control, or why there is none.
pub(super) fn gain(comparison: &Comparison, arm: &str) -> Result<f64, String> {
    let metric = comparison.measure();
    if metric.scale != Scale::Percent || metric.better != Better::Higher {
        return Err(format!("the study's metric, {}, is no share of which more is better", metric.title));
    }
    let declared = comparison.contrasts.iter().find(|result| result.contrast.treatment == arm);
    let Some(contrast) = declared else { return Err("the study declares no contrast of it".to_owned()) };
    let pairs = "its contrast has no pair of finished runs";
    contrast.mean_difference().ok_or_else(|| pairs.to_owned())
}

/// What an arm is compared with: the control of its first contrast, else the study's first control.
fn control_of<'p>(plan: &'p Plan, arm: &str) -> Option<&'p str> {
    let declared = plan.contrasts.iter().find(|contrast| contrast.treatment == arm);
    declared.map(|contrast| contrast.control.as_str()).or_else(|| {
        plan.arms.iter().find(|other| other.role == Role::Control && other.name != arm).map(|other| other.name.as_str())
    })
}
