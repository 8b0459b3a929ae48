//! The metrics beside the primary one, for `augtrial compare`.

use super::CliError;
use super::compare::{NONE, interval, name};
use super::output::line;
use super::table::table;
use augtrial_base::numbers::p_value;
use augtrial_compare::{ArmSummary, Comparison, ContrastResult, OtherMetric, Scoped};

/// One table of arms and one of contrasts; nothing where no run has its predictions.
pub(super) fn other_metrics(comparison: &Comparison) -> Result<(), CliError> {
    if comparison.others.is_empty() {
        return Ok(());
    }
    line("\nOther metrics, mean over seeds. The verdicts rest on the primary metric alone.")?;
    line(arms(comparison))?;
    if comparison.contrasts.is_empty() {
        return Ok(());
    }
    line("\nDifferences by them; p values are Holm-adjusted over the contrasts, not over the metrics.")?;
    line(contrasts(comparison))
}

fn arms(comparison: &Comparison) -> comfy_table::Table {
    let heads: Vec<String> = comparison.others.iter().map(|other| other.measure().head()).collect();
    let header: Vec<&str> = std::iter::once("arm").chain(heads.iter().map(String::as_str)).collect();
    let row = |(index, arm): (usize, &ArmSummary)| {
        let cell = |other: &OtherMetric| {
            let summary = other.arms[index].summary.as_ref();
            summary.map_or_else(|_| NONE.to_owned(), |summary| other.measure().scale.value(summary.mean))
        };
        std::iter::once(arm.name.clone()).chain(comparison.others.iter().map(cell)).collect()
    };
    let rows: Vec<Vec<String>> = comparison.arms.iter().enumerate().map(row).collect();
    table(&header, &rows)
}

fn contrasts(comparison: &Comparison) -> comfy_table::Table {
    let mut rows = Vec::new();
    for index in 0..comparison.contrasts.len() {
        rows.extend(comparison.others.iter().map(|other| contrast_row(other, &other.contrasts[index])));
    }
    let header = ["contrast", "metric", "difference", "better", "this test set", "Holm p", "new images", "Holm p"];
    table(&header, &rows)
}

fn contrast_row(other: &OtherMetric, result: &ContrastResult) -> Vec<String> {
    let scale = other.measure().scale;
    let judged = result.judged();
    let (here, beyond) = (judged.and_then(|j| j.here.as_ref().ok()), judged.and_then(|j| j.beyond.as_ref().ok()));
    let p = |scoped: Option<&Scoped>| scoped.map_or_else(|| NONE.to_owned(), |scoped| p_value(scoped.holm_p));
    let difference = result.mean_difference();
    vec![
        name(result),
        other.measure().title.to_owned(),
        difference.map_or_else(|| NONE.to_owned(), |difference| scale.difference(difference)),
        difference.map_or(NONE, |difference| other.measure().side_of(difference)).to_owned(),
        interval(here, scale),
        p(here),
        interval(beyond, scale),
        p(beyond),
    ]
}
