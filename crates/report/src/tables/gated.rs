//! What gates left out of arms, class by class.

use super::{Column, Table, TableCell};
use crate::view::StudyView;

/// Per arm, class and reason.
pub(crate) fn gated(view: &StudyView) -> Table {
    let rows = view.arms.iter().flat_map(|arm| {
        arm.gated.iter().map(|left_out| {
            vec![
                TableCell::text(&arm.name),
                TableCell::text(&left_out.class),
                TableCell::text(&left_out.reason),
                TableCell::count(left_out.images),
            ]
        })
    });
    Table {
        name: "gated",
        caption: "Images that were made and that gates left out".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::text("Class", "class"),
            Column::text("Reason", "reason"),
            Column::count("Images", "images"),
        ],
        rows: rows.collect(),
        total: false,
    }
}
