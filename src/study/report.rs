//! From the registry to a comparison and a report.

use std::path::{Path, PathBuf};

use super::results::{balanced, why_excluded};
use super::sheet::{ArmSheet, Example, Shown, StudySheet};
use super::{StudyError, Workspace};
use crate::compare::{ArmResults, Excluded, RunResult, StudyResults};
use crate::data::audit::{Duplicate, DuplicateSet};
use crate::data::manifest::LeftOut;
use crate::digest::Digest;
use crate::events::Prediction;
use crate::plan::Plan;
use crate::plan::dataset::Protocol;
use crate::plan::file::PrimaryMetric;
use crate::registry::{Provenance, Registry, RunRecord as Recorded};
use crate::report::{
    ArmRecord, ExampleRecord, Fact, PartRecord, Picture, RunRecord, StudyRecord, StudyView, Verification,
    verify_report, write_report,
};

/// Writes the report of a study as far as it was run, and says where.
///
/// # Errors
/// [`StudyError::NotRun`] if nothing was recorded under this plan; else whatever reading or writing gives.
pub fn write_report_of(plan: &Plan, registry: &Registry, workspace: &Workspace) -> Result<PathBuf, StudyError> {
    let record = record(plan, registry)?;
    let folder = workspace.reports.join(&plan.study.name);
    write_report(&StudyView::new(&record), &folder)?;
    Ok(folder.join("report.md"))
}

/// Makes the report of a study again in memory, and says how the one on disk differs.
///
/// # Errors
/// As [`write_report_of`]; also if there is no report.
pub fn verify_report_of(plan: &Plan, registry: &Registry, workspace: &Workspace) -> Result<Verification, StudyError> {
    let record = record(plan, registry)?;
    Ok(verify_report(&StudyView::new(&record), &workspace.reports.join(&plan.study.name))?)
}

/// Everything recorded of a study under this plan.
fn record(plan: &Plan, registry: &Registry) -> Result<StudyRecord, StudyError> {
    let not_run = || StudyError::NotRun { study: plan.study.name.clone() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let mut arms = Vec::new();
    let mut results = Vec::new();
    let mut provenance = None;
    for arm in &plan.arms {
        let sheet = sheet.arms.iter().find(|made| made.name == arm.name);
        let trials = trials(plan, registry, sheet)?;
        if provenance.is_none() {
            provenance = trials.iter().find_map(|trial| trial.run.as_ref().map(|(run, _)| run.clone()));
        }
        results.push(ArmResults {
            name: arm.name.clone(),
            role: arm.role,
            runs: trials.iter().filter_map(|trial| trial.result(plan)).collect(),
            excluded: trials.iter().filter_map(Cell::excluded).collect(),
        });
        let Some(sheet) = sheet else { continue };
        arms.push(ArmRecord {
            name: arm.name.clone(),
            counts: sheet.counts.clone(),
            originals: sheet.originals,
            planned: sheet.planned,
            missing: sheet.missing.clone(),
            generation_secs: sheet.generation_secs,
            examples: examples(plan, registry, sheet)?,
            runs: trials.into_iter().filter_map(Cell::into_run).collect(),
        });
    }
    let conduct = super::conduct::of_sheet(plan, registry, &sheet)?;
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

/// One cell of the design: an arm with a seed, and the run that counts, if there is one.
struct Cell {
    seed: u64,
    run: Option<(Recorded, Vec<Prediction>)>,
    /// Why there is none.
    reason: String,
}

fn trials(plan: &Plan, registry: &Registry, sheet: Option<&ArmSheet>) -> Result<Vec<Cell>, StudyError> {
    let mut cells = Vec::new();
    for &seed in &plan.study.seeds {
        let key = sheet.and_then(|sheet| sheet.trials.iter().find(|(of, _)| *of == seed)).map(|(_, key)| *key);
        cells.push(cell(registry, seed, key)?);
    }
    Ok(cells)
}

fn cell(registry: &Registry, seed: u64, key: Option<Digest>) -> Result<Cell, StudyError> {
    let Some(key) = key else { return Ok(Cell { seed, run: None, reason: "not run".to_owned() }) };
    if let Some(recorded) = registry.counted(&[key])?.pop().flatten() {
        let predictions = registry.predictions(recorded.header.run)?;
        return Ok(Cell { seed, run: Some((recorded, predictions)), reason: String::new() });
    }
    let state = registry.trial_state(&key)?;
    Ok(Cell { seed, run: None, reason: why_excluded(&state) })
}

impl Cell {
    fn result(&self, plan: &Plan) -> Option<RunResult> {
        let (run, predictions) = self.run.as_ref()?;
        let top1 = run.state.test.as_ref()?.top1;
        let value = match plan.study.primary_metric {
            PrimaryMetric::Top1 => top1,
            PrimaryMetric::BalancedTop1 => balanced(predictions.iter().map(|p| (p.label, p.predicted))),
        };
        // Under the as-published protocol every arm has test images of its own, and they cannot be paired.
        let paired = plan.study.protocol == Protocol::LeakFree;
        let correct = predictions.iter().filter(|_| paired).map(|p| p.label == p.predicted).collect();
        Some(RunResult { seed: self.seed, value, run: run.header.run.to_string(), correct })
    }

    fn excluded(&self) -> Option<Excluded> {
        self.run.is_none().then(|| Excluded { seed: self.seed, reason: self.reason.clone() })
    }

    fn into_run(self) -> Option<RunRecord> {
        let (run, predictions) = self.run?;
        Some(RunRecord {
            seed: self.seed,
            run: run.header.run.to_string(),
            selected_epoch: run.state.selected_epoch?,
            test: run.state.test?,
            elapsed_secs: run.state.elapsed_secs,
            metrics: run.epochs,
            predictions,
        })
    }
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
