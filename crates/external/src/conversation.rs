//! One trial of a command: what may be said when, and the events that it becomes.
//!
//! hello, then per epoch any progress and pixels, one epoch, perhaps a checkpoint; then selected, which opens the test part;
//! then a prediction for each test image. Whatever is out of this order fails the trial: a number that was reported wrongly
//! must not be compared.

mod ending;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use crate::error::Fault;
use crate::files::{FileDigest, files_of, program};
use crate::manifest::{Manifest, STATE_FOLDER_NAME, test_images};
use crate::process::{Heard, Process};
use crate::protocol::{Answer, Measured, PROTOCOL_VERSION, Said};
use crate::resume::Reached;
use crate::scores::Scores;
use crate::{TRAINER_FILE_NAME, pixels};
use augtrial_base::clock::{Stopwatch, rfc3339};
use augtrial_base::disk::{self, Durability};
use augtrial_base::events::{EpochMetrics, Observer, RunEvent, Split, StepProgress};
use augtrial_base::text;
use augtrial_plan::classifier::{Budget, EpochRule};
use augtrial_plan::command::{Command, OnlineBy};
use augtrial_trial::timetable::Timetable;
use augtrial_trial::{TRAINER_FOLDER_NAME, TrainError, TrialOutcome, TrialSpec};

/// Between two looks at the stop flag and the clock while nothing is heard.
const PATIENCE: Duration = Duration::from_millis(100);
/// Characters of a line that cannot be read that are shown.
const SHOWN_CHARS: usize = 80;

/// A trial under way.
pub struct Conversation<'a> {
    spec: &'a TrialSpec<'a>,
    command: &'a Command,
    timetable: Timetable,
    process: Process,
    /// What the trainer works with, in the run's folder.
    folder: PathBuf,
    files: Vec<FileDigest>,
    /// Since this attempt began, since the trainer was heard last, and since the last epoch ended.
    since_start: Stopwatch,
    since_heard: Stopwatch,
    since_epoch: Stopwatch,
    history: Vec<EpochMetrics>,
    /// Wall time of earlier attempts up to where they were taken up.
    earlier_secs: f64,
    took_pixels: bool,
    resumed: bool,
    selected: Option<Selected<'a>>,
}

/// What follows the choice of an epoch.
struct Selected<'a> {
    epoch: u32,
    scores: Scores<'a>,
    training_secs: f64,
}

/// `trainer.json`: what trained.
#[derive(Serialize)]
struct Trainer<'a> {
    protocol: u32,
    run: &'a [String],
    files: &'a [FileDigest],
    software: &'a BTreeMap<String, String>,
}

impl<'a> Conversation<'a> {
    /// Starts the trainer, or takes up its trial.
    pub fn begin(
        spec: &'a TrialSpec<'a>,
        command: &'a Command,
        threads: u32,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        spec.check()?;
        let folder = spec.folder.join(TRAINER_FOLDER_NAME);
        let reached = if command.resumes { Reached::read(&folder, spec.trial_key)? } else { None };
        prepare(&folder, command, reached.is_some())?;
        let files = files_of(command, spec.outside.base).map_err(|(path, source)| Fault::io("read", &path)(source))?;
        let manifest = folder.join("manifest.json");
        let given = Manifest::new(spec, command, &folder, threads, reached.as_ref().map(|reached| reached.epoch));
        write_json(&manifest, &given)?;
        if let Some(Reached { epoch, .. }) = reached {
            emit(observer, &RunEvent::Resumed { at: rfc3339(spec.clock.now()), epoch })?;
        }
        let process = Process::start(started(command, spec.outside.base, &manifest, threads), spec.folder)?;
        let (history, earlier_secs, resumed) = match reached {
            Some(reached) => (reached.history, reached.secs, true),
            None => (Vec::new(), 0.0, false),
        };
        let now = spec.clock.start();
        let conversation = Self {
            spec,
            command,
            timetable: spec.timetable(),
            process,
            folder,
            files,
            since_start: now,
            since_heard: now,
            since_epoch: now,
            history,
            earlier_secs,
            took_pixels: false,
            resumed,
            selected: None,
        };
        conversation.describe(&BTreeMap::new())?;
        Ok(conversation)
    }

