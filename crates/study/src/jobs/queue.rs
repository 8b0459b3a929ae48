//! Who does what next: sets and trials, as plain data.
//!
//! One set is made at a time as long as trials can run beside it, so that editing and training mix; if no trial can run,
//! other sets are made too. Trials come seed by seed, as in one process. Arms with a set in common wait for one another, and
//! so do trials of the same key: the second finds the first's result.

use super::agenda::Agenda;
use crate::trials::Ended;
use augtrial_base::digest::Digest;

/// How often a set is tried whose workers crash; it continues where it stopped.
const SET_TRIES: u32 = 2;

/// Something for a worker to do, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// The sets of an arm.
    Set(usize),
    Trial(usize),
}

/// Everything that is to be done, and how far it is.
pub struct Queue {
    arms: Vec<Arm>,
    trials: Vec<QueuedTrial>,
}

struct Arm {
    sets: Vec<Digest>,
    state: ArmState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArmState {
    /// After so many crashes.
    Missing(u32),
    Making(u32),
    Ready,
    Lost,
}

struct QueuedTrial {
    arm: usize,
    key: Digest,
    state: QueueState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum QueueState {
    Waiting,
    Working,
    Ended(Ended),
}

impl Queue {
    /// Of everything on the agenda.
    pub fn new(agenda: &Agenda<'_>) -> Self {
        let arm = |item: &super::agenda::ArmItem<'_>| Arm {
            sets: item.sets.clone(),
            state: if item.made { ArmState::Ready } else { ArmState::Missing(0) },
        };
        let trial = |item: &super::agenda::TrialItem| QueuedTrial {
            arm: item.arm,
            key: item.key,
            state: item.settled.clone().map_or(QueueState::Waiting, QueueState::Ended),
        };
        Self { arms: agenda.arms.iter().map(arm).collect(), trials: agenda.trials.iter().map(trial).collect() }
    }

    /// The next job, now somebody's; none if all is done or waits for something.
    pub fn next(&mut self) -> Option<Job> {
        let (set, trial) = (self.next_set(), self.next_trial());
        let making = self.arms.iter().any(|arm| matches!(arm.state, ArmState::Making(_)));
        match (set, trial) {
            (Some(set), trial) if !making || trial.is_none() => {
                let ArmState::Missing(crashes) = self.arms[set].state else { unreachable!("the set is to be made") };
                self.arms[set].state = ArmState::Making(crashes);
                Some(Job::Set(set))
            }
            (_, Some(trial)) => {
                self.trials[trial].state = QueueState::Working;
                Some(Job::Trial(trial))
            }
            _ => None,
        }
    }

    fn next_set(&self) -> Option<usize> {
        let in_work = |set: &Digest| {
            self.arms.iter().any(|arm| matches!(arm.state, ArmState::Making(_)) && arm.sets.contains(set))
        };
        self.arms.iter().position(|arm| matches!(arm.state, ArmState::Missing(_)) && !arm.sets.iter().any(in_work))
    }

    fn next_trial(&self) -> Option<usize> {
        let in_work = |key| self.trials.iter().any(|trial| trial.state == QueueState::Working && trial.key == key);
        let can_run = |trial: &QueuedTrial| {
            trial.state == QueueState::Waiting && self.arms[trial.arm].state == ArmState::Ready && !in_work(trial.key)
        };
        self.trials.iter().position(can_run)
    }

    /// The sets of an arm are there.
    pub fn made(&mut self, arm: usize) {
        self.arms[arm].state = ArmState::Ready;
    }

    /// A trial came to an end.
    pub fn ended(&mut self, trial: usize, ended: Ended) {
        self.trials[trial].state = QueueState::Ended(ended);
    }

    /// Whoever did the job is gone without a result. A trial is without one then; a set is tried again.
    pub fn lost(&mut self, job: Job, reason: &str) {
        match job {
            Job::Trial(trial) => {
                let reason = format!("{reason}; the same command continues the trial");
                self.trials[trial].state = QueueState::Ended(Ended::Failed(reason));
            }
            Job::Set(arm) => match self.arms[arm].state {
                ArmState::Making(crashes) if crashes + 1 < SET_TRIES => {
                    self.arms[arm].state = ArmState::Missing(crashes + 1);
                }
                _ => {
                    self.arms[arm].state = ArmState::Lost;
                    self.end_waiting(|trial| trial.arm == arm, &format!("its images were not made: {reason}"));
                }
            },
        }
    }

    /// Begins nothing more: what waits is without a result.
    pub fn give_up(&mut self, reason: &str) {
        for arm in &mut self.arms {
            if matches!(arm.state, ArmState::Missing(_)) {
                arm.state = ArmState::Lost;
            }
        }
        self.end_waiting(|_| true, &format!("not begun: {reason}"));
    }

