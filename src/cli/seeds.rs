//! `augtrial seeds`.

use std::path::Path;

use clap::Args;

use super::CliError;
use super::args::{Global, Json, STUDY_HELP};
use super::output::{json, line, paragraph};
use super::session::is_experiment_file;
use super::study_name::open_study;
use super::table::table;
use augtrial_base::numbers::count as thousands;
use augtrial_base::text::shell;
use augtrial_compare::{Comparison, ImageNeed, Measured, Scale, SeedNeed, SeedPlan, plan_seeds};
use augtrial_plan::{Override, Plan};
use augtrial_registry::{Provenance, Registry};
use augtrial_report::seed_list;
use augtrial_stats::Degenerate;
use augtrial_study::comparison_of;

#[derive(Debug, Args)]
pub(super) struct SeedsArgs {
    #[arg(default_value = "latest", help = STUDY_HELP)]
    pub(super) study: String,
    /// Probability of finding the difference if it is real.
    #[arg(long, default_value_t = 0.8)]
    pub(super) power: f64,
    /// Difference that is to be found, on the scale of the metric (0.01 is one percentage point); the study's delta if absent,
    /// not the difference observed.
    #[arg(long, value_name = "D")]
    pub(super) effect: Option<f64>,
    #[command(flatten)]
    pub(super) json: Json,
}

pub(super) fn seeds(args: &SeedsArgs, global: &Global) -> Result<(), CliError> {
    let (registry, plan) = open_study(&args.study, global)?;
    let comparison = comparison_of(&plan, &registry)?;
    let wrong = |error: Degenerate| CliError::Arguments(error.to_string());
    let plans = plan_seeds(&comparison, args.power, args.effect).map_err(wrong)?;
    if args.json.json {
        return json(&serde_json::json!({
            "study": plan.study.name,
            "seeds": comparison.seeds,
            "margin": comparison.delta,
            "contrasts": plans,
        }));
    }
    if plans.is_empty() {
        return line("no contrast is declared: there is nothing to plan seeds for");
    }
    paragraph(format_args!(
        "study {}: {} seeds planned; power {} at {}, for a difference of {}{} ({})",
        plan.study.name,
        comparison.seeds.len(),
        args.power,
        level(&comparison),
        comparison.measure().scale.spread(plans[0].effect),
        comparison.measure().scale.after(),
        if args.effect.is_some() { "asked for" } else { "the margin" },
    ))?;
    line(needs(&plans, comparison.measure().scale))?;
    plans.iter().try_for_each(more_images)?;
    assumptions(&comparison)?;
    next(args, &comparison, &plans, &registry, &plan)
}

fn level(comparison: &Comparison) -> String {
    match comparison.contrasts.len() {
        1 => format!("alpha {}", comparison.alpha),
        n => format!("alpha {} / {n} contrasts, Holm's strictest step", comparison.alpha),
    }
}

fn needs(plans: &[SeedPlan], scale: Scale) -> comfy_table::Table {
    let points = |value: f64| scale.spread(value);
    let rows: Vec<Vec<String>> = plans
        .iter()
        .map(|plan| {
            let mut row =
                vec![format!("{} - {}", plan.contrast.treatment, plan.contrast.control), plan.pairs.to_string()];
            row.extend(match &plan.here {
                Ok(need) => [
                    format!(
                        "{} ({} to {})",
                        points(need.sd.point),
                        points(need.sd.interval.0),
                        points(need.sd.interval.1)
                    ),
                    format!("{} ({} to {})", count(&need.pairs), count(&need.range.0), count(&need.range.1)),
                    need.more(plan.pairs).map_or_else(|_| "out of reach".to_owned(), |more| more.to_string()),
                ],
                Err(reason) => ["-".to_owned(), "-".to_owned(), reason.to_string()],
            });
            row.push(match &plan.beyond {
                Ok(ImageNeed::Seeds { pairs }) => format!("about {}", thousands(*pairs)),
                Ok(ImageNeed::Images { .. }) => "no number: images".to_owned(),
                Err(_) => "not known".to_owned(),
            });
            row
        })
        .collect();
    let header =
        ["contrast", "pairs", "sd of differences", "pairs needed", "more seeds", "pairs needed for new images"];
    table(&header, &rows)
}

/// Where more seeds cannot help.
fn more_images(plan: &SeedPlan) -> Result<(), CliError> {
    let Ok(ImageNeed::Images { have, images, pairs }) = plan.beyond else { return Ok(()) };
    paragraph(format_args!(
        "{} - {}: for new images, test images are missing and not seeds. {} vary too much from one to another; about {} of them, \
         with about {} pairs, would do.",
        plan.contrast.treatment,
        plan.contrast.control,
        thousands(have),
        thousands(images),
        thousands(pairs),
    ))
}