    /// Listens until the trainer ends, and says what it found.
    pub fn lead(mut self, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
        let prepared = RunEvent::Prepared {
            training_samples: self.spec.training.samples().len() as u64,
            updates_per_epoch: self.timetable.updates_per_epoch(),
            total_updates: self.timetable.total_updates(),
            total_epochs: self.timetable.total_epochs(),
        };
        emit(observer, &prepared)?;
        loop {
            if self.spec.stop.load(Ordering::Relaxed) {
                return Err(self.stop(observer));
            }
            // It saves when it likes to.
            self.spec.save.store(false, Ordering::Relaxed);
            self.heed_time()?;
            match self.process.next(PATIENCE) {
                Some(Heard::Line(line, number)) => self.take_line(&line, number, observer)?,
                Some(Heard::TooLong(line)) => return Err(Fault::LongLine { line, most: 8 << 20 }.into()),
                Some(Heard::End) => break,
                Some(Heard::Quiet) | None => {}
            }
        }
        self.end(observer)
    }

    fn take_line(&mut self, line: &str, number: u64, observer: &mut dyn Observer) -> Result<(), TrainError> {
        self.since_heard = self.spec.clock.start();
        let said = serde_json::from_str::<Said>(line).map_err(|error| Fault::Line {
            line: number,
            problem: error.to_string(),
            begin: text::terminal(&line.chars().take(SHOWN_CHARS).collect::<String>()),
        })?;
        self.take(said, observer)
    }

    fn take(&mut self, said: Said, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let (name, is_selected) = (said.name(), self.selected.is_some());
        let out_of_turn = |when| Err(Fault::OutOfTurn { what: name, when }.into());
        match said {
            Said::Hello { software } => self.describe(&software),
            Said::Pixels { part: Split::Test, .. } if !is_selected => {
                out_of_turn("for the test part before it selected an epoch")
            }
            Said::Pixels { part, pass_number } => Ok(self.give_pixels(part, pass_number)?),
            Said::Prediction { image, probabilities } => match &mut self.selected {
                Some(selected) => Ok(selected.scores.take(image, probabilities)?),
                None => out_of_turn("before it selected an epoch"),
            },
            _ if is_selected => out_of_turn("after it selected an epoch"),
            Said::Progress { epoch, updates } => {
                observer.progress(&self.progress(epoch, updates));
                Ok(())
            }
            Said::Epoch { epoch, updates, learning_rate, train, validation } => {
                self.take_epoch(epoch, updates, learning_rate, (train, validation), observer)
            }
            Said::Checkpoint { epoch } => self.take_checkpoint(epoch, observer),
            Said::Selected { epoch } => self.select(epoch, observer),
        }
    }

    fn take_epoch(
        &mut self,
        epoch: u32,
        updates: u64,
        learning_rate: f64,
        (train, validation): (Measured, Measured),
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let (expected, epochs) = (self.epochs() + 1, self.timetable.total_epochs());
        if epoch > epochs {
            return Err(Fault::BeyondBudget { found: epoch, epochs }.into());
        }
        if epoch != expected {
            return Err(Fault::EpochOrder { expected, found: epoch }.into());
        }
        let due = self.timetable.updates_of(epoch - 1);
        if matches!(self.spec.classifier.budget, Budget::Updates(_)) && updates != due.end {
            return Err(Fault::Updates { epoch, found: updates, expected: due.end }.into());
        }
        check_values(epoch, learning_rate, train, validation)?;
        let seen: usize = due.map(|update| self.timetable.slice(update).positions.len()).sum();
        let elapsed_secs = self.since_epoch.elapsed().as_secs_f64();
        self.since_epoch = self.spec.clock.start();
        let metrics = |split, measured: Measured, samples, elapsed_secs| EpochMetrics {
            epoch,
            split,
            loss_nats: measured.loss_nats,
            top1: measured.top1,
            learning_rate,
            samples,
            updates,
            elapsed_secs,
        };
        let validated = self.spec.validation.samples().len() as u64;
        // One time for both: it does not tell them apart.
        for metrics in [
            metrics(Split::Train, train, seen as u64, elapsed_secs),
            metrics(Split::Validation, validation, validated, 0.0),
        ] {
            emit(observer, &RunEvent::Epoch { metrics: metrics.clone() })?;
            self.history.push(metrics);
        }
        observer.progress(&self.progress(epoch, updates));
        Ok(())
    }

