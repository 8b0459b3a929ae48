//! A table with a row for each run: arm, seed, and the metric on the test part.

use std::collections::BTreeMap;

use augtrial_compare::{Excluded, Metric, RunResult, Scale};
use augtrial_plan::file::PrimaryMetric;
use augtrial_tables::{Table, Value};

use super::columns::Columns;
use super::error::GivenError;
use super::rows::{Known, wrong};
use super::{GivenOptions, PERCENT, Tabulated};

pub fn by_run(table: &Table, columns: &Columns, options: &GivenOptions) -> Result<Tabulated, GivenError> {
    let mut known = Known::new(table, columns);
    let (column, metric) = columns.metric();
    // Of each arm and seed: the row that counts, or the last reason why none does.
    let mut counted: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    let mut reasons: BTreeMap<(usize, u64), String> = BTreeMap::new();
    for row in 0..table.height() {
        let place = known.place(row)?;
        let cell = (place.arm, place.seed);
        if let Some(reason) = known.excluded(row) {
            reasons.insert(cell, reason);
            continue;
        }
        if *table.get(row, column) == Value::Null {
            reasons.insert(cell, format!("the table has no `{}` for it", table.names()[column]));
            continue;
        }
        if let Some(first) = counted.insert(cell, row) {
            let arm = known.arms[place.arm].name.clone();
            return Err(GivenError::TwoRuns { first: first + 1, second: row + 1, arm, seed: place.seed });
        }
        let (value, run) = (valued(table, row, (column, metric), options)?, known.run(row));
        known.arms[place.arm].runs.push(RunResult {
            seed: place.seed,
            value,
            run,
            correct: Vec::new(),
            answers: Vec::new(),
        });
    }
    for ((arm, seed), reason) in reasons.into_iter().filter(|(cell, _)| !counted.contains_key(cell)) {
        known.arms[arm].excluded.push(Excluded { seed, reason });
    }
    let facts =
        vec![format!("{} rows, one for each run; the metric is column `{}`", table.height(), table.names()[column])];
    Ok(Tabulated { arms: known.arms, images: Vec::new(), metric, facts })
}

/// The value on the scale of its metric, which bounds it.
fn valued(
    table: &Table,
    row: usize,
    (column, metric): (usize, PrimaryMetric),
    options: &GivenOptions,
) -> Result<f64, GivenError> {
    let number = table.get(row, column).number().filter(|value| value.is_finite());
    let given = number.ok_or_else(|| wrong(table, row, column, "no number"))?;
    let metric = Metric::of(metric);
    let value = if options.percent && metric.scale == Scale::Percent { given / PERCENT } else { given };
    if (metric.range.0..=metric.range.1).contains(&value) {
        return Ok(value);
    }
    let advice = if metric.scale == Scale::Percent { ": if the column is percent, say `--percent`" } else { "" };
    let (low, high) = metric.range;
    let (title, name) = (metric.title, table.names()[column].clone());
    Err(GivenError::OutOfRange { row: row + 1, column: name, value: given, title, low, high, advice })
}
