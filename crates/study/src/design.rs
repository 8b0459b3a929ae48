//! A design: its cells run one after another, looked at before they are run, and read for their comparison.

use std::collections::{BTreeMap, BTreeSet};

use super::conduct::divided;
use super::makings::makings;
use super::preview::{Shared, distinct, preview_of};
use super::results::{cells, result, run_result};
use super::sheet::{StudySheet, sheet_of};
use super::{Context, Options, Outcome, Preview, StudyError, as_tuned, run};
use augtrial_base::digest::Digest;
use augtrial_base::events::{Prediction, Split};
use augtrial_compare::{CellResults, DesignResults, FactorLevels};
use augtrial_plan::Plan;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::design::{Cell, Counted, Design, DesignKind};
use augtrial_registry::{Classified, Provenance, Registry, RunId, RunSummary};
use augtrial_report::Fact;

/// Runs cells of a design, each as the study that it is. Cells with equal plans are run once, and equal trials of different cells
/// too. The outcome is of all of them; its page is the last one's.
///
/// # Errors
/// As [`run`].
pub fn run_cells(
    design: &Design,
    chosen: &[&Cell],
    options: &Options,
    context: &Context<'_>,
) -> Result<Outcome, StudyError> {
    let mut whole = Outcome::default();
    let plans = design.plans(chosen.iter().copied());
    for (number, plan) in plans.iter().enumerate() {
        context.progress.note(&format!("cell {} of {}: {}", number + 1, plans.len(), plan.study.name));
        let outcome = run(plan, options, context)?;
        whole.finished += outcome.finished;
        whole.reused += outcome.reused;
        let failed = outcome.failed.into_iter();
        whole.failed.extend(failed.map(|(arm, seed, why)| (format!("{}: {arm}", plan.study.name), seed, why)));
        whole.page = outcome.page;
    }
    Ok(whole)
}

/// Cells before they are run.
#[derive(Clone, Debug)]
pub struct DesignPreview {
    /// One per distinct plan.
    pub plans: Vec<Preview>,
    /// Trials of all cells, and how many of them are distinct.
    pub trials: usize,
    pub distinct: usize,
    /// Distinct trials that are left to train.
    pub left: usize,
}

/// Looks at cells of a design without running them.
///
/// # Errors
/// As [`preview`](super::preview()).
pub fn preview_cells(
    design: &Design,
    chosen: &[&Cell],
    options: &Options,
    context: &Context<'_>,
) -> Result<DesignPreview, StudyError> {
    let plans = design.plans(chosen.iter().copied());
    let shared = Shared::open(context)?;
    let look = |plan| preview_of(plan, options, context, &shared);
    let plans: Vec<Preview> = plans.into_iter().map(look).collect::<Result<_, _>>()?;
    let by_plan: BTreeMap<&str, usize> =
        plans.iter().map(|preview| (preview.study.as_str(), preview.trials.len())).collect();
    let (distinct, left) = distinct(plans.iter().flat_map(|preview| &preview.trials));
    Ok(DesignPreview {
        trials: chosen.iter().filter_map(|cell| by_plan.get(cell.plan.study.name.as_str())).sum(),
        distinct,
        left,
        plans,
    })
}

/// What a design's results were read from.
#[derive(Debug, Default)]
pub struct DesignRuns {
    data_sets: BTreeSet<Digest>,
    /// Runs that count, each once, by the time at which they began.
    runs: BTreeSet<(String, RunId)>,
}

/// What was measured in every cell of a design, as far as it was run, and by which runs.
///
/// # Errors
/// Whatever reading the registry gives.
pub fn design_results(design: &Design, registry: &Registry) -> Result<(DesignResults, DesignRuns), StudyError> {
    let mut found = DesignRuns::default();
    let study = &design.cells[design.reference].plan.study;
    let levels = |factor: &augtrial_plan::design::Factor| FactorLevels {
        name: factor.name.clone(),
        title: factor.title().to_owned(),
        levels: factor.levels.iter().map(|level| level.name.clone()).collect(),
    };
    let cells: Vec<CellResults> =
        design.cells.iter().map(|cell| cell_results(design, cell, registry, &mut found)).collect::<Result<_, _>>()?;
    let results = DesignResults {
        metric: study.primary_metric,
        alpha: study.alpha,
        seeds: study.seeds.clone(),
        factors: design.factors.iter().map(levels).collect(),
        cells,
        full: design.kind == DesignKind::Full,
        contrasts: design.cells[design.reference].plan.contrasts.clone(),
        reference: design.reference,
        published: design.published,
        dose: design.dose(),
    };
    Ok((results, found))
}

