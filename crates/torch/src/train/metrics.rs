//! Training metrics that stay on the device until an epoch ends, so that no update waits for them.

use tch::{Device, Kind, TchError, Tensor};

/// What one update reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    /// Mean over the batch.
    pub(super) loss_nats: f64,
    /// Samples whose highest score is the (largest) target.
    pub(super) correct: u64,
    pub(super) samples: u64,
}

/// Reports of updates, in their order, not fetched yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    updates: Vec<(u64, u64)>,
    /// Scalars, f32.
    losses: Vec<Tensor>,
    /// Scalars, i64.
    correct: Vec<Tensor>,
}

impl Pending {
    /// Adds the report of `update`, from scores `[N, classes]` and targets `[N]` or `[N, classes]`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn push(
        &mut self,
        update: u64,
        samples: u64,
        loss: &Tensor,
        scores: &Tensor,
        targets: &Tensor,
    ) -> Result<(), TchError> {
        tch::no_grad(|| {
            // Of equal values, `argmax` takes the first.
            let labels = if targets.dim() == 2 { targets.f_argmax(1, false)? } else { targets.shallow_clone() };
            let correct = scores.f_argmax(1, false)?.f_eq_tensor(&labels)?.f_sum(Kind::Int64)?;
            self.updates.push((update, samples));
            self.losses.push(loss.detach());
            self.correct.push(correct);
            Ok(())
        })
    }

    /// Fetches every report and hands it on, up to the first whose loss is not finite: of that one the update is returned.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Report)) -> Result<Option<u64>, TchError> {
        let Self { updates, losses, correct } = std::mem::take(self);
        if updates.is_empty() {
            return Ok(None);
        }
        let losses: Vec<f64> = fetched(&losses, Kind::Double)?.try_into()?;
        let correct: Vec<i64> = fetched(&correct, Kind::Int64)?.try_into()?;
        for ((update, samples), (loss_nats, correct)) in updates.into_iter().zip(losses.into_iter().zip(correct)) {
            if !loss_nats.is_finite() {
                return Ok(Some(update));
            }
            take(Report { loss_nats, correct: correct as u64, samples });
        }
        Ok(None)
    }
}

fn fetched(scalars: &[Tensor], kind: Kind) -> Result<Tensor, TchError> {
    Tensor::f_stack(scalars, 0)?.f_to_device(Device::Cpu)?.f_to_kind(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two samples of three classes; the first is right.
    fn push(pending: &mut Pending, update: u64, loss: f32, targets: &Tensor) {
        let scores = Tensor::from_slice(&[0.0_f32, 2.0, 1.0, 5.0, 5.0, 1.0]).view([2, 3]);
        pending.push(update, 2, &Tensor::from(loss), &scores, targets).unwrap();
    }

    #[test]
    fn reports_come_back_in_order_with_their_counts() {
        let mut pending = Pending::default();
        push(&mut pending, 4, 0.5, &Tensor::from_slice(&[1_i64, 1]));
        push(&mut pending, 5, 0.25, &Tensor::from_slice(&[0.1_f32, 0.7, 0.2, 0.5, 0.5, 0.0]).view([2, 3]));
        let mut reports = Vec::new();
        assert_eq!(pending.drain(|report| reports.push(report)).unwrap(), None);
        let report = |loss_nats, correct| Report { loss_nats, correct, samples: 2 };
        assert_eq!(reports, [report(0.5, 1), report(0.25, 2)], "of equal values the first counts");
        assert_eq!(pending.drain(|_| unreachable!("nothing is left")).unwrap(), None);
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_update() {
        let mut pending = Pending::default();
        for (update, loss) in [(7, 1.0), (8, f32::NAN), (9, f32::NAN)] {
            push(&mut pending, update, loss, &Tensor::from_slice(&[1_i64, 0]));
        }
        let mut taken = 0;
        assert_eq!(pending.drain(|_| taken += 1).unwrap(), Some(8));
        assert_eq!(taken, 1);
    }
}
