//! What stands in each table.

use super::{Cell, Column, Table};
use crate::compare::{ContrastResult, Direction, Effect, Verdict};
use crate::events::Split;
use crate::plan::arm::Role;
use crate::report::curves::Measure;
use crate::report::numbers::{duration, p_value, percent, points, signed};
use crate::report::view::StudyView;

/// Per arm: what its seeds sum up to.
pub(in crate::report) fn arms(view: &StudyView) -> Table {
    let level = 100.0 * (1.0 - view.comparison.alpha);
    let rows = view.comparison.arms.iter().map(|arm| {
        let (summary, mean) = (arm.summary.as_ref().ok(), arm.mean.as_ref().ok());
        vec![
            Cell::text(&arm.name),
            Cell::text(if arm.role == Role::Control { "control" } else { "treatment" }),
            Cell::count(arm.values.len() as u64),
            Cell::maybe(summary.map(|s| s.mean), percent),
            Cell::maybe(mean.map(|m| m.interval.0), percent),
            Cell::maybe(mean.map(|m| m.interval.1), percent),
            Cell::maybe(arm.sd.as_ref().ok().copied(), |sd| format!("{:.2}", 100.0 * sd)),
            Cell::maybe(arm.standard_error.as_ref().ok().copied(), |se| format!("{:.2}", 100.0 * se)),
            Cell::maybe(summary.map(|s| s.median), percent),
            Cell::maybe(summary.map(|s| s.interquartile_mean), percent),
            Cell::maybe(summary.map(|s| s.min), percent),
            Cell::maybe(summary.map(|s| s.max), percent),
        ]
    });
    Table {
        name: "arms",
        caption: format!("{} on the test part, over seeds; {level:.0} % t intervals", view.metric),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::text("Role", "role"),
            Column::number("n", "n"),
            Column::number("Mean", "mean"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
            Column::number("SD", "sd"),
            Column::number("SE", "se"),
            Column::number("Median", "median"),
            Column::number("IQM", "iqm"),
            Column::number("Min", "min"),
            Column::number("Max", "max"),
        ],
        rows: rows.collect(),
    }
}

/// One number of a contrast: its column, where it comes from, and how it is shown.
type Statistic = (&'static str, &'static str, fn(&Effect) -> Option<f64>, fn(f64) -> String);

const STATISTICS: [Statistic; 19] = [
    ("Difference", "difference", |e| Some(e.difference.point), points),
    ("Low", "interval_low", |e| Some(e.difference.interval.0), points),
    ("High", "interval_high", |e| Some(e.difference.interval.1), points),
    ("SD", "sd_difference", |e| Some(e.sd), |sd| format!("{:.2}", 100.0 * sd)),
    ("r", "correlation", |e| e.correlation.clone().ok(), |r| signed(r, 2)),
    ("t", "t", |e| e.t.as_ref().ok().map(|t| t.t), |t| signed(t, 2)),
    ("df", "df", |e| e.t.as_ref().ok().map(|t| t.df), |df| format!("{df:.0}")),
    ("p", "p", |e| Some(e.p), p_value),
    ("Holm p", "holm_p", |e| Some(e.holm_p), p_value),
    ("Sign-flip p", "sign_flip_p", |e| e.sign_flip_p.clone().ok(), p_value),
    ("Floor", "exact_floor", |e| Some(e.exact_floor), p_value),
    ("Signed-rank p", "wilcoxon_p", |e| e.wilcoxon_p.clone().ok(), p_value),
    ("d_z", "dz", |e| e.dz.clone().ok(), |d| signed(d, 2)),
    ("g_z", "gz", |e| e.gz.clone().ok(), |g| signed(g, 2)),
    ("A12", "a12", |e| e.a12.clone().ok(), |a| format!("{a:.2}")),
    ("TOST p", "tost_p", |e| Some(e.tost_p), p_value),
    ("TOST Holm p", "tost_holm_p", |e| Some(e.tost_holm_p), p_value),
    ("Detectable", "minimum_detectable", |e| e.minimum_detectable.clone().ok(), |d| format!("{:.2}", 100.0 * d)),
    ("Pairs needed", "pairs_needed", |e| e.pairs_needed.clone().ok(), |n| format!("{:.0}", n.ceil())),
];

