//! Everything a report says, as plain data. Built once; every format renders the same view.

use std::collections::BTreeMap;

use serde::Serialize;

use super::audit::AuditRecord;
use super::conduct::{answers, banner};
use super::convergence::{Convergence, convergence};
use super::curves::{Curve, curves};
use super::gallery::{GallerySource, sources};
use super::quality::QualityView;
use super::recall::{ClassRecall, recalls};
use super::record::{ArmRecord, Fact, PartRecord, ReportedRun, StudyRecord};
use super::references::Citations;
use super::{methods, sentences};
use augtrial_base::events::Split;
use augtrial_base::text;
use augtrial_base::work::Work;
use augtrial_compare::{Comparison, Look, Looked, Tuning, Warning, compare};
use augtrial_data::manifest::LeftOut;
use augtrial_plan::arm::{Arm, Role};
use augtrial_plan::copies::{Family, families};
use augtrial_plan::dataset::Protocol;

/// A study, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyView {
    pub name: String,
    pub title: String,
    pub question: Option<String>,
    pub protocol: Protocol,
    /// What a reader must know before the first number.
    pub banner: Vec<BannerFact>,
    /// One sentence per contrast, in the order declared; without contrasts one per arm.
    pub answers: Vec<String>,
    /// What no interval covers, since it was not varied.
    pub limits: Vec<String>,
    /// What every caption ends with; empty under the leak-free protocol.
    pub mark: &'static str,
    /// The primary metric, spelled out.
    pub metric: String,
    pub comparison: Comparison,
    /// Absent for a study that was recorded without one.
    pub audit: Option<AuditRecord>,
    /// Of the sets, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityView>,
    /// On every further evaluation set, by name.
    pub evaluations: Vec<(String, Comparison)>,
    /// The search before the study; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    pub data: DataView,
    /// In the order of the experiment file.
    pub arms: Vec<ArmView>,
    /// Arms that differ in how many copies a step makes alone.
    pub families: Vec<Family>,
    /// Derived images, by source; empty where none were made or kept.
    pub gallery: Vec<GallerySource>,
    pub methods: Vec<String>,
    /// What the methods cite.
    pub references: Vec<Work>,
    pub provenance: Vec<Fact>,
}

/// A fact that qualifies the whole report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BannerFact {
    /// The results were made elsewhere, and read from this file.
    GivenResults { file: String },
    /// A renderer made the images.
    SyntheticData,
    /// The split came after augmentation.
    AsPublished,
    /// Planned trials without a result.
    MissingTrials { missing: usize, planned: usize },
    /// Runs whose seed was not declared; they count for nothing.
    UndeclaredRuns { runs: usize },
    /// A sign that the numbers mean less than they seem to.
    Sanity(Warning),
    /// A look that was declared before: everything of contrasts is adjusted for it.
    Look { look: Look, alpha: f64 },
    /// The dashboard showed test results before all planned trials had ended: since when.
    Peeked { first_at: String },
    /// The seeds were changed when results could be seen.
    ChangedAfterLooking { seeds: Looked },
}

/// The data set as read, and how it was divided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataView {
    pub classes: Vec<String>,
    pub read: ClassCounts,
    /// Sources of each part.
    pub parts: Vec<PartRecord>,
    pub quarantined: Vec<LeftOut>,
    pub ignored: Vec<LeftOut>,
    pub duplicates: u64,
    pub contradicting: Vec<LeftOut>,
    pub withheld: Vec<LeftOut>,
    /// Images of the training part that the plan leaves unused.
    pub unused: u64,
}

/// Images of each class, against what somebody declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCounts {
    pub rows: Vec<ClassRow>,
    pub total: ClassRow,
}

/// One class of a [`ClassCounts`].
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
    pub classes: ClassCounts,
    pub flow: ArmFlow,
    /// What a gate left out, by class and reason.
    pub gated: Vec<GatedImages>,
    /// Of the training and validation parts.
    pub curves: Vec<Curve>,
    pub convergence: Convergence,
    /// Per class with test images.
    pub recalls: Vec<ClassRecall>,
    /// Absent without predictions.
    pub confusion: Option<Confusion>,
    pub budget: Budget,
}

/// Images of a class that a gate left out of an arm for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatedImages {
    pub class: String,
    pub reason: String,
    pub images: u64,
}

/// Images on their way through one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFlow {
    pub planned: u64,
    /// Why planned images were not made: (reason, number), most frequent first.
    pub missing: Vec<(String, u64)>,
    pub trained_on: u64,
    /// Derived images that stand in for originals, with the probability; absent where they add to originals.
    pub stand_ins: Option<(u64, f64)>,
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
    /// Compares the runs and words the report. What comes from files and other programs (names of classes and images, reasons)
    /// is cut to a bounded length and freed of anything that steers a reader.
    #[must_use]
    pub fn new(record: &StudyRecord) -> Self {
        let mut comparison = compare(&record.results);
        clean(&mut comparison);
        let cited = Citations::default();
        let plan = &record.plan;
        let metric = comparison.measure().title;
        let level = 1.0 - plan.study.alpha;
        let mark = sentences::mark(plan.study.protocol);
        Self {
            name: plan.study.name.clone(),
            title: text::reason(plan.study.title.as_ref().unwrap_or(&plan.study.name)),
            question: plan.study.question.as_deref().map(text::reason),
            banner: banner(&comparison, record.manifest.synthetic, plan.study.protocol),
            answers: answers(&comparison, plan.study.protocol),
            protocol: plan.study.protocol,
            mark,
            metric: metric.to_owned(),
            data: data_view(record),
            arms: plan.arms.iter().map(|arm| arm_view(record, &arm.name, level)).collect(),
            families: families(&plan.arms),
            gallery: sources(&record.arms, &record.manifest.classes),
            limits: sentences::limits(plan, &comparison),
            quality: record.quality.as_ref().map(|quality| QualityView::new(quality, &cited)),
            methods: methods::methods(plan, &comparison, record.tuning.as_ref(), metric, &cited),
            references: cited.list(),
            evaluations: evaluations(record),
            tuning: record.tuning.clone(),
            provenance: record.provenance.iter().map(shown_fact).collect(),
            audit: record.audit.as_ref().map(AuditRecord::shown),
            comparison,
        }
    }
}

