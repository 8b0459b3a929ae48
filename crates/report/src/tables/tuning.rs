//! What was tried for every arm before the study.

use super::{Column, Table, TableCell};
use crate::view::StudyView;
use augtrial_compare::Tuning;

/// Per arm and try; empty where nothing was tuned.
pub(crate) fn tuning(view: &StudyView) -> Table {
    let mut rows = Vec::new();
    if let Some(tuning) = &view.tuning {
        for arm in &tuning.arms {
            for (one, score) in tuning.tries.iter().zip(&arm.scores) {
                let chosen = if one.number == arm.chosen { "chosen" } else { "" };
                // A try that failed has no number: in files its cell is empty.
                let failed = || TableCell { shown: "failed".to_owned(), ..TableCell::default() };
                rows.push(vec![
                    TableCell::text(&arm.arm),
                    TableCell::count(one.number.into()),
                    TableCell::text(&Tuning::values(one)),
                    score.map_or_else(failed, |score| TableCell::value(score, |score| tuning.shown(score))),
                    TableCell::text(chosen),
                ]);
            }
        }
    }
    let measure = view.tuning.as_ref().map_or("score", Tuning::measure);
    Table {
        name: "tuning",
        caption: format!("Tries of every arm, and their {measure}, the mean over the seeds of the search"),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::count("Try", "try"),
            Column::text("Values", "values"),
            Column::number("Validation", "validation"),
            Column::text("Chosen", "chosen"),
        ],
        rows,
        total: false,
    }
}
