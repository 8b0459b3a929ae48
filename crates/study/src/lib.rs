//! The pipeline, and the only composer: experiment -> data -> sets -> runs -> registry -> comparison -> report.

mod arms;
mod audit;
mod audit_arms;
mod audit_labels;
mod audit_results;
mod audit_seen;
pub mod clean;
mod conduct;
mod context;
mod cross_fit;
mod data;
mod design;
#[cfg(test)]
mod draws_tests;
mod edits;
mod error;
mod estimate;
mod extra;
mod foresee;
mod further;
mod gallery;
mod gates;
mod given;
mod grade;
mod jobs;
mod key;
mod learned;
mod looks;
mod makings;
mod newest;
mod parts;
pub mod places;
mod prepared;
mod preview;
mod provenance;
mod quality;
mod records;
mod replay;
mod report;
mod results;
mod room;
mod selection;
mod sets;
mod sheet;
mod show;
mod surroundings;
mod trials;
mod tune;

use std::path::PathBuf;

use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_registry::{Registry, SetAside};
use prepared::Draws;

pub use audit::{DataAudit, audit, audit_folder, reach_of, survey_site};
pub use audit_arms::{ArmAudit, audit_arms};
pub use audit_labels::doubted_labels;
pub use audit_results::{AuditComparison, audited_comparison_of};
pub use audit_seen::picture_features;
pub use context::{Context, Options, Workspace};
pub use data::StudyData;
pub use design::{DesignPreview, DesignRuns, design_makings, design_results, preview_cells, run_cells};
pub use error::{Fault, StudyError};
pub use estimate::Basis as TimeBasis;
pub use foresee::{Foreseen, foresee};
pub use given::{GivenError, GivenOptions, GivenResults, read_results};
pub use grade::{Check, Grade, GradedAt};
pub use jobs::work;
pub use jobs::{Choice, Crew, WorkerProgram};
pub use preview::{
    ArmPreview, CrossFitPreview, DecodedPreview, Preview, SearchPreview, SetPreview, TrialPreview, preview,
};
pub use quality::{FeatureChoice, MeasuredStudy, QualityError, QualityOptions, quality};
pub use records::runs_behind;
pub use replay::{Replay, ReplayOptions, recorded_kernels, replay};
pub use report::{Pictures, Written, report_folder, verify_report_of, write_report_of};
pub use results::{comparison_of, evaluations_of};
pub use show::{ShowOptions, ShownArm, show};
pub use surroundings::Surrounding;
pub use tune::{as_tuned, next_of, tuning_of};

/// What became of a study.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Trials that were trained to their end just now.
    pub finished: usize,
    /// Trials that had finished before, here or in another study.
    pub reused: usize,
    /// Arm, seed and reason of every trial that has no result.
    pub failed: Vec<(String, u64, String)>,
    /// The report's page.
    pub page: PathBuf,
}

impl Outcome {
    /// Counts what became of other trials, too.
    fn add(&mut self, other: Self) {
        self.finished += other.finished;
        self.reused += other.reused;
        self.failed.extend(other.failed);
    }
}

/// Runs a study to its report. What was done before is not done again.
///
/// This process reads and divides the data, and leads workers that make the sets and run the trials.
///
/// # Errors
/// [`StudyError`]; a trial that fails is no error but part of the outcome, unless the registry itself fails.
pub fn run(plan: &Plan, options: &Options, context: &Context<'_>) -> Result<Outcome, StudyError> {
    options.check(plan)?;
    augtrial_trial::kernels::check_processor(plan.classifier.kernels)?;
    let registry = Registry::lead(&context.workspace.runs, context.clock)?;
    note_record(&registry, context)?;
    let (plan, searched) = tune::search(plan, options, &registry, context)?;
    let fitted = cross_fit::fit(&plan, options, &registry, context)?;
    let mut outcome = match &plan.sequential {
        Some(sequential) => looks::train(&plan, sequential, options, &registry, context)?,
        None => train(&plan, options, &registry, context)?,
    };
    outcome.add(searched);
    outcome.add(fitted);
    outcome.page = write_page(&plan, &registry, context)?;
    Ok(outcome)
}

