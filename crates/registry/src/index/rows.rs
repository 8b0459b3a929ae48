//! Rows of the index, written the same way whether a run is going on or its folder is read again.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Result, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::id::RunId;
use crate::provenance::Provenance;
use crate::read::{Classified, RunFiles};
use crate::record::{Done, Header, RunState};
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction};

impl ToSql for RunId {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for RunId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

/// A fieldless enum, or a digest, as its serialized name.
pub struct Name<T>(pub T);

impl<T: Serialize> ToSql for Name<T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        match serde_json::to_value(&self.0) {
            Ok(serde_json::Value::String(name)) => Ok(name.into()),
            other => unreachable!("it serializes as its name, not {other:?}"),
        }
    }
}

impl<T: DeserializeOwned> FromSql for Name<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = serde_json::Value::String(value.as_str()?.to_owned());
        serde_json::from_value(name).map(Self).map_err(FromSqlError::other)
    }
}

/// Adds the run with its plan; one that is there already is left alone.
pub fn insert_run(db: &Connection, header: &Header, provenance: &Provenance, plan_toml: &str) -> Result<()> {
    db.prepare_cached("INSERT INTO plans (digest, study, toml) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![Name(header.plan), header.study, plan_toml])?;
    db.prepare_cached(
        "INSERT INTO runs (id, study, arm, role, seed, attempt, trial_key, plan, manifest, split, training_set,
             validation_set, test_set, protocol, synthetic, created_at, augtrial_version, git_commit, host, device,
             threads)
         VALUES (:id, :study, :arm, :role, :seed, :attempt, :trial_key, :plan, :manifest, :split, :training_set,
             :validation_set, :test_set, :protocol, :synthetic, :created_at, :augtrial_version, :git_commit, :host,
             :device, :threads)
         ON CONFLICT (id) DO NOTHING",
    )?
    .execute(named_params! {
        ":id": header.run,
        ":study": header.study,
        ":arm": header.arm,
        ":role": Name(header.role),
        ":seed": seed_to_sql(header.seed)?,
        ":attempt": header.attempt,
        ":trial_key": Name(header.trial_key),
        ":plan": Name(header.plan),
        ":manifest": Name(header.sets.manifest),
        ":split": Name(header.sets.split),
        ":training_set": Name(header.sets.training),
        ":validation_set": Name(header.sets.validation),
        ":test_set": Name(header.sets.test),
        ":protocol": Name(header.protocol),
        ":synthetic": header.synthetic,
        ":created_at": header.created_at,
        ":augtrial_version": provenance.augtrial_version,
        ":git_commit": provenance.git.as_ref().map(|git| &git.commit),
        ":host": provenance.host,
        ":device": provenance.device,
        ":threads": provenance.threads,
    })?;
    Ok(())
}

/// `SQLite`'s integers are signed; so are TOML's, where every seed comes from.
fn seed_to_sql(seed: u64) -> Result<i64> {
    i64::try_from(seed).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Writes what the events add up to.
pub fn put_state(db: &Connection, run: RunId, state: &RunState) -> Result<()> {
    db.prepare_cached(
        "UPDATE runs SET events = :events, training_samples = :training_samples,
             updates_per_epoch = :updates_per_epoch, total_updates = :total_updates, total_epochs = :total_epochs,
             epochs = :epochs, checkpoint_epoch = :checkpoint_epoch, selected_epoch = :selected_epoch,
             validation_top1 = :validation_top1, test_openings = :test_openings, test_loss_nats = :test_loss_nats,
             test_top1 = :test_top1, test_samples = :test_samples, resumes = :resumes, elapsed_secs = :elapsed_secs,
             weights = :weights
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": run,
        ":events": state.events as i64,
        ":training_samples": state.training_samples.map(|n| n as i64),
        ":updates_per_epoch": state.updates_per_epoch.map(|n| n as i64),
        ":total_updates": state.total_updates.map(|n| n as i64),
        ":total_epochs": state.total_epochs,
        ":epochs": state.epochs,
        ":checkpoint_epoch": state.checkpoint_epoch,
        ":selected_epoch": state.selected_epoch,
        ":validation_top1": state.validation_top1,
        ":test_openings": state.test_openings,
        ":test_loss_nats": state.test.as_ref().map(|test| test.loss_nats),
        ":test_top1": state.test.as_ref().map(|test| test.top1),
        ":test_samples": state.test.as_ref().map(|test| test.samples as i64),
        ":resumes": state.resumes,
        ":elapsed_secs": state.elapsed_secs,
        ":weights": state.weights.map(Name),
    })?;
    Ok(())
}

