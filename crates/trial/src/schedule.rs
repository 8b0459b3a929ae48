//! The learning rate as a pure function of where the trial stands.
//!
//! Warm-up rises linearly (Goyal et al. 2017, section 2.2). Cosine: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5,
//! without restarts, as `torch.optim.lr_scheduler.CosineAnnealingLR` stepped after every update.

use std::f64::consts::PI;

use augtrial_plan::classifier::{Constant, Cosine, Schedule, Step};

/// Where a trial stands before an update. All counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Updates done.
    pub update: u64,
    /// Updates of the whole trial.
    pub total_updates: u64,
    /// Epochs done.
    pub epoch: u32,
}

/// The rate of the update that comes next; `base` is the optimizer's rate.
///
/// During warm-up, the first `round(warmup * total)` updates, the scheduled rate is multiplied by `(update + 1) / warm-up
/// updates`: it rises linearly from zero, and the first update already moves.
#[must_use]
pub fn learning_rate(schedule: &Schedule, base: f64, at: Position) -> f64 {
    let (Schedule::Constant(Constant { warmup })
    | Schedule::Step(Step { warmup, .. })
    | Schedule::Cosine(Cosine { warmup, .. })) = *schedule;
    let warmup_updates = (warmup * at.total_updates as f64).round() as u64;
    let scheduled = base
        * match schedule {
            Schedule::Constant(_) => 1.0,
            Schedule::Step(step) => step.factor.powf(f64::from(at.epoch / step.every_epochs.max(1))),
            Schedule::Cosine(cosine) => cosine_share(cosine.floor, at, warmup_updates),
        };
    if at.update < warmup_updates { scheduled * (at.update + 1) as f64 / warmup_updates as f64 } else { scheduled }
}

/// Share of the base rate that half a cosine leaves, 1 during warm-up.
fn cosine_share(floor: f64, at: Position, warmup_updates: u64) -> f64 {
    let done = at.update.saturating_sub(warmup_updates) as f64;
    let span = at.total_updates.saturating_sub(warmup_updates).max(1) as f64;
    // floor + (1 - floor) * (1 + cos(pi * t / T)) / 2
    floor + (1.0 - floor) * 0.5 * (1.0 + (PI * done / span).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        #[serde(rename = "step_7_0.3")]
        step: Vec<f64>,
        #[serde(rename = "cosine_50_0.1")]
        cosine: Vec<f64>,
    }

    const BASE: f64 = 0.05;

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../fixtures/schedule/schedule.json")).unwrap()
    }

    /// PyTorch multiplies from step to step and so gathers rounding errors; the closed form differs by a few units in the
    /// last place.
    fn assert_close(ours: f64, theirs: f64) {
        assert!((ours / theirs - 1.0).abs() < 1e-12, "{ours} is not {theirs}");
    }

    #[test]
    fn step_is_pytorchs() {
        let schedule = Schedule::Step(Step { every_epochs: 7, factor: 0.3, warmup: 0.0 });
        for (epoch, theirs) in (0..).zip(fixture().step) {
            let at = Position { update: u64::from(epoch) * 3, total_updates: 90, epoch };
            assert_close(learning_rate(&schedule, BASE, at), theirs);
        }
    }

    #[test]
    fn cosine_is_pytorchs() {
        let schedule = Schedule::Cosine(Cosine { floor: 0.1, warmup: 0.0 });
        for (update, theirs) in (0..).zip(fixture().cosine) {
            assert_close(learning_rate(&schedule, BASE, Position { update, total_updates: 50, epoch: 0 }), theirs);
        }
    }

    #[test]
    fn warm_up_rises_in_equal_steps_and_the_cosine_spans_the_rest() {
        let schedule = Schedule::Cosine(Cosine { floor: 0.1, warmup: 0.5 });
        let rate = |update| learning_rate(&schedule, BASE, Position { update, total_updates: 100, epoch: 0 });
        for update in 0..50 {
            assert_close(rate(update), BASE * (update + 1) as f64 / 50.0);
        }
        for (update, theirs) in (50..).zip(fixture().cosine) {
            assert_close(rate(update), theirs);
        }
    }

    #[test]
    fn a_constant_rate_is_the_optimizers() {
        let schedule = Schedule::Constant(Constant { warmup: 0.0 });
        for update in 0..10 {
            assert_eq!(learning_rate(&schedule, BASE, Position { update, total_updates: 10, epoch: 3 }), BASE);
        }
    }
}
