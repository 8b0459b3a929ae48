//! The contrasts on all test images and without those in doubt, side by side.

use super::{Column, Table, TableCell};
use crate::view::StudyView;
use augtrial_compare::{ContrastResult, Scale, Scoped};

/// One row per contrast and set of test images; empty where nothing was left out.
pub(crate) fn audited(view: &StudyView) -> Table {
    let scale = view.comparison.measure().scale;
    let mut rows = Vec::new();
    if let Some(audit) = &view.audit
        && audit.subsets.iter().any(|subset| subset.left_out > 0)
    {
        for (index, all) in view.comparison.contrasts.iter().enumerate() {
            rows.push(row(all, "all", view.comparison.images, 0, scale));
            for subset in &audit.subsets {
                let Some(contrast) = subset.contrasts.as_ref().ok().and_then(|contrasts| contrasts.get(index)) else {
                    continue;
                };
                rows.push(row(contrast, &format!("without {}", subset.without), subset.images, subset.left_out, scale));
            }
        }
    }
    let columns = vec![
        Column::text("Treatment", "treatment"),
        Column::text("Control", "control"),
        Column::text("Test images", "test_images"),
        Column::count("Images", "images"),
        Column::count("Left out", "left_out"),
        Column::number("Difference", "difference"),
        Column::text("Verdict, this test set", "verdict_test_set"),
        Column::number("low", "interval_low"),
        Column::number("high", "interval_high"),
        Column::text("Verdict, new images", "verdict_new_images"),
        Column::number("low", "wide_low"),
        Column::number("high", "wide_high"),
    ];
    let caption = format!("Contrasts of {} on all test images and without those in doubt{}", view.metric, view.mark);
    Table { name: "audited", caption, columns, rows, total: false }
}

fn row(contrast: &ContrastResult, which: &str, images: usize, left_out: usize, scale: Scale) -> Vec<TableCell> {
    let judged = contrast.judged();
    let (here, beyond) =
        (judged.and_then(|judged| judged.here.as_ref().ok()), judged.and_then(|judged| judged.beyond.as_ref().ok()));
    let verdict = |scoped: Option<&Scoped>| TableCell::text(scoped.map_or("not known", |scoped| scoped.verdict.word()));
    let bound = |scoped: Option<&Scoped>, of: fn((f64, f64)) -> f64| {
        TableCell::maybe(scoped.map(|scoped| of(scoped.difference.interval)), |value| scale.difference(value))
    };
    vec![
        TableCell::text(&contrast.contrast.treatment),
        TableCell::text(&contrast.contrast.control),
        TableCell::text(which),
        TableCell::count(images as u64),
        TableCell::count(left_out as u64),
        TableCell::maybe(contrast.mean_difference(), |value| scale.difference(value)),
        verdict(here),
        bound(here, |interval| interval.0),
        bound(here, |interval| interval.1),
        verdict(beyond),
        bound(beyond, |interval| interval.0),
        bound(beyond, |interval| interval.1),
    ]
}