/// Per contrast: everything said of its differences.
pub(in crate::report) fn contrasts(view: &StudyView) -> Table {
    let mut columns = vec![
        Column::text("Treatment", "treatment"),
        Column::text("Control", "control"),
        Column::text("Verdict", "verdict"),
        Column::number("Pairs", "pairs"),
        Column::number("Wins", "wins"),
    ];
    columns.extend(STATISTICS.iter().map(|(title, key, _, _)| Column::number(title, key)));
    let rows = view.comparison.contrasts.iter().map(|contrast| {
        let effect = contrast.effect.as_ref();
        let mut row = vec![
            Cell::text(&contrast.contrast.treatment),
            Cell::text(&contrast.contrast.control),
            Cell::text(verdict(contrast)),
            Cell::count(contrast.pairs.len() as u64),
            effect.map_or_else(Cell::default, |effect| Cell::count(effect.wins as u64)),
        ];
        row.extend(STATISTICS.iter().map(|(_, _, of, shown)| Cell::maybe(effect.and_then(of), shown)));
        row
    });
    let caption = "Contrasts, treatment less control, paired by seed; in CSV as shares, elsewhere in points".to_owned();
    Table { name: "contrasts", caption, columns, rows: rows.collect() }
}

fn verdict(contrast: &ContrastResult) -> &'static str {
    match contrast.verdict {
        Verdict::Different { within_margin: true, .. } => "different, within the margin",
        Verdict::Different { direction: Direction::Better, .. } => "better",
        Verdict::Different { direction: Direction::Worse, .. } => "worse",
        Verdict::Equivalent { .. } => "equivalent",
        Verdict::Inconclusive { .. } => "inconclusive",
        Verdict::Refused { .. } => "refused",
    }
}

/// Per contrast: what single test images say.
pub(in crate::report) fn examples(view: &StudyView) -> Table {
    let rows = view.comparison.contrasts.iter().filter_map(|contrast| {
        let examples = contrast.examples.as_ref()?;
        let p_values = || examples.mcnemar.iter().map(|seed| seed.test.exact);
        Some(vec![
            Cell::text(&contrast.contrast.treatment),
            Cell::text(&contrast.contrast.control),
            Cell::count(examples.images as u64),
            Cell::maybe(p_values().reduce(f64::min), p_value),
            Cell::maybe(p_values().reduce(f64::max), p_value),
            Cell::maybe(examples.difference.map(|d| d.point), points),
            Cell::maybe(examples.difference.map(|d| d.interval.0), points),
            Cell::maybe(examples.difference.map(|d| d.interval.1), points),
        ])
    });
    Table {
        name: "examples",
        caption:
            "Image by image: the range over seeds of McNemar's exact p, and the difference in Top-1 accuracy with an \
                  interval that resamples seeds and images"
                .to_owned(),
        columns: vec![
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::number("Images", "images"),
            Column::number("McNemar p, smallest", "mcnemar_p_min"),
            Column::number("largest", "mcnemar_p_max"),
            Column::number("Difference", "difference"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
        ],
        rows: rows.collect(),
    }
}

/// Per class: images read, declared, and in each part.
pub(in crate::report) fn data(view: &StudyView) -> Table {
    let data = &view.data;
    let mut columns = vec![
        Column::text("Class", "class"),
        Column::number("Read", "read"),
        Column::number("Declared", "declared"),
        Column::number("Read less declared", "difference"),
    ];
    columns.extend(data.parts.iter().map(|part| Column::number(capital(part.split), part.split.name())));
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
            Column::number("In the set", "count"),
            Column::number("Declared", "declared"),
            Column::number("Set less declared", "difference"),
        ],
        rows: rows.collect(),
    }
}

