//! How far a study is as a whole: the updates of all its trials, whoever does them.

use super::agenda::{Agenda, TrialItem};
use crate::estimate;
use crate::prepared::Prepared;
use crate::selection;
use augtrial_base::progress::{Progress, Stage};
use augtrial_base::words::plural;

/// What the updates of a trial are called where they are shown.
pub const UPDATES: &str = "updates";

/// The updates of every trial that is not settled, and where they are shown.
pub struct Tally<'a> {
    stage: Option<Stage<'a>>,
    /// Of each trial on the agenda.
    trials: Vec<Updates>,
    ended: usize,
    failed: usize,
}

#[derive(Clone, Copy)]
struct Updates {
    done: u64,
    total: u64,
    /// Whether this process has heard of it.
    begun: bool,
}

impl<'a> Tally<'a> {
    /// Of everything on the agenda. Nothing is shown if nothing is left to do.
    pub fn new(prepared: &Prepared<'a>, agenda: &Agenda<'a>) -> Self {
        let originals = prepared.data.expected_originals() as u64;
        let updates = |arm: usize| {
            let arm = agenda.arms[arm].arm;
            let images = if arm.balance.is_none() {
                originals * u64::from(arm.growth())
            } else {
                let sources = prepared.data.class_counts(prepared.data.augmentable().iter());
                let chosen = selection::counts(prepared.plan, &prepared.data.manifest.classes, arm, &sources);
                arm.counts(&sources, &chosen).iter().sum()
            };
            estimate::work(prepared.plan, images, originals).updates
        };
        let of = |trial: &TrialItem| {
            let total = updates(trial.arm);
            Updates { done: if trial.settled.is_some() { total } else { 0 }, total, begun: false }
        };
        let trials: Vec<_> = agenda.trials.iter().map(of).collect();
        let ended = agenda.trials.iter().filter(|trial| trial.settled.is_some()).count();
        let progress: &'a Progress = prepared.context.progress;
        let stage =
            (ended < trials.len()).then(|| progress.stage(format!("study {}", prepared.plan.study.name), 0, UPDATES));
        Self { stage, trials, ended, failed: 0 }
    }

    /// A trial is so far. The first report of one that is continued begins where it was interrupted.
    pub fn step(&mut self, trial: usize, done: u64, total: u64) {
        let begun =
            std::mem::replace(&mut self.trials[trial], Updates { done: done.min(total), total, begun: true }).begun;
        if !begun {
            self.skip(done);
        }
        self.show();
    }

    /// A trial has ended, well or not: nothing is left of it.
    pub fn ended(&mut self, trial: usize, well: bool) {
        let Updates { done, total, .. } = &mut self.trials[trial];
        let rest = total.saturating_sub(std::mem::replace(done, *total));
        self.skip(rest);
        self.ended += 1;
        self.failed += usize::from(!well);
        self.show();
    }

    /// `4 of 12 trials`.
    pub fn trials(&self) -> String {
        format!("{} of {}", self.ended, plural(self.trials.len(), "trial"))
    }

    fn skip(&self, updates: u64) {
        if let Some(stage) = &self.stage {
            stage.skip(updates);
        }
    }

    fn show(&self) {
        let Some(stage) = &self.stage else { return };
        let (done, total) =
            self.trials.iter().fold((0, 0), |(done, total), trial| (done + trial.done, total + trial.total));
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        stage.set_of(done, total, &format!("{} done{failed}", self.trials()));
    }
}
