//! Everything a report says, as plain data. Built once; every format renders the same view.

use std::collections::BTreeMap;

use serde::Serialize;

use super::conduct::{answers, banner};
use super::convergence::{Convergence, convergence};
use super::curves::{Curve, curves};
use super::gallery::{Source, sources};
use super::recall::{ClassRecall, recalls};
use super::record::{ArmRecord, Fact, RunRecord, StudyRecord};
use super::references::{Reference, references};
use super::sentences;
use crate::compare::{Comparison, Looked, compare};
use crate::data::manifest::LeftOut;
use crate::events::Split;
use crate::plan::arm::Role;
use crate::plan::dataset::Protocol;

/// A study, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyView {
    pub name: String,
    pub title: String,
    pub question: Option<String>,
    pub protocol: Protocol,
    /// What a reader must know before the first number.
    pub banner: Vec<BannerFact>,
    /// One sentence per contrast, in the order declared.
    pub answers: Vec<String>,
    /// What every caption ends with; empty under the leak-free protocol.
    pub mark: &'static str,
    /// The primary metric, spelled out.
    pub metric: String,
    pub comparison: Comparison,
    pub data: DataView,
    /// In the order of the experiment file.
    pub arms: Vec<ArmView>,
    /// Derived images, by source; empty where none were made or kept.
    pub gallery: Vec<Source>,
    pub methods: Vec<String>,
    /// What the methods cite.
    pub references: Vec<Reference>,
    pub provenance: Vec<Fact>,
}

/// A fact that qualifies the whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BannerFact {
    /// A renderer made the images.
    SyntheticData,
    /// The split came after augmentation.
    AsPublished,
    /// Planned trials without a result.
    MissingTrials { missing: usize, planned: usize },
    /// Runs whose seed was not declared; they count for nothing.
    UndeclaredRuns { runs: usize },
    /// The seeds were changed when results could be seen.
    ChangedAfterLooking { seeds: Looked },
}

/// The data set as read, and how it was divided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataView {
    pub classes: Vec<String>,
    pub read: ClassTable,
    /// Sources of each part.
    pub parts: Vec<PartColumn>,
    pub quarantined: Vec<LeftOut>,
    pub ignored: Vec<LeftOut>,
    pub duplicates: u64,
    pub contradicting: Vec<LeftOut>,
    pub withheld: Vec<LeftOut>,
}

/// One part of the data, by class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartColumn {
    pub split: Split,
    pub counts: Vec<u64>,
}

/// Images of each class, against what somebody declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassTable {
    pub rows: Vec<ClassRow>,
    pub total: ClassRow,
}

/// One class of a [`ClassTable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassRow {
    pub class: String,
    pub count: u64,
    pub declared: Option<u64>,
}

/// One arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmView {
    pub name: String,
    pub role: Role,
    /// Training samples.
    pub classes: ClassTable,
    pub flow: ArmFlow,
    /// Of the training and validation parts.
    pub curves: Vec<Curve>,
    pub convergence: Convergence,
    /// Per class with test images.
    pub recalls: Vec<ClassRecall>,
    /// Absent without predictions.
    pub confusion: Option<Confusion>,
    pub budget: Budget,
}

/// Images on their way through one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFlow {
    pub planned: u64,
    /// Why planned images were not made: (reason, number), most frequent first.
    pub missing: Vec<(String, u64)>,
    pub trained_on: u64,
    /// Test images of a run.
    pub tested: u64,
}

/// Predictions on the test part, summed over the runs: `counts[true class][predicted class]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    pub counts: Vec<Vec<u64>>,
    pub runs: usize,
}

/// What the runs of an arm took, averaged over runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    pub epochs: f64,
    pub updates: f64,
    /// Samples shown to the network in training.
    pub samples_seen: f64,
    pub unique_originals: u64,
    /// Wall time of making the arm's images, once for all runs; absent where it is not known or none were made.
    pub generation_secs: Option<f64>,
    /// Wall time of a run.
    pub training_secs: f64,
    /// Mean epoch whose weights met the test part.
    pub selected_epoch: f64,
}

impl StudyView {
    /// Compares the runs and words the report.
    #[must_use]
    pub fn new(record: &StudyRecord) -> Self {
        let comparison = compare(&record.results);
        let plan = &record.plan;
        let metric = sentences::metric_name(plan.study.primary_metric);
        let level = 1.0 - plan.study.alpha;
        let mark = sentences::mark(plan.study.protocol);
        Self {
            name: plan.study.name.clone(),
            title: plan.study.title.clone().unwrap_or_else(|| plan.study.name.clone()),
            question: plan.study.question.clone(),
            banner: banner(&comparison, record.manifest.synthetic, plan.study.protocol),
            answers: answers(&comparison, plan.study.protocol),
            protocol: plan.study.protocol,
            mark,
            metric: metric.to_owned(),
            data: data_view(record),
            arms: plan.arms.iter().map(|arm| arm_view(record, &arm.name, level)).collect(),
            gallery: sources(&record.arms, &record.manifest.classes),
            methods: sentences::methods(plan, &comparison, metric),
            references: references(plan, &comparison),
            provenance: record.provenance.clone(),
            comparison,
        }
    }
}

