//! Trials that are stopped, killed, continued: equal to the bit to those that never were.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::case::{Case, Log};
use super::images::partners;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::{Observer, RunEvent, Split, StepProgress};
use augtrial_data::samples::EvaluationSet;
use augtrial_plan::classifier::{AdamW, Budget, Optimizer};
use augtrial_trial::TrainError;
use augtrial_trial::TrialOutcome;
use augtrial_trial::{CHECKPOINT_FILE_NAME, CheckpointRule};

/// Stops after `after` updates, then continues; gives the outcome and the event of the continuation.
pub fn stopped_and_resumed(case: &Case, after: u64) -> (TrialOutcome, Option<RunEvent>) {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut log = Log { stop: Some((&stop, after)), ..Log::default() };
    let interrupted = case.run_in(folder.path(), &stop, &mut log).unwrap_err();
    assert!(matches!(interrupted, TrainError::Interrupted { updates, .. } if updates == after), "{interrupted}");
    let mut log = Log::default();
    let outcome = case.run_in(folder.path(), &AtomicBool::new(false), &mut log).unwrap();
    (outcome, log.events.into_iter().next())
}

#[test]
fn a_resumed_trial_equals_an_uninterrupted_one() {
    let sgd = Case::new(Budget::Epochs(3)); // three updates an epoch
    let mut adamw = Case::new(Budget::Updates(8));
    adamw.classifier.optimizer = Optimizer::Adamw(AdamW::default());
    adamw.mix = Some(partners());
    adamw.checkpoints = CheckpointRule::LAST_EPOCH; // only the stop itself saves
    for case in [sgd, adamw] {
        let whole = case.outcome();
        for after in 1..case_updates(&case) {
            let (outcome, first) = stopped_and_resumed(&case, after);
            assert_eq!(outcome, whole, "stopped after {after}");
            let epoch = (after / 3) as u32;
            assert!(matches!(first, Some(RunEvent::Resumed { epoch: e, .. }) if e == epoch), "{after}: {first:?}");
        }
    }
}

fn case_updates(case: &Case) -> u64 {
    match case.classifier.budget {
        Budget::Epochs(epochs) => u64::from(epochs) * 3,
        Budget::Updates(updates) => updates,
    }
}

#[test]
fn a_finished_trial_is_tested_again_from_its_checkpoint_with_equal_result() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(Budget::Epochs(2));
    let stop = AtomicBool::new(false);
    let first = case.run_in(folder.path(), &stop, &mut Log::default()).unwrap();
    let mut log = Log::default();
    assert_eq!(case.run_in(folder.path(), &stop, &mut log).unwrap(), first);
    assert_eq!(log.updates, 0, "nothing is trained again");
}

#[test]
fn a_checkpoint_of_another_trial_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let case = Case::new(Budget::Epochs(1));
    let outcome = case.run_in(folder.path(), &stop, &mut Log::default()).unwrap();
    let other = Case { key: Digest::of_bytes(b"other"), ..Case::new(Budget::Epochs(1)) };
    let error = other.run_in(folder.path(), &stop, &mut Log::default()).unwrap_err();
    assert!(matches!(error, TrainError::CheckpointForeign { .. }), "{error}");
    assert_eq!(case.run_in(folder.path(), &stop, &mut Log::default()).unwrap(), outcome);
}

/// Asks for a checkpoint after the fourth update, and puts aside what is on disk after the fifth.
struct Asker<'a> {
    request: &'a AtomicBool,
    folder: &'a Path,
    aside: &'a Path,
}

impl Observer for Asker<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        let saved = matches!(event, RunEvent::Checkpointed { .. });
        assert!(!saved || *event == RunEvent::Checkpointed { epoch: 3 }, "the rule saves at the end alone: {event:?}");
        Ok(())
    }

    fn progress(&mut self, progress: &StepProgress) {
        match progress.updates {
            ..4 => assert!(!self.folder.join(CHECKPOINT_FILE_NAME).exists(), "nothing was asked for"),
            4 => self.request.store(true, Ordering::Relaxed),
            5 => drop(fs::copy(self.folder.join(CHECKPOINT_FILE_NAME), self.aside.join(CHECKPOINT_FILE_NAME)).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_trial_that_is_asked_to_save_does_and_goes_on() {
    static REQUEST: AtomicBool = AtomicBool::new(false);
    let case = Case { save: &REQUEST, checkpoints: CheckpointRule::LAST_EPOCH, ..Case::new(Budget::Epochs(3)) };
    let whole = Case::new(Budget::Epochs(3)).outcome();
    let (folder, aside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let never = AtomicBool::new(false);
    let mut asker = Asker { request: &REQUEST, folder: folder.path(), aside: aside.path() };
    assert_eq!(case.run_in(folder.path(), &never, &mut asker).unwrap(), whole);
    assert!(!REQUEST.load(Ordering::Relaxed), "the request is taken back");

    let mut log = Log::default();
    assert_eq!(case.run_in(aside.path(), &never, &mut log).unwrap(), whole, "continued from the middle of epoch 2");
    assert!(matches!(log.events[0], RunEvent::Resumed { epoch: 1, .. }), "{:?}", log.events[0]);
}

#[test]
fn the_rule_decides_after_which_epochs_the_state_is_saved() {
    let saved = |rule: &str| -> Vec<u32> {
        let (_, events) = Case { checkpoints: rule.parse().unwrap(), ..Case::new(Budget::Epochs(5)) }.run();
        let epoch = |event: &RunEvent| if let RunEvent::Checkpointed { epoch } = event { Some(*epoch) } else { None };
        events.iter().filter_map(epoch).collect()
    };
    assert_eq!(saved("2epochs"), [2, 4, 5], "and after the last");
    assert_eq!(saved("1min"), [5], "the clock of the test stands still");
}

/// Whether there is a checkpoint, after every update.
struct Looker<'a> {
    folder: &'a Path,
    seen: Vec<bool>,
}

impl Observer for Looker<'_> {
    fn observe(&mut self, _: &RunEvent) -> io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: &StepProgress) {
        self.seen.push(self.folder.join(CHECKPOINT_FILE_NAME).exists());
    }
}

#[test]
fn a_rule_of_time_saves_within_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointRule::Time(Duration::from_nanos(1));
    let case = Case { clock: Clock::System, checkpoints, ..Case::new(Budget::Epochs(1)) };
    let mut looker = Looker { folder: folder.path(), seen: Vec::new() };
    case.run_in(folder.path(), &AtomicBool::new(false), &mut looker).unwrap();
    assert_eq!(looker.seen, [false, true, true], "before the first update there is nothing to save");
}

/// Watching decides nothing, and a trial that was stopped knows what it saw before.
#[test]
fn watched_images_are_learned_from_an_epoch_on_and_a_resumed_trial_says_the_same() {
    let plain = Case::new(Budget::Epochs(8));
    let watched = EvaluationSet::new(Split::Test, plain.training.samples().to_vec(), plain.training.pixels().clone());
    let watching = Case { watched: Some(watched), ..Case::new(Budget::Epochs(8)) };
    let (without, with) = (plain.outcome(), watching.outcome());
    assert!(without.learned.is_empty());
    assert_eq!(with.learned.len(), plain.training.samples().len());
    assert!(with.learned.iter().any(|&epoch| epoch > 1) && with.learned.iter().all(|&epoch| epoch <= 8), "{with:?}");
    assert_eq!(with.weights, without.weights);
    for after in [3, 10] {
        assert_eq!(stopped_and_resumed(&watching, after).0, with, "after {after} updates");
    }
}
