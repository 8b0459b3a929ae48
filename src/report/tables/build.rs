//! What stands in each table.

use super::{Cell, Column, Table};
use crate::compare::{ContrastResult, Direction, Effect, Verdict};
use crate::plan::arm::Role;
use crate::report::curves::Measure;
use crate::report::numbers::{NONE, duration, p_value, percent, points, signed};
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
            Column::count("n", "n"),
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
        Column::count("Pairs", "pairs"),
        Column::count("Wins", "wins"),
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
    let caption =
        "Contrasts, treatment less control, paired by seed; in points, in CSV and Parquet as shares".to_owned();
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
        caption: "The range over seeds of McNemar's exact p, and the difference in Top-1 accuracy with an \
                  interval that resamples seeds and images"
            .to_owned(),
        columns: vec![
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::count("Images", "images"),
            Column::number("McNemar p, smallest", "mcnemar_p_min"),
            Column::number("largest", "mcnemar_p_max"),
            Column::number("Difference", "difference"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
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
            Column::count("Planned", "planned"),
            Column::count("Missing", "missing"),
            Column::text("Why", "reasons"),
            Column::count("Trained on", "trained_on"),
            Column::count("Tested on", "tested_on"),
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
            Cell::maybe(budget.generation_secs, duration),
            Cell::value(budget.training_secs, duration),
        ]
    });
    Table {
        name: "budget",
        caption: "What each arm took: images made once, and the mean of its runs".to_owned(),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::number("Epochs", "epochs"),
            Column::number("Selected epoch", "selected_epoch"),
            Column::number("Updates", "updates"),
            Column::number("Samples seen", "samples_seen"),
            Column::count("Unique originals", "unique_originals"),
            Column::number("Generation", "generation_secs"),
            Column::number("Training", "training_secs"),
        ],
        rows: rows.collect(),
    }
}

/// Per arm: where its runs converged.
pub(in crate::report) fn convergence(view: &StudyView) -> Table {
    let one_decimal = |value: f64| format!("{value:.1}");
    let rows = view.arms.iter().map(|arm| {
        let convergence = &arm.convergence;
        let estimate = convergence.epochs.as_ref().ok();
        let reached: Vec<u32> = convergence.seeds.iter().filter_map(|seed| Some(seed.reached?.0)).collect();
        let mean = (!reached.is_empty())
            .then(|| reached.iter().map(|&epoch| f64::from(epoch)).sum::<f64>() / reached.len() as f64);
        let by_seed = convergence.seeds.iter().map(|seed| {
            let epoch = seed.reached.map_or_else(|| NONE.to_owned(), |(epoch, _)| epoch.to_string());
            format!("{}: {epoch}", seed.seed)
        });
        vec![
            Cell::text(&arm.name),
            Cell::count(convergence.seeds.len() as u64),
            Cell::count(convergence.converged() as u64),
            Cell::maybe(mean, one_decimal),
            Cell::maybe(estimate.map(|e| e.interval.0.max(0.0)), one_decimal),
            Cell::maybe(estimate.map(|e| e.interval.1), one_decimal),
            Cell::maybe(convergence.mean_updates(), |v| crate::report::numbers::count(v.round() as u64)),
            Cell::text(&by_seed.collect::<Vec<_>>().join(", ")),
        ]
    });
    Table {
        name: "convergence",
        caption: format!(
            "Epoch of convergence, mean over the seeds that converged; {:.0} % t interval",
            100.0 * (1.0 - view.comparison.alpha)
        ),
        columns: vec![
            Column::text("Arm", "arm"),
            Column::count("Runs", "runs"),
            Column::count("Converged", "converged"),
            Column::number("Epoch", "epoch"),
            Column::number("Low", "interval_low"),
            Column::number("High", "interval_high"),
            Column::number("Updates", "updates"),
            Column::text("Epoch by seed", "epoch_by_seed"),
        ],
        rows: rows.collect(),
    }
}

/// Per contrast and seed: `McNemar`'s test on the test images.
pub(in crate::report) fn mcnemar(view: &StudyView) -> Table {
    let rows = view.comparison.contrasts.iter().flat_map(|contrast| {
        contrast.examples.iter().flat_map(|examples| &examples.mcnemar).map(|seed| {
            vec![
                Cell::text(&contrast.contrast.treatment),
                Cell::text(&contrast.contrast.control),
                Cell { shown: seed.seed.to_string(), exact: seed.seed.to_string() },
                Cell::count(seed.only_treatment),
                Cell::count(seed.only_control),
                Cell::value(seed.test.exact, p_value),
                Cell::value(seed.test.mid_p, p_value),
            ]
        })
    });
    Table {
        name: "mcnemar",
        caption: "McNemar's test seed by seed: test images that only one of the two runs gets right".to_owned(),
        columns: vec![
            Column::text("Treatment", "treatment"),
            Column::text("Control", "control"),
            Column::seed(),
            Column::count("Only treatment right", "only_treatment"),
            Column::count("Only control right", "only_control"),
            Column::number("Exact p", "exact_p"),
            Column::number("Mid-p", "mid_p"),
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
            Column::seed(),
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
    let columns = keys.iter().map(|key| match *key {
        "arm" | "part" | "measure" => Column::text(key, key),
        "epoch" | "n" => Column::count(key, key),
        _ => Column::number(key, key),
    });
    Table {
        name: "curves",
        caption: "Training curves: mean over seeds and t interval".to_owned(),
        columns: columns.collect(),
        rows: rows.collect(),
    }
}