/// What the runs of a design that count were made by.
///
/// # Errors
/// Whatever reading the registry gives.
pub fn design_makings(found: &DesignRuns, registry: &Registry) -> Result<Vec<Fact>, StudyError> {
    let DesignRuns { data_sets, runs } = found;
    let made: Vec<Provenance> = runs.iter().map(|(_, run)| registry.provenance(*run)).collect::<Result<_, _>>()?;
    let mut facts: Vec<Fact> = Vec::new();
    let mut fact = |label: &str, value: String| facts.push(Fact { label: label.to_owned(), value });
    fact("data set", data_sets.iter().map(Digest::to_string).collect::<Vec<_>>().join(", "));
    fact("runs", made.len().to_string());
    for (label, found) in [("first run", runs.first()), ("last run", runs.last())] {
        if let Some((at, run)) = found {
            fact(label, format!("{run} at {at}"));
        }
    }
    facts.extend(makings(&made));
    Ok(facts)
}

fn cell_results(
    design: &Design,
    cell: &Cell,
    registry: &Registry,
    found: &mut DesignRuns,
) -> Result<CellResults, StudyError> {
    let plan = &*as_tuned(&cell.plan, registry)?;
    let sheet = sheet_of(plan, registry)?;
    let mut arms: Vec<(String, BTreeMap<u64, f64>)> =
        plan.arms.iter().map(|arm| (arm.name.clone(), BTreeMap::new())).collect();
    let mut divisions = Vec::new();
    let mut tested = None;
    if let Some(sheet) = &sheet {
        found.data_sets.insert(sheet.manifest.digest());
        for trial in cells(plan, registry, sheet)? {
            let Some(run) = &trial.state.counted else { continue };
            found.runs.insert((run.created_at.clone(), run.run));
            divisions.push((trial.arm.to_owned(), trial.seed, run.split));
            let Some((value, images)) = value(plan, registry, run, cell.counted)? else { continue };
            tested = Some(tested.unwrap_or(images).min(images));
            // A metric that a record cannot give is told of where the cell is compared by itself.
            let known = arms.iter_mut().find(|(arm, _)| arm == trial.arm && value.is_finite());
            if let Some((_, values)) = known {
                values.insert(trial.seed, value);
            }
        }
    }
    // Where every seed has a division of its own, the sheet has that of the first.
    let images = sheet.as_ref().map(|sheet| {
        let of_train = sheet.parts.iter().filter(|part| part.split == Split::Train);
        of_train.flat_map(|part| &part.counts).sum()
    });
    // Under the as-published protocol every arm has a training part of its own, and none is cut.
    let images = images.filter(|images| *images > 0);
    let contrasts = &design.cells[design.reference].plan.contrasts;
    let divisions = divisions.iter().map(|(arm, seed, division)| (arm.as_str(), *seed, *division));
    let unpaired = divided(contrasts, divisions).into_iter().map(|pair| (pair.contrast, pair.seed));
    Ok(CellResults {
        name: design.cell_name(cell),
        levels: cell.levels.clone(),
        arms,
        images,
        test_share: sheet.as_ref().and_then(StudySheet::test_share),
        unpaired: unpaired.collect(),
        tested_apart: tested.filter(|_| plan.study.protocol == Protocol::AsPublished),
    })
}

/// The primary metric of a run over the images that count, and how many these are.
fn value(
    plan: &Plan,
    registry: &Registry,
    run: &RunSummary,
    counted: Counted,
) -> Result<Option<(f64, u64)>, StudyError> {
    if counted == Counted::All {
        let result = result(plan, registry, run)?;
        return Ok(result.zip(run.test.as_ref()).map(|(result, test)| (result.value, test.samples)));
    }
    let predictions = registry.predictions(run.run)?;
    let originals: Vec<&Prediction> = predictions.iter().filter(|prediction| !prediction.derived).collect();
    if originals.is_empty() {
        return Ok(None);
    }
    let classified: Vec<Classified> = originals.iter().map(|prediction| Classified::of(prediction)).collect();
    let right = classified.iter().filter(|image| image.label == image.predicted).count();
    let top1 = right as f64 / originals.len() as f64;
    Ok(Some((run_result(plan, run, top1, &classified).value, originals.len() as u64)))
}