fn evaluations(record: &StudyRecord) -> Vec<(String, Comparison)> {
    let compared = |(name, results): &(String, augtrial_compare::StudyResults)| {
        let mut comparison = compare(results);
        clean(&mut comparison);
        (name.clone(), comparison)
    };
    record.evaluations.iter().map(compared).collect()
}

/// Reasons of missing trials come from whatever failed.
fn clean(comparison: &mut Comparison) {
    let arms = comparison.arms.iter_mut().flat_map(|arm| &mut arm.missing);
    let contrasts = comparison.contrasts.iter_mut().flat_map(|contrast| &mut contrast.missing);
    arms.chain(contrasts).for_each(|missing| missing.reason = text::reason(&missing.reason));
}

pub(crate) fn shown_fact(fact: &Fact) -> Fact {
    Fact { label: text::reason(&fact.label), value: text::visible(&text::cap(&fact.value, 2000)).into_owned() }
}

pub(super) fn shown_files(files: &[LeftOut]) -> Vec<LeftOut> {
    let shown = |file: &LeftOut| LeftOut {
        path: text::reason(&file.path),
        reason: text::reason(&file.reason),
        class: file.class,
    };
    files.iter().map(shown).collect()
}

fn shown_classes(classes: &[String]) -> Vec<String> {
    classes.iter().map(|class| text::visible(&text::cap(class, MAX_CLASS_CHARS)).into_owned()).collect()
}

/// Characters of a class's name that are shown.
const MAX_CLASS_CHARS: usize = 80;

fn data_view(record: &StudyRecord) -> DataView {
    let manifest = &record.manifest;
    let mut parts = record.parts.clone();
    parts.sort_by_key(|part| part.split);
    DataView {
        classes: shown_classes(&manifest.classes),
        read: class_table(&manifest.classes, &manifest.class_counts(), &record.plan.ingest.declared),
        parts,
        quarantined: shown_files(&manifest.quarantined),
        ignored: shown_files(&manifest.ignored),
        duplicates: record.duplicates,
        contradicting: shown_files(&record.contradicting),
        withheld: shown_files(&record.withheld),
        unused: record.unused,
    }
}

fn class_table(classes: &[String], counts: &[u64], declared: &BTreeMap<String, u64>) -> ClassCounts {
    let rows: Vec<ClassRow> = classes
        .iter()
        .zip(counts)
        .zip(shown_classes(classes))
        .map(|((class, &count), shown)| ClassRow { class: shown, count, declared: declared.get(class).copied() })
        .collect();
    // A total is declared only if every class is.
    let declared_total = rows.iter().map(|row| row.declared).sum();
    let total = ClassRow { class: "total".to_owned(), count: counts.iter().sum(), declared: declared_total };
    ClassCounts { rows, total }
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
            flow: ArmFlow { planned: 0, missing: Vec::new(), trained_on: 0, stand_ins: None, tested: 0 },
            gated: Vec::new(),
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
        flow: flow(planned, arm),
        gated: gated(arm, classes),
        curves: curves(&runs, level),
        convergence: convergence(&arm.runs, level),
        recalls: recalls(&arm.runs, classes.len(), level),
        confusion: confusion(&arm.runs, classes.len()),
        budget: budget(arm),
    }
}

/// Reasons of gates, as sets record them, begin so.
const GATED: &str = "gated-";

fn gated(arm: &ArmRecord, classes: &[String]) -> Vec<GatedImages> {
    let mut counts: BTreeMap<(u32, &str), u64> = BTreeMap::new();
    for missing in arm.missing.iter().filter(|missing| missing.reason.starts_with(GATED)) {
        if let Some(class) = missing.class {
            *counts.entry((class, &missing.reason)).or_default() += 1;
        }
    }
    let of = |((class, reason), images): ((u32, &str), u64)| {
        let class = classes.get(class as usize)?.clone();
        Some(GatedImages { class, reason: reason[GATED.len()..].to_owned(), images })
    };
    counts.into_iter().filter_map(of).collect()
}

fn flow(plan: &Arm, arm: &ArmRecord) -> ArmFlow {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for missing in &arm.missing {
        *reasons.entry(&missing.reason).or_default() += 1;
    }
    let mut missing: Vec<(String, u64)> = reasons.into_iter().map(|(reason, n)| (text::reason(reason), n)).collect();
    missing.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let trained_on: u64 = arm.counts.iter().sum();
    let made = arm.planned.saturating_sub(arm.missing.len() as u64);
    ArmFlow {
        planned: arm.planned,
        missing,
        trained_on,
        stand_ins: plan.replace.map(|rule| (made.saturating_sub(trained_on), rule.p)),
        tested: arm.runs.iter().map(|run| run.test.samples).max().unwrap_or(0),
    }
}

fn confusion(runs: &[ReportedRun], classes: usize) -> Option<Confusion> {
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
    let trained =
        |run: &ReportedRun| run.metrics.iter().filter(|m| m.split == Split::Train).cloned().collect::<Vec<_>>();
    let mean = |of: &dyn Fn(&ReportedRun) -> f64| {
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
