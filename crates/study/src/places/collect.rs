//! What remains when the tasks of a batch have ended: the index, the study's record, the comparison and the report. Safe to
//! repeat, and safe in between.

use super::super::prepared::Draws;
use super::super::{keep_sheet, note_record, tune, write_page};
use super::batch::Batch;
use crate::jobs::Agenda;
use crate::trials::Ended;
use crate::{Context, Options, Outcome, StudyError};
use augtrial_plan::Plan;
use augtrial_registry::Registry;

/// Why a trial that nobody has run to its end has no result.
const NO_RESULT: &str = "it has no result yet";

/// What was found.
#[derive(Debug)]
pub struct Collected {
    pub plan: Plan,
    /// Every trial of the plan; the page's path is empty if there is no result yet.
    pub outcome: Outcome,
}

/// Puts the results of a study together, whoever made them.
///
/// # Errors
/// Whatever reading or writing gives. Trials without a result are no error but part of the outcome.
pub fn collect(batch: &Batch, context: &Context<'_>) -> Result<Collected, StudyError> {
    let assignment = batch.assignment()?;
    let plan = assignment.plan()?;
    let registry = Registry::lead(&context.workspace.runs, context.clock)?;
    let mut outcome = Outcome::default();
    {
        let draws = Draws::as_read(&plan, assignment.manifest, assignment.beside, context)?;
        let agenda = Agenda::new(&draws, &Options::default(), &registry)?;
        note_record(&registry, context)?;
        let made = agenda.arms.iter().filter(|item| item.made);
        let made = made.map(|item| Ok((item.seed, draws.of(item.seed)?.sets_of(item.arm)?)));
        let made = made.collect::<Result<Vec<_>, StudyError>>()?;
        keep_sheet(&draws, made.iter().map(|(seed, sets)| (*seed, sets)), &registry)?;
        for trial in &agenda.trials {
            let none = || Ended::Failed(NO_RESULT.to_owned());
            outcome.count(&agenda.arms[trial.arm].arm.name, trial.seed, trial.settled.clone().unwrap_or_else(none));
        }
    }
    if plan.is_search() {
        // Its answer is a choice, which needs every try.
        if outcome.failed.iter().all(|(.., reason)| reason != NO_RESULT) {
            tune::choose(&plan, &registry)?;
        }
    } else if outcome.reused > 0 {
        outcome.page = write_page(&plan, &registry, context)?;
    }
    Ok(Collected { plan, outcome })
}