/// Trains what is left of a plan, with workers.
fn train(plan: &Plan, options: &Options, registry: &Registry, context: &Context<'_>) -> Result<Outcome, StudyError> {
    let program = context.worker.ok_or(StudyError::NoEngine)?;
    let draws = Draws::read(plan, context)?;
    let agenda = jobs::Agenda::new(&draws, options, registry)?;
    let crew = crew_of(plan, &agenda, options, context);
    jobs::run(&jobs::Study { draws: &draws, options, registry, crew }, &agenda, program)
}

/// Writes the report, says what is to be known of it, and gives its page.
fn write_page(plan: &Plan, registry: &Registry, context: &Context<'_>) -> Result<PathBuf, StudyError> {
    let _shown = context.progress.stage("write the report", 0, "figures");
    let written = report::write_report_of(plan, registry, context.workspace, Pictures::Shown, context.stop)?;
    for figure in &written.missing_figures {
        context.progress.note(&format!("figure {figure} is missing: the report says why"));
    }
    if let Some(folder) = &written.moved {
        context.progress.note(&moved_note(folder));
    }
    Ok(written.page)
}

/// What is said of an older program's report that was in the way.
#[must_use]
pub fn moved_note(folder: &std::path::Path) -> String {
    format!("an older report was in the folder of the study's reports; it is now in {}", folder.display())
}

/// What is out of order with the record and stops nothing is not passed over in silence.
fn note_record(registry: &Registry, context: &Context<'_>) -> Result<(), StudyError> {
    registry.without_file().iter().for_each(|why| context.progress.note(why));
    for SetAside { run, problem } in registry.set_aside()? {
        context.progress.note(&format!("run {run} is set aside, and counts for nothing: {problem}"));
    }
    Ok(())
}

/// How the work is shared out.
fn crew_of(plan: &Plan, agenda: &jobs::Agenda<'_>, options: &Options, context: &Context<'_>) -> Crew {
    let machine = jobs::Machine::for_plan(plan, context.worker);
    let choice = jobs::choose(plan, options.jobs, machine, &agenda.left());
    let doubts = plan.doubts();
    let slow = jobs::slow_here(plan, machine);
    let noted = choice.warning.iter().chain(&doubts).chain(&slow);
    noted.for_each(|warning| context.progress.note(warning));
    let Crew { jobs, threads } = choice.crew;
    context.progress.detail(&format!(
        "{} at once, {} each: {}",
        plural(jobs as usize, "job"),
        plural(threads as usize, "thread"),
        choice.why
    ));
    choice.crew
}

/// Keeps in the study's record what the arms of these sets are made of, each with a seed of its draw.
fn keep_sheet<'s>(
    draws: &Draws<'_>,
    made: impl Iterator<Item = (u64, &'s sets::ArmSets)>,
    registry: &Registry,
) -> Result<(), StudyError> {
    let plan = draws.plan;
    let mut of_draw: Vec<(u64, Vec<sets::ArmSets>)> = Vec::new();
    for (seed, sets) in made {
        match of_draw.iter_mut().find(|(known, _)| *known == seed) {
            Some((_, arms)) => arms.push(sets.clone()),
            None => of_draw.push((seed, vec![sets.clone()])),
        }
    }
    let mut sheet: Option<sheet::StudySheet> = None;
    for (seed, arms) in of_draw {
        let prepared = draws.of(seed)?;
        let sets = prepared.with_originals(arms)?;
        let arms = prepared.ready(&sets)?;
        parts::keep(prepared, &arms, registry)?;
        if let Some(sheet) = &mut sheet {
            sheet.add_draw(prepared, &arms);
        } else {
            // The gallery shows one draw.
            let gallery = gallery::Gallery::choose(plan, &prepared.data, &sets)?;
            gallery.keep(plan, registry)?;
            let audit = audit::AuditSheet::of(plan, &prepared.data, prepared.context)?;
            sheet = Some(sheet::StudySheet::new(prepared, &arms, &gallery, audit));
        }
    }
    let Some(mut sheet) = sheet else { return Ok(()) };
    if let Some(earlier) = registry.read_study(&plan.study.name, &plan.digest())? {
        sheet.keep_arms_of(earlier, plan);
    }
    registry.keep_study_plan(&plan.study.name, &plan.digest(), &plan.to_toml())?;
    registry.write_study(&plan.study.name, &plan.digest(), &sheet)?;
    Ok(())
}
