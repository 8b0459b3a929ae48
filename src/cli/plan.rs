//! `augtrial plan`: what a run would do, on a screen of 80 columns, and what would fail later.

use std::collections::BTreeMap;

use clap::Args;

use super::CliError;
use super::args::{Global, Json, Trials};
use super::design::CellArgs;
use super::foreseen::tell_all;
use super::output::{json, line, paragraph, warning};
use super::screen::{STRONG, styled};
use super::seed_grammar::shown;
use super::session::Session;
use super::table::table;
use augtrial_base::numbers::count;
use augtrial_base::progress::{human_bytes, human_duration};
use augtrial_base::words::plural;
use augtrial_compare::Look;
use augtrial_plan::Plan;
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::sequential::Sequential;
use augtrial_registry::Standing;
use augtrial_stats::{pairs_to_reach, smallest_reachable_p};
use augtrial_study::{
    Choice, Crew, CrossFitPreview, DecodedPreview, Options, Preview, SearchPreview, TimeBasis, preview,
};

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) trials: Trials,
    /// Show images of every class in every arm, too.
    #[arg(long)]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

/// Classes that are shown; `--full` shows all.
const MOST_CLASSES: usize = 12;

pub(super) fn plan(args: &PlanArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.trials.experiment, global)?;
    let options = Options { arms: args.trials.arms.clone(), jobs: args.trials.jobs, ..Options::default() };
    show_any(&session, &args.trials.cells, &options, args.full, args.json.json)
}

/// Prints what a run of a study, or of the cells of a design, would do.
pub(super) fn show_any(
    session: &Session,
    cells: &CellArgs,
    options: &Options,
    full: bool,
    as_json: bool,
) -> Result<(), CliError> {
    if let Some(design) = &session.design {
        return super::design::show(design, cells, options, session, as_json);
    }
    cells.none()?;
    show(session, options, full, as_json)
}

/// Prints what a run with these options would do.
pub(super) fn show(session: &Session, options: &Options, full: bool, as_json: bool) -> Result<(), CliError> {
    let preview = preview(&session.plan, options, &session.context())?;
    let plan = &session.plan;
    if as_json {
        return json(&super::plan_json::document(plan, &preview));
    }
    heading(plan)?;
    classes(&preview, full)?;
    dose(plan, &preview)?;
    arms(plan, &preview)?;
    sets(&preview)?;
    trials(&preview)?;
    search(&preview)?;
    cross_fit(&preview)?;
    costs(&preview)?;
    paragraph(reachable(plan))?;
    looks(plan)?;
    tell_all(&preview.foreseen)
}

fn heading(plan: &Plan) -> Result<(), CliError> {
    let name = styled(STRONG, format_args!("study {}", plan.study.name));
    paragraph(plan.study.title.as_deref().map_or_else(|| name.clone(), |title| format!("{name}: {title}")))?;
    if plan.study.protocol == Protocol::AsPublished {
        warning("protocol as-published: augmented before the split, so test images have siblings in training")?;
    }
    line("")
}

/// Images of each class as they were read and divided; what is declared or cannot be used only where there is such a thing.
fn classes(preview: &Preview, full: bool) -> Result<(), CliError> {
    let all = || preview.classes.rows.iter().chain([&preview.classes.total]);
    let (declared, unusable) = (all().any(|row| row.declared.is_some()), all().any(|row| row.quarantined > 0));
    let mut header = vec!["class", "images"];
    header.extend(if declared { &["declared", "difference"][..] } else { &[] });
    header.extend(unusable.then_some("unusable"));
    if preview.parts.is_some() {
        header.extend(["train", "validation", "test"]);
    }
    if full {
        header.extend(preview.arms.iter().map(|arm| arm.name.as_str()));
    }
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut rows: Vec<Vec<String>> = all()
        .enumerate()
        .map(|(index, row)| {
            let counted =
                |counts: &[u64]| counts.get(index).copied().unwrap_or_else(|| counts.iter().sum()).to_string();
            let mut cells = vec![row.class.clone(), row.read.to_string()];
            if declared {
                let difference = row.difference().map(|n| format!("{n:+}"));
                cells.extend([optional(row.declared.map(|n| n.to_string())), optional(difference)]);
            }
            cells.extend(unusable.then(|| row.quarantined.to_string()));
            cells.extend(preview.parts.iter().flatten().map(|counts| counted(counts)));
            cells.extend(preview.arms.iter().filter(|_| full).map(|arm| counted(&arm.counts)));
            cells
        })
        .collect();
    let classes = preview.classes.rows.len();
    if !full && classes > MOST_CLASSES + 1 {
        rows.drain(MOST_CLASSES..classes);
    }
    line(table(&header, &rows))?;
    if !full && classes > MOST_CLASSES + 1 {
        line(format_args!("and {} more classes; --full shows all", classes - MOST_CLASSES))?;
    }
    line("")
}