fn data_view(record: &StudyRecord) -> DataView {
    let manifest = &record.manifest;
    let mut parts: Vec<PartColumn> =
        record.parts.iter().map(|part| PartColumn { split: part.split, counts: part.counts.clone() }).collect();
    parts.sort_by_key(|part| part.split);
    DataView {
        classes: manifest.classes.clone(),
        read: class_table(&manifest.classes, &manifest.class_counts(), &record.plan.ingest.declared),
        parts,
        quarantined: manifest.quarantined.clone(),
        ignored: manifest.ignored.clone(),
        duplicates: record.duplicates,
        contradicting: record.contradicting.clone(),
        withheld: record.withheld.clone(),
    }
}

fn class_table(classes: &[String], counts: &[u64], declared: &BTreeMap<String, u64>) -> ClassTable {
    let rows: Vec<ClassRow> = classes
        .iter()
        .zip(counts)
        .map(|(class, &count)| ClassRow { class: class.clone(), count, declared: declared.get(class).copied() })
        .collect();
    // A total is declared only if every class is.
    let declared_total = rows.iter().map(|row| row.declared).sum();
    let total = ClassRow { class: "total".to_owned(), count: counts.iter().sum(), declared: declared_total };
    ClassTable { rows, total }
}

impl ClassRow {
    /// Counted less declared.
    #[must_use]
    pub fn difference(&self) -> Option<i64> {
        self.declared.map(|declared| self.count as i64 - declared as i64)
    }
}

fn arm_view(record: &StudyRecord, name: &str, level: f64) -> ArmView {
    let planned = record.plan.arms.iter().find(|arm| arm.name == name).expect("the name comes from the plan");
    let classes = &record.manifest.classes;
    let Some(arm) = record.arms.iter().find(|arm| arm.name == name) else {
        return ArmView {
            name: name.to_owned(),
            role: planned.role,
            classes: class_table(classes, &vec![0; classes.len()], &planned.declared),
            flow: ArmFlow { planned: 0, missing: Vec::new(), trained_on: 0, tested: 0 },
            curves: Vec::new(),
            convergence: convergence(&[], level),
            recalls: Vec::new(),
            confusion: None,
            budget: Budget::default(),
        };
    };
    let runs: Vec<_> = arm.runs.iter().map(|run| (run.seed, run.metrics.as_slice())).collect();
    ArmView {
        name: name.to_owned(),
        role: planned.role,
        classes: class_table(classes, &arm.counts, &planned.declared),
        flow: flow(arm),
        curves: curves(&runs, level),
        convergence: convergence(&arm.runs, level),
        recalls: recalls(&arm.runs, classes.len(), level),
        confusion: confusion(&arm.runs, classes.len()),
        budget: budget(arm),
    }
}

fn flow(arm: &ArmRecord) -> ArmFlow {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for missing in &arm.missing {
        *reasons.entry(&missing.reason).or_default() += 1;
    }
    let mut missing: Vec<(String, u64)> = reasons.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect();
    missing.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    ArmFlow {
        planned: arm.planned,
        missing,
        trained_on: arm.counts.iter().sum(),
        tested: arm.runs.iter().map(|run| run.test.samples).max().unwrap_or(0),
    }
}

fn confusion(runs: &[RunRecord], classes: usize) -> Option<Confusion> {
    let mut counts = vec![vec![0; classes]; classes];
    let with_predictions = runs.iter().filter(|run| !run.predictions.is_empty());
    let mut number = 0;
    for run in with_predictions {
        number += 1;
        for prediction in &run.predictions {
            *counts.get_mut(prediction.label as usize)?.get_mut(prediction.predicted as usize)? += 1;
        }
    }
    (number > 0).then_some(Confusion { counts, runs: number })
}

fn budget(arm: &ArmRecord) -> Budget {
    let trained = |run: &RunRecord| run.metrics.iter().filter(|m| m.split == Split::Train).cloned().collect::<Vec<_>>();
    let mean = |of: &dyn Fn(&RunRecord) -> f64| {
        let sum: f64 = arm.runs.iter().map(of).sum();
        if arm.runs.is_empty() { 0.0 } else { sum / arm.runs.len() as f64 }
    };
    Budget {
        epochs: mean(&|run| trained(run).iter().map(|m| m.epoch).max().unwrap_or(0).into()),
        updates: mean(&|run| trained(run).iter().map(|m| m.updates).max().unwrap_or(0) as f64),
        samples_seen: mean(&|run| trained(run).iter().map(|m| m.samples).sum::<u64>() as f64),
        unique_originals: arm.originals,
        generation_secs: arm.generation_secs,
        training_secs: mean(&|run| run.elapsed_secs),
        selected_epoch: mean(&|run| f64::from(run.selected_epoch)),
    }
}
