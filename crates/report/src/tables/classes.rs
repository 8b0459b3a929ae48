//! Tables by class: images read and in the parts, training sets against what was declared, and recall.

use super::{Column, Table, TableCell};
use crate::figures;
use crate::view::{ArmView, ClassRow, Confusion, StudyView};
use augtrial_base::events::Split;
use augtrial_base::numbers::{percent, signed};
use augtrial_tables::Value;

/// Per class: images read, declared, and in each part.
pub(crate) fn data(view: &StudyView) -> Table {
    let data = &view.data;
    let mut columns = vec![
        Column::text("Class", "class"),
        Column::count("Read", "read"),
        Column::count("Declared", "declared"),
        Column::count("Read less declared", "difference"),
    ];
    columns.extend(data.parts.iter().map(|part| Column::count(capital(part.split), part.split.name())));
    let rows = data.read.rows.iter().chain([&data.read.total]).enumerate().map(|(index, row)| {
        let mut cells = vec![TableCell::text(&row.class), TableCell::count(row.count)];
        cells.extend([declared(row.declared), difference(row.difference())]);
        let total = index == data.read.rows.len();
        cells.extend(data.parts.iter().map(|part| {
            let sum = || part.counts.iter().sum();
            TableCell::count(if total { sum() } else { part.counts.get(index).copied().unwrap_or(0) })
        }));
        cells
    });
    Table { name: "data", caption: "Source images by class".to_owned(), columns, rows: rows.collect(), total: true }
}

/// The same for a page: what was declared only where something was.
pub(crate) fn data_on_page(view: &StudyView) -> Table {
    let table = data(view);
    if view.data.read.rows.iter().any(|row| row.declared.is_some()) {
        return table;
    }
    let keys: Vec<String> = table.columns.iter().map(|column| column.key.clone()).collect();
    let kept = keys.iter().map(String::as_str).filter(|key| !["declared", "difference"].contains(key));
    table.select(&kept.collect::<Vec<_>>())
}

fn capital(split: Split) -> &'static str {
    match split {
        Split::Train => "Train",
        Split::Validation => "Validation",
        Split::Test => "Test",
    }
}

fn declared(declared: Option<u64>) -> TableCell {
    declared.map_or_else(TableCell::default, TableCell::count)
}

fn difference(difference: Option<i64>) -> TableCell {
    difference.map_or_else(TableCell::default, |d| TableCell { shown: signed(d as f64, 0), value: Value::Integer(d) })
}

/// Per arm and class: images in the training set, against what was declared.
pub(crate) fn training_sets(view: &StudyView) -> Table {
    let rows = view.arms.iter().flat_map(|arm| {
        arm.classes.rows.iter().chain([&arm.classes.total]).map(|row| {
            vec![
                TableCell::text(&arm.name),
                TableCell::text(&row.class),
                TableCell::count(row.count),
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
        total: false,
    }
}

/// Per class, one column per arm: images in its training set, with what was declared and the difference where anybody
/// declared something. The same as [`training_sets`], for a page.
pub(crate) fn training_sets_by_arm(view: &StudyView) -> Table {
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
        let mut cells = vec![TableCell::text(name)];
        for arm in &view.arms {
            let row = of(arm);
            cells.push(row.as_ref().map_or_else(TableCell::default, |row| TableCell::count(row.count)));
            if declares(arm) {
                cells.push(declared(row.as_ref().and_then(|row| row.declared)));
                cells.push(difference(row.as_ref().and_then(ClassRow::difference)));
            }
        }
        cells
    };
    let classes = view.data.classes.iter().enumerate();
    let mut rows: Vec<Vec<TableCell>> =
        classes.map(|(index, class)| row(class, &|arm| arm.classes.rows.get(index).cloned())).collect();
    rows.push(row("total", &|arm| Some(arm.classes.total.clone())));
    Table {
        name: "training-sets-by-arm",
        caption: "Training images of each arm by class".to_owned(),
        columns,
        rows,
        total: true,
    }
}

/// Per arm and class: recall with its interval.
pub(crate) fn recall(view: &StudyView) -> Table {
    recall_of(view, &|_| true)
}

/// The same for a page: of many classes, those that the figure shows.
pub(crate) fn recall_on_page(view: &StudyView) -> Table {
    let (shown, all) = (figures::recall_classes(view), view.data.classes.len());
    let mut table = recall_of(view, &|class| shown.binary_search(&(class as usize)).is_ok());
    if shown.len() < all {
        let which = format!("; the {} hardest of {all} classes, tables/recall.csv has all", shown.len());
        table.caption.push_str(&which);
    }
    table
}

fn recall_of(view: &StudyView, wanted: &dyn Fn(u32) -> bool) -> Table {
    let rows = view.arms.iter().flat_map(|arm| {
        arm.recalls.iter().filter(|recall| wanted(recall.class)).map(|recall| {
            vec![
                TableCell::text(&arm.name),
                TableCell::text(view.data.classes.get(recall.class as usize).map_or("", String::as_str)),
                TableCell::count(recall.images),
                TableCell::count(recall.runs as u64),
                TableCell::value(recall.recall, percent),
                TableCell::value(recall.interval.0, percent),
                TableCell::value(recall.interval.1, percent),
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
        total: false,
    }
}

/// Most pairs of classes that are listed.
const MAX_CONFUSED: usize = 10;

/// The pairs of classes that are confused most, over all arms: how often each arm gives an image of the one class the other.
pub(crate) fn confused(view: &StudyView) -> Table {
    let arms: Vec<_> = view.arms.iter().filter_map(|arm| Some((arm, arm.confusion.as_ref()?))).collect();
    let n = view.data.classes.len();
    let mut sums: Vec<(u64, usize, usize)> = Vec::new();
    for label in 0..n {
        for predicted in (0..n).filter(|&predicted| predicted != label) {
            let sum: u64 = arms.iter().map(|(_, confusion)| confusion.counts[label][predicted]).sum();
            if sum > 0 {
                sums.push((sum, label, predicted));
            }
        }
    }
    // The most frequent first; of equal ones that of the earlier classes.
    sums.sort_by_key(|&(sum, label, predicted)| (std::cmp::Reverse(sum), label, predicted));
    sums.truncate(MAX_CONFUSED);
    let mut columns = vec![Column::text("True class", "class"), Column::text("Taken for", "predicted")];
    columns.extend(arms.iter().map(|(arm, _)| Column::number(&arm.name, &arm.name)));
    let rows = sums.iter().map(|&(_, label, predicted)| {
        let share = |confusion: &Confusion| {
            let all: u64 = confusion.counts[label].iter().sum();
            (all > 0).then(|| confusion.counts[label][predicted] as f64 / all as f64)
        };
        let name = |class: usize| TableCell::text(&view.data.classes[class]);
        let shares = arms.iter().map(|(_, confusion)| TableCell::maybe(share(confusion), percent));
        [name(label), name(predicted)].into_iter().chain(shares).collect()
    });
    Table {
        name: "confused",
        caption: "The most frequent confusions on the test part, all seeds: share of the true class".to_owned(),
        columns,
        rows: rows.collect(),
        total: false,
    }
}
