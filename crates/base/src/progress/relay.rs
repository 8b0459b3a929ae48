//! Progress of one process in the view of another: what is shown, as data, and its mirror where it is shown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Progress, Stage};

/// Reports of one stage are at least this far apart, but for its first and its last.
const INTERVAL: Duration = Duration::from_millis(200);

/// What a view is to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// A line that stays.
    Note(String),
    /// A line that stays, for those who want to know more.
    Detail(String),
    /// How far a stage is.
    Stage { stage: u64, name: String, unit: String, done: u64, total: u64, message: String },
    /// The stage is over.
    Over(u64),
}

/// Sends what is to be shown.
pub(super) struct Relay {
    send: Box<dyn Fn(Shown) + Send + Sync>,
    stages: AtomicU64,
}

impl Relay {
    pub(super) fn new(send: impl Fn(Shown) + Send + Sync + 'static) -> Self {
        Self { send: Box::new(send), stages: AtomicU64::new(0) }
    }

    pub(super) fn note(&self, line: &str) {
        (self.send)(Shown::Note(line.to_owned()));
    }

    pub(super) fn detail(&self, line: &str) {
        (self.send)(Shown::Detail(line.to_owned()));
    }

    pub(super) fn new_stage(&self) -> u64 {
        self.stages.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn over(&self, stage: u64) {
        (self.send)(Shown::Over(stage));
    }
}

impl Stage<'_> {
    pub(super) fn relay(&self, relay: &Relay, done: u64, message: &str) {
        let elapsed = self.watch.elapsed();
        let total = self.total.load(Ordering::Relaxed);
        let Ok(mut told) = self.told.lock() else { return };
        let due = told.last.is_none_or(|last| elapsed.saturating_sub(last) >= INTERVAL) || done >= total;
        // Workers report out of order; the count shown never falls.
        if done < told.done || !due {
            return;
        }
        (told.last, told.done) = (Some(elapsed), done);
        drop(told);
        (relay.send)(Shown::Stage {
            stage: self.relayed,
            name: self.name.clone(),
            unit: self.unit.clone().into_owned(),
            done,
            total,
            message: message.to_owned(),
        });
    }
}

/// The stages of another process in this one's view, until it is dropped.
pub struct Mirror<'a> {
    progress: &'a Progress,
    stages: BTreeMap<u64, Stage<'a>>,
}

impl<'a> Mirror<'a> {
    /// Of a process that has shown nothing yet.
    #[must_use]
    pub fn new(progress: &'a Progress) -> Self {
        Self { progress, stages: BTreeMap::new() }
    }

    /// Shows what the other process would show.
    pub fn show(&mut self, shown: Shown) {
        self.show_as(shown, Progress::stage);
    }

    /// The same, its stages as parts of one that is shown here.
    pub fn show_part(&mut self, shown: Shown) {
        self.show_as(shown, Progress::part);
    }

    fn show_as(&mut self, shown: Shown, open: fn(&'a Progress, String, u64, String) -> Stage<'a>) {
        match shown {
            Shown::Note(line) => self.progress.note(&line),
            Shown::Detail(line) => self.progress.detail(&line),
            Shown::Over(stage) => drop(self.stages.remove(&stage)),
            Shown::Stage { stage, name, unit, done, total, message } => {
                let progress = self.progress;
                let shown = self.stages.entry(stage).or_insert_with(|| open(progress, name, total, unit));
                shown.set_of(done, total, &message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn what_is_relayed_twice_arrives_as_it_was() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&sent);
        let last = Progress::relayed(move |shown| keep.lock().unwrap().push(shown));
        let mut mirror = Mirror::new(&last);
        // A process that relays to one that relays: the stages get other numbers, and nothing else changes.
        let shown = [
            Shown::Note("begun".to_owned()),
            Shown::Stage {
                stage: 7,
                name: "trial".to_owned(),
                unit: "updates".to_owned(),
                done: 3,
                total: 3,
                message: "epoch 1".to_owned(),
            },
            Shown::Over(7),
        ];
        shown.iter().cloned().for_each(|shown| mirror.show(shown));
        let renumbered = shown.map(|shown| match shown {
            Shown::Stage { stage: 7, name, unit, done, total, message } => {
                Shown::Stage { stage: 0, name, unit, done, total, message }
            }
            Shown::Over(7) => Shown::Over(0),
            other => other,
        });
        assert_eq!(*sent.lock().unwrap(), renumbered);
    }

    #[test]
    fn a_process_that_ends_takes_its_stages_along() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&sent);
        let view = Progress::relayed(move |shown| keep.lock().unwrap().push(shown));
        let mut mirror = Mirror::new(&view);
        let (name, unit, message) = ("edit".to_owned(), "images".to_owned(), String::new());
        mirror.show(Shown::Stage { stage: 1, name, unit, done: 1, total: 9, message });
        drop(mirror);
        assert_eq!(sent.lock().unwrap().last(), Some(&Shown::Over(0)));
    }

    #[test]
    fn a_quick_stage_sends_its_first_and_last_report_and_little_between() {
        let sent = Arc::new(Mutex::new(0));
        let count = Arc::clone(&sent);
        let progress = Progress::relayed(move |shown| {
            if matches!(shown, Shown::Stage { .. }) {
                *count.lock().unwrap() += 1;
            }
        });
        let stage = progress.stage("x", 1000, "images");
        (1..=1000).for_each(|done| stage.set(done, ""));
        assert!((2..100).contains(&*sent.lock().unwrap()));
    }
}
