//! `augtrial compare`.

use super::CliError;
use super::args::{CompareArgs, Global};
use super::compare_json::Document;
use super::output::line;
use super::study_name::open_study;
use super::table::table;
use crate::compare::{Comparison, ContrastResult, Effect, Measured, Verdict};
use crate::plan::Plan;
use crate::plan::dataset::Dataset;
use crate::report::{answers, banner};
use crate::study::comparison_of;

/// What stands where there is no value.
const NONE: &str = "-";

pub(super) fn compare(args: &CompareArgs, global: &Global) -> Result<(), CliError> {
    if args.schema {
        return line(format_args!("{:#}", Document::schema()));
    }
    let (registry, plan) = open_study(&args.study, global)?;
    let comparison = comparison_of(&plan, &registry)?;
    if args.json {
        let document = serde_json::to_value(Document::new(&plan, &comparison)).expect("plain data has a JSON form");
        return line(format_args!("{document:#}"));
    }
    heading(&plan, &comparison)?;
    line("")?;
    for answer in answers(&comparison, plan.study.protocol) {
        line(format_args!("{answer}\n"))?;
    }
    line(arms(&comparison))?;
    missing(&comparison)?;
    if comparison.contrasts.is_empty() {
        return line("no contrast is declared: the study describes, and tests nothing");
    }
    let level = 100.0 * (1.0 - comparison.alpha);
    line(format_args!(
        "\nTreatment less control, paired by seed; in percentage points, with the {level:.0} % t interval."
    ))?;
    line(contrasts(&comparison))?;
    line("\nThe tests behind it: t and exact tests of no difference, TOST of a difference as large as the margin.")?;
    line(tested(&comparison))?;
    examples(&comparison)
}

fn heading(plan: &Plan, comparison: &Comparison) -> Result<(), CliError> {
    line(format_args!(
        "study {}, plan {}: {} arms, {} seeds, {} contrasts at alpha {}, margin {} points",
        plan.study.name,
        plan.digest().short(),
        comparison.arms.len(),
        comparison.seeds.len(),
        comparison.contrasts.len(),
        comparison.alpha,
        points(comparison.delta).trim_start_matches('+'),
    ))?;
    let synthetic = matches!(plan.dataset, Dataset::Synthetic(_));
    banner(comparison, synthetic, plan.study.protocol)
        .iter()
        .try_for_each(|fact| line(format_args!("! {}", fact.text())))
}

fn arms(comparison: &Comparison) -> comfy_table::Table {
    let rows: Vec<Vec<String>> = comparison
        .arms
        .iter()
        .map(|arm| {
            let summary = arm.summary.as_ref().ok();
            let of = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), percent);
            vec![
                arm.name.clone(),
                format!("{}/{}", arm.values.len(), comparison.seeds.len()),
                of(summary.map(|s| s.mean)),
                arm.mean.as_ref().map_or_else(
                    |_| NONE.to_owned(),
                    |mean| format!("{} to {}", percent(mean.interval.0), percent(mean.interval.1)),
                ),
                of(arm.sd.as_ref().ok().copied()),
                of(summary.map(|s| s.median)),
                of(summary.map(|s| s.interquartile_mean)),
                of(summary.map(|s| s.min)),
                of(summary.map(|s| s.max)),
            ]
        })
        .collect();
    table(&["arm", "n", "mean %", "interval", "sd", "median", "IQM", "min", "max"], &rows)
}

/// Trials without a result, and pairs that are broken though both trials have one.
fn missing(comparison: &Comparison) -> Result<(), CliError> {
    for arm in &comparison.arms {
        arm.missing
            .iter()
            .try_for_each(|m| line(format_args!("no result: {}, seed {}: {}", arm.name, m.seed, m.reason)))?;
    }
    for result in &comparison.contrasts {
        let has_no_run = |seed| {
            let sides = [&result.contrast.treatment, &result.contrast.control];
            comparison.arms.iter().any(|arm| sides.contains(&&arm.name) && arm.missing.iter().any(|m| m.seed == seed))
        };
        for broken in result.missing.iter().filter(|m| !has_no_run(m.seed)) {
            line(format_args!("{}, seed {}: {}", name(result), broken.seed, broken.reason))?;
        }
    }
    Ok(())
}

fn name(result: &ContrastResult) -> String {
    format!("{} - {}", result.contrast.treatment, result.contrast.control)
}

