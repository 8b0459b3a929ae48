//! How much memory one worker needs, estimated from above so that a machine is not overcommitted.
//!
//! A trial: the process; the network's state (weights, optimizer, weights of the best epoch) in training, once more when a
//! checkpoint is gathered and once more when it is written; gradients; and the layers' outputs that the backward pass needs,
//! in proportion to batch times pixels. Measured against it (peak resident MiB of one trial, SGD with momentum): 18 layers at
//! 32x32, batch 8: 618, estimated 642; 64x48, batch 16: 638, 667; 128x96, batch 32: 731, 883; 224x224, batch 16: 970, 1139;
//! 50 layers at 128x96, batch 32: 1617, 2288. Decoded pixels are mapped files, shared by all workers, and not counted.

use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, Edit};
use augtrial_plan::classifier::{EpochRule, Optimizer};

/// A process with LibTorch loaded that has not begun.
const PROCESS_BYTES: u64 = 200_000_000;
const BYTES_PER_VALUE: u64 = 4;
/// GPU memory that a process takes beside its tensors: CUDA's context, loaded kernels and workspaces. Measured against the sum on an
/// NVIDIA H200 (MB of one trial of 18 layers): 64x48, batch 8: 1026, estimated 1170; 224x224, batch 64: 3259, 3330.
pub const GPU_CONTEXT_BYTES: u64 = 500_000_000;

/// Bytes of one trial at work.
pub fn of_trial(plan: &Plan) -> u64 {
    let (width_px, height_px) = plan.input_px();
    let classifier = &plan.classifier;
    if classifier.command.is_some() {
        return PROCESS_BYTES; // what the command needs is not known
    }
    let moments = match classifier.optimizer {
        Optimizer::Sgd(sgd) => u64::from(sgd.momentum > 0.0),
        Optimizer::Adamw(_) => 2,
    };
    let best = u64::from(classifier.epoch_rule == EpochRule::BestValidation);
    let states = 3 * (1 + moments + best) + 1;
    let pixels = u64::from(classifier.batch_size) * u64::from(width_px) * u64::from(height_px);
    let network = plan.network_traits();
    PROCESS_BYTES + states * network.parameters * BYTES_PER_VALUE + pixels * network.output_bytes_per_pixel
}

/// Bytes of an editor at work: its weights, as large as the bundle's files, and what the plan allows it beside them.
pub fn of_editor(plan: &Plan, arm: &Arm) -> u64 {
    let Some(Edit::Ip2p(ip2p)) = &arm.edit else { return PROCESS_BYTES };
    let files = std::fs::read_dir(plan.resolve_path(&ip2p.bundle)).into_iter().flatten().flatten();
    let weights: u64 = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    PROCESS_BYTES + weights + u64::from(ip2p.batch_memory_mb) * 1_000_000
}
