//! From the registry to a comparison and a report.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::audit_results::Answers;
use super::makings::makings;
use super::newest::{self, Newest};
use super::results::{cells, evaluation_results, no_results, run_result, test_images, why_excluded};
use super::sheet::{ArmSheet, Example, GalleryFate, StudySheet};
use super::{StudyError, Workspace, audit_results, conduct, looks, tune};
use augtrial_base::digest::Digest;
use augtrial_base::events::Prediction;
use augtrial_base::events::Split;
use augtrial_compare::{Excluded, StudyResults};
use augtrial_data::audit::{Duplicate, DuplicateSet};
use augtrial_data::manifest::LeftOut;
use augtrial_plan::Plan;
use augtrial_registry::{Classified, Header, Provenance, Registry, RunRecord};
use augtrial_report::{
    ArmRecord, ExampleRecord, Fact, PartRecord, Picture, QualityRecord, ReportedRun, StudyRecord, StudyView,
    Verification, verify_report, write_report,
};

/// Whether a report shows pictures of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    #[default]
    Shown,
    /// For data that may not be passed on: everything but the gallery.
    LeftOut,
}

/// Where the report of a plan is: a folder of its own, so that no plan's report replaces another's.
#[must_use]
pub fn report_folder(plan: &Plan, workspace: &Workspace) -> PathBuf {
    workspace.reports.join(&plan.study.name).join(plan.digest().short())
}

/// What a written report consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page of this plan.
    pub page: PathBuf,
    /// Names of figures that could not be drawn.
    pub missing_figures: Vec<String>,
    /// Where an older program's report went that stood in the study's folder.
    pub moved: Option<PathBuf>,
}

/// Writes the report of a study as far as it was run, and says where. `stop` is looked at between figures: the answer is
/// written before the first of them.
///
/// The study's folder also holds `report.html` and `report.md` of its newest finished plan.
///
/// # Errors
/// [`StudyError::NotRun`] if nothing was recorded under this plan; else whatever reading or writing gives.
pub fn write_report_of(
    plan: &Plan,
    registry: &Registry,
    workspace: &Workspace,
    pictures: Pictures,
    stop: &AtomicBool,
) -> Result<Written, StudyError> {
    let (record, ended_at) = record(plan, registry, pictures)?;
    let folder = report_folder(plan, workspace);
    let view = StudyView::new(&record);
    let missing_figures = write_report(&view, &folder, &|| stop.load(Ordering::Relaxed))?;
    let complete = view.comparison.arms.iter().all(|arm| arm.missing.is_empty());
    let moved = newest::point_to(&folder, &Newest { complete, ended_at, plan: plan.digest().to_string() })?;
    Ok(Written { page: folder.join("report.html"), missing_figures, moved })
}

/// Makes the report of a study again in memory, and says how the one on disk differs.
///
/// # Errors
/// As [`write_report_of`]; also if there is no report.
pub fn verify_report_of(
    plan: &Plan,
    registry: &Registry,
    workspace: &Workspace,
    pictures: Pictures,
) -> Result<Verification, StudyError> {
    let (record, _) = record(plan, registry, pictures)?;
    Ok(verify_report(&StudyView::new(&record), &report_folder(plan, workspace))?)
}

/// Everything recorded of a study under this plan, and when its last run that counts ended.
fn record(plan: &Plan, registry: &Registry, pictures: Pictures) -> Result<(StudyRecord, String), StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let mut arms = Vec::new();
    let mut results = Vec::new();
    let mut first = None;
    let mut made = Vec::new();
    let mut images = Vec::new();
    let mut answers = Answers::default();
    let cells = cells(plan, registry, &sheet)?;
    let conduct = conduct::of(plan, registry, &cells, &sheet)?;
    let study = looks::study_at(plan, conduct.look.as_ref());
    for arm in &plan.arms {
        let mut of_arm = no_results(arm, &sheet);
        let mut runs = Vec::new();
        for cell in cells.iter().filter(|cell| cell.arm == arm.name && study.seeds.contains(&cell.seed)) {
            let Some(counted) = &cell.state.counted else {
                of_arm.excluded.push(Excluded { seed: cell.seed, reason: why_excluded(&cell.state) });
                continue;
            };
            let run = registry.record_of(counted)?;
            let predictions = registry.predictions(counted.run)?;
            answers.add(&predictions);
            if images.is_empty() {
                images = test_images(&sheet.manifest.images, &predictions);
            }
            if let Some(test) = &run.state.test {
                let classified: Vec<_> = predictions.iter().map(Classified::of).collect();
                of_arm.runs.push(run_result(plan, counted, test.top1, &classified));
            }
            first.get_or_insert_with(|| run.header.clone());
            made.push(run.provenance.clone());
            runs.extend(run_record(run, predictions));
        }
        results.push(of_arm);
        let Some(sheet) = sheet.arms.iter().find(|made| made.name == arm.name) else { continue };
        arms.push(ArmRecord {
            name: arm.name.clone(),
            counts: sheet.counts.clone(),
            originals: sheet.originals,
            planned: sheet.planned,
            missing: sheet.missing.clone(),
            generation_secs: sheet.generation_secs,
            examples: match pictures {
                Pictures::Shown => examples(plan, registry, sheet)?,
                Pictures::LeftOut => Vec::new(),
            },
            runs,
        });
    }
    let evaluations = evaluation_results(plan, registry, &sheet, &cells)?;
    let quality = set_quality(plan, registry, pictures)?;
    let ended = cells.iter().filter_map(|cell| cell.state.counted.as_ref()?.ended_at.clone());
    let ended_at = ended.max().unwrap_or_default();
    let results =
        StudyResults { study: study.clone(), contrasts: plan.contrasts.clone(), arms: results, conduct, images };
    let record = StudyRecord {
        // Of the look that the study has reached.
        plan: Plan { study, ..plan.clone() },
        audit: audit_results::record(plan, &sheet, &results, &answers),
        quality,
        parts: sheet.parts.iter().map(|p| PartRecord { split: p.split, counts: p.counts.clone() }).collect(),
        duplicates: sheet.duplicates.sets.iter().map(|set| set.images.len() as u64 - 1).sum(),
        contradicting: contradicting(&sheet),
        withheld: sheet.withheld.clone(),
        unused: sheet.unused,
        provenance: facts(plan, &sheet, first.as_ref(), &made),
        manifest: sheet.manifest,
        arms,
        evaluations,
        tuning: tune::tuning_of(plan, registry)?,
        results,
    };
    Ok((record, ended_at))
}

