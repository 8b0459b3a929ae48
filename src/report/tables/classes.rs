//! Tables by class: images read and in the parts, training sets against what was declared, and recall.

use super::{Cell, Column, Table};
use crate::events::Split;
use crate::report::numbers::{percent, signed};
use crate::report::view::{ArmView, ClassRow, StudyView};

/// Per class: images read, declared, and in each part.
pub(in crate::report) fn data(view: &StudyView) -> Table {
    let data = &view.data;
    let mut columns = vec![
        Column::text("Class", "class"),
        Column::count("Read", "read"),
        Column::count("Declared", "declared"),
        Column::count("Read less declared", "difference"),
    ];
    columns.extend(data.parts.iter().map(|part| Column::count(capital(part.split), part.split.name())));
    let rows = data.read.rows.iter().chain([&data.read.total]).enumerate().map(|(index, row)| {
        let mut cells = vec![Cell::text(&row.class), Cell::count(row.count)];
        cells.extend([declared(row.declared), difference(row.difference())]);
        let total = index == data.read.rows.len();
        cells.extend(data.parts.iter().map(|part| {
            let sum = || part.counts.iter().sum();
            Cell::count(if total { sum() } else { part.counts.get(index).copied().unwrap_or(0) })
        }));
        cells
    });
    Table { name: "data", caption: "Source images by class".to_owned(), columns, rows: rows.collect() }
}

fn capital(split: Split) -> &'static str {
    match split {
        Split::Train => "Train",
        Split::Validation => "Validation",
        Split::Test => "Test",
    }
}

fn declared(declared: Option<u64>) -> Cell {
    declared.map_or_else(Cell::default, Cell::count)
}

fn difference(difference: Option<i64>) -> Cell {
    difference.map_or_else(Cell::default, |d| Cell { shown: signed(d as f64, 0), exact: d.to_string() })
}

/// Per arm and class: images in the training set, against what was declared.
pub(in crate::report) fn training_sets(view: &StudyView) -> Table {
    let rows = view.arms.iter().flat_map(|arm| {
        arm.classes.rows.iter().chain([&arm.classes.total]).map(|row| {
            vec![
                Cell::text(&arm.name),
                Cell::text(&row.class),
                Cell::count(row.count),
                declared(row.declared),
                difference(row.difference()),
            ]
        })
    });
    Table {
        name: "training-sets",
        caption: "Training images of each arm by class".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::text("Class", "class"),
            Column::count("In the set", "count"),
            Column::count("Declared", "declared"),
            Column::count("Set less declared", "difference"),
        ],
        rows: rows.collect(),
    }
}

/// Per class, one column per arm: images in its training set, with what was declared and the difference where anybody
/// declared something. The same as [`training_sets`], for a page.
pub(in crate::report) fn training_sets_by_arm(view: &StudyView) -> Table {
    let declares = |arm: &ArmView| arm.classes.rows.iter().any(|row| row.declared.is_some());
    let mut columns = vec![Column::text("Class", "class")];
    for arm in &view.arms {
        columns.push(Column::count(&arm.name, &arm.name));
        if declares(arm) {
            columns.push(Column::count(&format!("{}, declared", arm.name), &format!("{}_declared", arm.name)));
            columns.push(Column::count("difference", &format!("{}_difference", arm.name)));
        }
    }
    let row = |name: &str, of: &dyn Fn(&ArmView) -> Option<ClassRow>| {
        let mut cells = vec![Cell::text(name)];
        for arm in &view.arms {
            let row = of(arm);
            cells.push(row.as_ref().map_or_else(Cell::default, |row| Cell::count(row.count)));
            if declares(arm) {
                cells.push(declared(row.as_ref().and_then(|row| row.declared)));
                cells.push(difference(row.as_ref().and_then(ClassRow::difference)));
            }
        }
        cells
    };
    let classes = view.data.classes.iter().enumerate();
    let mut rows: Vec<Vec<Cell>> =
        classes.map(|(index, class)| row(class, &|arm| arm.classes.rows.get(index).cloned())).collect();
    rows.push(row("total", &|arm| Some(arm.classes.total.clone())));
    Table { name: "training-sets-by-arm", caption: "Training images of each arm by class".to_owned(), columns, rows }
}

/// Per arm and class: recall with its interval.
pub(in crate::report) fn recall(view: &StudyView) -> Table {
    let rows = view.arms.iter().flat_map(|arm| {
        arm.recalls.iter().map(|recall| {
            vec![
                Cell::text(&arm.name),
                Cell::text(view.data.classes.get(recall.class as usize).map_or("", String::as_str)),
                Cell::count(recall.images),
                Cell::count(recall.runs as u64),
                Cell::value(recall.recall, percent),
                Cell::value(recall.interval.0, percent),
                Cell::value(recall.interval.1, percent),
            ]
        })
    });
    Table {
        name: "recall",
        caption: format!(
            "Recall of each class on the test part; {:.0} % intervals, by t over seeds, by Wilson's score of one run where all seeds agree",
            100.0 * (1.0 - view.comparison.alpha)
        ),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::text("Class", "class"),
            Column::count("Test images", "images"),
            Column::count("Runs", "runs"),
            Column::number("Recall", "recall"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
        ],
        rows: rows.collect(),
    }
}
