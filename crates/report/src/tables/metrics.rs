//! The metrics beside the primary one: per arm, and per contrast.

use super::{Column, Table, TableCell};
use crate::view::StudyView;
use augtrial_base::numbers::{NONE, p_value};
use augtrial_compare::{ArmSummary, ContrastResult, Measured, Metric};
use augtrial_stats::Estimate;

/// Every metric with its arms and contrasts, the primary one first.
fn all(view: &StudyView) -> impl Iterator<Item = (&'static Metric, &[ArmSummary], &[ContrastResult])> {
    let comparison = &view.comparison;
    let primary = (comparison.measure(), comparison.arms.as_slice(), comparison.contrasts.as_slice());
    let others = comparison.others.iter().map(|other| (other.measure(), &*other.arms, &*other.contrasts));
    std::iter::once(primary).filter(|_| !comparison.others.is_empty()).chain(others)
}

/// Per metric and arm, for reading by machine.
pub(crate) fn metrics(view: &StudyView) -> Table {
    let rows = all(view).flat_map(|(metric, arms, _)| {
        let shown = |value| metric.scale.value(value);
        arms.iter().map(move |arm| {
            let mean = arm.mean.as_ref().ok();
            vec![
                TableCell::text(metric.key),
                TableCell::text(&arm.name),
                TableCell::count(arm.values.len() as u64),
                TableCell::maybe(arm.summary.as_ref().ok().map(|summary| summary.mean), shown),
                TableCell::maybe(mean.map(|mean| mean.interval.0), shown),
                TableCell::maybe(mean.map(|mean| mean.interval.1), shown),
                TableCell::maybe(arm.sd.as_ref().ok().copied(), |sd| metric.scale.spread(sd)),
            ]
        })
    });
    Table {
        name: "metrics",
        caption: "Every metric on the test part, over seeds".to_owned(),
        columns: vec![
            Column::text("Metric", "metric"),
            Column::text("Arm", "arm"),
            Column::count("n", "n"),
            Column::number("Mean", "mean"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
            Column::number("SD", "sd"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// The same as a page has room for: one row per arm, one column per metric, mean and half the interval.
pub(crate) fn metrics_by_arm(view: &StudyView) -> Table {
    let all: Vec<_> = all(view).collect();
    let mut columns = vec![Column::text("Arm", "arm")];
    columns.extend(all.iter().map(|(metric, ..)| Column::number(&metric.head(), metric.key)));
    let row = |(index, name): (usize, &String)| {
        let cell = |(metric, arms, _): &(&'static Metric, &[ArmSummary], &[ContrastResult])| {
            let arm = &arms[index];
            let shown = |mean| format!("{}{}", metric.scale.value(mean), half_width(metric, &arm.mean));
            TableCell::maybe(arm.summary.as_ref().ok().map(|summary| summary.mean), shown)
        };
        std::iter::once(TableCell::text(name)).chain(all.iter().map(cell)).collect()
    };
    let names: Vec<&String> = view.comparison.arms.iter().map(|arm| &arm.name).collect();
    let rows = if all.is_empty() { Vec::new() } else { names.into_iter().enumerate().map(row).collect() };
    let level = 100.0 * (1.0 - view.comparison.alpha);
    Table {
        name: "metrics-by-arm",
        caption: format!("Every metric on the test part, mean over seeds \u{b1} half of the {level:.0} % t interval"),
        columns,
        rows,
        total: false,
    }
}

/// Half of an interval before it is cut to what the metric can be; nothing where there is none.
fn half_width(metric: &Metric, mean: &Measured<Estimate>) -> String {
    let Ok(Estimate { point, interval: (low, high), .. }) = mean else { return String::new() };
    let half = (high - point).max(point - low);
    if half > 0.0 { format!(" \u{b1} {}", metric.scale.spread(half)) } else { String::new() }
}

/// Per contrast and metric: the difference with its interval in each scope, and p values adjusted over the contrasts.
pub(crate) fn metric_contrasts(view: &StudyView) -> Table {
    let mut rows = Vec::new();
    for (index, _) in view.comparison.contrasts.iter().enumerate() {
        rows.extend(all(view).map(|(metric, _, contrasts)| contrast_row(metric, &contrasts[index])));
    }
    Table {
        name: "metric-contrasts",
        caption:
            "Contrasts by every metric, treatment less control, paired by seed; Holm-adjusted over the contrasts, not \
                  over the metrics"
                .to_owned(),
        columns: vec![
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::text("Metric", "metric"),
            Column::text("Better", "better"),
            Column::number("Difference", "difference"),
            Column::number("Low, this test set", "interval_low"),
            Column::number("High, this test set", "interval_high"),
            Column::number("Holm p, this test set", "holm_p"),
            Column::number("Low, new images", "wide_low"),
            Column::number("High, new images", "wide_high"),
            Column::number("Holm p, new images", "wide_holm_p"),
        ],
        rows,
        total: false,
    }
}

fn contrast_row(metric: &'static Metric, contrast: &ContrastResult) -> Vec<TableCell> {
    let judged = contrast.judged();
    let here = judged.and_then(|judged| judged.here.as_ref().ok());
    let beyond = judged.and_then(|judged| judged.beyond.as_ref().ok());
    let shown = |value| metric.scale.difference(value);
    let better = contrast.mean_difference().map_or(NONE, |difference| metric.side_of(difference));
    let mut row = vec![
        TableCell::text(&contrast.contrast.treatment),
        TableCell::text(&contrast.contrast.control),
        TableCell { shown: metric.head(), value: metric.key.into() },
        TableCell::text(better),
        TableCell::maybe(contrast.mean_difference(), shown),
    ];
    for scoped in [here, beyond] {
        row.push(TableCell::maybe(scoped.map(|scoped| scoped.difference.interval.0), shown));
        row.push(TableCell::maybe(scoped.map(|scoped| scoped.difference.interval.1), shown));
        row.push(TableCell::maybe(scoped.map(|scoped| scoped.holm_p), p_value));
    }
    row
}