/// What of the training part is used, where the plan cuts it.
fn dose(plan: &Plan, preview: &Preview) -> Result<(), CliError> {
    let Some(dose) = plan.train.dose() else { return Ok(()) };
    let unused = plural(preview.unused as usize, "image");
    paragraph(format_args!(
        "Trained on {}, drawn by the study's seed; {unused} of the training part unused.\n",
        dose.words()
    ))
}

/// What each arm is trained on.
fn arms(plan: &Plan, preview: &Preview) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = preview
        .arms
        .iter()
        .map(|arm| {
            vec![
                arm.name.clone(),
                if arm.role == Role::Control { "control" } else { "treatment" }.to_owned(),
                arm.counts.iter().sum::<u64>().to_string(),
                arm.epochs.to_string(),
                arm.updates.to_string(),
                arm.samples.to_string(),
            ]
        })
        .collect();
    line(table(&["arm", "role", "training images", "epochs", "updates", "samples seen"], &rows))?;
    let (width, height) = plan.input_px();
    let classifier = &plan.classifier;
    let start = if classifier.pretrained.is_some() { "pretrained weights" } else { "random weights" };
    let what = match (&classifier.command, classifier.row()) {
        (Some(command), _) => format!("`{}`", command.shown()),
        (None, Some(network)) => format!("{} from {start}", network.title),
        (None, None) => "a network from a file".to_owned(),
    };
    paragraph(format_args!("Each trial: {what}, {width}x{height} px, batches of {}.", classifier.batch_size))
}

fn sets(preview: &Preview) -> Result<(), CliError> {
    for arm in &preview.arms {
        for set in &arm.sets {
            let state = match &set.digest {
                Some(digest) if set.cached => format!("{}, made before", digest.short()),
                Some(digest) => format!("{}, to be made", digest.short()),
                // Why stands among what is foreseen.
                None if set.problem.is_some() => "cannot be made".to_owned(),
                None => "known when the networks that it asks are trained".to_owned(),
            };
            paragraph(format_args!("Set of {}: {} images, {state}.", arm.name, count(set.images)))?;
        }
    }
    line("")
}

/// What is to be done with the trials of each arm, by their seeds.
fn trials(preview: &Preview) -> Result<(), CliError> {
    let mut groups: BTreeMap<(usize, usize, String), Vec<u64>> = BTreeMap::new();
    for trial in &preview.trials {
        let what = match &trial.standing {
            Standing::Planned => (0, "to run".to_owned()),
            Standing::Interrupted { .. } => (1, "interrupted, to be continued".to_owned()),
            Standing::Running { .. } => (2, "running in another process".to_owned()),
            Standing::Failed { reason, .. } => {
                (3, format!("failed: {}; --retry-failed tries again", augtrial_base::text::terminal(reason)))
            }
            Standing::Finished { .. } => (4, "finished".to_owned()),
        };
        let arm = preview.arms.iter().position(|arm| arm.name == trial.arm).unwrap_or_default();
        groups.entry((what.0, arm, what.1)).or_default().push(trial.seed);
    }
    // Arms that stand alike share a row.
    let mut rows: Vec<(String, Vec<u64>, Vec<&str>)> = Vec::new();
    for ((_, arm, what), mut seeds) in groups {
        seeds.sort_unstable();
        let name = preview.arms[arm].name.as_str();
        match rows.iter_mut().find(|row| row.0 == what && row.1 == seeds) {
            Some(row) => row.2.push(name),
            None => rows.push((what, seeds, vec![name])),
        }
    }
    let cells = rows.into_iter().map(|(what, seeds, arms)| {
        let number = plural(seeds.len() * arms.len(), "trial");
        let arms = if arms.len() == preview.arms.len() { "every arm".to_owned() } else { arms.join(", ") };
        vec![number, what, format!("{} of {arms}", shown(&seeds))]
    });
    line(table(&["trials", "state", "which"], &cells.collect::<Vec<_>>()))?;
    line("")
}

/// What is tried before the study, and what that costs.
fn search(preview: &Preview) -> Result<(), CliError> {
    let Some(SearchPreview { tries, seeds, trials, left, time }) = preview.search else { return Ok(()) };
    paragraph(format_args!(
        "Tuned first: {tries} tries of every arm on {}: {} (equal ones are run once), {left} left, about {} at most. The trials \
         above are those of the study, whose values are chosen then.",
        plural(seeds, "seed"),
        plural(trials, "trial"),
        human_duration(time)
    ))?;
    line("")
}

