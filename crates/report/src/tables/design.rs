//! The tables of a design: every cell, every effect, every share.

use super::{Column, Table, TableCell};
use augtrial_base::numbers::p_value;
use augtrial_compare::{DesignComparison, DesignContrast, Measured, Scale, SwitchNames, Tested};
use augtrial_stats::Estimate;

/// What everything else is computed from: the metric of every run in every cell. It has a file and no place in the page, since
/// a design may have thousands of runs.
pub(crate) fn runs(comparison: &DesignComparison) -> Table {
    let measure = comparison.measure();
    let mut columns: Vec<Column> =
        comparison.factors.iter().map(|factor| Column::text(&factor.title, &factor.name)).collect();
    columns.extend([Column::text("Arm", "arm"), Column::seed(), Column::number(measure.title, measure.key)]);
    let mut rows = Vec::new();
    for cell in &comparison.cells {
        for arm in &cell.arms {
            for run in &arm.runs {
                let mut row: Vec<TableCell> = cell.levels.iter().map(|level| TableCell::text(level)).collect();
                row.extend([TableCell::text(&arm.arm), TableCell::seed(run.seed)]);
                row.push(TableCell::value(run.value, |value| measure.scale.value(value)));
                rows.push(row);
            }
        }
    }
    let caption = "Every run of every cell: what the other tables are computed from";
    Table { name: "runs", caption: caption.to_owned(), columns, rows, total: false }
}

/// Every cell of every contrast: levels, the means of both arms, and the gain.
pub(crate) fn cells(comparison: &DesignComparison) -> Table {
    let scale = comparison.measure().scale;
    let mut columns = contrast_columns();
    columns.extend(comparison.factors.iter().map(|factor| Column::text(&factor.title, &factor.name)));
    columns.extend([
        Column::number("Control's mean", "control_mean"),
        Column::number("Treatment's mean", "treatment_mean"),
        Column::count("Pairs", "pairs"),
    ]);
    columns.extend(tested_columns("Gain", "gain"));
    let mut rows = Vec::new();
    for contrast in &comparison.contrasts {
        for (cell, gain) in comparison.cells.iter().zip(&contrast.gains) {
            let mean = |name: &str| {
                let arm = cell.arms.iter().find(|arm| arm.arm == name);
                TableCell::maybe(arm.and_then(|arm| arm.mean.as_ref().ok().copied()), |value| scale.value(value))
            };
            let mut row = contrast_cells(contrast);
            row.extend(cell.levels.iter().map(|level| TableCell::text(level)));
            row.extend([mean(&contrast.contrast.control), mean(&contrast.contrast.treatment)]);
            row.push(TableCell::count(gain.pairs as u64));
            row.extend(tested_cells(&gain.mean, &gain.tested, scale));
            rows.push(row);
        }
    }
    let caption =
        "Every cell: the means of both arms, and the treatment's gain over seeds; p adjusted by Holm over the cells";
    Table { name: "cells", caption: caption.to_owned(), columns, rows, total: false }
}

/// Main effects and interactions of two factors.
pub(crate) fn effects(comparison: &DesignComparison) -> Table {
    let scale = comparison.measure().scale;
    let mut columns = contrast_columns();
    columns.push(Column::text("Effect", "effect"));
    columns.extend(tested_columns("Difference of the gain", "difference"));
    let mut rows = Vec::new();
    for contrast in &comparison.contrasts {
        for effect in &contrast.effects {
            let name: Vec<String> = effect.switches.iter().map(switch_name).collect();
            let mut row = contrast_cells(contrast);
            row.push(TableCell::text(&name.join(" and ")));
            row.extend(tested_cells(&effect.mean, &effect.tested, scale));
            rows.push(row);
        }
    }
    let caption = "What each factor, and two together, do to the gain, averaged over the other factors; p adjusted by Holm over \
                   these rows";
    Table { name: "effects", caption: caption.to_owned(), columns, rows, total: false }
}

/// How the published gain divides.
pub(crate) fn shares(comparison: &DesignComparison) -> Table {
    let scale = comparison.measure().scale;
    let mut columns = contrast_columns();
    columns.push(Column::text("Part", "part"));
    columns.extend(estimate_columns("Difference", "difference"));
    let mut rows = Vec::new();
    for contrast in &comparison.contrasts {
        let Some(Ok(attribution)) = &contrast.attribution else { continue };
        let mut add = |part: &str, estimate: &Estimate| {
            let mut row = contrast_cells(contrast);
            row.push(TableCell::text(part));
            row.extend(estimate_cells(estimate, scale));
            rows.push(row);
        };
        add("gain as it should be", &attribution.reference);
        for share in &attribution.shares {
            add(&switch_name(&share.switch), &share.share);
        }
        add("gain as published", &attribution.published);
    }
    let caption =
        "From the gain as it should be to the published one: every factor's share, which add up for every seed";
    Table { name: "shares", caption: caption.to_owned(), columns, rows, total: false }
}

fn switch_name(switch: &SwitchNames) -> String {
    format!("{}: {} to {}", switch.factor, switch.from, switch.to)
}

fn contrast_columns() -> Vec<Column> {
    vec![Column::text("Treatment", "treatment"), Column::text("Control", "control")]
}

fn contrast_cells(contrast: &DesignContrast) -> Vec<TableCell> {
    vec![TableCell::text(&contrast.contrast.treatment), TableCell::text(&contrast.contrast.control)]
}

fn estimate_columns(title: &str, key: &str) -> [Column; 3] {
    [
        Column::number(title, key),
        Column::number("Low", &format!("{key}_low")),
        Column::number("High", &format!("{key}_high")),
    ]
}

fn tested_columns(title: &str, key: &str) -> Vec<Column> {
    let mut columns = estimate_columns(title, key).to_vec();
    columns.extend([Column::number("p", "p"), Column::number("Holm p", "holm_p")]);
    columns
}

fn estimate_cells(estimate: &Estimate, scale: Scale) -> [TableCell; 3] {
    [estimate.point, estimate.interval.0, estimate.interval.1]
        .map(|value| TableCell::value(value, |v| scale.difference(v)))
}

/// Without a test, the mean alone.
fn tested_cells(mean: &Measured<f64>, tested: &Measured<Tested>, scale: Scale) -> Vec<TableCell> {
    let Ok(tested) = tested else {
        let mut cells = vec![TableCell::default(); 5];
        cells[0] = TableCell::maybe(mean.as_ref().ok().copied(), |value| scale.difference(value));
        return cells;
    };
    let mut cells = estimate_cells(&tested.difference, scale).to_vec();
    cells.extend([tested.p, tested.holm_p].map(|p| TableCell::value(p, p_value)));
    cells
}
