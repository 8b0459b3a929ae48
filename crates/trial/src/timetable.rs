//! Which batch of which pass each update uses, and where epochs end.
//!
//! A *pass* visits every sample of the arm's set once, in batches of `batch_size`, the last one possibly smaller; no batch
//! spans two passes. An *epoch* is the period of evaluation. Under `Budget::Epochs` it is one pass. Under
//! `Budget::Updates` it is as many updates as one pass over the originals would take, so that every arm is evaluated, and
//! may be selected, equally often; passes then run on across epochs, and the last epoch may be shorter.

use std::ops::Range;

use augtrial_plan::classifier::Budget;

/// The plan of all updates of a trial. All positions count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timetable {
    samples: u64,
    batch_size: u64,
    updates_per_epoch: u64,
    total_updates: u64,
}

/// The batch of one update: a range of positions in the shuffled order of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub pass: u64,
    /// Number of the batch within the pass.
    pub batch: u64,
    pub positions: Range<usize>,
}

impl Timetable {
    /// A timetable for `samples` training samples that stem from `originals` sources, both at least 1, as `batch_size` is.
    #[must_use]
    pub fn new(budget: Budget, batch_size: u32, samples: usize, originals: usize) -> Self {
        let (samples, originals, batch_size) = (samples as u64, originals as u64, u64::from(batch_size));
        let updates_per_pass = samples.div_ceil(batch_size);
        let (updates_per_epoch, total_updates) = match budget {
            Budget::Epochs(epochs) => (updates_per_pass, updates_per_pass * u64::from(epochs)),
            Budget::Updates(updates) => (originals.div_ceil(batch_size), updates),
        };
        Self { samples, batch_size, updates_per_epoch, total_updates }
    }

    /// Updates of the whole trial.
    #[must_use]
    pub fn total_updates(&self) -> u64 {
        self.total_updates
    }

    /// Updates of every epoch but perhaps the last.
    #[must_use]
    pub fn updates_per_epoch(&self) -> u64 {
        self.updates_per_epoch
    }

    /// Number of epochs, a shorter last one included.
    #[must_use]
    pub fn total_epochs(&self) -> u32 {
        self.total_updates.div_ceil(self.updates_per_epoch) as u32
    }

    /// The updates of epoch `epoch`.
    #[must_use]
    pub fn updates_of(&self, epoch: u32) -> Range<u64> {
        let start = u64::from(epoch) * self.updates_per_epoch;
        start..(start + self.updates_per_epoch).min(self.total_updates)
    }

    /// Updates of every pass.
    #[must_use]
    pub fn updates_per_pass(&self) -> u64 {
        self.samples.div_ceil(self.batch_size)
    }

    /// The batch of update `update`.
    #[must_use]
    pub fn slice(&self, update: u64) -> Slice {
        let (pass, batch) = (update / self.updates_per_pass(), update % self.updates_per_pass());
        let start = batch * self.batch_size;
        let end = (start + self.batch_size).min(self.samples);
        Slice { pass, batch, positions: start as usize..end as usize }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_epoch_of_an_epoch_budget_is_one_pass() {
        let table = Timetable::new(Budget::Epochs(3), 4, 10, 5);
        assert_eq!((table.updates_per_epoch(), table.total_updates(), table.total_epochs()), (3, 9, 3));
        assert_eq!(table.slice(5), Slice { pass: 1, batch: 2, positions: 8..10 });
    }

    #[test]
    fn an_update_budget_is_met_exactly_and_passes_span_epochs() {
        // Three times as many samples as originals: an epoch of 2 updates, a pass of 4.
        let table = Timetable::new(Budget::Updates(7), 4, 15, 5);
        assert_eq!((table.updates_per_epoch(), table.total_updates(), table.total_epochs()), (2, 7, 4));
        assert_eq!(table.updates_of(3), 6..7);
        assert_eq!(table.slice(3), Slice { pass: 0, batch: 3, positions: 12..15 });
        assert_eq!(table.slice(4), Slice { pass: 1, batch: 0, positions: 0..4 });
    }

    proptest! {
        #[test]
        fn every_pass_visits_every_sample_once_and_epochs_tile_the_budget(
            samples in 1_usize..50, originals in 1_usize..50, batch_size in 1_u32..20, updates in 1_u64..60,
        ) {
            let table = Timetable::new(Budget::Updates(updates), batch_size, samples, originals);
            let epochs: Vec<u64> = (0..table.total_epochs()).flat_map(|epoch| table.updates_of(epoch)).collect();
            prop_assert_eq!(epochs, (0..updates).collect::<Vec<_>>());
            let first_pass = (0..table.updates_per_pass()).map(|update| table.slice(update));
            let visited: Vec<usize> = first_pass.flat_map(|slice| slice.positions).collect();
            prop_assert_eq!(visited, (0..samples).collect::<Vec<_>>());
        }
    }
}
