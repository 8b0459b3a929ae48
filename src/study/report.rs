//! From the registry to a comparison and a report.

use std::path::{Path, PathBuf};

use super::results::{cells, run_result, why_excluded};
use super::sheet::{ArmSheet, Example, Shown, StudySheet};
use super::{StudyError, Workspace, conduct};
use crate::compare::{ArmResults, Excluded, StudyResults};
use crate::data::audit::{Duplicate, DuplicateSet};
use crate::data::manifest::LeftOut;
use crate::digest::Digest;
use crate::events::Prediction;
use crate::plan::Plan;
use crate::registry::{Provenance, Registry, RunRecord as Recorded};
use crate::report::{
    ArmRecord, ExampleRecord, Fact, PartRecord, Picture, RunRecord, StudyRecord, StudyView, Verification,
    verify_report, write_report,
};

/// Whether a report shows pictures of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    #[default]
    Shown,
    /// For data that may not be passed on: everything but the gallery.
    LeftOut,
}

/// Writes the report of a study as far as it was run, and says where.
///
/// # Errors
/// [`StudyError::NotRun`] if nothing was recorded under this plan; else whatever reading or writing gives.
pub fn write_report_of(
    plan: &Plan,
    registry: &Registry,
    workspace: &Workspace,
    pictures: Pictures,
) -> Result<PathBuf, StudyError> {
    let record = record(plan, registry, pictures)?;
    let folder = workspace.reports.join(&plan.study.name);
    write_report(&StudyView::new(&record), &folder)?;
    Ok(folder.join("report.md"))
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
    let record = record(plan, registry, pictures)?;
    Ok(verify_report(&StudyView::new(&record), &workspace.reports.join(&plan.study.name))?)
}

/// Everything recorded of a study under this plan.
fn record(plan: &Plan, registry: &Registry, pictures: Pictures) -> Result<StudyRecord, StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let mut arms = Vec::new();
    let mut results = Vec::new();
    let mut provenance = None;
    let cells = cells(plan, registry, &sheet)?;
    for arm in &plan.arms {
        let mut of_arm = ArmResults { name: arm.name.clone(), role: arm.role, runs: Vec::new(), excluded: Vec::new() };
        let mut runs = Vec::new();
        for cell in cells.iter().filter(|cell| cell.arm == arm.name) {
            let Some(counted) = &cell.state.counted else {
                of_arm.excluded.push(Excluded { seed: cell.seed, reason: why_excluded(&cell.state) });
                continue;
            };
            let run = registry.record_of(counted)?;
            let predictions = registry.predictions(counted.run)?;
            if let Some(test) = &run.state.test {
                let images = predictions.iter().map(|p| (p.label, p.predicted));
                of_arm.runs.push(run_result(plan, counted, test.top1, images));
            }
            provenance.get_or_insert_with(|| run.clone());
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
    let conduct = conduct::of(plan, registry, &cells)?;
    Ok(StudyRecord {
        plan: plan.clone(),
        parts: sheet.parts.iter().map(|p| PartRecord { split: p.split, counts: p.counts.clone() }).collect(),
        duplicates: sheet.duplicates.sets.iter().map(|set| set.images.len() as u64 - 1).sum(),
        contradicting: contradicting(&sheet),
        withheld: sheet.withheld.clone(),
        provenance: facts(plan, &sheet, provenance.as_ref()),
        manifest: sheet.manifest,
        arms,
        results: StudyResults { study: plan.study.clone(), contrasts: plan.contrasts.clone(), arms: results, conduct },
    })
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
                Shown::Picture(digest) => Ok(picture(digest)?),
                Shown::Missing(reason) => Err(reason.clone()),
            },
        })
    };
    sheet.examples.iter().map(example).collect()
}

/// A run that counts, as the report needs it; nothing if it selected no epoch or was not tested.
fn run_record(run: Recorded, predictions: Vec<Prediction>) -> Option<RunRecord> {
    Some(RunRecord {
        seed: run.header.seed,
        run: run.header.run.to_string(),
        selected_epoch: run.state.selected_epoch?,
        test: run.state.test?,
        elapsed_secs: run.state.elapsed_secs,
        metrics: run.epochs,
        predictions,
    })
}

/// The command line, with the program's name and not its place on the machine.
fn shown_command(command_line: &[String]) -> String {
    let Some((program, arguments)) = command_line.split_first() else { return String::new() };
    let name = Path::new(program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into_owned());
    [vec![name], arguments.to_vec()].concat().join(" ")
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

fn facts(plan: &Plan, sheet: &StudySheet, run: Option<&Recorded>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |label: &str, value: String| facts.push(Fact { label: label.to_owned(), value });
    fact("plan", plan.digest().to_string());
    fact("data set", sheet.manifest.digest().to_string());
    for arm in &sheet.arms {
        for set in &arm.sets {
            fact(&format!("set of {}", arm.name), set.to_string());
        }
    }
    let Some(run) = run else { return facts };
    let Provenance {
        augtrial_version,
        git,
        backend,
        host: _,
        os,
        cpu_model,
        instruction_set,
        logical_cores,
        threads,
        jobs: _,
        device,
        determinism,
        command_line,
        experiment: _,
        overrides,
    } = &run.provenance;
    fact("division", run.header.sets.split.to_string());
    fact("first run", format!("{} at {}", run.header.run, run.header.created_at));
    fact("augtrial", augtrial_version.clone());
    if let Some(git) = git {
        fact("commit", format!("{}{}", git.commit, if git.dirty.is_some() { ", with local changes" } else { "" }));
    }
    for (name, value) in backend.iter().chain(determinism) {
        fact(name, value.clone());
    }
    fact("machine", format!("{cpu_model}, {logical_cores} logical cores, {instruction_set}, {os}"));
    fact("device", format!("{device}, {threads} threads"));
    fact("command", shown_command(command_line));
    if !overrides.is_empty() {
        fact("overrides", overrides.join(", "));
    }
    facts
}