/// The networks that gates and selections ask, and what they cost.
fn cross_fit(preview: &Preview) -> Result<(), CliError> {
    let Some(CrossFitPreview { folds, left, time }) = preview.cross_fit else { return Ok(()) };
    let networks = plural(folds, "network");
    paragraph(format_args!(
        "Cross-fitted first: {networks} of the control, each without one fold of the training part, {left} left, about {}. Gated sets \
         are at most as large as shown.",
        human_duration(time)
    ))?;
    line("")
}

fn costs(preview: &Preview) -> Result<(), CliError> {
    let basis = match preview.time_basis {
        TimeBasis::Same(runs) => format!("from {} of this kind on this machine", plural(runs, "past run")),
        TimeBasis::Similar(runs) => {
            format!("from {} on this machine, scaled by the input's area", plural(runs, "past run"))
        }
        TimeBasis::Operations => "from the network's operations, within a factor of a few".to_owned(),
        TimeBasis::Nothing => "this command has not finished a trial on this machine yet".to_owned(),
    };
    if matches!(preview.time_basis, TimeBasis::Nothing) {
        line(format_args!("training left: not known ({basis})"))?;
    } else if preview.trials.iter().any(|trial| trial.standing.is_left()) {
        paragraph(format_args!("training left: about {} ({basis})", human_duration(preview.time)))?;
    } else {
        line("training left: none")?;
    }
    let Choice { crew: Crew { jobs, threads }, why, warning: crowded } = &preview.choice;
    paragraph(format_args!("jobs: {jobs} at once, {} each ({why})", plural(*threads as usize, "thread")))?;
    crowded.iter().chain(&preview.warnings).try_for_each(warning)?;
    paragraph(format_args!("disk for sets and decoded pixels: about {}", human_bytes(preview.disk_bytes)))?;
    preview.decoded.as_ref().map_or(Ok(()), decoded)
}

/// What is kept of decoded pixels, and what is not.
fn decoded(kept: &DecodedPreview) -> Result<(), CliError> {
    let DecodedPreview { originals, originals_kept, derived, derived_kept, kept_bytes } = *kept;
    let of_derived = match derived {
        0 => String::new(),
        _ => format!(" and {} of {} derived images", count(derived_kept), count(derived)),
    };
    paragraph(format_args!(
        "`cache_gb` keeps the decoded pixels of {} of {} originals{of_derived} ({}); the other images are decoded whenever they are \
         read, to the same bytes, which takes longer",
        count(originals_kept),
        count(originals),
        human_bytes(kept_bytes)
    ))
}

/// The looks, and how small p must be at each.
fn looks(plan: &Plan) -> Result<(), CliError> {
    let Some(Sequential { looks, spending }) = &plan.sequential else { return Ok(()) };
    let look = Look { index: 0, looks: looks.clone(), spending: *spending };
    let levels: Vec<String> = look.levels(plan.study.alpha).iter().map(|level| format!("{level:.2e}")).collect();
    let seeds: Vec<String> = looks.iter().map(ToString::to_string).collect();
    paragraph(format_args!(
        "Looks at {} seeds: the study stops at the one where every contrast has an answer. Unadjusted p values of one contrast must be \
         below {} ({}); the trials above are those of all seeds.",
        seeds.join(", "),
        levels.join(", "),
        look.spending_words()
    ))
}

/// What the design can show at all, said before compute is spent.
fn reachable(plan: &Plan) -> String {
    let (seeds, contrasts) = (plan.study.seeds.len(), plan.contrasts.len());
    if contrasts == 0 {
        return "No contrast is declared, so no hypothesis is tested.".to_owned();
    }
    if plan.redraws_split() {
        return "every seed has a division of its own (the table of classes shows the first): contrasts are judged by the corrected \
                resampled t, and no exact test applies"
            .to_owned();
    }
    let reachable = smallest_reachable_p(seeds, contrasts);
    let verdict = if reachable <= plan.study.alpha {
        String::new()
    } else {
        pairs_to_reach(plan.study.alpha, contrasts).map_or_else(
            |_| String::new(),
            |n| format!("; the exact test needs {n} seeds, until then look at the intervals"),
        )
    };
    format!(
        "smallest reachable p: {reachable:.4} two-sided, exact sign-flip, {}, Holm over {}, against alpha {}{verdict}",
        plural(seeds, "seed"),
        plural(contrasts, "contrast"),
        plan.study.alpha
    )
}
