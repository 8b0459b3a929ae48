//! `augtrial compare --full`: every statistic of every contrast, image by image too, and what was not varied.

use super::CliError;
use super::compare::{NONE, arms, difference, interval, name, verdict};
use super::compare_metrics::other_metrics;
use super::output::{line, paragraph};
use super::table::table;
use augtrial_base::numbers::{p_value, points_interval};
use augtrial_base::words::plural;
use augtrial_compare::{Comparison, ContrastResult, Judged, STATISTICS, Unscoped};
use augtrial_plan::Plan;
use augtrial_report::limits;

/// Every table.
pub(super) fn full(plan: &Plan, comparison: &Comparison, evaluations: &[(String, Comparison)]) -> Result<(), CliError> {
    every_statistic(comparison)?;
    for (name, on_set) in evaluations {
        line(format_args!("\nOn the evaluation set {name}, {}:", plural(on_set.images, "image")))?;
        line(arms(on_set, false))?;
        if !on_set.contrasts.is_empty() {
            line(contrasts(on_set))?;
        }
    }
    line("\nNot varied, so that no interval covers it:")?;
    limits(plan, comparison).iter().try_for_each(|limit| paragraph(format_args!("- {limit}")))
}

/// Every table of the test part.
pub(super) fn every_statistic(comparison: &Comparison) -> Result<(), CliError> {
    line(arms(comparison, true))?;
    if !comparison.contrasts.is_empty() {
        paragraph(
            "\nIn both scopes. On this test set only training noise varies; for new images like these, seeds and images vary.",
        )?;
        line(contrasts(comparison))?;
        line("\nThe statistics behind it (docs/statistics.md says what each means).")?;
        line(statistics(comparison))?;
        examples(comparison)?;
    }
    other_metrics(comparison)
}

/// One row per contrast and scope.
fn contrasts(comparison: &Comparison) -> comfy_table::Table {
    let scale = comparison.measure().scale;
    let rows = comparison.contrasts.iter().flat_map(|result| {
        let judged = result.judged();
        let here = judged.and_then(|j| j.here.as_ref().ok());
        let beyond = judged.and_then(|j| j.beyond.as_ref().ok());
        [("this test set", here), ("new images", beyond)].map(|(scope, scoped)| {
            // Redrawn studies have no one test set.
            if judged.is_some_and(|j| j.here == Err(Unscoped::Redrawn)) && scoped.is_none() {
                return None;
            }
            let word = judged.map_or_else(|| result.word().to_owned(), |_: &Judged| verdict(result, scoped));
            Some(vec![
                name(result),
                scope.to_owned(),
                format!("{}/{}", result.pairs.len(), comparison.seeds.len()),
                difference(result, scale),
                interval(scoped, scale),
                word,
            ])
        })
    });
    let header = ["contrast", "scope", "pairs", "difference", "interval", "verdict"];
    table(&header, &rows.flatten().collect::<Vec<_>>())
}

/// One row per statistic, one column per contrast.
fn statistics(comparison: &Comparison) -> comfy_table::Table {
    let scale = comparison.measure().scale;
    let contrasts = || comparison.contrasts.iter();
    let header: Vec<String> = std::iter::once("statistic".to_owned()).chain(contrasts().map(name)).collect();
    let rows: Vec<Vec<String>> = STATISTICS
        .iter()
        .map(|statistic| {
            let of = |result: &ContrastResult| {
                let value = result.judged().and_then(|judged| (statistic.value)(judged).ok());
                value.map_or_else(|| NONE.to_owned(), |value| statistic.form.show(value, scale))
            };
            std::iter::once(statistic.title.to_owned()).chain(contrasts().map(of)).collect()
        })
        .collect();
    table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
}

/// Image by image, where predictions are at hand.
fn examples(comparison: &Comparison) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = comparison
        .contrasts
        .iter()
        .filter_map(|result| {
            let examples = result.judged()?.examples.as_ref()?;
            let exact = || examples.mcnemar.iter().map(|seed| seed.test.exact);
            let (low, high) = (exact().fold(1.0, f64::min), exact().fold(0.0, f64::max));
            let interval =
                examples.difference.map_or_else(|| NONE.to_owned(), |difference| points_interval(difference.interval));
            Some(vec![
                name(result),
                examples.images.to_string(),
                format!("{} to {}", p_value(low), p_value(high)),
                interval,
            ])
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    paragraph("\nImage by image: McNemar exact p of each seed, as a range; bootstrap interval over seeds and images.")?;
    line(table(&["contrast", "images", "McNemar p", "interval"], &rows))
}