fn count(pairs: &Measured<u64>) -> String {
    match pairs {
        Ok(pairs) => pairs.to_string(),
        Err(Degenerate::OutOfReach { limit }) => format!("over {limit}"),
        Err(_) => "-".to_owned(),
    }
}

fn assumptions(comparison: &Comparison) -> Result<(), CliError> {
    let unit = match comparison.measure().scale.difference_unit() {
        "" => String::new(),
        unit => format!("Spreads in {unit}. "),
    };
    paragraph(format_args!(
        "{}In brackets: the {:.0} % interval of the spread, and what it makes of the number of pairs; \
         from few seeds it is wide. Assumed: differences over seeds are about normal, and new seeds vary as those seen.",
        unit,
        100.0 * (1.0 - comparison.alpha)
    ))?;
    let floor = comparison.reach.seeds_needed.filter(|needed| *needed > comparison.seeds.len());
    floor
        .map_or(Ok(()), |needed| line(format_args!("An exact test cannot reach alpha with fewer than {needed} seeds.")))
}

/// The command that brings the study to what it needs.
fn next(
    args: &SeedsArgs,
    comparison: &Comparison,
    wanted: &[SeedPlan],
    registry: &Registry,
    plan: &Plan,
) -> Result<(), CliError> {
    let provenance = made_by(registry, comparison)?;
    let unfinished = comparison.arms.iter().map(|arm| arm.missing.len()).sum::<usize>();
    if unfinished > 0 {
        line(format_args!("{unfinished} planned trials have no result yet; finishing them is no extension:"))?;
        return line(format_args!("    {}", command(args, provenance.as_ref(), plan, comparison.seeds.len())));
    }
    let needs: Vec<&SeedNeed> = wanted.iter().filter_map(|plan| plan.here.as_ref().ok()).collect();
    let Some(most) = needs.iter().filter_map(|need| need.pairs.as_ref().ok()).max() else {
        return line("next: no number of seeds can be recommended from these results");
    };
    let total = usize::try_from(*most).unwrap_or(usize::MAX);
    if total <= comparison.seeds.len() {
        return line("next: no more seeds are needed");
    }
    if total > comparison.seeds.len() + MOST_SEEDS {
        return paragraph(
            "next: no feasible number of seeds finds this difference; look at the interval, or at a larger one",
        );
    }
    paragraph("next, so that every contrast has this power on this test set where any number of seeds gives it:")?;
    line(format_args!("    {}", command(args, provenance.as_ref(), plan, total)))?;
    paragraph(
        "Results have been seen, so these seeds are an extension after looking: the report lists them, and says what the \
         planned seeds alone show.",
    )
}

/// More seeds than this are not worth a command.
const MOST_SEEDS: usize = 1000;

/// Provenance of one of the study's runs, for the experiment file and what was changed of it.
fn made_by(registry: &Registry, comparison: &Comparison) -> Result<Option<Provenance>, CliError> {
    let run = comparison.arms.iter().flat_map(|arm| &arm.values).find_map(|value| value.run.parse().ok());
    Ok(run.map(|run| registry.provenance(run)).transpose()?)
}

/// `augtrial run` of the same experiment with `total` seeds: those of the plan, and the next ones above all of them.
fn command(args: &SeedsArgs, provenance: Option<&Provenance>, plan: &Plan, total: usize) -> String {
    let named = is_experiment_file(Path::new(&args.study)).then(|| args.study.clone());
    let source = provenance.and_then(|provenance| provenance.experiment.as_ref());
    let file =
        named.or_else(|| source.map(|source| source.path.clone())).unwrap_or_else(|| "EXPERIMENT.toml".to_owned());
    let mut words = vec!["augtrial".to_owned(), "run".to_owned(), shell(&file).into_owned()];
    let sets = provenance.iter().flat_map(|p| &p.overrides).filter(|change| !matches!(change, Override::Seeds(_)));
    for set in sets {
        words.extend(["--set".to_owned(), shell(&set.to_string()).into_owned()]);
    }
    let mut seeds = plan.study.seeds.clone();
    seeds.sort_unstable();
    let more = total.saturating_sub(seeds.len());
    // Counted from the file's seeds; where those are not the plan's, all are named.
    let mut of_file = source.map(|source| source.seeds.clone()).unwrap_or_default();
    of_file.sort_unstable();
    if of_file == seeds {
        words.extend((more > 0).then(|| format!("--seeds +{more}")));
    } else {
        let next = seeds.last().map_or(1, |last| last.saturating_add(1));
        seeds.extend((next..).take(more));
        words.push(format!("--seeds {}", seed_list(&seeds).replace(", ", ",")));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_says_which_difference_is_planned_for_if_none_is_named() {
        let command = SeedsArgs::augment_args(clap::Command::new("seeds"));
        let effect = command.get_arguments().find(|argument| argument.get_id() == "effect").unwrap();
        let help = effect.get_help().unwrap().to_string();
        assert!(help.contains("the study's delta if absent, not the difference observed"), "{help}");
    }
}
