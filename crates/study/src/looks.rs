//! Looks that were declared before: which one the record has reached, training from look to look, and refusing looks that come
//! after results could be seen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::jobs::Agenda;
use super::prepared::Draws;
use super::results::{ArmSeed, comparison_of};
use super::{Context, Options, Outcome, StudyError, crew_of, jobs};
use augtrial_base::digest::Digest;
use augtrial_base::words::plural;
use augtrial_compare::{Comparison, Judged, Look, Verdict};
use augtrial_plan::Plan;
use augtrial_plan::file::Study;
use augtrial_plan::sequential::Sequential;
use augtrial_registry::{Registry, Standing};

/// The look that the record has reached: the last one whose trials have all ended, and the first while it is under way. None of a
/// plan without looks.
pub(super) fn reached(plan: &Plan, cells: &[ArmSeed<'_>]) -> Option<Look> {
    let Sequential { looks, spending } = plan.sequential.as_ref()?;
    let has_ended = |seed: &u64| {
        let mut of_seed = cells.iter().filter(|cell| cell.seed == *seed);
        of_seed.all(|cell| matches!(cell.state.standing(), Standing::Finished { .. } | Standing::Failed { .. }))
    };
    let ended = plan.study.seeds.iter().take_while(|seed| has_ended(seed)).count();
    let index = looks.iter().rposition(|&look| look as usize <= ended).unwrap_or(0);
    Some(Look { index, looks: looks.clone(), spending: *spending })
}

/// The study with the seeds of the look that it has reached; with all of them where no looks were declared.
pub(super) fn study_at(plan: &Plan, look: Option<&Look>) -> Study {
    let mut study = plan.study.clone();
    study.seeds.truncate(look.map_or(usize::MAX, |look| look.seeds() as usize));
    study
}

/// Trains look by look, and stops where every contrast has an answer.
pub(super) fn train(
    plan: &Plan,
    sequential: &Sequential,
    options: &Options,
    registry: &Registry,
    context: &Context<'_>,
) -> Result<Outcome, StudyError> {
    let program = context.worker.ok_or(StudyError::NoEngine)?;
    let draws = Draws::read(plan, context)?;
    refuse_late(plan, &draws, registry)?;
    let mut whole = Outcome::default();
    for (index, &seeds) in sequential.looks.iter().enumerate() {
        let options = Options { most_seeds: Some(seeds as usize), ..options.clone() };
        let agenda = Agenda::new(&draws, &options, registry)?;
        let crew = crew_of(plan, &agenda, &options, context);
        let study = jobs::Study { draws: &draws, options: &options, registry, crew };
        let found = jobs::run(&study, &agenda, program)?;
        // What an earlier look trained is found done by a later one.
        let before = whole.finished;
        whole = Outcome { finished: before + found.finished, reused: found.reused.saturating_sub(before), ..found };
        let comparison = comparison_of(plan, registry)?;
        let number = format!("look {} of {}, {}", index + 1, sequential.looks.len(), plural(seeds as usize, "seed"));
        if comparison.look.as_ref().map(|look| look.index) == Some(index) && is_decided(&comparison) {
            context.progress.note(&format!("{number}: every contrast has an answer, so the study stops"));
            break;
        }
        context.progress.note(&format!("{number}: not every contrast has an answer yet"));
    }
    Ok(whole)
}

/// Whether every contrast has an answer in the widest scope that is known.
fn is_decided(comparison: &Comparison) -> bool {
    let answered = |judged: &Judged| judged.headline().1.verdict != Verdict::Inconclusive;
    !comparison.contrasts.is_empty()
        && comparison.contrasts.iter().all(|contrast| contrast.judged().is_some_and(answered))
}

/// Looks are declared before: not when results of these very trials, run under a plan without these looks, could be seen. They can
/// from two complete pairs of a contrast on, as for seeds that are added later, or once the dashboard has shown them.
fn refuse_late(plan: &Plan, draws: &Draws<'_>, registry: &Registry) -> Result<(), StudyError> {
    let agenda = Agenda::new(draws, &Options::default(), registry)?;
    let mut declared: BTreeMap<Digest, bool> = BTreeMap::new();
    // By seed, the arms that have a result of another plan.
    let mut earlier: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for trial in agenda.trials.iter().filter(|trial| trial.settled.is_some()) {
        let Some(run) = registry.trial_state(&trial.key)?.counted else { continue };
        let alike = if let Some(alike) = declared.get(&run.plan) {
            *alike
        } else {
            let toml = registry.plan_toml(&run.plan)?.unwrap_or_default();
            let alike = Plan::parse(&run.study, &toml, PathBuf::new(), &[])
                .is_ok_and(|made| made.sequential == plan.sequential);
            declared.insert(run.plan, alike);
            alike
        };
        if alike {
            continue;
        }
        if let Some(at) = registry.peeked_at(&run.study, &run.plan)? {
            let how = format!("the dashboard showed them at {at}");
            return Err(StudyError::LooksTooLate { how });
        }
        earlier.entry(trial.seed).or_default().push(agenda.arms[trial.arm].arm.name.as_str());
    }
    for contrast in &plan.contrasts {
        let has = |arms: &&Vec<&str>| {
            arms.contains(&contrast.treatment.as_str()) && arms.contains(&contrast.control.as_str())
        };
        let pairs = earlier.values().filter(has).count();
        if pairs >= 2 {
            let how =
                format!("{} of {} and {} are complete", plural(pairs, "pair"), contrast.treatment, contrast.control);
            return Err(StudyError::LooksTooLate { how });
        }
    }
    Ok(())
}