/// Adds one part of one epoch.
pub fn insert_epoch(db: &Connection, run: RunId, metrics: &EpochMetrics) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO epochs (run, epoch, split, loss_nats, top1, learning_rate, samples, updates,
             elapsed_secs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        run,
        metrics.epoch,
        metrics.split.name(),
        metrics.loss_nats,
        metrics.top1,
        metrics.learning_rate,
        metrics.samples as i64,
        metrics.updates as i64,
        metrics.elapsed_secs,
    ])?;
    Ok(())
}

/// Replaces the predictions of a run.
pub fn put_predictions(db: &Connection, run: RunId, predictions: &[Prediction]) -> Result<()> {
    db.execute("DELETE FROM predictions WHERE run = ?1", [run])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO predictions (run, position, image, path, derived, label, predicted, label_probability,
             predicted_probability, probability_squares)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (position, prediction) in predictions.iter().enumerate() {
        let Classified { label, predicted, label_probability, predicted_probability, squares } =
            Classified::of(prediction);
        insert.execute(params![
            run,
            position as i64,
            Name(prediction.image),
            prediction.path,
            prediction.derived,
            label,
            predicted,
            label_probability,
            predicted_probability,
            squares,
        ])?;
    }
    Ok(())
}

/// Writes how the run ended.
pub fn put_done(db: &Connection, run: RunId, done: &Done) -> Result<()> {
    let (outcome, failure) = match done {
        Done::Finished { .. } => ("finished", None),
        Done::Failed { reason, .. } => ("failed", Some(reason)),
    };
    db.execute(
        "UPDATE runs SET outcome = ?2, failure = ?3, ended_at = ?4 WHERE id = ?1",
        params![run, outcome, failure, done.at()],
    )?;
    Ok(())
}

/// Replaces all that the index knows of a run by what its folder says; `stamp` is that of its files.
pub fn replace_run(db: &Connection, files: &RunFiles, stamp: &str) -> Result<()> {
    let run = files.header.run;
    remove_run(db, run)?;
    insert_run(db, &files.header, &files.provenance, &files.plan_toml)?;
    put_events(db, files)?;
    put_predictions(db, run, &files.predictions)?;
    db.execute("UPDATE runs SET stamp = ?2 WHERE id = ?1", params![run, stamp])?;
    files.done.as_ref().map_or(Ok(()), |done| put_done(db, run, done))
}

/// Takes a run whose record is damaged out of everything that counts.
pub fn set_aside(
    db: &Connection,
    run: RunId,
    trial_key: Option<&Digest>,
    newer: bool,
    problem: &str,
    stamp: &str,
) -> Result<()> {
    remove_run(db, run)?;
    db.execute(
        "INSERT INTO set_aside (run, trial_key, newer, problem, stamp) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![run, trial_key.map(Name), newer, problem, stamp],
    )?;
    Ok(())
}

fn put_events(db: &Connection, files: &RunFiles) -> Result<()> {
    files.epochs().try_for_each(|metrics| insert_epoch(db, files.header.run, metrics))?;
    put_state(db, files.header.run, &files.state())
}

/// Forgets a run, and its plan if no other run has it.
pub fn remove_run(db: &Connection, run: RunId) -> Result<()> {
    let plan: Option<String> =
        db.query_row("SELECT plan FROM runs WHERE id = ?1", [run], |row| row.get(0)).optional()?;
    db.execute("DELETE FROM runs WHERE id = ?1", [run])?;
    db.execute("DELETE FROM set_aside WHERE run = ?1", [run])?;
    db.execute("DELETE FROM plans WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE plan = ?1)", [plan])?;
    Ok(())
}