/// The verdict, marked while pairs are missing.
fn verdict(result: &ContrastResult) -> String {
    let word = match &result.verdict {
        Verdict::Different { within_margin: true, .. } => "different, within margin".to_owned(),
        Verdict::Different { .. } => "different".to_owned(),
        Verdict::Equivalent { .. } => "equivalent".to_owned(),
        Verdict::Inconclusive { more_seeds: Some(n) } => format!("inconclusive, about {n} more"),
        Verdict::Inconclusive { more_seeds: None } => "inconclusive".to_owned(),
        Verdict::Refused { .. } => "no answer".to_owned(),
    };
    if result.missing.is_empty() || result.effect.is_none() { word } else { format!("{word} (provisional)") }
}

fn contrasts(comparison: &Comparison) -> comfy_table::Table {
    let rows: Vec<Vec<String>> = comparison
        .contrasts
        .iter()
        .map(|result| {
            let of = |value: &dyn Fn(&Effect) -> String| result.effect.as_ref().map_or_else(|| NONE.to_owned(), value);
            vec![
                name(result),
                format!("{}/{}", result.pairs.len(), comparison.seeds.len()),
                of(&|e| points(e.difference.point)),
                of(&|e| format!("{} to {}", points(e.difference.interval.0), points(e.difference.interval.1))),
                of(&|e| percent(e.sd)),
                of(&|e| p(e.holm_p)),
                of(&|e| format!("{}/{}", e.wins, result.pairs.len())),
                of(&|e| measured(&e.minimum_detectable, percent)),
                verdict(result),
            ]
        })
        .collect();
    table(&["contrast", "pairs", "difference", "interval", "sd", "Holm p", "wins", "detectable", "verdict"], &rows)
}

fn tested(comparison: &Comparison) -> comfy_table::Table {
    let rows: Vec<Vec<String>> = comparison
        .contrasts
        .iter()
        .filter_map(|result| {
            let e = result.effect.as_ref()?;
            let number = |value: f64| format!("{value:.3}");
            Some(vec![
                name(result),
                measured(&e.t, |t| format!("{:.3} ({})", t.t, t.df)),
                p(e.p),
                measured(&e.sign_flip_p, p),
                measured(&e.wilcoxon_p, p),
                p(e.exact_floor),
                p(e.tost_holm_p),
                measured(&e.dz, number),
                measured(&e.gz, number),
                measured(&e.a12, number),
                measured(&e.correlation, number),
            ])
        })
        .collect();
    let header =
        ["contrast", "t (df)", "p", "sign-flip p", "Wilcoxon p", "floor", "TOST Holm p", "d_z", "g_z", "A12", "r"];
    table(&header, &rows)
}

/// Image by image, where predictions are at hand.
fn examples(comparison: &Comparison) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = comparison
        .contrasts
        .iter()
        .filter_map(|result| {
            let examples = result.examples.as_ref()?;
            let exact = || examples.mcnemar.iter().map(|seed| seed.test.exact);
            let (low, high) = (exact().fold(1.0, f64::min), exact().fold(0.0, f64::max));
            let interval = examples.difference.map_or_else(
                || NONE.to_owned(),
                |difference| format!("{} to {}", points(difference.interval.0), points(difference.interval.1)),
            );
            Some(vec![name(result), examples.images.to_string(), format!("{} to {}", p(low), p(high)), interval])
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    line("\nImage by image: McNemar exact p of each seed, as a range; bootstrap interval over seeds and images.")?;
    line(table(&["contrast", "images", "McNemar p", "interval"], &rows))
}

fn measured<T: Clone>(value: &Measured<T>, show: impl FnOnce(T) -> String) -> String {
    value.clone().map_or_else(|_| NONE.to_owned(), show)
}

/// A share in percent, without the sign.
fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// A difference in percentage points, with its sign.
fn points(difference: f64) -> String {
    // Zero has no sign.
    format!("{:+.2}", 100.0 * difference).replace("-0.00", "0.00").replace("+0.00", "0.00")
}

/// To four decimals; smaller values as a bound, never as zero.
fn p(p: f64) -> String {
    if p < 0.0001 { "<.0001".to_owned() } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_a_false_zero() {
        assert_eq!((points(0.0123), points(-0.000_01), points(-0.5)), ("+1.23".into(), "0.00".into(), "-50.00".into()));
        assert_eq!((p(0.031_25), p(1e-9)), ("0.0312".into(), "<.0001".into()));
    }
}
