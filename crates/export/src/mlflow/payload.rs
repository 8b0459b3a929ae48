//! What MLflow is told of one run.

use serde::{Deserialize, Serialize};

use crate::ExportError;
use crate::series::{points, unix_ms};
use augtrial_base::digest::Digest;
use augtrial_base::events::RunEvent;
use augtrial_plan::arm::Role;
use augtrial_registry::{RunRecord, Status};

/// Tag by which an exported run is found again.
pub(super) const RUN_TAG: &str = "augtrial.run";
/// Tag that says what was exported last, whole: the digest of the payload.
pub(super) const EXPORTED_TAG: &str = "augtrial.exported";
/// Longest value of a parameter, characters: servers since 1.28 take 500, later ones more.
const PARAM_MAX: usize = 500;
/// Longest key, characters (`MAX_ENTITY_KEY_LENGTH`).
const KEY_MAX: usize = 250;
/// Longest value of a tag, characters: servers before 3 take 5,000.
const TAG_MAX: usize = 5000;

/// A parameter or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pair {
    pub key: String,
    #[serde(default)]
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Metric {
    pub key: &'static str,
    pub value: f64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub step: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Payload {
    pub run: String,
    pub name: String,
    pub start_ms: i64,
    pub end_ms: Option<i64>,
    pub status: &'static str,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    pub metrics: Vec<Metric>,
}

impl Pair {
    pub fn new(key: &str, value: &(impl ToString + ?Sized)) -> Self {
        Self { key: key.to_owned(), value: value.to_string() }
    }
}

impl Payload {
    pub fn new(record: &RunRecord, events: &[RunEvent]) -> Result<Self, ExportError> {
        let header = &record.header;
        let start_ms = unix_ms(header.run, &header.created_at)?;
        let points = points(header.run, start_ms, events)?;
        let last_ms = points.last().map_or(start_ms, |point| point.at_ms);
        let (status, end_ms) = match &record.status {
            Status::Finished => ("FINISHED", Some(ended_ms(record, events)?.unwrap_or(last_ms))),
            Status::Failed { .. } => ("FAILED", Some(ended_ms(record, events)?.unwrap_or(last_ms))),
            // When a killed run was killed nobody saw.
            Status::Interrupted => ("KILLED", Some(last_ms)),
            Status::Running => ("RUNNING", None),
        };
        let attempt = if header.attempt > 1 { format!(", attempt {}", header.attempt) } else { String::new() };
        let metrics = points.into_iter().map(|point| Metric {
            key: point.series,
            value: point.value,
            timestamp: point.at_ms,
            step: point.step,
        });
        Ok(Self {
            run: header.run.to_string(),
            name: format!("{}, seed {}{attempt}", header.arm, header.seed),
            start_ms,
            end_ms,
            status,
            params: params(record),
            tags: tags(record),
            metrics: metrics.collect(),
        })
    }

    /// The mark of this payload; another one is exported again.
    pub fn mark(&self) -> Pair {
        Pair::new(EXPORTED_TAG, &Digest::of_value("mlflow-v1", self))
    }
}

fn ended_ms(record: &RunRecord, events: &[RunEvent]) -> Result<Option<i64>, ExportError> {
    let ended = events.iter().rev().find_map(|event| match event {
        RunEvent::Finished { at, .. } | RunEvent::Failed { at, .. } => Some(at),
        _ => None,
    });
    ended.map(|at| unix_ms(record.header.run, at)).transpose()
}

/// The plan's values that concern this run: its own arm's, and none of the other arms.
fn params(record: &RunRecord) -> Vec<Pair> {
    let header = &record.header;
    let own = format!("arm.{}.", header.arm);
    let mut params = vec![Pair::new("arm", &header.arm), Pair::new("seed", &header.seed)];
    for (path, value) in record.plan_leaves() {
        let path = match path.strip_prefix(&own) {
            Some("name") => continue,
            Some(rest) => format!("arm.{rest}"),
            None if ["arm.", "contrast.", "contrast", "study.title", "study.question"]
                .iter()
                .any(|other| path == *other || (other.ends_with('.') && path.starts_with(other))) =>
            {
                continue;
            }
            None => path,
        };
        if !value.is_empty() {
            params.push(Pair { key: key(&path), value: cut(&value, PARAM_MAX) });
        }
    }
    params
}

/// Letters, digits and `_-. :/` are allowed in keys; `/` would be a path.
fn key(path: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':');
    path.chars().map(|c| if allowed(c) { c } else { '_' }).take(KEY_MAX).collect()
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['…']).collect()
}

fn tags(record: &RunRecord) -> Vec<Pair> {
    let RunRecord { header, status, counts, state, provenance, .. } = record;
    let mut tags = vec![
        Pair::new(RUN_TAG, &header.run),
        Pair::new("augtrial.study", &header.study),
        Pair::new("augtrial.arm", &header.arm),
        Pair::new(
            "augtrial.role",
            match header.role {
                Role::Control => "control",
                Role::Treatment => "treatment",
            },
        ),
        Pair::new("augtrial.seed", &header.seed),
        Pair::new("augtrial.attempt", &header.attempt),
        Pair::new("augtrial.status", &status.name()),
        Pair::new("augtrial.counts", counts),
        Pair::new("augtrial.protocol", &header.protocol.name()),
        Pair::new("augtrial.synthetic", &header.synthetic),
        Pair::new("augtrial.trial_key", &header.trial_key),
        Pair::new("augtrial.plan", &header.plan),
        Pair::new("augtrial.set.manifest", &header.sets.manifest),
        Pair::new("augtrial.set.split", &header.sets.split),
        Pair::new("augtrial.set.training", &header.sets.training),
        Pair::new("augtrial.set.validation", &header.sets.validation),
        Pair::new("augtrial.set.test", &header.sets.test),
        Pair::new("augtrial.version", &provenance.augtrial_version),
        Pair::new("augtrial.device", &provenance.device),
        Pair::new("augtrial.threads", &provenance.threads),
        Pair::new("augtrial.cpu", &provenance.cpu_model),
        Pair::new("augtrial.test_openings", &state.test_openings),
        Pair::new("mlflow.source.name", "augtrial"),
        Pair::new("mlflow.source.type", "LOCAL"),
    ];
    for (name, version) in &provenance.backend {
        tags.push(Pair::new(&key(&format!("augtrial.backend.{name}")), version));
    }
    if let Some(weights) = state.weights {
        tags.push(Pair::new("augtrial.weights", &weights));
    }
    if let Some(git) = &provenance.git {
        tags.push(Pair::new("mlflow.source.git.commit", &git.commit));
    }
    if let Status::Failed { reason } = status {
        tags.push(Pair::new("augtrial.failure", &cut(reason, TAG_MAX)));
    }
    tags.retain(|tag| !tag.value.is_empty());
    tags
}