/// Per arm: images planned, missing and why, trained on, tested.
pub(in crate::report) fn flow(view: &StudyView) -> Table {
    let rows = view.arms.iter().map(|arm| {
        let flow = &arm.flow;
        let reasons: Vec<String> = flow.missing.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        vec![
            Cell::text(&arm.name),
            Cell::count(flow.planned),
            Cell::count(flow.missing.iter().map(|(_, n)| n).sum()),
            Cell::text(&reasons.join("; ")),
            Cell::count(flow.trained_on),
            Cell::count(flow.tested),
        ]
    });
    Table {
        name: "flow",
        caption: "Images on their way through each arm".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::number("Planned", "planned"),
            Column::number("Missing", "missing"),
            Column::text("Why", "reasons"),
            Column::number("Trained on", "trained_on"),
            Column::number("Tested on", "tested_on"),
        ],
        rows: rows.collect(),
    }
}

/// Per arm: what its runs took, on average.
pub(in crate::report) fn budget(view: &StudyView) -> Table {
    let whole = |value: f64| crate::report::numbers::count(value.round() as u64);
    let rows = view.arms.iter().map(|arm| {
        let budget = &arm.budget;
        vec![
            Cell::text(&arm.name),
            Cell::value(budget.epochs, |v| format!("{v:.1}")),
            Cell::value(budget.selected_epoch, |v| format!("{v:.1}")),
            Cell::value(budget.updates, whole),
            Cell::value(budget.samples_seen, whole),
            Cell::count(budget.unique_originals),
            Cell::value(budget.elapsed_secs, duration),
        ]
    });
    Table {
        name: "budget",
        caption: "What a run of each arm took, mean over seeds".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::number("Epochs", "epochs"),
            Column::number("Selected epoch", "selected_epoch"),
            Column::number("Updates", "updates"),
            Column::number("Samples seen", "samples_seen"),
            Column::number("Unique originals", "unique_originals"),
            Column::number("Time", "elapsed_secs"),
        ],
        rows: rows.collect(),
    }
}

/// Per run: the value that the comparison rests on.
pub(super) fn runs(view: &StudyView) -> Table {
    let rows = view.comparison.arms.iter().flat_map(|arm| {
        arm.values.iter().map(|value| {
            let seed = Cell { shown: value.seed.to_string(), exact: value.seed.to_string() };
            vec![Cell::text(&arm.name), seed, Cell::text(&value.run), Cell::value(value.value, percent)]
        })
    });
    Table {
        name: "runs",
        caption: format!("{} of every run that counts", view.metric),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::number("Seed", "seed"),
            Column::text("Run", "run"),
            Column::number("Value", "value"),
        ],
        rows: rows.collect(),
    }
}

/// Per arm, part, measure and epoch: the mean over seeds and its interval.
pub(super) fn curves(view: &StudyView) -> Table {
    let exact = |value: f64| format!("{value:.4}");
    let rows = view.arms.iter().flat_map(|arm| {
        arm.curves.iter().flat_map(move |curve| {
            let measure = if curve.measure == Measure::Top1 { "top1" } else { "loss_nats" };
            curve.mean.iter().map(move |point| {
                vec![
                    Cell::text(&arm.name),
                    Cell::text(curve.split.name()),
                    Cell::text(measure),
                    Cell::count(point.epoch.into()),
                    Cell::value(point.updates, exact),
                    Cell::count(point.n as u64),
                    Cell::value(point.mean, exact),
                    Cell::maybe(point.interval.map(|interval| interval.0), exact),
                    Cell::maybe(point.interval.map(|interval| interval.1), exact),
                ]
            })
        })
    });
    let keys = ["arm", "part", "measure", "epoch", "updates", "n", "mean", "interval_low", "interval_high"];
    let columns =
        keys.iter().enumerate().map(|(i, key)| if i < 3 { Column::text(key, key) } else { Column::number(key, key) });
    Table {
        name: "curves",
        caption: "Training curves: mean over seeds and t interval".to_owned(),
        columns: columns.collect(),
        rows: rows.collect(),
    }
}
