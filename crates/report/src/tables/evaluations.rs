//! Arms and contrasts on further evaluation sets, by the primary metric.

use super::{Column, Table, TableCell};
use crate::view::StudyView;
use augtrial_base::numbers::p_value;

/// Per evaluation set and arm.
pub(crate) fn evaluations(view: &StudyView) -> Table {
    let scale = view.comparison.measure().scale;
    let rows = view.evaluations.iter().flat_map(|(name, comparison)| {
        comparison.arms.iter().map(move |arm| {
            let mean = arm.mean.as_ref().ok();
            vec![
                TableCell::text(name),
                TableCell::count(comparison.images as u64),
                TableCell::text(&arm.name),
                TableCell::count(arm.values.len() as u64),
                TableCell::maybe(arm.summary.as_ref().ok().map(|summary| summary.mean), |value| scale.value(value)),
                TableCell::maybe(mean.map(|mean| mean.interval.0), |value| scale.value(value)),
                TableCell::maybe(mean.map(|mean| mean.interval.1), |value| scale.value(value)),
            ]
        })
    });
    Table {
        name: "evaluations",
        caption: format!("{} on every evaluation set, over seeds", view.metric),
        columns: vec![
            Column::text("Set", "set"),
            Column::count("Images", "images"),
            Column::text("Arm", "arm"),
            Column::count("n", "n"),
            Column::number("Mean", "mean"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
        ],
        rows: rows.collect(),
        total: false,
    }
}

/// Per evaluation set and contrast.
pub(crate) fn evaluation_contrasts(view: &StudyView) -> Table {
    let scale = view.comparison.measure().scale;
    let shown = |value| scale.difference(value);
    let rows = view.evaluations.iter().flat_map(|(name, comparison)| {
        comparison.contrasts.iter().map(move |contrast| {
            let judged = contrast.judged();
            let here = judged.and_then(|judged| judged.here.as_ref().ok());
            let beyond = judged.and_then(|judged| judged.beyond.as_ref().ok());
            let mut row = vec![
                TableCell::text(name),
                TableCell::text(&contrast.contrast.treatment),
                TableCell::text(&contrast.contrast.control),
                TableCell::text(contrast.word()),
                TableCell::maybe(contrast.mean_difference(), shown),
            ];
            for scoped in [here, beyond] {
                row.push(TableCell::maybe(scoped.map(|scoped| scoped.difference.interval.0), shown));
                row.push(TableCell::maybe(scoped.map(|scoped| scoped.difference.interval.1), shown));
                row.push(TableCell::maybe(scoped.map(|scoped| scoped.holm_p), p_value));
            }
            row
        })
    });
    Table {
        name: "evaluation-contrasts",
        caption: "Contrasts on every evaluation set, treatment less control, paired by seed; Holm-adjusted over the contrasts \
                  of a set, not over the sets"
            .to_owned(),
        columns: vec![
            Column::text("Set", "set"),
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::text("Found", "verdict"),
            Column::number("Difference", "difference"),
            Column::number("Low, these images", "interval_low"),
            Column::number("High, these images", "interval_high"),
            Column::number("Holm p, these images", "holm_p"),
            Column::number("Low, new images", "wide_low"),
            Column::number("High, new images", "wide_high"),
            Column::number("Holm p, new images", "wide_holm_p"),
        ],
        rows: rows.collect(),
        total: false,
    }
}