    fn take_checkpoint(&self, epoch: u32, observer: &mut dyn Observer) -> Result<(), TrainError> {
        if !self.command.resumes {
            return Err(Fault::CannotResume.into());
        }
        if epoch != self.epochs() || epoch == 0 {
            return Err(Fault::OutOfTurn { what: "checkpoint", when: "for another epoch than the last one" }.into());
        }
        let reached = Reached {
            protocol: PROTOCOL_VERSION,
            key: self.spec.trial_key,
            epoch,
            history: self.history.clone(),
            secs: self.secs(),
        };
        reached.write(&self.folder)?;
        emit(observer, &RunEvent::Checkpointed { epoch })
    }

    /// Compares the choice of an epoch with the rule, and opens the test part.
    fn select(&mut self, epoch: u32, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let (done, epochs) = (self.epochs(), self.timetable.total_epochs());
        if done < epochs {
            return Err(Fault::SelectedEarly { done, epochs }.into());
        }
        if self.command.online == Some(OnlineBy::Augtrial)
            && !self.spec.transforms.is_empty()
            && !(self.took_pixels || self.resumed)
        {
            return Err(Fault::Untransformed.into());
        }
        let rule = self.spec.classifier.epoch_rule;
        let expected = by_rule(rule, &self.history).expect("every epoch is validated");
        if epoch != expected.epoch {
            let rule = match rule {
                EpochRule::Last => "last",
                EpochRule::BestValidation => "best-validation",
            };
            return Err(Fault::Selection { found: epoch, expected: expected.epoch, rule }.into());
        }
        emit(observer, &RunEvent::Selected { epoch, validation_top1: expected.top1 })?;
        emit(observer, &RunEvent::TestOpened { at: rfc3339(self.spec.clock.now()) })?;
        let (file, samples) = (self.folder.join("test.json"), self.spec.test.samples());
        write_json(&file, &test_images(self.spec))?;
        self.process.tell(&Answer::Test { file, images: samples.len() });
        let scores = Scores::new(samples, self.spec.classes);
        self.selected = Some(Selected { epoch, scores, training_secs: self.secs() });
        Ok(())
    }

    fn give_pixels(&mut self, part: Split, pass: u64) -> Result<(), Fault> {
        let transformed = self.command.online == Some(OnlineBy::Augtrial);
        self.took_pixels |= part == Split::Train;
        let file = self.folder.join(format!("{}.rgb8", part.name()));
        pixels::write(self.spec, part, pass, transformed, &file).map_err(Fault::io("write", &file))?;
        let (samples, store) = pixels::of_part(self.spec, part);
        let (height_px, width_px) = (store.height_px(), store.width_px());
        self.process.tell(&Answer::Pixels { file, images: samples.len(), height_px, width_px });
        Ok(())
    }

    fn describe(&self, software: &BTreeMap<String, String>) -> Result<(), TrainError> {
        let (run, files) = (&self.command.run, &self.files);
        let trainer = Trainer { protocol: PROTOCOL_VERSION, run, files, software };
        Ok(write_json(&self.spec.folder.join(TRAINER_FILE_NAME), &trainer)?)
    }