/// The arm's part of the gallery, with the pictures from the study's record.
fn examples(plan: &Plan, registry: &Registry, sheet: &ArmSheet) -> Result<Vec<ExampleRecord>, StudyError> {
    let picture = |digest: &Digest| {
        let png = registry.read_picture(&plan.study.name, &plan.digest(), digest)?;
        Ok::<_, StudyError>(Picture { digest: *digest, png })
    };
    let example = |example: &Example| {
        Ok(ExampleRecord {
            source: picture(&example.source)?,
            path: example.path.clone(),
            class: example.class,
            copy: example.copy,
            asked: example.asked.clone(),
            change_levels: example.change_levels,
            result: match &example.shown {
                GalleryFate::Picture(digest) => Ok(picture(digest)?),
                GalleryFate::Missing(reason) => Err(reason.clone()),
            },
        })
    };
    sheet.examples.iter().map(example).collect()
}

/// What was measured of the sets under this plan, if anything was.
fn set_quality(plan: &Plan, registry: &Registry, pictures: Pictures) -> Result<Option<QualityRecord>, StudyError> {
    let Some(quality) = super::quality::kept(plan, registry)? else { return Ok(None) };
    let mut shown = BTreeMap::new();
    if pictures == Pictures::Shown {
        let digests = quality.galleries.iter().flat_map(|gallery| &gallery.shown);
        for digest in digests.flat_map(|shown| [shown.source, shown.derived]) {
            if let Entry::Vacant(place) = shown.entry(digest) {
                place.insert(Picture::new(registry.read_picture(&plan.study.name, &plan.digest(), &digest)?));
            }
        }
    }
    Ok(Some(QualityRecord { quality, pictures: shown }))
}

/// A run that counts, as the report needs it; nothing if it selected no epoch or was not tested.
fn run_record(run: RunRecord, predictions: Vec<Prediction>) -> Option<ReportedRun> {
    Some(ReportedRun {
        seed: run.header.seed,
        run: run.header.run.to_string(),
        selected_epoch: run.state.selected_epoch?,
        test: run.state.test?,
        elapsed_secs: run.state.elapsed_secs,
        metrics: run.epochs,
        predictions,
    })
}

/// Every byte-identical set of images whose labels contradict each other.
fn contradicting(sheet: &StudySheet) -> Vec<LeftOut> {
    let named = |image: &Duplicate| format!("{} ({})", image.path, sheet.manifest.classes[image.class as usize]);
    let left_out = |set: &DuplicateSet| LeftOut {
        path: set.images[0].path.clone(),
        reason: set.images.iter().map(named).collect::<Vec<_>>().join(" = "),
        class: None,
    };
    sheet.duplicates.contradicting().map(left_out).collect()
}

/// Where everything comes from: the data, the sets, the first run, and what the runs were made by, in the order of the arms.
fn facts(plan: &Plan, sheet: &StudySheet, first: Option<&Header>, made: &[Provenance]) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |label: &str, value: String| facts.push(Fact { label: label.to_owned(), value });
    fact("plan", plan.digest().to_string());
    fact("data set", sheet.manifest.digest().to_string());
    if let Some(dose) = plan.train.dose() {
        let trained: u64 =
            sheet.parts.iter().filter(|part| part.split == Split::Train).flat_map(|part| &part.counts).sum();
        let of = trained + sheet.unused;
        fact(
            "training part",
            format!("cut to {}: {trained} of {of} images, drawn by study seed {}", dose.words(), plan.study.seed.0),
        );
    }
    for arm in &sheet.arms {
        for set in &arm.sets {
            fact(&format!("set of {}", arm.name), set.to_string());
        }
        for redrawn in &arm.redrawn {
            for set in &redrawn.sets {
                fact(&format!("set of {}, seed {}", arm.name, redrawn.seeds[0]), set.to_string());
            }
        }
    }
    let Some(first) = first else { return facts };
    let division = if sheet.draws.is_empty() { "division" } else { "division of the first run" };
    fact(division, first.sets.split.to_string());
    fact("first run", format!("{} at {}", first.run, first.created_at));
    facts.extend(makings(made));
    facts
}
