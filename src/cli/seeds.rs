//! `augtrial seeds`.

use std::path::Path;

use super::CliError;
use super::args::{Global, SeedsArgs};
use super::output::line;
use super::session::is_experiment_file;
use super::study_name::open_study;
use super::table::table;
use crate::compare::{Comparison, Measured, SeedNeed, SeedPlan, plan_seeds};
use crate::plan::Plan;
use crate::registry::{Provenance, Registry};
use crate::report::seed_list;
use crate::stats::Degenerate;
use crate::study::comparison_of;

/// How `--seeds` is recorded among the overrides.
const SEEDS_OVERRIDE: &str = "study.seeds=";

pub(super) fn seeds(args: &SeedsArgs, global: &Global) -> Result<(), CliError> {
    let (registry, plan) = open_study(&args.study, global)?;
    let comparison = comparison_of(&plan, &registry)?;
    let wrong = |error: Degenerate| CliError::Arguments(error.to_string());
    let mut plans = plan_seeds(&comparison, args.power, args.effect).map_err(wrong)?;
    let wanted = plans.clone();
    if args.effect.is_none() {
        plans.extend(plan_seeds(&comparison, args.power, Some(comparison.delta)).map_err(wrong)?);
    }
    if plans.is_empty() {
        return line("no contrast is declared: there is nothing to plan seeds for");
    }
    plans.sort_by_key(|plan| comparison.contrasts.iter().position(|result| result.contrast == plan.contrast));
    line(format_args!(
        "study {}: {} seeds planned; power {} for the paired t test at {}",
        plan.study.name,
        comparison.seeds.len(),
        args.power,
        level(&comparison),
    ))?;
    line(needs(&plans))?;
    assumptions(&comparison, args.effect.is_none())?;
    next(args, &comparison, &wanted, &registry, &plan)
}

fn level(comparison: &Comparison) -> String {
    match comparison.contrasts.len() {
        1 => format!("alpha {}", comparison.alpha),
        n => format!("alpha {} / {n} contrasts, Holm's strictest step", comparison.alpha),
    }
}

fn needs(plans: &[SeedPlan]) -> comfy_table::Table {
    let points = |value: f64| format!("{:.2}", 100.0 * value);
    let rows: Vec<Vec<String>> = plans
        .iter()
        .map(|plan| {
            let what = if plan.observed { "observed" } else { "asked for" };
            let mut row = vec![
                format!("{} - {}", plan.contrast.treatment, plan.contrast.control),
                plan.pairs.to_string(),
                format!("{} ({what})", points(plan.effect.abs())),
            ];
            row.extend(match &plan.need {
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
            row
        })
        .collect();
    table(&["contrast", "pairs", "difference", "sd of differences", "pairs needed", "more seeds"], &rows)
}

fn count(pairs: &Measured<u64>) -> String {
    match pairs {
        Ok(pairs) => pairs.to_string(),
        Err(Degenerate::OutOfReach { limit }) => format!("over {limit}"),
        Err(_) => "-".to_owned(),
    }
}

fn assumptions(comparison: &Comparison, observed: bool) -> Result<(), CliError> {
    line(format_args!(
        "Differences and spreads in percentage points. In brackets: the {:.0} % interval of the spread, and what it makes of the \
         number of pairs; from few seeds it is wide. Assumed: differences over seeds are about normal, and new seeds vary as \
         those seen.",
        100.0 * (1.0 - comparison.alpha)
    ))?;
    if observed {
        line(
            "The observed difference is an estimate too, and too large more often than not where it was sought out: the \
             study's margin (asked for) is the safer one to plan by.",
        )?;
    }
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
    let needs: Vec<&SeedNeed> = wanted.iter().filter_map(|plan| plan.need.as_ref().ok()).collect();
    let Some(most) = needs.iter().filter_map(|need| need.pairs.as_ref().ok()).max() else {
        return line("next: no number of seeds can be recommended from these results; name a difference with --effect");
    };
    let total = usize::try_from(*most).unwrap_or(usize::MAX);
    if total <= comparison.seeds.len() {
        return line("next: no more seeds are needed");
    }
    if total > comparison.seeds.len() + MOST_SEEDS {
        return line(
            "next: no feasible number of seeds finds this difference; look at the interval, or at a larger one",
        );
    }
    line("next, so that every contrast has this power where any number of seeds gives it:")?;
    line(format_args!("    {}", command(args, provenance.as_ref(), plan, total)))?;
    line(
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
    let mut words = vec!["augtrial".to_owned(), "run".to_owned(), quoted(&file)];
    for set in provenance.iter().flat_map(|p| &p.overrides).filter(|set| !set.starts_with(SEEDS_OVERRIDE)) {
        words.extend(["--set".to_owned(), quoted(set)]);
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

/// For a shell, where it needs quoting.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("experiments/a.toml"), "experiments/a.toml");
        assert_eq!(quoted("budget={ updates = 6 }"), "'budget={ updates = 6 }'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