    /// Epochs that were reported.
    fn epochs(&self) -> u32 {
        self.history.last().map_or(0, |metrics| metrics.epoch)
    }

    /// Wall time of the trial so far, earlier attempts included.
    fn secs(&self) -> f64 {
        self.earlier_secs + self.since_start.elapsed().as_secs_f64()
    }

    fn progress(&self, epoch: u32, updates: u64) -> StepProgress {
        let secs = self.since_start.elapsed().as_secs_f64();
        let samples = updates as f64 * f64::from(self.spec.classifier.batch_size);
        let samples_per_sec = if secs > 0.0 && !self.resumed { samples / secs } else { 0.0 };
        StepProgress { epoch, updates, total_updates: self.timetable.total_updates(), samples_per_sec }
    }
}

/// The epoch that the rule selects, by what was reported of validation: `Top-1`, of equals the loss, of equals the earlier.
fn by_rule(rule: EpochRule, history: &[EpochMetrics]) -> Option<&EpochMetrics> {
    let mut validation = history.iter().filter(|metrics| metrics.split == Split::Validation);
    match rule {
        EpochRule::Last => validation.next_back(),
        EpochRule::BestValidation => validation.reduce(|best, one| {
            let beats = one.top1 > best.top1 || (one.top1 == best.top1 && one.loss_nats < best.loss_nats);
            if beats { one } else { best }
        }),
    }
}

fn check_values(epoch: u32, learning_rate: f64, train: Measured, validation: Measured) -> Result<(), Fault> {
    let share = "is no share from 0 to 1";
    let loss = "is no loss: it must be a number of at least 0";
    let values = [
        ("learning_rate", learning_rate, learning_rate.is_finite(), "is no number"),
        ("train.loss_nats", train.loss_nats, train.loss_nats >= 0.0 && train.loss_nats.is_finite(), loss),
        (
            "validation.loss_nats",
            validation.loss_nats,
            validation.loss_nats >= 0.0 && validation.loss_nats.is_finite(),
            loss,
        ),
        ("train.top1", train.top1, (0.0..=1.0).contains(&train.top1), share),
        ("validation.top1", validation.top1, (0.0..=1.0).contains(&validation.top1), share),
    ];
    match values.into_iter().find(|(.., holds, _)| !holds) {
        Some((name, value, _, needs)) => Err(Fault::Value { epoch, name, value, needs }),
        None => Ok(()),
    }
}

/// The trainer's folder: empty but for what it can continue from.
fn prepare(folder: &Path, command: &Command, resumed: bool) -> Result<(), Fault> {
    if !resumed && folder.exists() {
        disk::discard(folder).map_err(Fault::io("remove", folder))?;
    }
    disk::create_folder(folder).map_err(Fault::io("create", folder))?;
    let state = folder.join(STATE_FOLDER_NAME);
    if command.resumes { disk::create_folder(&state).map_err(Fault::io("create", &state)) } else { Ok(()) }
}

/// The command, ready to be started.
fn started(command: &Command, base: &Path, manifest: &Path, threads: u32) -> std::process::Command {
    let mut started = std::process::Command::new(program(command, base));
    started.args(command.run.iter().skip(1)).arg(manifest);
    // An empty base is this process's own folder.
    if !base.as_os_str().is_empty() {
        started.current_dir(base);
    }
    // What it prints is seen when it prints it; threads as the plan says, for every library that heeds this.
    started.env("PYTHONUNBUFFERED", "1").env("OMP_NUM_THREADS", threads.to_string());
    started
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Fault> {
    let json = serde_json::to_vec_pretty(value).expect("plain data has a JSON form");
    disk::replace_bytes(path, &json, Durability::Later).map_err(Fault::io("write", path))
}

fn emit(observer: &mut dyn Observer, event: &RunEvent) -> Result<(), TrainError> {
    observer.observe(event).map_err(TrainError::Observer)
}