    fn end_waiting(&mut self, which: impl Fn(&QueuedTrial) -> bool, reason: &str) {
        for trial in self.trials.iter_mut().filter(|trial| trial.state == QueueState::Waiting && which(trial)) {
            trial.state = QueueState::Ended(Ended::Failed(reason.to_owned()));
        }
    }

    /// Whether nothing waits and nobody works.
    pub fn is_done(&self) -> bool {
        let settled = |arm: &Arm| matches!(arm.state, ArmState::Ready | ArmState::Lost);
        self.arms.iter().all(settled) && self.trials.iter().all(|trial| matches!(trial.state, QueueState::Ended(_)))
    }

    /// How the trials ended that did, by their index.
    pub fn into_ends(self) -> impl Iterator<Item = (usize, Ended)> {
        self.trials.into_iter().enumerate().filter_map(|(index, trial)| match trial.state {
            QueueState::Ended(ended) => Some((index, ended)),
            QueueState::Waiting | QueueState::Working => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str) -> Digest {
        Digest::of_bytes(name.as_bytes())
    }

    /// Arms by their sets (`!` before those that are made), two seeds.
    fn queue(arms: &[&[&str]]) -> Queue {
        let state = |sets: &[&str]| {
            if sets.iter().all(|set| set.starts_with('!')) { ArmState::Ready } else { ArmState::Missing(0) }
        };
        let arm = |sets: &&[&str]| Arm { sets: sets.iter().map(|set| digest(set)).collect(), state: state(sets) };
        let trial = |(seed, arm): (u64, usize)| QueuedTrial {
            arm,
            key: digest(&format!("{seed} {arm}")),
            state: QueueState::Waiting,
        };
        let trials = [1, 2].into_iter().flat_map(|seed| (0..arms.len()).map(move |arm| (seed, arm)));
        Queue { arms: arms.iter().map(arm).collect(), trials: trials.map(trial).collect() }
    }

    fn all(queue: &mut Queue) -> Vec<Job> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn trials_come_seed_by_seed() {
        let mut queue = queue(&[&[], &["!a"]]);
        assert_eq!(all(&mut queue), [0, 1, 2, 3].map(Job::Trial));
        assert!(!queue.is_done());
        (0..4).for_each(|trial| queue.ended(trial, Ended::Finished));
        assert!(queue.is_done());
        assert_eq!(queue.into_ends().count(), 4);
    }

    #[test]
    fn one_set_is_made_while_others_train_and_more_if_nobody_can() {
        let mut both = queue(&[&[], &["a"], &["b"]]);
        assert_eq!(all(&mut both), [Job::Set(1), Job::Trial(0), Job::Trial(3), Job::Set(2)]);
        both.made(2);
        assert_eq!(all(&mut both), [Job::Trial(2), Job::Trial(5)]);
    }

    #[test]
    fn arms_with_a_set_in_common_and_trials_of_one_key_wait_for_one_another() {
        let mut shared = queue(&[&["a"], &["a", "b"]]);
        assert_eq!(all(&mut shared), [Job::Set(0)]);
        shared.made(0);
        assert_eq!(shared.next(), Some(Job::Set(1)));

        let mut same = queue(&[&[], &[]]);
        for trial in &mut same.trials {
            trial.key = digest("same");
        }
        assert_eq!(all(&mut same), [Job::Trial(0)]);
        same.ended(0, Ended::Finished);
        assert_eq!(all(&mut same), [Job::Trial(1)]);
    }

    #[test]
    fn a_crash_costs_a_trial_one_trial_and_a_set_a_second_try() {
        let mut queue = queue(&[&["a"], &[]]);
        assert_eq!(all(&mut queue), [Job::Set(0), Job::Trial(1), Job::Trial(3)]);
        queue.lost(Job::Trial(1), "worker ended by signal 9");
        assert_eq!(queue.next(), None);
        queue.lost(Job::Set(0), "worker ended by signal 9");
        assert_eq!(queue.next(), Some(Job::Set(0)));
        queue.lost(Job::Set(0), "worker ended by signal 9");
        queue.ended(3, Ended::Finished);
        assert!(queue.is_done());
        let ends: Vec<_> = queue.into_ends().map(|(_, ended)| ended).collect();
        let failed = |part: &str| {
            let for_it = |ended: &&Ended| matches!(ended, Ended::Failed(why) if why.contains(part));
            ends.iter().filter(for_it).count()
        };
        assert_eq!(failed("its images were not made"), 2);
        assert_eq!(failed("continues the trial"), 1);
    }

    #[test]
    fn giving_up_leaves_only_what_is_at_work() {
        let mut queue = queue(&[&[], &["a"]]);
        assert_eq!(queue.next(), Some(Job::Set(1)));
        assert_eq!(queue.next(), Some(Job::Trial(0)));
        queue.give_up("three workers in a row ended");
        assert_eq!(queue.next(), None);
        queue.made(1);
        assert_eq!(queue.next(), None);
        queue.ended(0, Ended::Finished);
        assert!(queue.is_done());
    }
}
